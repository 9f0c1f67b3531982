// Load uses a set share of a processor and a set amount of memory, which may grow, until it is told to stop.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	mebi = 1 << 20
	page = 4096
	// beat is how often processor time is made up for: short enough that each period of a container's CPU limit
	// (100 ms) has its share.
	beat = 5 * time.Millisecond
)

func main() {
	cpu := flag.Int64("cpu", 10, "millicores to use")
	memory := flag.Int("memory", 10, "MiB to hold from the start")
	grow := flag.Int("grow", 0, "MiB to add each second")
	most := flag.Int("most", 0, "MiB at which growing ends (0: never)")
	linger := flag.Duration("linger", 0, "how long it takes to end when it is told to stop")
	flag.Parse()
	fmt.Println("load", os.Args[1:])
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)

	held := [][]byte{hold(*memory)}
	second, tick := time.NewTicker(time.Second), time.NewTicker(beat)
	for start, mib := time.Now(), *memory; ; {
		select {
		case <-stop:
			fmt.Println("ends in", *linger)
			<-time.After(*linger)
			return
		case <-second.C:
			if *grow > 0 && (*most == 0 || mib < *most) {
				held = append(held, hold(*grow))
				mib += *grow
				fmt.Println("holds MiB", mib, "in parts", len(held))
			}
		case <-tick.C:
			// By processor time, not by the clock: a busy machine must not lower what a minute shows.
			burn(time.Since(start) * time.Duration(*cpu) / 1000)
		}
	}
}

// hold is so many MiB whose pages are all there.
func hold(mib int) []byte {
	b := make([]byte, mib*mebi)
	for i := 0; i < len(b); i += page {
		b[i] = 1
	}
	return b
}

// burn keeps a processor busy until this process has used due, for one beat at most.
func burn(due time.Duration) {
	for end := time.Now().Add(beat); used() < due && time.Now().Before(end); {
		for range 100_000 { // between two looks at the clock
		}
	}
}

// used is the processor time that this process has had.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
