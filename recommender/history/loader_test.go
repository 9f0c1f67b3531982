package history

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history/owners"
)

// store is a source that has one pod of each of some workloads, which used their number of cores and of gigabytes
// all the time. What breaks is up to the test.
type store struct {
	mu sync.Mutex
	// pods are by workload name. Each workload is a Deployment in the namespace of its name's first letter.
	cores map[string]int32
	since time.Time
	sizes map[string]int
	links *owners.Links
	// odd are pods whose names do not tell whose they are, with the workload whose usage they have.
	odd map[string]string
	// prepare, read and owners fail as they say; nil: never.
	prepare func() error
	read    func(Query) error

	prepared int
	queries  []Query
}

func podOf(workload string) string { return workload + "-7d9f8b6c5-x2x4z" }

func (s *store) Prepare(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepared++
	if s.prepare == nil {
		return nil
	}
	return s.prepare()
}

func (s *store) Containers(context.Context) (map[string]int, error) { return s.sizes, nil }

func (s *store) Owners(context.Context, []string, Interval) (*owners.Links, error) {
	return s.links, nil
}

func (s *store) Read(_ context.Context, q Query, each func(Usage)) (Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries = append(s.queries, q)
	if s.read != nil {
		if err := s.read(q); err != nil {
			return Report{}, err
		}
	}
	names := make([]string, 0, len(s.cores))
	for name := range s.cores {
		names = append(names, name)
	}
	slices.Sort(names)
	pods := map[string]string{}
	for _, name := range names {
		pods[podOf(name)] = name
	}
	maps.Copy(pods, s.odd)
	for _, pod := range slices.Sorted(maps.Keys(pods)) {
		name := pods[pod]
		ns := name[:1]
		asked := slices.Contains(q.Namespaces, ns) && (q.Pods == "" || regexp.MustCompile("^(?:"+q.Pods+")$").MatchString(pod))
		if !asked || !q.Wanted(ns, pod) {
			continue
		}
		u := Usage{Container: usage.Container{Namespace: ns, Pod: pod, Name: "app"}}
		for at := q.From; at.Before(q.To); at = at.Add(time.Minute) {
			cpu := Unknown
			if !at.Before(s.since) {
				cpu = s.cores[name] * 1000
				u.Memory = append(u.Memory, Peak{at, usage.Amount(s.cores[name]) << 30})
			}
			u.CPU = append(u.CPU, cpu)
		}
		each(u)
	}
	return Report{Resolution: time.Minute}, nil
}

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func vpa(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: name[:1], Name: name}
}

// window is the last days of a workload.
func window(name string, length time.Duration) Window {
	return Window{Workload: Workload{Namespace: name[:1], Kind: "Deployment", Name: name}, From: begin.Add(-length), To: begin.Add(10 * time.Second), Containers: 1}
}

// running returns a loader that runs until the test ends, in the test's own time. What is asked for before is there when it
// begins.
func running(t *testing.T, s Source, before ...func(*Loader)) *Loader {
	l := NewLoader(s, Options{Concurrency: 2, MaxSeries: 20, Aggregate: aggregate.DefaultOptions()}, time.Now, testr.New(t))
	for _, ask := range before {
		ask(l)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return l
}

// complete waits for the complete answers of so many VPAs, and returns them with all others by VPA.
func complete(t *testing.T, l *Loader, n int) map[string][]Answer {
	answers := map[string][]Answer{}
	for n > 0 {
		a := <-l.Answers()
		answers[a.VPA.Name] = append(answers[a.VPA.Name], a)
		if a.Err == nil && a.Progress.Complete() {
			n--
		}
	}
	return answers
}

func last(answers []Answer) Answer { return answers[len(answers)-1] }

// spans are how long each query's interval was, in hours, in the order in which they were asked.
func (s *store) spans() []string {
	var said []string
	for _, q := range s.queries {
		said = append(said, fmt.Sprintf("%s+%gh", q.From.Format("02T15"), q.Length().Hours()))
	}
	return said
}

func TestTheNewestDayIsReadFirstAndEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 2}}
		l := running(t, s)
		l.Want(vpa("shop"), window("shop", 60*time.Hour))
		a := last(complete(t, l, 1)["shop"])
		require.Equal(t, []string{"01T00+12h", "28T00+24h", "27T00+24h"}, s.spans())
		require.Equal(t, begin, a.Window.To, "whole minutes")
		require.Equal(t, Progress{Done: 3, Total: 3, Samples: 60 * 60, Peaks: 60 * 60, Resolution: time.Minute, First: begin.Add(-60 * time.Hour), Covered: 100}, a.Progress)
		app := a.Usage.Aggregate("app")
		require.Equal(t, 60*60, app.Samples())
		require.InEpsilon(t, 2, app.CPU.Percentile(0.9), 0.06)
		require.InEpsilon(t, 2<<30, app.MemoryPeaks.Percentile(0.9), 0.06)
	})
}

