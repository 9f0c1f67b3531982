package target

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	aRollout = Controller{Group: "argoproj.io", Kind: "Rollout", Namespace: "ns", Name: "shop"}
	mine     = labels.Set{"app": "shop", "tier": "web"}
	others   = labels.Set{"app": "other"}
)

// told is a SelectorReader whose answer can be changed.
type told struct {
	takes time.Duration
	reads atomic.Int32

	mu       sync.Mutex
	selector string
	err      error
}

func (r *told) set(selector string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.selector, r.err = selector, err
}

func (r *told) Selector(ctx context.Context, _ Controller) (labels.Selector, error) {
	r.reads.Add(1)
	select {
	case <-time.After(r.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	return labels.Parse(r.selector)
}

// inBackground calls f while selectors read by r, in a time of its own.
func inBackground(t *testing.T, r *told, log logr.Logger, f func(*testing.T, *Selectors)) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSelectors(r, log)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		f(t, s)
		stop()
		running.Wait()
		time.Sleep(readTimeout) // what is under way ends
	})
}

func TestPodsAreSelectedByWhatTheirWorkloadSelects(t *testing.T) {
	r := &told{selector: "app=shop,tier in (web,api),!canary"}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		selection := s.Of(aRollout)
		synctest.Wait()
		for range 1000 {
			require.True(t, selection.Selects(t.Context(), mine))
			require.False(t, selection.Selects(t.Context(), others))
			require.False(t, selection.Selects(t.Context(), labels.Set{"app": "shop", "tier": "web", "canary": ""}))
			require.False(t, selection.Selects(t.Context(), labels.Set{}))
		}
		require.EqualValues(t, 1, r.reads.Load(), "for all of them")
		require.Same(t, selection, s.Of(aRollout))
		require.Equal(t, Figures{Known: 1, Read: 1}, s.Figures())
	})
}

func TestAPodThatComesFirstWaitsForTheReadAndSharesIt(t *testing.T) {
	r := &told{selector: "app=shop", takes: 20 * time.Millisecond}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		selection := s.Of(aRollout)
		var pods sync.WaitGroup
		for range 10_000 {
			pods.Go(func() {
				if selection.Selects(t.Context(), others) {
					t.Error("selected, though it is another's")
				}
			})
		}
		pods.Wait()
		require.EqualValues(t, 1, r.reads.Load())
	})
}

func TestAReadThatFailsLosesNoPodAndIsNotRemembered(t *testing.T) {
	r := &told{err: errors.New("etcdserver: leader changed")}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		selection := s.Of(aRollout)
		synctest.Wait()
		require.True(t, selection.Selects(t.Context(), others), "nobody can tell")
		require.Equal(t, Figures{Unknown: 1, Read: 1, Failed: 1, Pods: 1}, s.Figures())
		r.set("app=shop", nil)
		time.Sleep(selectorPause)
		synctest.Wait()
		require.False(t, selection.Selects(t.Context(), others), "the next read tells")
		require.Equal(t, Figures{Known: 1, Read: 2, Failed: 1, Pods: 1}, s.Figures())
	})
}

func TestAFailureThatLastsIsReadAgainLessAndLessByUsAndWithoutAWaitByPods(t *testing.T) {
	r := &told{err: errors.New("forbidden")}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		selection := s.Of(aRollout)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Less(t, r.reads.Load(), int32(25))
		before, start := r.reads.Load(), time.Now()
		time.Sleep(selectorPause)
		for range 10_000 {
			require.True(t, selection.Selects(t.Context(), others))
		}
		require.Equal(t, selectorPause, time.Since(start))
		require.LessOrEqual(t, r.reads.Load(), before+2)
		require.Equal(t, uint64(10_000), s.Figures().Pods)
	})
}

func TestWhatWasReadLastGoesOnSelectingWhileReadsFail(t *testing.T) {
	r := &told{selector: "app=shop"}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		selection := s.Of(aRollout)
		synctest.Wait()
		r.set("", errors.New("connection refused"))
		time.Sleep(2 * selectorAge)
		require.True(t, selection.Selects(t.Context(), mine))
		require.Zero(t, s.Figures().Pods, "it is known to be selected")
		require.True(t, selection.Selects(t.Context(), others), "whether it still is not cannot be known")
		require.EqualValues(t, 1, s.Figures().Pods)
		require.Equal(t, 1, s.Figures().Known)
	})
}

