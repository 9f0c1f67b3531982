package podmetrics

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// FuzzAnswers reads whatever a server may send. Where the typed client accepts it, the samples are the same.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		items(answer, using(`"cpu":"1","memory":"5Mi"`)),
		items(using(`"cpu":"-1n","memory":"1e400"`)),
		items(using(`"cpu":" 1.5 ","memory":1500`)),
		items(`{"containers":[{"usage":{"memory":"1Ti"},"name":"a"},null],"timestamp":"2026-03-01T13:00:30+01:00","metadata":{"namespace":"\u0073","name":"p","labels":{"a":"b"}}}`),
		`{"kind":"Status","message":"no"}`, `{"items":[null,{"timestamp":null}]}`, `{"items":[{"metadata":{"name":5}}]}`, `<html>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got []usage.Sample
		round, err := decode(bytes.NewReader(body), func(s usage.Sample) { got = append(got, s) })
		for _, s := range got {
			require.True(t, isName(s.Container.Namespace) && isName(s.Container.Pod) && isName(s.Container.Name), "%+v", s)
			require.True(t, 0 <= s.Amount && s.Amount <= usage.MaxAmount && !s.Time.IsZero(), "%+v", s)
			require.False(t, s.Time.After(round.Newest))
		}
		want, pods, ok := typed(t, body)
		if !ok {
			return
		}
		require.NoError(t, err)
		require.Equal(t, pods, round.Pods)
		require.Equal(t, want, got)
	})
}

// unbounded are numbers that are legal, and that we do not read.
var unbounded = regexp.MustCompile(`[0-9.]{50}|[eE][+-]?[0-9]{4}`)

// typed returns the samples that the typed client's reader finds in body, less those that we drop; ok is false if it finds
// fault with body, or if body has equal keys, which it merges.
func typed(t *testing.T, body []byte) (samples []usage.Sample, pods int, ok bool) {
	var list v1beta1.PodMetricsList
	if !jsontext.Value(body).IsValid() || unbounded.Match(body) || json.Unmarshal(body, &list) != nil {
		return nil, 0, false
	}
	if list.Kind != "" && list.Kind != listKind || string(bytes.TrimSpace(body)) == "null" {
		return nil, 0, false // to the reader it is a list, to the client it is not
	}
	for i := range list.Items {
		pod := &list.Items[i]
		require.LessOrEqual(t, len(pod.Containers), maxContainers)
		for _, c := range pod.Containers {
			dropFaulty(c.Usage)
		}
		for _, s := range appendPod(nil, pod) {
			if c := s.Container; !s.Time.IsZero() && isName(c.Namespace) && isName(c.Pod) && isName(c.Name) && s.Amount <= usage.MaxAmount {
				s.Time = s.Time.UTC()
				samples = append(samples, s)
			}
		}
	}
	return samples, len(list.Items), true
}

// dropFaulty removes amounts that cannot be. A null has no format.
func dropFaulty(amounts corev1.ResourceList) {
	for name, q := range amounts {
		if q.Format == resource.Format("") || q.Sign() < 0 || q.CmpInt64(int64(usage.MaxAmount)) > 0 {
			delete(amounts, name)
		}
	}
}

// appendPod is what the typed client would give.
func appendPod(samples []usage.Sample, pod *v1beta1.PodMetrics) []usage.Sample {
	for i := range pod.Containers {
		c := &pod.Containers[i]
		sample := usage.Sample{
			Container: usage.Container{Namespace: pod.Namespace, Pod: pod.Name, Name: c.Name},
			Time:      pod.Timestamp.Time,
		}
		if cpu, ok := c.Usage["cpu"]; ok {
			sample.Resource, sample.Amount = usage.CPU, usage.Amount(cpu.MilliValue())
			samples = append(samples, sample)
		}
		if memory, ok := c.Usage["memory"]; ok {
			sample.Resource, sample.Amount = usage.Memory, usage.Amount(memory.Value())
			samples = append(samples, sample)
		}
	}
	return samples
}
