package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/sartor-vpa/sartor/pkg/sidebyside"
)

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

// server serves a handler over HTTPS on loopback, with a client that keeps its connections, as the API server does. It has
// no more of them than a burst has clients: else whoever waits begins with a handshake, which is dearer than the review.
type server struct {
	*httptest.Server
	client *http.Client
}

func serve(handler http.Handler) server {
	s := server{Server: httptest.NewTLSServer(handler)}
	s.client = s.Client()
	transport := s.client.Transport.(*http.Transport)
	transport.MaxIdleConnsPerHost, transport.MaxConnsPerHost = burstClients, burstClients
	return s
}

func (s server) review(body []byte) error {
	response, err := s.client.Post(s.URL+"/?timeout=30s", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(response.Body)
	return errors.Join(err, response.Body.Close(), check(response.StatusCode, answer))
}

// atOnce calls f n times from so many clients, each as soon as its last call is over. It tells how many calls a second that
// makes, and how much of the time that the processors had for it was used: who waits for something else leaves them idle.
func atOnce(r reading, clients, n int, f func(i int) error) {
	idle := idleTime()
	r.Measure(n, func() {
		var (
			next  atomic.Int64
			group sync.WaitGroup
		)
		for range clients {
			group.Go(func() {
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					need(f(i))
				}
			})
		}
		group.Wait()
	})
	r["rate"] = float64(time.Second) / r[sidebyside.Wall]
	used := r[sidebyside.CPU] * float64(n)
	r["busy"] = used / (used + idleTime() - idle)
}

// idleTime is for how long the machine's processors had nothing to do since it started, in nanoseconds.
func idleTime() float64 {
	text, err := os.ReadFile("/proc/stat")
	need(err)
	var user, nice, system, idle float64 // in hundredths of a second
	_, err = fmt.Sscanf(string(text), "cpu %f %f %f %f", &user, &nice, &system, &idle)
	need(err)
	return idle * 1e7
}

// arriving calls f n times, so many a second however long each takes, and tells what 99 of 100 take at most, in nanoseconds.
func arriving(r reading, perSecond, n int, f func(i int) error) {
	latency := make([]float64, n)
	r.Measure(n, func() {
		var group sync.WaitGroup
		for i, start := 0, time.Now(); i < n; i++ {
			time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(perSecond))))
			group.Go(func() {
				began := time.Now()
				need(f(i))
				latency[i] = float64(time.Since(began))
			})
		}
		group.Wait()
	})
	slices.Sort(latency)
	r["p99"] = latency[n*99/100]
}

func TestBothSidesSetWhatIsRecommended(t *testing.T) {
	for _, newHandler := range []maker{newOurs, newUpstream} {
		for _, c := range []cluster{{vpas: 2, workloads: 2, kind: deployment}, {vpas: 2, workloads: 1, kind: deployment}} {
			request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(newReview(newPod(c.workloads-1))))
			request.Header.Set("Content-Type", "application/json")
			recorder := httptest.NewRecorder()
			newHandler(c).ServeHTTP(recorder, request)
			var answer admissionv1.AdmissionReview
			require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &answer))
			require.Contains(t, string(answer.Response.Patch), "587m")
		}
	}
}

func TestCallsArriveAtTheirRateThoughNoneIsOver(t *testing.T) {
	var here atomic.Int64
	all, r := make(chan struct{}), reading{}
	arriving(r, 1000, 20, func(int) error {
		if here.Add(1) == 20 {
			close(all)
		}
		<-all
		return nil
	})
	require.Positive(t, r["p99"])
}