func TestMemoryIntervalsBeginAtTheFirstSampleThoughItIsReadLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 2}, since: begin.Add(-50 * time.Hour)}
		l := running(t, s)
		l.Want(vpa("shop"), window("shop", 60*time.Hour))
		a := last(complete(t, l, 1)["shop"])
		forwards := aggregate.NewWorkload(aggregate.DefaultOptions())
		for at := s.since; at.Before(begin); at = at.Add(time.Minute) {
			forwards.Add(usage.Sample{Container: usage.Container{Namespace: "s", Pod: podOf("shop"), Name: "app"}, Resource: usage.Memory, Time: at, Amount: 2 << 30})
		}
		want, ok := forwards.Save("app", begin)
		require.True(t, ok)
		got, ok := a.Usage.Save("app", begin)
		require.True(t, ok)
		require.Equal(t, want.Memory, got.Memory)
		require.Equal(t, want.Running, got.Running)
		require.Equal(t, s.since, a.Progress.First)
		require.Equal(t, 100, a.Progress.Covered)
	})
}

func TestWhatIsKnownIsNotRead(t *testing.T) {
	for name, tc := range map[string]struct {
		known Interval
		want  []string
	}{
		"nothing":          {Interval{}, []string{"01T00+12h", "28T00+24h", "27T12+12h"}},
		"the end is not":   {Interval{begin.Add(-60 * time.Hour), begin.Add(-time.Hour)}, []string{"01T11+1h"}},
		"a piece of it":    {Interval{begin.Add(-20 * time.Hour), begin.Add(-2 * time.Hour)}, []string{"01T10+2h", "28T00+16h", "27T12+12h"}},
		"not to a minute":  {Interval{begin.Add(-time.Hour - time.Second), begin.Add(-time.Hour + time.Second)}, []string{"01T11+0.9833333333333333h", "01T00+10.983333333333333h", "28T00+24h", "27T12+12h"}},
		"long ago":         {Interval{begin.Add(-99 * time.Hour), begin.Add(-90 * time.Hour)}, []string{"01T00+12h", "28T00+24h", "27T12+12h"}},
		"all":              {Interval{begin.Add(-60 * time.Hour), begin.Add(time.Minute)}, nil},
		"later than asked": {Interval{begin.Add(time.Hour), begin.Add(2 * time.Hour)}, []string{"01T00+12h", "28T00+24h", "27T12+12h"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{cores: map[string]int32{"shop": 2}}
				l := running(t, s)
				w := window("shop", 48*time.Hour)
				w.Known = tc.known
				l.Want(vpa("shop"), w)
				a := last(complete(t, l, 1)["shop"])
				require.Equal(t, tc.want, s.spans())
				require.Equal(t, len(tc.want), a.Progress.Total)
			})
		})
	}
}

