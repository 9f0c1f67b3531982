package checkpoint

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/pkg/aggregate"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

var (
	start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	owner = Owner{Namespace: "store", VPA: "shop", UID: "a1", Target: "apps/Deployment/shop"}
)

// learnt is a workload of two pods that ran for three hours.
func learnt() *aggregate.Workload {
	w := aggregate.NewWorkload(aggregate.DefaultOptions())
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

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	now := start.Add(3 * time.Hour)
	saved, ok := learnt().Save("app", now)
	require.True(t, ok)
	cover := Coverage{From: start.Add(-24 * time.Hour), To: now}
	cp := throughAPI(t, Encode(owner, "app", saved, cover, now))
	require.Equal(t, "shop-app", cp.Name)
	d, err := Decode(cp, owner)
	require.NoError(t, err)
	require.Equal(t, "shop", d.VPA)
	require.Equal(t, "app", d.Container)
	require.True(t, now.Equal(d.Saved))
	require.True(t, cover.From.Equal(d.Coverage.From))
	require.True(t, cover.To.Equal(d.Coverage.To))
	require.Equal(t, saved.Running, d.Checkpoint.Running)
	require.NoError(t, aggregate.NewWorkload(aggregate.DefaultOptions()).Load("app", d.Checkpoint))
}
