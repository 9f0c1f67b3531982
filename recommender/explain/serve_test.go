package explain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sartor-vpa/sartor/recommender/loop"
)

// answers is an Explainer that says the same to everyone.
type answers struct {
	e     *loop.Explanation
	err   error
	asked types.NamespacedName
	limit bool
}

func (a *answers) Explain(ctx context.Context, name types.NamespacedName) (*loop.Explanation, error) {
	a.asked = name
	_, a.limit = ctx.Deadline()
	return a.e, a.err
}

func get(s *Server, method, query string) *http.Response {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(method, Path+query, nil))
	return w.Result()
}

var shop = types.NamespacedName{Namespace: "store", Name: "shop"}

func TestTheRecommenderAnswersInJSONAndInBoundedTime(t *testing.T) {
	a := &answers{e: fromLoop(t, "TestAVPAIsExplained")}
	response := get(&Server{a}, http.MethodGet, "?vpa=store/shop")
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	require.Equal(t, shop, a.asked)
	require.True(t, a.limit)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	goldenText(t, "answer.json", string(body))
}

func TestWhatCannotBeAnsweredHasAStatusAndAText(t *testing.T) {
	unknown := &loop.UnknownVPAError{VPA: shop}
	for name, tc := range map[string]struct {
		method, query string
		err           error
		status        int
		says          string
	}{
		"another method":    {http.MethodPost, "?vpa=store/shop", nil, 405, "POST is not for this"},
		"no name":           {http.MethodGet, "", nil, 400, `the parameter vpa must be NAMESPACE/NAME of a VPA and not "": /explain?vpa=store/shop`},
		"no namespace":      {http.MethodGet, "?vpa=shop", nil, 400, `not "shop"`},
		"too many parts":    {http.MethodGet, "?vpa=store/shop/x", nil, 400, `not "store/shop/x"`},
		"a long name":       {http.MethodGet, "?vpa=" + strings.Repeat("A", 9000), nil, 400, `AAA"`},
		"an unknown VPA":    {http.MethodGet, "?vpa=store/shop", unknown, 404, "there is no VPA store/shop that this recommender works on"},
		"no answer in time": {http.MethodGet, "?vpa=store/shop", fmt.Errorf("busy: %w", context.DeadlineExceeded), 503, "busy"},
		"no targetRef":      {http.MethodGet, "?vpa=store/shop", errors.New("spec.targetRef is missing"), 422, "spec.targetRef is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			response := get(&Server{&answers{err: tc.err}}, tc.method, tc.query)
			require.Equal(t, tc.status, response.StatusCode)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Contains(t, string(body), tc.says)
			require.Less(t, len(body), 500)
		})
	}
}

func TestWhoAsksGetsWhatTheRecommenderExplains(t *testing.T) {
	want := fromLoop(t, "TestACandidateIsExplainedByItsPrimary")
	mux := http.NewServeMux()
	mux.Handle(Path, &Server{&answers{e: want}})
	server := httptest.NewServer(mux)
	defer server.Close()
	got, err := Ask(t.Context(), server.URL+"/", shop)
	require.NoError(t, err)
	var a, b bytes.Buffer
	require.NoError(t, JSON(&a, want))
	require.NoError(t, JSON(&b, got))
	require.Equal(t, a.String(), b.String())
}

func TestWhoGetsNoAnswerIsToldTheRemedy(t *testing.T) {
	for name, tc := range map[string]struct {
		serve http.HandlerFunc
		says  string
	}{
		"unknown VPA":       {(&Server{&answers{err: &loop.UnknownVPAError{VPA: shop}}}).ServeHTTP, "answers 404: there is no VPA store/shop that this recommender works on"},
		"another program":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "is no explanation: is it a recommender of this version?"},
		"an escape":         {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "\x1b[2Jno", 500) }, "answers 500: [2Jno"},
		"an endless answer": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxAnswer+1)) }, "is longer than 16 MiB"},
		"a broken answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = w.Write([]byte("{"))
		}, "breaks off"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.serve)
			defer server.Close()
			_, err := Ask(t.Context(), server.URL, shop)
			require.ErrorContains(t, err, tc.says)
		})
	}
	for _, address := range []string{"", "localhost:8942", "ftp://x", "http://", "http://%"} {
		_, err := Ask(t.Context(), address, shop)
		require.ErrorContains(t, err, "must be the URL of a recommender", address)
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	_, err := Ask(t.Context(), gone.URL, shop)
	require.ErrorContains(t, err, "kubectl -n sartor-system port-forward")
}

// FuzzQuestions asks whatever a client may ask.
func FuzzQuestions(f *testing.F) {
	for _, seed := range []string{"vpa=store/shop", "vpa=store%2Fshop", "vpa=store/shop&vpa=a/b", "vpa=/", "vpa=a/b/c", "vpa=%00/%ff", "%gh", "vpa=A/b", ";"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		a := &answers{e: &loop.Explanation{}}
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, Path, nil)
		r.URL.RawQuery = query
		(&Server{a}).ServeHTTP(w, r)
		require.Equal(t, w.Code == http.StatusOK, a.asked != (types.NamespacedName{}))
		require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, w.Code)
		if w.Code == http.StatusOK {
			again, err := ParseName(a.asked.String())
			require.NoError(t, err)
			require.Equal(t, a.asked, again)
		}
	})
}

// FuzzAnswers shows whatever a server may answer: as a table in its width, without a control character.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"containers":null}`, `{"containers":[{"resources":null},{"name":"a","samples":3,"resources":[{"resource":"memory","target":"-1"},{"resource":"gpu"}]}]}`,
		`{"live":true,"history":{"state":"failing","error":"\u001b[2J"},"inheritance":{},"conditions":[{}]}`, `{"at":"0001-01-01T00:00:00Z","history":{"lastCheckpoint":"9999-12-31T23:59:59Z"}}`,
		`{"containers":[{"resources":[{"resource":"cpu","target":"1e400","published":"1n"}]}]}`, `<html>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := read("", &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))})
		if err != nil {
			return
		}
		var out strings.Builder
		require.NoError(t, Table(&out, e))
		require.NotContains(t, out.String(), "\x1b")
		require.NoError(t, JSON(io.Discard, e))
	})
}
