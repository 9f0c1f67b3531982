package replay

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

// server has the usage of tracks in a namespace, as a history.Source.
type server struct {
	namespace string
	tracks    []Track

	mu sync.Mutex
	// failures are given to Read first, one after the other.
	failures []error
}

var _ history.Source = (*server)(nil)

func (*server) Prepare(context.Context) error { return nil }

func (*server) Containers(context.Context) (map[string]int, error) { return nil, nil }

func (*server) Owners(context.Context, []string, history.Interval) (*owners.Links, error) {
	return nil, nil
}

func (s *server) fail() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) == 0 {
		return nil
	}
	err := s.failures[0]
	s.failures = s.failures[1:]
	return err
}

func (s *server) Read(_ context.Context, q history.Query, each func(history.Usage)) (history.Report, error) {
	if err := s.fail(); err != nil {
		return history.Report{}, err
	}
	for i := range s.tracks {
		t := &s.tracks[i]
		if !q.Wanted(s.namespace, t.Pod) {
			continue
		}
		u := history.Usage{Container: usage.Container{Namespace: s.namespace, Pod: t.Pod, Name: t.Container}}
		for at := q.From; at.Before(q.To); at = at.Add(time.Minute) {
			cpu := history.Unknown
			if first, end, _ := t.between(at, at.Add(time.Minute)); first < end {
				cpu = t.CPU[first]
				if t.Memory[first] >= 0 {
					u.Memory = append(u.Memory, history.Peak{Minute: at, Bytes: usage.Amount(t.Memory[first])})
				}
			}
			u.CPU = append(u.CPU, cpu)
		}
		each(u)
	}
	return history.Report{Resolution: time.Minute}, nil
}

var shop = history.Workload{Namespace: "store", Kind: "Deployment", Name: "shop"}

// readFrom reads through the recommender's own loader.
func readFrom(t *testing.T, s *server, of []history.Workload, change ...func(*Reading)) ([]Workload, error) {
	t.Helper()
	loader := history.NewLoader(s, history.Options{Concurrency: 2, MaxSeries: 100, Aggregate: aggregate.DefaultOptions()}, time.Now, logr.Discard())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() { defer close(ended); loader.Run(ctx) }()
	r := Reading{
		From: s.tracks[0].From.Add(-12*time.Hour + 20*time.Second), To: s.tracks[0].From.Add(5 * aDay), Patience: time.Minute,
		Failed: func(error) {}, Done: func(int, int) {},
	}
	for _, f := range change {
		f(&r)
	}
	return FromHistory(ctx, loader, of, r)
}

func TestHistoryIsWhatACSVFileOfTheSameUsageIs(t *testing.T) {
	want := store(t)
	want[1].Tracks = append([]Track(nil), want[1].Tracks...)
	s := &server{namespace: "store", tracks: want[1].Tracks}
	other := flat("shop-rc-7d9f6c5b8d-2kq8x", "shop", want[1].Tracks[0].From, aDay, 3000, 1<<40)
	s.tracks = append(s.tracks, other)
	got, err := readFrom(t, s, []history.Workload{shop, {Namespace: "store", Kind: "Deployment", Name: "none"}})
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, want[1], got[0])
	require.Equal(t, Workload{Namespace: "store", Name: "Deployment/none"}, got[1])

	var a, b strings.Builder
	require.NoError(t, JSON(&a, played(t, want[1:], Options{}, compared()...)))
	require.NoError(t, JSON(&b, played(t, got, Options{}, compared()...)))
	require.Equal(t, a.String(), b.String(), "a workload without usage is nothing")
}

func TestReadingIsTriedAgainAndToldAsItGoes(t *testing.T) {
	want := store(t)[1]
	s := &server{namespace: "store", tracks: want.Tracks, failures: []error{history.ErrTooLarge, errors.New("reset")}}
	var told []string
	var done [][2]int
	got, err := readFrom(t, s, []history.Workload{shop}, func(r *Reading) {
		r.Failed = func(err error) { told = append(told, err.Error()) }
		r.Done = func(n, of int) { done = append(done, [2]int{n, of}) }
	})
	require.NoError(t, err)
	require.Equal(t, want, got[0])
	require.NotEmpty(t, told)
	require.Contains(t, told[len(told)-1], "reset")
	require.Equal(t, [][2]int{{0, 6}, {1, 6}, {2, 6}, {3, 6}, {4, 6}, {5, 6}}, done)
}

// scripted is a Past that answers each wish with the next of its answers.
type scripted struct {
	answers chan history.Answer
	errs    []error
}

func (s *scripted) WantRecent(vpa types.NamespacedName, w history.Window) {
	for _, err := range s.errs {
		s.answers <- history.Answer{VPA: vpa, Window: w, Err: err}
	}
}

func (s *scripted) Answers() <-chan history.Answer { return s.answers }

func TestWhatCannotBeReadEndsTheReplay(t *testing.T) {
	r := Reading{From: sunday, To: sunday.Add(aDay), Patience: time.Millisecond, Failed: func(error) {}, Done: func(int, int) {}}
	broken := errors.New("broken")
	past := &scripted{answers: make(chan history.Answer, 2), errs: []error{errors.New("first"), broken}}
	_, err := FromHistory(t.Context(), past, []history.Workload{shop}, r)
	require.ErrorContains(t, err, "history cannot be read: ")

	r.Patience = time.Hour
	past = &scripted{answers: make(chan history.Answer, 1), errs: []error{history.ErrDenied}}
	_, err = FromHistory(t.Context(), past, []history.Workload{shop}, r)
	require.ErrorIs(t, err, history.ErrDenied)

	ctx, cancel := context.WithCancel(t.Context())
	r.Failed = func(error) { cancel() }
	past = &scripted{answers: make(chan history.Answer, 1), errs: []error{broken}}
	_, err = FromHistory(ctx, past, []history.Workload{shop}, r)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, broken)
}
