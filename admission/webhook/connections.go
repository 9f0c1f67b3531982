package webhook

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// connections are a server's open ones, with what each is doing. They end without the loss of a request that has
// arrived: net/http's Shutdown closes also those on which one waits to be read, which under load is some of them.
type connections struct {
	mu     sync.Mutex
	states map[net.Conn]http.ConnState
	ending bool
	// none is closed once we are ending and no connection is left.
	none chan struct{}
}

func newConnections() *connections {
	return &connections{states: map[net.Conn]http.ConnState{}, none: make(chan struct{})}
}

// note is the server's ConnState.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(c.states, conn)
		c.tellIfNone()
		return
	case http.StateIdle:
		if c.ending {
			hangUp(conn)
		}
	}
	c.states[conn] = state
}

// end ends connections as they become idle, and returns when none is left, or with ctx's error when it ends. No new ones
// may come any more. Those that never carried a request end by the server's timeouts.
func (c *connections) end(ctx context.Context) error {
	c.mu.Lock()
	c.ending = true
	for conn, state := range c.states {
		if state == http.StateIdle {
			hangUp(conn)
		}
	}
	c.tellIfNone()
	c.mu.Unlock()
	select {
	case <-c.none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tellIfNone is called with the lock held.
func (c *connections) tellIfNone() {
	if !c.ending || len(c.states) > 0 {
		return
	}
	select {
	case <-c.none:
	default:
		close(c.none)
	}
}

// hangUp ends what can be read of a connection where nothing has arrived. Its server then closes it. A request that has
// arrived is still read, and answered.
func hangUp(conn net.Conn) {
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	end := conn.Close
	if tcp, ok := conn.(interface{ CloseRead() error }); ok {
		end = tcp.CloseRead
	}
	_ = end() // an error says that the client was faster
}
