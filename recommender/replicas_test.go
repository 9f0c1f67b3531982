package main

import (
	"testing"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
)

func TestMetricsTellWhichPartOfTheVPAsIsWorkedOn(t *testing.T) {
	alone, standby, sharing := defaultOptions(), defaultOptions(), defaultOptions()
	standby.leaderElect, standby.leaseNamespace = true, "sartor-system"
	sharing.shardLeases, sharing.shards, sharing.leaseNamespace = true, 3, "sartor-system"
	for name, c := range map[string]struct {
		options      *options
		shards, held float64
	}{
		"without leases":                 {alone, 1, 1},
		"before it has the lease":        {standby, 1, 0},
		"before it has a shard's of all": {sharing, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := newReplicas(&rest.Config{Host: "127.0.0.1:1"}, c.options, testr.New(t))
			require.NoError(t, err)
			registry := prometheus.NewRegistry()
			registry.MustRegister(r.collectors()...)
			families, err := registry.Gather()
			require.NoError(t, err)
			got := map[string]float64{}
			for _, f := range families {
				got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
			}
			require.Equal(t, map[string]float64{"vpa_recommender_shards": c.shards, "vpa_recommender_shards_held": c.held}, got)
		})
	}
}
