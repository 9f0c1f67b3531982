package docs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/cluster/poll"
)

var show = flag.Bool("show", false, "log what each command prints, and go on where it is not what is shown: for whoever writes the documentation")

// patience is how long a command may take to do what is said of it: recommendations come within seconds, but on a machine
// that is busy with other things.
const patience = 3 * time.Minute

func TestCommandsDoWhatTheDocumentationSays(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	s := newStage(t)
	run, compared, not := 0, 0, map[string]int{}
	for _, scene := range scenes {
		scene.begin(s, t)
		for _, c := range all(t) {
			if c.plays() != scene.name {
				continue
			}
			why := c.reason()
			if why == "" {
				why = s.lacks(c)
			}
			if why != "" {
				not[why]++
				continue
			}
			run++
			if c.compared() {
				compared++
			}
			if !assert.NoError(t, s.try(t.Context(), c), "%s", c) && !*show {
				t.FailNow()
			}
		}
	}
	s.takesManifests(t)
	t.Logf("%d commands were run, and what %d of them print is as shown", run, compared)
	for why, n := range not {
		t.Logf("%d commands were not run: %s", n, why)
	}
	for _, u := range unlike {
		t.Logf("what commands of %s print was not compared: %s", u.file, u.why)
	}
}

// takesManifests shows the API server the manifests that the documentation has, those of kustomize left out.
func (s *stage) takesManifests(t *testing.T) {
	taken := 0
	for where, text := range yamls(t) {
		var object struct{ APIVersion, Kind string }
		require.NoError(t, yaml.Unmarshal([]byte(text), &object), where)
		if object.APIVersion == "" || strings.HasPrefix(object.APIVersion, "kustomize.") {
			continue
		}
		_, err := s.cluster.Kubectl(t.Context(), text, "apply", "--dry-run=server", "--validate=strict", "-f", "-")
		assert.NoError(t, err, where)
		taken++
	}
	require.Positive(t, taken)
}

// lacks is why a command cannot be run on this machine; "" if it can.
func (s *stage) lacks(c command) string {
	for _, word := range strings.Fields(c.text) {
		if why := s.missing[word]; why != "" {
			return word + ": " + why
		}
	}
	return ""
}

// try runs a command until it succeeds and, if that is compared, prints what is shown. The error is of the last time that it
// came to its end.
func (s *stage) try(ctx context.Context, c command) error {
	var r result
	limit := patience
	if *show {
		limit = 30 * time.Second // much is wrong while it is being written
		defer func() { fmt.Fprintf(os.Stderr, "\n%s\n%s", c, r.out) }()
	}
	last := errors.New("it did not come to its end")
	if poll.Within(ctx, limit, 500*time.Millisecond, func(ctx context.Context) error {
		now := s.run(ctx, c)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r, last = now, now.judge(c)
		return last
	}) == nil {
		return nil
	}
	return last
}

// judge says what is wrong with what came of a command.
func (r result) judge(c command) error {
	switch {
	case c.compared():
		return compare(c.shown, r.out) // an error may be what is shown
	case r.err != nil:
		return fmt.Errorf("%w:\n%s", r.err, r.out)
	}
	return nil
}
