package bench

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// cost is what one of n calls of f costs.
func cost(n int, f func()) reading {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpuTime()
	for range n {
		f()
	}
	took := cpuTime() - start
	runtime.ReadMemStats(&after)
	return reading{
		"cpu":    took / float64(n),
		"allocs": float64(after.Mallocs-before.Mallocs) / float64(n), "bytes": float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}
}

// cpuTime is what this process has used, in nanoseconds.
func cpuTime() float64 {
	var u syscall.Rusage
	need(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// review asks handler, and checks that there is a patch.
func review(handler http.Handler, body []byte) {
	request := httptest.NewRequest(http.MethodPost, "/?timeout=30s", bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	need(check(recorder.Code, recorder.Body.Bytes()))
}

// check is as cheap as it can be: it is measured with both sides.
func check(status int, answer []byte) error {
	if status != http.StatusOK || !bytes.Contains(answer, []byte(`"allowed":true,"patch":"`)) {
		return fmt.Errorf("%d: no patch: %s", status, answer)
	}
	return nil
}

// concurrently calls f n times from so many goroutines. It tells what a call costs and how long it takes, in nanoseconds, and
// how much of the processors' time was used.
func concurrently(clients, n int, f func(i int) error) reading {
	var (
		next    atomic.Int64
		group   sync.WaitGroup
		latency = make([]float64, n)
		start   = time.Now()
		cpu     = cpuTime()
	)
	for range clients {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				began := time.Now()
				need(f(i))
				latency[i] = float64(time.Since(began))
			}
		})
	}
	group.Wait()
	took, used := float64(time.Since(start)), cpuTime()-cpu
	slices.Sort(latency)
	return reading{
		"cpu": used / float64(n), "each": took / float64(n), "p99": latency[n*99/100],
		"busy": used / took / float64(min(clients, runtime.GOMAXPROCS(0))),
	}
}

// liveHeap is what can be reached, in bytes.
func liveHeap() float64 {
	for range 3 {
		runtime.GC() // what pools hold goes with the second
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
