package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestRequestsAreCountedUnderUpstreamsNames(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client, registry := &http.Client{Transport: http.DefaultTransport}, prometheus.NewRegistry()
	Instrument(client, registry)
	response, err := client.Post(server.URL, "", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP vpa_recommender_prometheus_client_api_requests_count Number of requests to a Prometheus API
# TYPE vpa_recommender_prometheus_client_api_requests_count counter
vpa_recommender_prometheus_client_api_requests_count{code="404",method="post"} 1
`), "vpa_recommender_prometheus_client_api_requests_count"))
}