func TestAReadThatHangsIsNotWaitedForForLong(t *testing.T) {
	r := &told{takes: time.Hour}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		selection := s.Of(aRollout)
		start := time.Now()
		require.True(t, selection.Selects(t.Context(), others))
		require.Equal(t, selectorWait, time.Since(start))
		require.Less(t, readTimeout+selectorWait, 1900*time.Millisecond, "with an owner that hangs as long as it may, and the way back")

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.True(t, selection.Selects(ctx, others), "the review's own time is over")
	})
}

func TestAWorkloadThatIsMadeAnewWithAnotherSelectorLosesNoPod(t *testing.T) {
	r := &told{selector: "app=shop"}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		selection := s.Of(aRollout)
		synctest.Wait()
		r.set("app=other", nil)
		require.False(t, selection.Selects(t.Context(), others), "it was read just now")
		time.Sleep(selectorPause)
		require.True(t, selection.Selects(t.Context(), others))
		require.False(t, selection.Selects(t.Context(), mine))
		require.EqualValues(t, 2, r.reads.Load())
	})
}

func TestOfManyPodsThatDoNotMatchOneMakesTheSelectorBeReadAgain(t *testing.T) {
	r := &told{selector: "app=shop"}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		selection := s.Of(aRollout)
		synctest.Wait()
		before := selection.last.Load()
		time.Sleep(selectorPause)
		require.False(t, selection.Selects(t.Context(), others))
		require.True(t, before.due(), "as those found who came at the same time")
		_, err := selection.read(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, r.reads.Load())
	})
}

func TestASelectorIsReadAgainAtAnAgeThoughNobodyAsks(t *testing.T) {
	r := &told{selector: "app"}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		selection := s.Of(aRollout)
		synctest.Wait()
		r.set("app=shop", nil)
		time.Sleep(selectorAge - 1)
		require.True(t, selection.Selects(t.Context(), others))
		time.Sleep(selectorAge / 5)
		synctest.Wait()
		require.EqualValues(t, 2, r.reads.Load())
		require.False(t, selection.Selects(t.Context(), others))
		time.Sleep(24 * time.Hour)
		require.LessOrEqual(t, r.reads.Load(), int32(2+24*6))
		require.GreaterOrEqual(t, r.reads.Load(), int32(2+24*5))
	})
}

func TestManyTargetsAreReadAtABoundedRate(t *testing.T) {
	r := &told{selector: "app=shop"}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		for i := range 2000 {
			c := aRollout
			c.Name += string(rune('a' + i))
			s.Of(c)
		}
		time.Sleep(time.Second)
		require.LessOrEqual(t, r.reads.Load(), int32(2*selectorReads), "a burst, and what a second has")
		time.Sleep(2000/selectorReads*time.Second + time.Second)
		require.EqualValues(t, 2000, r.reads.Load())
	})
}

func TestWhatIsForgottenIsNotReadAnyMore(t *testing.T) {
	r := &told{selector: "app=shop"}
	inBackground(t, r, logr.Discard(), func(t *testing.T, s *Selectors) {
		gone := s.Of(aRollout)
		synctest.Wait()
		s.Forget(aRollout)
		s.Forget(aRollout)
		time.Sleep(24 * time.Hour)
		require.EqualValues(t, 1, r.reads.Load())
		require.Zero(t, s.Figures().Known)
		require.NotSame(t, gone, s.Of(aRollout))
		synctest.Wait()
		require.EqualValues(t, 2, r.reads.Load())
	})
}

func TestItIsToldOnceThatSelectorsCannotBeReadAndOnceThatTheyCanAgain(t *testing.T) {
	var lines []string
	log := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	r := &told{err: apierrors.NewNotFound(schema.GroupResource{}, "shop")}
	inBackground(t, r, log, func(t *testing.T, s *Selectors) {
		another := aRollout
		another.Name = "another"
		s.Of(aRollout)
		s.Of(another)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, lines, "a target that is not there is no fault")
		r.set("", apierrors.NewForbidden(schema.GroupResource{Group: "argoproj.io", Resource: "rollouts"}, "shop", nil))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, lines, 1)
		require.Contains(t, lines[0], "allow to get */scale")
		require.Contains(t, lines[0], `rollouts.argoproj.io \"shop\" is forbidden`)
		s.Forget(another)
		require.Len(t, lines, 1)
		r.set("app=shop", nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, lines, 2)
		require.Contains(t, lines[1], "again")
	})
}