func TestAFailedPartIsTriedAgainAndDoneOnesAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := 1
		s := &store{cores: map[string]int32{"shop": 2}}
		s.read = func(q Query) error {
			if q.From.Day() == 28 && fail > 0 {
				fail--
				return errors.New("answered 500")
			}
			return nil
		}
		l := running(t, s)
		l.Want(vpa("shop"), window("shop", 60*time.Hour))
		answers := complete(t, l, 1)["shop"]
		require.EqualError(t, answers[0].Err, "history from 2026-02-28T00:00:00Z to 2026-03-01T00:00:00Z: answered 500")
		require.Equal(t, "2026-02-27 to 2026-02-28", answers[0].Progress.Missing)
		require.Nil(t, answers[0].Usage)
		require.Equal(t, []string{"01T00+12h", "28T00+24h", "28T00+24h", "27T00+24h"}, s.spans())
		require.Equal(t, 2, s.prepared, "the source may have changed")
		require.Equal(t, 60*60, last(answers).Usage.Aggregate("app").Samples(), "nothing counts twice")
	})
}

func TestADayThatKeepsFailingIsCutAndDoesNotKeepOthersFromBeingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 2}}
		broken := time.Date(2026, 2, 28, 5, 0, 0, 0, time.UTC)
		s.read = func(q Query) error {
			if time.Since(start2000) < 3*time.Hour && !q.From.After(broken) && q.To.After(broken) {
				return errors.New("answered 500")
			}
			return nil
		}
		l := running(t, s)
		l.Want(vpa("shop"), window("shop", 60*time.Hour))
		answers := complete(t, l, 1)["shop"]
		require.Less(t, len(answers), 60, "the same trouble is told once")
		var partial *Answer
		for i, a := range answers {
			if a.Usage != nil && !a.Progress.Complete() {
				partial = &answers[i]
			}
		}
		require.NotNil(t, partial, "what is read is told while the rest is missing")
		require.Equal(t, "2026-02-28", partial.Progress.Missing)
		samples := partial.Usage.Aggregate("app").Samples()
		require.Greater(t, samples, 59*60, "all but what fails")
		require.Less(t, samples, 60*60)
		require.Equal(t, 60*60, last(answers).Usage.Aggregate("app").Samples())
	})
}

// start2000 is when each synctest bubble begins.
var start2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestWhatIsTooMuchIsHalvedUntilItFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{}, sizes: map[string]int{"s": 4}}
		for i := range 4 {
			s.cores[fmt.Sprintf("shop%d", i)] = 1
		}
		s.read = func(q Query) error {
			pods := 0
			for name := range s.cores {
				if q.Pods == "" || regexp.MustCompile("^(?:"+q.Pods+")$").MatchString(podOf(name)) {
					pods++
				}
			}
			if float64(pods)*q.Length().Hours() > 7 {
				return fmt.Errorf("answered 422: %w", ErrTooLarge)
			}
			return nil
		}
		l := running(t, s, func(l *Loader) {
			for name := range s.cores {
				l.Want(vpa(name), window(name, 48*time.Hour))
			}
		})
		began := time.Now()
		answers := complete(t, l, 4)
		require.Less(t, time.Since(began), time.Second, "it is asked for less at once")
		for name, of := range answers {
			require.Len(t, of, 1, "it is no failure")
			require.Equal(t, 48*60, last(of).Usage.Aggregate("app").Samples(), name)
		}
		refused := 0
		for _, q := range s.queries {
			if s.read(q) != nil {
				refused++
			}
		}
		require.Less(t, refused, 20, "what was too much is not asked again for each day")
	})
}

func TestSmallNamespacesAreReadWholeAndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"aa": 1, "bb": 2, "b2": 3, "cc": 4, "c2": 5, "dd": 6}, sizes: map[string]int{"a": 1, "b": 4, "c": 4, "d": 100}}
		l := running(t, s, func(l *Loader) {
			for _, name := range []string{"aa", "bb", "b2", "cc", "c2", "dd"} {
				l.Want(vpa(name), window(name, 10*time.Hour))
			}
		})
		answers := complete(t, l, 6)
		for name, cores := range s.cores {
			require.InEpsilon(t, float64(cores), last(answers[name]).Usage.Aggregate("app").CPU.Percentile(0.9), 0.06, name)
		}
		var whole [][]string
		for _, q := range s.queries {
			if q.Pods == "" {
				whole = append(whole, q.Namespaces)
			} else {
				require.Equal(t, []string{"d"}, q.Namespaces, "one of a hundred is asked for by name")
			}
		}
		require.Equal(t, [][]string{{"a", "b", "c"}}, whole)
	})
}

