package charts

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// minimal is the least that a service says.
const minimal = `
image: {repository: registry.example.com/shop, tag: "1.41"}
resources:
  requests: {cpu: 100m, memory: 512Mi}
  limits: {cpu: "2", memory: 1Gi}
`

// service is a release of the chart for services, called shop.
func service(values ...string) release {
	return release{chart: chart("service"), name: "shop", namespace: "store", values: values}
}

// example is a release with one of the chart's own files of values.
func example(t *testing.T, file string) release {
	t.Helper()
	r := service(read(t, chart("service"), "examples", file))
	if file == "keda.yaml" {
		r.name = "mailer"
	}
	return r
}

// TestExamplesReadLikeDocuments shows each file of values, and below it what comes of it.
func TestExamplesReadLikeDocuments(t *testing.T) {
	for _, file := range examples(t, "service") {
		r := example(t, file)
		golden(t, "service/"+file, r.values[0]+"\n"+strings.Repeat("#", 80)+"\n"+r.manifests(t))
	}
}

func TestWhatIsDeclaredIsTheFloorOfTheVPA(t *testing.T) {
	objects := decode(t, service(minimal, "resources: {requests: {cpu: 2, memory: 1.5Gi}, limits: {cpu: 2.5, memory: 2147483648}}").manifests(t))
	requests := find(t, objects, "Deployment", "shop").container().table("resources", "requests")
	require.Equal(t, map[string]any{"cpu": "2", "memory": "1.5Gi"}, requests)
	require.Equal(t, map[string]any{"cpu": "2.5", "memory": "2147483648"}, find(t, objects, "Deployment", "shop").container().table("resources", "limits"))
	containers := find(t, objects, "VerticalPodAutoscaler", "shop").list("spec", "resourcePolicy", "containerPolicies")
	require.Len(t, containers, 1)
	require.Equal(t, requests, object(containers[0].(map[string]any)).table("minAllowed"))
}

func TestReplicasAreTheAutoscalersWhereThereIsOne(t *testing.T) {
	require.EqualValues(t, 2, find(t, decode(t, service(minimal).manifests(t)), "Deployment", "shop").in("spec", "replicas"))
	for _, file := range []string{"hpa.yaml", "rollout.yaml", "keda.yaml"} {
		for _, o := range decode(t, example(t, file).manifests(t)) {
			if o.kind() == "Deployment" || o.kind() == "Rollout" {
				require.Nil(t, o.in("spec", "replicas"), file)
			}
		}
	}
}

func TestTheMostReplicasFollowFromTheLeast(t *testing.T) {
	for values, most := range map[string]int{
		"replicas: 2":                                            6,
		"replicas: 3\nhpa: {multiplier: 1.5}":                    5, // 4.5
		"replicas: 4\nhpa: {multiplier: 1}":                      4,
		"replicas: 4\nhpa: {exactMaxReplicas: 7}":                7,
		"replicas: 4\nhpa: {multiplier: 10}":                     40,
		"replicas: 10\nhpa: {multiplier: 1.1}":                   11, // and not 12, which 11.000000000000002 would be
		"replicas: 4\nhpa: {multiplier: 2, exactMaxReplicas: 4}": 4,
	} {
		hpa := find(t, decode(t, service(minimal, "hpa: {enabled: true, avgRequestsPerSecond: 50}", values).manifests(t)), "HorizontalPodAutoscaler", "shop")
		require.EqualValues(t, most, hpa.in("spec", "maxReplicas"), values)
	}
}

// TestACandidateIsNoPartOfItsPrimary is about selectors: neither learns or scales from the other's pods, and both serve.
func TestACandidateIsNoPartOfItsPrimary(t *testing.T) {
	objects := decode(t, example(t, "candidate.yaml").manifests(t))
	stable, candidate := find(t, objects, "Deployment", "shop"), find(t, objects, "Deployment", "shop-rc")
	labels := func(o object) map[string]any { return o.table("spec", "template", "metadata", "labels") }
	require.Subset(t, labels(stable), stable.table("spec", "selector", "matchLabels"))
	require.Subset(t, labels(candidate), candidate.table("spec", "selector", "matchLabels"))
	require.NotSubset(t, labels(candidate), stable.table("spec", "selector", "matchLabels"))
	require.NotSubset(t, labels(stable), candidate.table("spec", "selector", "matchLabels"))
	service := find(t, objects, "Service", "shop").table("spec", "selector")
	require.Subset(t, labels(stable), service)
	require.Subset(t, labels(candidate), service)
	require.Equal(t, stable.container()["name"], candidate.container()["name"], "containers map by name")
	require.Equal(t, "shop-rc", find(t, objects, "VerticalPodAutoscaler", "shop-rc").in("spec", "targetRef", "name"))
}

