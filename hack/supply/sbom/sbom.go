// Package sbom writes a software bill of materials (CycloneDX) for a program, out of what the compiler has noted in the program
// itself: it is true of the very bytes that ship.
package sbom

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// Version is the version of CycloneDX's specification that is written: what most tools read.
const Version = cdx.SpecVersion1_6

// Release is what the linker was told of a program: the compiler notes it nowhere.
type Release struct {
	// Version is the release, such as v1.2.3; empty if there is none.
	Version string
	// Commit is the revision of the source; empty if it is not known.
	Commit string
	// Date is the commit's time, and zero if it is not known. The clock's would make each document another.
	Date time.Time
}

// Licences tells a module's licences by their SPDX identifiers. version is empty for Go's standard library, "std".
type Licences func(module, version string) ([]string, error)

// Of describes the program in a file. The same program has the same description, whenever and wherever it is made.
func Of(file string, r Release, licences Licences) (*cdx.BOM, error) {
	program, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return nil, fmt.Errorf("read what the compiler has noted in %s: %w", file, err)
	}
	for what, value := range map[string]string{"version": r.Version, "commit": r.Commit} {
		if !bytes.Contains(program, []byte(value)) {
			return nil, fmt.Errorf("%s was not built as %s %s: run make build", file, what, value)
		}
	}
	ours, err := own(program, info, r, licences)
	if err != nil {
		return nil, err
	}
	components, err := parts(info, licences)
	if err != nil {
		return nil, err
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = serial(program)
	bom.Metadata = &cdx.Metadata{
		Component:  &ours,
		Lifecycles: &[]cdx.Lifecycle{{Phase: cdx.LifecyclePhasePostBuild}},
		Tools:      &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "hack/supply/cmd/sbom", Group: info.Main.Path}}},
	}
	if !r.Date.IsZero() {
		bom.Metadata.Timestamp = r.Date.UTC().Format(time.RFC3339)
	}
	bom.Components = &components
	bom.Dependencies = edges(ours, components)
	// Everything that is compiled in is named.
	bom.Compositions = &[]cdx.Composition{{Aggregate: cdx.CompositionAggregateComplete, Assemblies: &[]cdx.BOMReference{cdx.BOMReference(ours.BOMRef)}}}
	return bom, nil
}

// own is the program itself.
func own(program []byte, info *debug.BuildInfo, r Release, licences Licences) (cdx.Component, error) {
	c, err := component(cdx.ComponentTypeApplication, info.Main.Path, r.Version, licences)
	if err != nil {
		return c, err
	}
	c.Name, c.Group = path.Base(info.Path), info.Main.Path
	c.PackageURL += "#" + c.Name
	c.BOMRef = c.PackageURL
	sum := sha256.Sum256(program)
	c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	properties := []cdx.Property{{Name: "sartor:commit", Value: r.Commit}}
	for _, s := range info.Settings {
		properties = append(properties, cdx.Property{Name: "sartor:build:" + s.Key, Value: s.Value})
	}
	slices.SortFunc(properties, func(a, b cdx.Property) int { return strings.Compare(a.Name, b.Name) })
	c.Properties = &properties
	return c, nil
}

// parts are all modules that the program is compiled of, and Go's standard library, sorted.
func parts(info *debug.BuildInfo, licences Licences) ([]cdx.Component, error) {
	var components []cdx.Component
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c, err := component(cdx.ComponentTypeLibrary, m.Path, m.Version, licences)
		if err != nil {
			return nil, err
		}
		if c.Hashes, err = hashes(m); err != nil {
			return nil, err
		}
		components = append(components, c)
	}
	std, err := component(cdx.ComponentTypeLibrary, "std", "", licences)
	if err != nil {
		return nil, err
	}
	std.Version, _, _ = strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	std.PackageURL += "@" + std.Version
	std.BOMRef = std.PackageURL
	components = append(components, std)
	slices.SortFunc(components, func(a, b cdx.Component) int { return strings.Compare(a.PackageURL, b.PackageURL) })
	return components, nil
}

// component is a module, by its name and address (https://github.com/package-url/purl-spec).
func component(kind cdx.ComponentType, module, version string, licences Licences) (cdx.Component, error) {
	c := cdx.Component{Type: kind, Name: module, Version: version, PackageURL: "pkg:golang/" + module}
	if version != "" {
		c.PackageURL += "@" + strings.ReplaceAll(version, "+", "%2B")
	}
	c.BOMRef = c.PackageURL
	ids, err := licences(module, version)
	if err != nil {
		return c, fmt.Errorf("licences of %s %s: %w", module, version, err)
	}
	var choices cdx.Licenses
	for _, id := range ids {
		choices = append(choices, cdx.LicenseChoice{License: &cdx.License{ID: id}})
	}
	if len(choices) > 0 {
		c.Licenses = &choices
	}
	return c, nil
}

// hashes is a module's sum as go.sum has it (h1, the SHA-256 of its files' sums) in the form that other tools for Go use.
func hashes(m *debug.Module) (*[]cdx.Hash, error) {
	sum, ok := strings.CutPrefix(m.Sum, "h1:")
	if !ok {
		return nil, fmt.Errorf("module %s %s has no sum (%q), so that nobody can tell which it was: no folder may replace it", m.Path, m.Version, m.Sum)
	}
	raw, err := base64.StdEncoding.DecodeString(sum)
	if err != nil {
		return nil, fmt.Errorf("sum %q of module %s %s: %w", m.Sum, m.Path, m.Version, err)
	}
	return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(raw)}}, nil
}

// edges say that the program depends on all parts; a program does not tell which of them depend on each other.
func edges(ours cdx.Component, components []cdx.Component) *[]cdx.Dependency {
	var refs []string
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	all := []cdx.Dependency{{Ref: ours.BOMRef, Dependencies: &refs}}
	for _, ref := range refs {
		all = append(all, cdx.Dependency{Ref: ref})
	}
	return &all
}

// serial is a document's number: a UUID of version 8, which is made of what is described.
func serial(program []byte) string {
	sum := sha256.Sum256(program)
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// Encode is the document as JSON.
func Encode(bom *cdx.BOM) ([]byte, error) {
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, Version); err != nil {
		return nil, fmt.Errorf("encode the bill of materials: %w", err)
	}
	return out.Bytes(), nil
}