func TestPodsAreTheirOwnersWhateverTheirNames(t *testing.T) {
	for name, sizes := range map[string]map[string]int{"whole namespaces": {"s": 2}, "by name": {"s": 100}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{cores: map[string]int32{"shop": 1, "soap": 2}, odd: map[string]string{"s-42": "soap"}, sizes: sizes, links: &owners.Links{}}
				s.links.Add("Pod", "s", "s-42", "Deployment", "shop")
				s.links.Add("Pod", "s", podOf("soap"), "ReplicaSet", "elsewhere-7d9f8b6c5")
				l := running(t, s)
				l.Want(vpa("shop"), window("shop", time.Hour))
				l.Want(vpa("soap"), window("soap", time.Hour))
				answers := complete(t, l, 2)
				require.Equal(t, 120, last(answers["shop"]).Progress.Samples, "its own and the odd one")
				require.Zero(t, last(answers["soap"]).Progress.Samples)
				require.True(t, last(answers["soap"]).Progress.Empty())
			})
		})
	}
}

func TestVeryManyOddPodsAreFoundAmongAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 1}, odd: map[string]string{}, sizes: map[string]int{"s": 10_000}, links: &owners.Links{}}
		for i := range 500 {
			pod := fmt.Sprintf("%s-%d", strings.Repeat("x", 40), i)
			s.odd[pod] = "shop"
			s.links.Add("Pod", "s", pod, "Deployment", "shop")
		}
		l := running(t, s)
		l.Want(vpa("shop"), window("shop", time.Minute))
		require.Equal(t, 501, last(complete(t, l, 1)["shop"]).Progress.Samples)
		require.Empty(t, s.queries[0].Pods)
	})
}

func TestWhatARestartMissedIsReadTogetherAndExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"aa": 1, "ab": 2}, sizes: map[string]int{"a": 2}}
		l := running(t, s, func(l *Loader) {
			for i, name := range []string{"aa", "ab"} {
				w := window(name, 192*time.Hour)
				w.Known = Interval{w.From, begin.Add(-time.Duration(10+i) * time.Minute)}
				l.Want(vpa(name), w)
			}
		})
		answers := complete(t, l, 2)
		require.Equal(t, 10, last(answers["aa"]).Usage.Aggregate("app").Samples())
		require.Equal(t, 11, last(answers["ab"]).Usage.Aggregate("app").Samples())
		require.Len(t, s.queries, 1)
		require.Equal(t, time.Minute, s.queries[0].PeakSpan)
	})
}

func TestWhoComesLaterWithNothingIsServedBeforeOldDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 1, "new": 2}}
		l := NewLoader(s, Options{Concurrency: 1, MaxSeries: 20, Aggregate: aggregate.DefaultOptions()}, time.Now, testr.New(t))
		s.read = func(Query) error {
			if len(s.queries) == 2 {
				l.Want(vpa("new"), window("new", 60*time.Hour))
			}
			return nil
		}
		l.Want(vpa("shop"), window("shop", 192*time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		go l.Run(ctx)
		complete(t, l, 2)
		cancel()
		require.Equal(t, []string{"n"}, s.queries[2].Namespaces)
	})
}

