package cluster

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster/runs"
)

const auditLine = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","stage":"ResponseComplete","verb":"patch",
"user":{"username":"system:serviceaccount:a:b","extra":{"authentication.kubernetes.io/credential-id":["JTI=7"]}},
"userAgent":"recommender/v1","objectRef":{"resource":"verticalpodautoscalers","namespace":"store","name":"shop","subresource":"status"},
"responseStatus":{"metadata":{},"code":409},"requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z"}`

func TestTheAuditLogTellsWhoWroteWhatAndWhen(t *testing.T) {
	c := &Cluster{folder: &runs.Folder{Path: t.TempDir()}}
	_, err := c.Writes()
	require.ErrorContains(t, err, "read the audit log")
	var line []byte
	for _, b := range []byte(auditLine) {
		if b != '\n' {
			line = append(line, b)
		}
	}
	const watching = `{"stage":"ResponseStarted","verb":"watch","requestURI":"/api/v1/pods?watch=true","user":{"username":"system:serviceaccount:sartor-system:sartor-recommender"},` +
		`"objectRef":{"resource":"pods"},"responseStatus":{"code":200}}` + "\n"
	const denied = `{"stage":"ResponseComplete","verb":"get","requestURI":"/metrics","user":{"username":"system:serviceaccount:sartor-system:sartor-admission"},"responseStatus":{"code":403}}` + "\n"
	byAdmin := `{"verb":"delete","user":{"username":"admin"},"objectRef":{"resource":"verticalpodautoscalercheckpoints"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-02T03:04:06Z"}`
	require.NoError(t, os.WriteFile(filepath.Join(c.Dir(), "audit.log"), append(append(line, '\n'), watching+denied+byAdmin...), 0o600))
	writes, err := c.Writes()
	require.NoError(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	require.Equal(t, []Write{
		{At: at, Credential: "JTI=7", Agent: "recommender/v1", Verb: "patch", Resource: "verticalpodautoscalers", Namespace: "store", Name: "shop", Code: 409},
		{At: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), Verb: "delete", Resource: "verticalpodautoscalercheckpoints", Code: 200},
	}, writes)
	requests, err := c.Requests()
	require.NoError(t, err)
	require.Equal(t, []Request{
		{Account: "sartor-recommender", Verb: "watch", Resource: "pods", Code: 200},
		{Account: "sartor-admission", Verb: "get", NonResource: "/metrics", Code: 403},
	}, requests)
}
