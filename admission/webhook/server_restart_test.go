package webhook

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// replica is a server that goes on after its stop until the test lets it go.
type replica struct {
	*serving
	number int64
	letGo  chan time.Time
}

func startReplica(t *testing.T, number int64) *replica {
	r := &replica{number: number, letGo: make(chan time.Time)}
	var handler http.HandlerFunc = func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Replica"] = []string{strconv.FormatInt(number, 10)}
		readsAll(w, r)
	}
	r.serving = serveAs(t, &Server{
		Handler: handler, Timeouts: DefaultTimeouts(), Grace: time.Minute,
		after: func(time.Duration) <-chan time.Time { return r.letGo },
	})
	return r
}

// caller calls as one API server does, over a connection of its own.
type caller struct {
	*http.Client
	// served is the replica that answered last; 0 before the first.
	served atomic.Int64
}

// newCaller returns one that connects to whatever endpoint is at that time.
func newCaller(endpoint *atomic.Pointer[replica]) *caller {
	transport := endpoint.Load().client.Transport.(*http.Transport).Clone() // all replicas have httptest's one certificate
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(endpoint.Load().url, "https://"))
	}
	return &caller{Client: &http.Client{Transport: transport}}
}

func (c *caller) call() error {
	// A body that net/http cannot rewind: it repeats nothing on its own.
	request, err := http.NewRequest(http.MethodPost, "https://example.com/pods", io.NopCloser(strings.NewReader("{}")))
	if err != nil {
		return err
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	number, err := strconv.ParseInt(response.Header.Get("Replica"), 10, 64)
	if err != nil {
		return err
	}
	c.served.Store(number)
	return response.Body.Close()
}

// TestARollingRestartUnderLoadLosesNoRequest replaces replicas one by one while clients call them. As behind a Service,
// connections stay where they are. Only an answer that says so moves a client on.
func TestARollingRestartUnderLoadLosesNoRequest(t *testing.T) {
	const clients, restarts = 8, 3
	var endpoint atomic.Pointer[replica]
	endpoint.Store(startReplica(t, 1))
	var done atomic.Bool
	var requests atomic.Int64
	var group errgroup.Group
	callers := make([]*caller, clients)
	for i := range callers {
		callers[i] = newCaller(&endpoint)
		group.Go(func() error {
			for !done.Load() {
				if err := callers[i].call(); err != nil {
					return err
				}
				requests.Add(1)
			}
			return nil
		})
	}
	servedBy := func(number int64) {
		t.Helper()
		require.Eventually(t, func() bool {
			for _, c := range callers {
				if c.served.Load() != number {
					return false
				}
			}
			return true
		}, 30*time.Second, time.Millisecond)
	}
	for range restarts {
		old := endpoint.Load()
		servedBy(old.number)
		young := startReplica(t, old.number+1)
		old.stop()
		before := requests.Load()
		require.Eventually(t, func() bool { return requests.Load() >= before+3*clients }, 30*time.Second, time.Millisecond,
			"it goes on while the cluster takes notice")
		require.Empty(t, old.ended)
		endpoint.Store(young)
		servedBy(young.number)
		close(old.letGo)
		require.NoError(t, <-old.ended)
	}
	done.Store(true)
	require.NoError(t, group.Wait())
	t.Logf("%d requests, none lost", requests.Load())
}

// TestRequestsThatCameBeforeTheEndAreAnsweredThoughTheirConnectionsWereIdle sends one on each of many idle connections, and
// ends the server at once: many are not read yet then.
func TestRequestsThatCameBeforeTheEndAreAnsweredThoughTheirConnectionsWereIdle(t *testing.T) {
	const clients = 50
	r := startReplica(t, 1)
	conns, answers := make([]net.Conn, clients), make([]*bufio.Reader, clients)
	send := func(i int) {
		_, err := io.WriteString(conns[i], "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		require.NoError(t, err)
	}
	answered := func(i int) {
		response, err := http.ReadResponse(answers[i], nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	for i := range conns {
		conns[i] = r.dial(t, false)
		answers[i] = bufio.NewReader(conns[i])
		send(i)
		answered(i)
	}
	idle := r.dial(t, false)
	r.stop()
	for i := range conns {
		send(i)
	}
	close(r.letGo)
	for i := range conns {
		answered(i)
		closedByServer(t, conns[i])
	}
	require.NoError(t, idle.Close())
	require.NoError(t, <-r.ended)
}

func TestOfAConnectionThatIsEndedAllIsReadThatHadArrived(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	conn, err := listener.Accept()
	require.NoError(t, err)
	defer conn.Close()

	open := newConnections()
	open.note(conn, http.StateNew)
	open.note(conn, http.StateIdle)
	_, err = io.WriteString(client, "a request")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- open.end(t.Context()) }()
	text, err := io.ReadAll(conn)
	require.NoError(t, err, "it ends, and in good order")
	require.Equal(t, "a request", string(text))
	_, err = io.WriteString(conn, "an answer")
	require.NoError(t, err)
	require.Empty(t, ended)
	open.note(conn, http.StateClosed)
	require.NoError(t, <-ended)
}
