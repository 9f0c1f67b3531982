package checkpoint

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/estimate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

var (
	start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	now   = start.Add(3*time.Hour + 700*time.Millisecond)
	cover = Coverage{From: now.Add(-24 * time.Hour), To: now}
	owner = Owner{Namespace: "store", VPA: "shop", UID: "a1", Target: "apps/Deployment/shop"}
)

// learnt is a workload of two pods that ran for three hours, and of one that was last seen the day before.
func learnt() *aggregate.Workload {
	w := aggregate.NewWorkload(aggregate.DefaultOptions())
	w.Add(usage.Sample{Container: usage.Container{Namespace: "store", Pod: "shop-0", Name: "app"}, Resource: usage.Memory, Time: start.Add(-24 * time.Hour), Amount: 3e8})
	for i := range 180 {
		for p, pod := range []string{"shop-1", "shop-2"} {
			s := usage.Sample{Container: usage.Container{Namespace: "store", Pod: pod, Name: "app"}, Time: start.Add(time.Duration(i)*time.Minute + 300*time.Millisecond)}
			s.Amount = usage.Amount(50 + i*(p+1))
			w.Add(s)
			s.Resource, s.Amount = usage.Memory, usage.Amount(200+i*(p+1))<<20
			w.Add(s)
		}
	}
	return w
}

// throughAPI is what the API server gives back of an object.
func throughAPI(t require.TestingT, cp *vpav1.VerticalPodAutoscalerCheckpoint) *vpav1.VerticalPodAutoscalerCheckpoint {
	data, err := json.Marshal(cp)
	require.NoError(t, err)
	out := &vpav1.VerticalPodAutoscalerCheckpoint{}
	require.NoError(t, json.Unmarshal(data, out))
	return out
}

// stored is what the API server has of learnt.
func stored(t require.TestingT) (*vpav1.VerticalPodAutoscalerCheckpoint, aggregate.Checkpoint) {
	saved, ok := learnt().Save("app", now)
	require.True(t, ok)
	return throughAPI(t, Encode(owner, "app", saved, cover, now)), saved
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	cp, saved := stored(t)
	require.Equal(t, "store/shop-app", cp.Namespace+"/"+cp.Name)
	d, err := Decode(cp, owner)
	require.NoError(t, err)
	require.Equal(t, "shop/app", d.VPA+"/"+d.Container)
	require.True(t, now.Truncate(time.Second).Equal(d.Saved))
	require.True(t, cover.From.Equal(d.Coverage.From), "%s", d.Coverage.From)
	require.True(t, cover.To.Equal(d.Coverage.To), "%s", d.Coverage.To)
	require.True(t, saved.First.Equal(d.Checkpoint.First))
	require.True(t, saved.Last.Equal(d.Checkpoint.Last))
	d.Checkpoint.First, d.Checkpoint.Last = saved.First, saved.Last
	for _, h := range []struct{ want, got *time.Time }{
		{&saved.CPU.Reference, &d.Checkpoint.CPU.Reference}, {&saved.Memory.Reference, &d.Checkpoint.Memory.Reference},
	} {
		require.True(t, h.want.Equal(*h.got))
		*h.got = *h.want
	}
	require.Equal(t, saved, d.Checkpoint)
}

func TestTheAnnotationReadsLikeThis(t *testing.T) {
	cp, _ := stored(t)
	require.Equal(t, `{"lastUpdateTime":"2026-03-01T12:30:00Z","uid":"a1","target":"apps/Deployment/shop",`+
		`"from":"2026-02-28T12:30:00.700000Z","to":"2026-03-01T12:30:00.700000Z","running":[`+
		`{"pod":"shop-0","memory":1772271000000000000,"end":1772357400000000000,"peak":300000000},`+
		`{"pod":"shop-1","cpu":1772368140300000000,"memory":1772368140300000000,"end":1772443800300000000,"peak":397410304,"open":true},`+
		`{"pod":"shop-2","cpu":1772368140300000000,"memory":1772368140300000000,"end":1772443800300000000,"peak":585105408,"open":true}]}`,
		cp.Annotations[Annotation])
}

