package flags

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// withoutValues is an error of reading the command line without what may be a secret: -password=..., with one dash, is a
// group of short flags to pflag, which it repeats whole.
func withoutValues(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" {
		return fmt.Errorf("unknown short flag -%s: flags are written with two dashes (what follows is not shown: it may be a secret)", unknown.GetSpecifiedName())
	}
	var syntax *pflag.InvalidSyntaxError
	if errors.As(err, &syntax) {
		name, _, _ := strings.Cut(syntax.GetSpecifiedFlag(), "=")
		return fmt.Errorf("bad flag syntax: %s: write it like --name=value", name)
	}
	return err
}
