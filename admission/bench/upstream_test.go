package bench

import (
	"io"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/logic"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/patch"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/pod/recommendation"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/admission-controller/resource/vpa"
	upstreamtarget "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/target"
	controllerfetcher "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/target/controller_fetcher"
	"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/limitrange"
	vpautil "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/utils/vpa"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	kubernetesfake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

func init() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard) // it tells of each second that it throttles itself
}

// newUpstream is upstream's handler as its main function makes it, before this cluster.
func newUpstream(c cluster) http.Handler {
	var objects []runtime.Object
	for i := range c.workloads {
		objects = append(objects, newReplicaSet(i, c.kind))
		if c.kind == deployment {
			objects = append(objects, newDeployment(i))
		}
	}
	var (
		known                       = kubernetesfake.NewSimpleClientset(objects...)
		client kubernetes.Interface = known
		config                      = c.server
		never                       = make(chan struct{})
	)
	if config == nil {
		config = &rest.Config{Host: "http://127.0.0.1:1"} // nothing of this cluster is asked there
	} else {
		client = kubernetes.NewForConfigOrDie(config)
	}
	factory := informers.NewSharedInformerFactory(known, 10*time.Minute)
	selectors := upstreamtarget.NewVpaTargetSelectorFetcher(config, client, factory, never)
	controllers := controllerfetcher.NewControllerFetcher(config, client, factory, 10*time.Minute, time.Hour, 1, never)
	ranges, err := limitrange.NewLimitsRangeCalculator(factory)
	need(err)
	factory.Start(never)
	factory.WaitForCacheSync(never)

	indexer := toolscache.NewIndexer(toolscache.MetaNamespaceKeyFunc, toolscache.Indexers{
		toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc, vpautil.TargetRefIndex: vpautil.TargetRefIndexFunc,
	})
	for i := range c.vpas {
		need(indexer.Add(newVPA(i, c.target(i), c.kind)))
	}
	calculators := []patch.Calculator{
		patch.NewResourceUpdatesCalculator(recommendation.NewProvider(ranges, vpautil.NewCappingRecommendationProcessor(ranges)), resource.QuantityValue{}),
		patch.NewObservedContainersCalculator(),
	}
	server := logic.NewAdmissionServer(pod.NewDefaultPreProcessor(), vpa.NewDefaultPreProcessor(), ranges, vpa.NewMatcher(indexer, selectors, controllers), calculators)
	return http.HandlerFunc(server.Serve)
}