func TestALabelOfTheUsersDoesNotMoveAPodToAnotherTrack(t *testing.T) {
	o := find(t, decode(t, service(minimal, "podLabels: {track: candidate, team: storefront}").manifests(t)), "Deployment", "shop")
	require.Equal(t, "stable", o.in("spec", "template", "metadata", "labels", "track"))
	require.Equal(t, "storefront", o.in("spec", "template", "metadata", "labels", "team"))
}

// TestAServiceThatCannotBeSaysWhy wants the field, its value and what to do.
func TestAServiceThatCannotBeSaysWhy(t *testing.T) {
	for values, parts := range map[string][]string{
		"name: shop-rc":                                              {`name is "shop-rc"`, "set releaseCandidate.enabled"},
		"name: Shop":                                                 {"at '/name'", "'Shop' does not match pattern"},
		"replica: 3":                                                 {"additional properties 'replica' not allowed"},
		"replicas: three":                                            {"at '/replicas'", "got string, want integer"},
		"image: {repository: ''}":                                    {"image.repository is empty", "such as registry.example.com/shop"},
		"image: {tag: ''}":                                           {"image.tag is empty", "such as 1.41"},
		"image: {tag: 1.41}":                                         {"at '/image/tag'", "got number, want string"},
		"releaseCandidate: {enabled: true}":                          {"releaseCandidate.tag is empty", "such as 1.42-rc1"},
		"container: {resources: {}}":                                 {"container.resources is set", "set resources instead"},
		"pod: {containers: []}":                                      {"pod.containers is set", "sidecars"},
		"resources: {requests: {cpu: ''}}":                           {"resources.requests.cpu is empty", "such as 100m"},
		"resources: {requests: {memory: 0}}":                         {"resources.requests.memory is empty", "such as 512Mi"},
		"resources: {requests: {cpu: 100 m}}":                        {`resources.requests.cpu is "100 m"`, "such as 100m"},
		"resources: {limits: {memory: 1GB}}":                         {`resources.limits.memory is "1GB"`, "such as 512Mi"},
		"vpa: {maxAllowed: {cpu: lots}}":                             {`vpa.maxAllowed.cpu is "lots"`, "such as 100m"},
		"resources: {limits: {cpu: 99m}}":                            {`resources.limits.cpu is "99m" and resources.requests.cpu is "100m"`, "raise resources.limits.cpu", "or lower the request"},
		"resources: {limits: {memory: 536870911}}":                   {`resources.limits.memory is "536870911"`, `"512Mi"`, "raise"},
		"vpa: {maxAllowed: {memory: 500M}}":                          {`vpa.maxAllowed.memory is "500M" and resources.requests.memory is "512Mi"`, "raise vpa.maxAllowed.memory"},
		"vpa: {updateMode: Auto}":                                    {"at '/vpa/updateMode'", "must be one of 'Off', 'Initial', 'Recreate', 'InPlaceOrRecreate'"},
		"hpa: {enabled: true}":                                       {"hpa.avgRequestsPerSecond is 0", "such as 50"},
		"hpa: {enabled: true, avgRequestsPerSecond: -5}":             {"hpa.avgRequestsPerSecond is -5", "such as 50"},
		"hpa: {enabled: true, avgRequestsPerSecond: 5}\nreplicas: 0": {"replicas is 0", "set replicas to at least 1"},
		"hpa: {multiplier: 0.5}":                                     {"hpa.multiplier is 0.5", "set it to at least 1"},
		"hpa: {exactMaxReplicas: 1}":                                 {"hpa.exactMaxReplicas is 1 and replicas is 2", "set it to at least that, or to 0"},
		"hpa: {enabled: true, avgRequestsPerSecond: 5}\nkeda: {enabled: true}": {"hpa.enabled and keda.enabled are true", "set one to false"},
		"keda: {enabled: true}": {"keda.triggers is empty", "examples/keda.yaml"},
		"keda: {enabled: true, triggers: [{type: kafka, metadata: {}}]}\nreplicas: 0":   {"replicas is 0 and hpa.exactMaxReplicas is 0", "set hpa.exactMaxReplicas"},
		"keda: {enabled: true, triggers: [{type: cpu, metadata: {value: '60'}}]}":       {`keda.triggers[0].type is "cpu"`, "scale by requests or a queue"},
		"keda: {enabled: true, triggers: [{type: kafka, metadata: {lagThreshold: 5}}]}": {"at '/keda/triggers/0/metadata/lagThreshold'", "got number, want string"},
		"podDisruptionBudget: {maxUnavailable: 0}":                                      {"at '/podDisruptionBudget/maxUnavailable'"},
	} {
		refusal := service(minimal, values).refusal(t)
		for _, part := range parts {
			require.Contains(t, refusal, part, values)
		}
	}
}
