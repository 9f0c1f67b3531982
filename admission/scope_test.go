package main

import (
	"testing"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	vpav1 "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1"

	"github.com/sartor-vpa/sartor/admission/webhook"
	"github.com/sartor-vpa/sartor/pkg/apiserver"
	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/target"
)

func TestVPAsOfOtherNamespacesAreLeftAlone(t *testing.T) {
	index := webhook.NewIndex(policy.Cluster{Limits: policy.DefaultLimitPolicy()}, logr.Discard())
	for _, namespace := range []string{"store", "dev"} {
		index.Into().Set(&vpav1.VerticalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shop"},
			Spec:       vpav1.VerticalPodAutoscalerSpec{TargetRef: &autoscalingv1.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "shop"}},
		})
	}
	patched := func(s apiserver.Scope) (namespaces []string) {
		for _, namespace := range []string{"store", "dev"} {
			if (scoped{index, &s}).Controlling(target.Controller{Group: "apps", Kind: "Deployment", Namespace: namespace, Name: "shop"}) != nil {
				namespaces = append(namespaces, namespace)
			}
		}
		return namespaces
	}
	require.Equal(t, []string{"store", "dev"}, patched(apiserver.Scope{}))
	require.Equal(t, []string{"store"}, patched(apiserver.Scope{Namespace: "store"}))
	require.Equal(t, []string{"dev"}, patched(apiserver.Scope{Ignored: []string{"store"}}))
}
