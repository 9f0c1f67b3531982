package cluster

import (
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"
)

func TestVPAsBelongToTheRecommenderThatTheyName(t *testing.T) {
	selects := func(names ...string) []*vpav1.VerticalPodAutoscalerRecommenderSelector {
		var list []*vpav1.VerticalPodAutoscalerRecommenderSelector
		for _, n := range names {
			list = append(list, &vpav1.VerticalPodAutoscalerRecommenderSelector{Name: n})
		}
		return list
	}
	for name, tc := range map[string]struct {
		recommender string
		named       []*vpav1.VerticalPodAutoscalerRecommenderSelector
		want        bool
	}{
		"none named is the default's":      {DefaultRecommender, nil, true},
		"none named is nobody else's":      {"trial", nil, false},
		"named":                            {"trial", selects("trial"), true},
		"another named":                    {DefaultRecommender, selects("trial"), false},
		"the default named":                {DefaultRecommender, selects("default"), true},
		"one of several":                   {"trial", selects("default", "trial"), true},
		"an empty entry stands for nobody": {DefaultRecommender, []*vpav1.VerticalPodAutoscalerRecommenderSelector{nil}, false},
	} {
		t.Run(name, func(t *testing.T) {
			vpa := &vpav1.VerticalPodAutoscaler{Spec: vpav1.VerticalPodAutoscalerSpec{Recommenders: tc.named}}
			require.Equal(t, tc.want, (&Cluster{recommender: tc.recommender}).ours(vpa))
		})
	}
}

func TestManyChangesAreOneSignal(t *testing.T) {
	c := New(nil, nil, DefaultRecommender, logr.Discard())
	for range 1000 {
		c.signal()
	}
	<-c.Changed()
	select {
	case <-c.Changed():
		t.Fatal("a second signal")
	default:
	}
}