func TestUpstreamsCheckpointIsAccepted(t *testing.T) {
	cp, saved := stored(t)
	cp.Annotations = map[string]string{"another": "annotation"}
	d, err := Decode(cp, owner)
	require.NoError(t, err)
	require.Empty(t, d.Checkpoint.Running)
	require.True(t, saved.First.Equal(d.Coverage.From))
	require.True(t, saved.Last.Equal(d.Coverage.To))
}

func TestAnAnnotationThatUpstreamHasLeftBehindSaysNothing(t *testing.T) {
	cp, saved := stored(t)
	cp.Status.LastUpdateTime.Time = cp.Status.LastUpdateTime.Add(time.Second)
	another := owner
	another.UID, another.Target = "b2", "apps/StatefulSet/shop"
	for _, o := range []Owner{owner, another} {
		d, err := Decode(cp, o)
		require.NoError(t, err)
		require.Empty(t, d.Checkpoint.Running)
		require.True(t, saved.First.Equal(d.Coverage.From))
		require.True(t, saved.Last.Equal(d.Coverage.To))
	}
}

func TestACheckpointOfAnotherOwnerIsRefusedAsSuch(t *testing.T) {
	cp, _ := stored(t)
	for name, spoil := range map[string]func(*Owner){
		"a VPA of the same name, created later": func(o *Owner) { o.UID = "b2" },
		"the VPA, retargeted":                   func(o *Owner) { o.Target = "apps/StatefulSet/shop" },
		"another VPA":                           func(o *Owner) { o.VPA = "shop-rc" },
		"another namespace":                     func(o *Owner) { o.Namespace = "staging" },
	} {
		t.Run(name, func(t *testing.T) {
			o := owner
			spoil(&o)
			_, err := Decode(cp, o)
			require.ErrorIs(t, err, ErrOtherOwner)
			require.ErrorContains(t, err, "checkpoint store/shop-app")
		})
	}
}

func TestWhatIsNotUnderstoodIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*vpav1.VerticalPodAutoscalerCheckpoint)
		want  string
	}{
		"another version":        {func(cp *vpav1.VerticalPodAutoscalerCheckpoint) { cp.Status.Version = "v2" }, `version "v2": only "v3" is understood`},
		"no container":           {func(cp *vpav1.VerticalPodAutoscalerCheckpoint) { cp.Spec.ContainerName = "" }, "spec.containerName is empty"},
		"an annotation of words": {func(cp *vpav1.VerticalPodAutoscalerCheckpoint) { cp.Annotations[Annotation] = "hello" }, "annotation sartor.dev/checkpoint: must be as this program writes it"},
		"an empty annotation":    {func(cp *vpav1.VerticalPodAutoscalerCheckpoint) { cp.Annotations[Annotation] = "" }, "must be as this program writes it"},
		"a huge annotation": {func(cp *vpav1.VerticalPodAutoscalerCheckpoint) {
			cp.Annotations[Annotation] = strings.Repeat("[", 1<<24)
		}, "16777216 bytes: must be at most 262144"},
		"coverage from the end to the beginning": {func(cp *vpav1.VerticalPodAutoscalerCheckpoint) {
			cp.Annotations[Annotation] = strings.Replace(cp.Annotations[Annotation], `"to":"2026`, `"to":"2025`, 1)
		}, "to 2025-03-01 12:30:00.7 +0000 UTC: must not be before from 2026"},
	} {
		t.Run(name, func(t *testing.T) {
			cp, _ := stored(t)
			tc.spoil(cp)
			_, err := Decode(cp, owner)
			require.ErrorContains(t, err, "checkpoint store/shop-app")
			require.ErrorContains(t, err, tc.want)
			require.NotErrorIs(t, err, ErrOtherOwner)
		})
	}
}