func TestASourceThatIsNotReadyIsAskedAgainAndEverybodyIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 1, "web": 2}}
		s.prepare = func() error {
			if s.prepared <= 8 {
				return errors.New("nothing matches")
			}
			return nil
		}
		l := running(t, s, func(l *Loader) {
			l.Want(vpa("shop"), window("shop", time.Hour))
			l.Want(vpa("web"), window("web", time.Hour))
		})
		answers := complete(t, l, 2)
		for _, name := range []string{"shop", "web"} {
			require.Len(t, answers[name], 2, "the same trouble is told once")
			require.EqualError(t, answers[name][0].Err, "nothing matches")
		}
		require.Equal(t, 9, s.prepared)
		require.Greater(t, time.Since(start2000), time.Minute)
		require.Less(t, time.Since(start2000), 10*time.Minute)
	})
}

func TestABusyServerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 1, "web": 2}}
		s.read = func(Query) error {
			if len(s.queries) == 1 {
				return &BusyError{After: 5 * time.Minute, Err: errors.New("answered 429")}
			}
			require.GreaterOrEqual(t, time.Since(start2000), 5*time.Minute)
			return nil
		}
		l := NewLoader(s, Options{Concurrency: 1, MaxSeries: 20, Aggregate: aggregate.DefaultOptions()}, time.Now, testr.New(t))
		l.Want(vpa("shop"), window("shop", time.Hour))
		l.Want(vpa("web"), window("web", time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		go l.Run(ctx)
		complete(t, l, 2)
		cancel()
		require.Less(t, time.Since(start2000), 6*time.Minute)
		require.Equal(t, 1, s.prepared)
	})
}

func TestWhoIsDeniedIsToldAndAsksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{prepare: func() error { return fmt.Errorf("answered 401: %w", ErrDenied) }}
		l := running(t, s)
		l.Want(vpa("shop"), window("shop", time.Hour))
		require.ErrorIs(t, (<-l.Answers()).Err, ErrDenied)
		time.Sleep(20 * time.Minute) // of the bubble
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Less(t, s.prepared, 22)
		require.Greater(t, s.prepared, 5)
	})
}

func TestWhatIsForgottenIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 1, "web": 2}}
		l := NewLoader(s, Options{Concurrency: 1, MaxSeries: 20, Aggregate: aggregate.DefaultOptions()}, time.Now, testr.New(t))
		l.Want(vpa("shop"), window("shop", time.Hour))
		l.Forget(vpa("shop"))
		l.Want(vpa("web"), window("web", time.Hour))
		require.Equal(t, []Missing{{"w", begin.Truncate(day), 1}}, l.Missing())
		ctx, cancel := context.WithCancel(t.Context())
		go l.Run(ctx)
		complete(t, l, 1)
		cancel()
		require.Len(t, s.queries, 1)
		require.Empty(t, l.Missing())
	})
}

func TestAWindowThatIsWantedAnewWhileItIsReadIsReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 1}}
		l := NewLoader(s, Options{Concurrency: 1, MaxSeries: 20, Aggregate: aggregate.DefaultOptions()}, time.Now, testr.New(t))
		s.read = func(Query) error {
			if len(s.queries) == 1 {
				l.Want(vpa("shop"), window("shop", 2*time.Hour))
			}
			return nil
		}
		l.Want(vpa("shop"), window("shop", time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		go l.Run(ctx)
		answers := complete(t, l, 1)["shop"]
		cancel()
		require.Len(t, answers, 1)
		require.Equal(t, 120, answers[0].Usage.Aggregate("app").Samples())
	})
}

func TestRecentSamplesComeAsTheyAreBesideTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{cores: map[string]int32{"shop": 1}}
		l := running(t, s)
		l.Want(vpa("shop"), window("shop", 30*time.Hour))
		w := window("shop", 5*time.Minute)
		l.WantRecent(vpa("shop"), w)
		var recent []usage.Sample
		for range 2 {
			a := <-l.Answers()
			recent = append(recent, a.Recent...)
			require.Equal(t, a.Usage == nil, a.Recent != nil)
		}
		require.Len(t, recent, 10, "five minutes of both")
		require.True(t, slices.IsSortedFunc(recent, func(a, b usage.Sample) int { return a.Time.Compare(b.Time) }))
	})
}
