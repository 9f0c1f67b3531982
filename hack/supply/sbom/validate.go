package sbom

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// library is the module that has CycloneDX's schemas.
const library = "github.com/CycloneDX/cyclonedx-go"

// Validate holds a document to CycloneDX's schema, which is read out of the library's module. It is to be called within this module.
func Validate(ctx context.Context, document []byte) error {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", library).Output()
	if err != nil {
		return fmt.Errorf("find the module %s, which has the schemas: %w", library, err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(schemas(filepath.Join(strings.TrimSpace(string(dir)), "schema")))
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-" + Version.String() + ".schema.json")
	if err != nil {
		return fmt.Errorf("read CycloneDX's schema: %w", err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return fmt.Errorf("read the bill of materials: %w", err)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("the bill of materials is not what CycloneDX %s allows: %w", Version, err)
	}
	return nil
}

// schemas is the folder with the schemas.
type schemas string

// Load reads a schema from the folder, whatever host its address names: nothing is fetched.
func (dir schemas) Load(address string) (any, error) {
	name := path.Base(address)
	for _, candidate := range []string{name, strings.TrimSuffix(name, ".schema.json") + ".schemax.json"} {
		text, err := os.ReadFile(filepath.Join(string(dir), candidate))
		if os.IsNotExist(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		return jsonschema.UnmarshalJSON(bytes.NewReader(text))
	}
	return nil, fmt.Errorf("schema %s is not in %s", address, string(dir))
}