func TestTheMostThatIsSavedIsRead(t *testing.T) {
	w := aggregate.NewWorkload(aggregate.DefaultOptions())
	for i := range aggregate.MaxRunning + 1 {
		c := usage.Container{Namespace: "store", Pod: fmt.Sprintf("%s-%05d", strings.Repeat("x", 247), i), Name: "app"}
		w.Add(usage.Sample{Container: c, Time: now.Add(-1), Amount: 100})
		w.Add(usage.Sample{Container: c, Resource: usage.Memory, Time: now.Add(-1), Amount: usage.MaxAmount})
		w.AddOOM(c, usage.MaxAmount, now.Add(-1))
	}
	saved, _ := w.Save("app", now)
	cp := Encode(owner, "app", saved, cover, now)
	require.Less(t, len(cp.Annotations[Annotation]), maxAnnotation*9/10, "there is room for others' annotations")
	d, err := Decode(throughAPI(t, cp), owner)
	require.NoError(t, err)
	require.Equal(t, saved.Running, d.Checkpoint.Running)
	require.Equal(t, 1, d.Checkpoint.Unlisted)
}

// FuzzDecode reads any object and any annotation; what is read must load or be refused, and then work.
func FuzzDecode(f *testing.F) {
	cp, _ := stored(f)
	text, err := json.Marshal(cp.Status)
	require.NoError(f, err)
	f.Add(string(text), cp.Annotations[Annotation])
	f.Add(string(text), "")
	f.Add(string(text), `{"lastUpdateTime":"2026-03-01T12:30:00Z","uid":"a1","target":"apps/Deployment/shop","running":[{"pod":"","end":1,"open":true}]}`)
	f.Add(string(text), `{"lastUpdateTime":"2026-03-01T12:30:00Z","uid":"a1","target":"apps/Deployment/shop","running":[{"pod":"a","end":9223372036854775807,"peak":9223372036854775807,"open":true}]}`)
	f.Add(`{"version":"v3","lastUpdateTime":null,"firstSampleStart":null,"totalSamplesCount":-1}`, `{"lastUpdateTime":null,"uid":"a1","target":"apps/Deployment/shop"}`)
	f.Add(`{"version":"v3","firstSampleStart":"0001-01-01T00:00:01Z","memoryHistogram":{"bucketWeights":{"175":4294967295},"totalWeight":1e308}}`, "[]")
	f.Fuzz(func(t *testing.T, status, annotation string) {
		cp := &vpav1.VerticalPodAutoscalerCheckpoint{}
		if json.Unmarshal([]byte(status), &cp.Status) != nil {
			return
		}
		cp.Namespace, cp.Name, cp.Annotations = "store", "shop-app", map[string]string{Annotation: annotation}
		cp.Spec.VPAObjectName, cp.Spec.ContainerName = "shop", "app"
		d, err := Decode(cp, owner)
		w := aggregate.NewWorkload(aggregate.DefaultOptions())
		if err != nil || w.Load("app", d.Checkpoint) != nil {
			require.Empty(t, w.Containers())
			return
		}
		require.False(t, d.Coverage.To.Before(d.Coverage.From))
		c := usage.Container{Namespace: "store", Pod: "shop-1", Name: "app"}
		w.Add(usage.Sample{Container: c, Time: now, Amount: 100})
		w.Add(usage.Sample{Container: c, Resource: usage.Memory, Time: now, Amount: 1e9})
		w.AddOOM(c, 2e9, now.Add(time.Hour))
		o := estimate.DefaultOptions()
		for _, e := range estimate.Recommend(w.Aggregate("app"), o.Share(1), o) {
			for _, v := range []usage.Amount{e.Target, e.LowerBound, e.UpperBound} {
				require.True(t, v >= 0 && v <= usage.MaxAmount, "%+v", e)
			}
		}
		saved, ok := w.Save("app", now)
		require.True(t, ok)
		_, err = json.Marshal(Encode(owner, "app", saved, d.Coverage, now))
		require.NoError(t, err, "what was read can be stored")
	})
}
