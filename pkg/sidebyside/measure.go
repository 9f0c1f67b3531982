package sidebyside

import (
	"runtime"
	"syscall"
	"time"
)

// Reading is what one run of one side gave, by name.
type Reading map[string]float64

// What Measure puts into a reading, each for one of what was done.
const (
	// CPU is the process's time, user and system and the collection of its garbage, in nanoseconds.
	CPU = "cpu"
	// Wall is the time that went by, in nanoseconds.
	Wall = "wall"
	// Bytes is what it allocated.
	Bytes = "bytes"
	// Allocs is how many objects it allocated.
	Allocs = "allocs"
)

// Measure runs f, which does n times what is measured. What was garbage before is not f's.
func (r Reading) Measure(n int, f func()) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, used := time.Now(), cpuTime()
	f()
	used = cpuTime() - used
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	each := 1 / float64(n)
	r[CPU], r[Wall] = used*each, float64(took)*each
	r[Bytes], r[Allocs] = float64(after.TotalAlloc-before.TotalAlloc)*each, float64(after.Mallocs-before.Mallocs)*each
}

// cpuTime is what this process has used, in nanoseconds.
func cpuTime() float64 {
	var u syscall.Rusage
	Need(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

// LiveHeap is what can be reached, in bytes.
func LiveHeap() float64 {
	for range 3 {
		runtime.GC() // what pools hold goes with the second
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// Need ends a side that cannot go on: what it would measure would mean nothing.
func Need(err error) {
	if err != nil {
		panic(err)
	}
}
