package history

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPodNamesBelongToOneWorkload(t *testing.T) {
	deployment := Workload{Namespace: "store", Kind: "Deployment", Name: "shop"}
	of := func(kind string) Workload { return Workload{Namespace: "store", Kind: kind, Name: "shop"} }
	for _, tc := range []struct {
		workload Workload
		pod      string
		want     bool
	}{
		{deployment, "shop-7d9f8b6c5-x2x4z", true},
		{deployment, "shop-5c4f8bd97d-zqk9w", true},
		{deployment, "shop-rc-7d9f8b6c5-x2x4z", false},
		{deployment, "shop-api-7d9f8b6c5-x2x4z", false},
		{deployment, "shop-db-0", false},
		{deployment, "shop-rc-x2x4z", false}, // a ReplicaSet shop-rc
		{deployment, "shop-0", false},
		{deployment, "shop", false},
		{deployment, "webshop-7d9f8b6c5-x2x4z", false},
		{Workload{Kind: "Rollout", Name: "shop"}, "shop-7d9f8b6c5-x2x4z", true},
		{of("StatefulSet"), "shop-0", true},
		{of("StatefulSet"), "shop-12", true},
		{of("StatefulSet"), "shop-db-0", false},
		{of("StatefulSet"), "shop-7d9f8b6c5-x2x4z", false},
		{of("DaemonSet"), "shop-x2x4z", true},
		{of("DaemonSet"), "shop-api-x2x4z", false},
		{of("ReplicaSet"), "shop-x2x4z", true},
		{of("ReplicationController"), "shop-x2x4z", true},
		{of("Job"), "shop-x2x4z", true},
		{of("Job"), "shop-3-x2x4z", true},
		{of("Job"), "shop-29041230-x2x4z", false}, // a CronJob shop has it
		{of("CronJob"), "shop-29041230-x2x4z", true},
		{of("CronJob"), "shop-29041230-4-x2x4z", true},
		{of("CronJob"), "shop-x2x4z", false},
		{Workload{Kind: "Deployment", Name: "shop.v2"}, "shopXv2-7d9f8b6c5-x2x4z", false},
		{Workload{Kind: "Deployment", Name: "shop.v2"}, "shop.v2-7d9f8b6c5-x2x4z", true},
	} {
		t.Run(tc.workload.Kind+" "+tc.workload.Name+" has "+tc.pod, func(t *testing.T) {
			require.Equal(t, tc.want, regexp.MustCompile("^(?:"+PodNames(tc.workload)+")$").MatchString(tc.pod))
		})
	}
}
