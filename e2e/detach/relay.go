package detach

import (
	"io"
	"os"
	"time"
)

// relayInterval is how late a line may be shown.
const relayInterval = 100 * time.Millisecond

// relay shows a growing file. Not a pipe: the child goes on writing when nobody reads any more.
type relay struct{ quit, done chan struct{} }

// startRelay copies to w what is and will be written to the file at path.
func startRelay(path string, w io.Writer) *relay {
	r := &relay{make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(r.done)
		file, err := os.Open(path)
		if err != nil {
			return // the output is only shown; it is still in the file
		}
		defer file.Close()
		ticker := time.NewTicker(relayInterval)
		defer ticker.Stop()
		for {
			_, _ = io.Copy(w, file) // to the present end; the next round goes on from there
			select {
			case <-ticker.C:
			case <-r.quit:
				_, _ = io.Copy(w, file)
				return
			}
		}
	}()
	return r
}

// stop shows what is left and ends.
func (r *relay) stop() {
	close(r.quit)
	<-r.done
}
