package scenarios

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// relay passes connections on, as a network does, and as what it does when it is broken.
type relay struct {
	listener net.Listener
	// to is where the next connection goes; it is asked once for each.
	to func() (address string, err error)

	mu sync.Mutex
	// held is not nil while nothing is passed on, and closed when it is again.
	held  chan struct{}
	conns map[net.Conn]struct{}
	done  bool
}

// startRelay listens on address until the test ends.
func startRelay(t *testing.T, address string, to func() (string, error)) *relay {
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	r := &relay{listener: listener, to: to, conns: map[net.Conn]struct{}{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.pass(conn) })
		}
	})
	t.Cleanup(func() { r.end(); running.Wait() })
	return r
}

// end closes everything.
func (r *relay) end() {
	r.listener.Close()
	r.release()
	r.mu.Lock()
	r.done = true
	r.mu.Unlock()
	r.cut()
}

// cut breaks all connections, so that new ones are opened.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		conn.Close()
	}
}

// hold swallows everything from now on: connections stay, and can be opened, and carry nothing.
func (r *relay) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = make(chan struct{})
}

// release passes on again, also what was sent meanwhile and is still waited for.
func (r *relay) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held != nil {
		close(r.held)
		r.held = nil
	}
}

func (r *relay) wait() {
	r.mu.Lock()
	held := r.held
	r.mu.Unlock()
	if held != nil {
		<-held
	}
}

// enter keeps a connection for the end; false if that has come.
func (r *relay) enter(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.done {
		r.conns[conn] = struct{}{}
	}
	return !r.done
}

func (r *relay) leave(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
	conn.Close()
}

// pass connects a client with where it is to go. Nobody there is told by the connection's end.
func (r *relay) pass(client net.Conn) {
	defer r.leave(client)
	if !r.enter(client) {
		return
	}
	address, err := r.to()
	if err != nil {
		return
	}
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer r.leave(server)
	if !r.enter(server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { r.copy(client, server) })
	both.Go(func() { r.copy(server, client) })
	both.Wait()
}

// copy passes on what comes from one side until it ends, and then the end.
func (r *relay) copy(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		r.wait()
		if n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				from.Close() // it has to learn that nobody reads any more
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = to.(*net.TCPConn).CloseWrite() // an error says that it is closed
			return
		case err != nil:
			to.Close()
			return
		}
	}
}
