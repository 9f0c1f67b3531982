package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
	"github.com/sartor-vpa/sartor/recommender/history"
)

// A thousand series for a day: CPU and memory of 500 containers, scraped every 30 seconds.
const (
	benchContainers = 500
	benchScrapes    = 24 * 60 * 2
)

var wholeDay = lasting(24 * time.Hour)

// benchPoints are a day of one series: a container that does a little and now and then more, or its memory.
func benchPoints(r usage.Resource, random *rand.Rand) []point {
	points, total := make([]point, benchScrapes), 1000*random.Float64()
	offset := random.Float64() * 30
	for i := range points {
		v := random.Float64()
		if random.IntN(20) == 0 {
			v *= 10
		}
		total += v * 30
		points[i] = at(offset+float64(i)*30, total)
		if r == usage.Memory {
			points[i].v = float64(int64(1e8+1e8*v)) / 4096 * 4096
		}
	}
	return points
}

func benchLabels(i int) []string {
	return []string{"container", "app", "endpoint", "https-metrics", "id", fmt.Sprintf("/kubepods/burstable/pod%032x/%064x", i, i),
		"image", "registry.example.com/shop@sha256:6b5bfe1d0cd8fd5a8a8ee5fe4a1a5bd4b3a2f1c5", "instance", "10.0.0.1:10250", "job", "kubelet",
		"name", fmt.Sprintf("%064x", i), "namespace", fmt.Sprintf("team-%d", i/50), "node", "node-17", "pod", fmt.Sprintf("shop-%d-7d9f8b6c5-x2x4z", i)}
}

func BenchmarkRemoteRead(b *testing.B) {
	var body []byte
	random := rand.New(rand.NewPCG(1, 2))
	for _, r := range usage.Resources {
		for i := range benchContainers {
			s := &prompb.ChunkedSeries{Labels: labelled(benchLabels(i)...)}
			for points := benchPoints(r, random); len(points) > 0; points = points[120:] {
				s.Chunks = append(s.Chunks, xor(b, points[:120]...))
			}
			body = append(body, frame(b, r, s)...)
		}
	}
	o := DefaultOptions()
	benchReader(b, len(body), func(s *shard) error { return s.stream(bytes.NewReader(body), o.Labels) })
}

func BenchmarkRangeQuery(b *testing.B) {
	var bodies [len(usage.Resources)]bytes.Buffer
	random := rand.New(rand.NewPCG(1, 2))
	size := 0
	for _, r := range usage.Resources {
		body := &bodies[r]
		body.WriteString(`{"status":"success","data":{"resultType":"matrix","result":[`)
		for i := range benchContainers {
			if i > 0 {
				body.WriteByte(',')
			}
			fmt.Fprintf(body, `{"metric":{"container":"app","namespace":"team-%d","pod":"shop-%d-7d9f8b6c5-x2x4z"},"values":[`, i/50, i)
			for t := range 288 {
				if t > 0 {
					body.WriteByte(',')
				}
				v := fmt.Sprint(random.Float64())
				if r == usage.Memory {
					v = fmt.Sprint(random.IntN(1e9))
				}
				fmt.Fprintf(body, `[%d,"%s"]`, begin.Unix()+int64(t+1)*300, v)
			}
			body.WriteString("]}")
		}
		body.WriteString(`]}}`)
		size += body.Len()
	}
	o := DefaultOptions()
	benchReader(b, size, func(s *shard) error {
		for _, r := range usage.Resources {
			if err := s.matrix(bytes.NewReader(bodies[r].Bytes()), r, 5*time.Minute, o.Labels); err != nil {
				return err
			}
		}
		return nil
	})
}

func benchReader(b *testing.B, size int, read func(*shard) error) {
	o := DefaultOptions()
	b.ReportAllocs()
	b.SetBytes(int64(size))
	samples := 0
	for b.Loop() {
		s := newShard(wholeDay, &o)
		require.NoError(b, read(s))
		containers := 0
		s.hand(func(u history.Usage) {
			if u.CPU[700] != history.Unknown && len(u.Memory) > 0 {
				containers++
			}
		})
		require.Equal(b, benchContainers, containers)
		samples += s.samples
		s.free()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(samples), "ns/sample")
}
