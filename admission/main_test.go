package main

import (
	"os"
	"testing"

	"github.com/go-logr/logr"

	"github.com/sartor-vpa/sartor/pkg/logging"
)

// Tests start the whole program: the libraries' log is set before anything of an earlier test may still write to it.
func TestMain(m *testing.M) {
	logging.Install(logr.Discard())
	os.Exit(m.Run())
}
