package podmetrics

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// answer is what metrics-server sends for a pod.
const answer = `{
  "metadata": {"name": "shop-7d9f8b6c5-x2x4z", "namespace": "store"},
  "timestamp": "2026-03-01T12:00:30Z", "window": "15.025s",
  "containers": [
    {"name": "shop", "usage": {"cpu": "312456789n", "memory": "617204Ki"}},
    {"name": "no-memory-yet", "usage": {"cpu": "0"}}
  ]}`

func TestNanocoresRoundUpToMillicores(t *testing.T) {
	var pod v1beta1.PodMetrics
	require.NoError(t, json.Unmarshal([]byte(answer), &pod))
	at := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	shop := usage.Container{Namespace: "store", Pod: "shop-7d9f8b6c5-x2x4z", Name: "shop"}
	other := shop
	other.Name = "no-memory-yet"
	got := appendPod(nil, &pod)
	for i := range got {
		got[i].Time = got[i].Time.UTC()
	}
	require.Equal(t, []usage.Sample{
		{Container: shop, Resource: usage.CPU, Time: at, Amount: 313},
		{Container: shop, Resource: usage.Memory, Time: at, Amount: 617204 << 10},
		{Container: other, Resource: usage.CPU, Time: at, Amount: 0},
	}, got)
}
