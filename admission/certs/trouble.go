package certs

import (
	"context"
	"errors"

	"github.com/go-logr/logr"
)

// trouble is what the last look stumbled over, so that it is logged once.
type trouble struct {
	log  logr.Logger
	last string
}

func (t *trouble) tell(ctx context.Context, err error, usable bool) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return // we are stopping: what failed because of that is no news
	case problem != "" && problem != t.last:
		t.log.Error(err, "certificates need attention", "usable", usable)
	case problem == "" && t.last != "":
		t.log.Info("certificates are in order again")
	}
	t.last = problem
}
