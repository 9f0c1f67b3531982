package history

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// What a fleet's namespaces are.
const (
	perNamespace  = 250 // containers, on average
	minNamespaces = 5
	maxNamespaces = 40
	namespaceSkew = 0.7 // the i-th is 1/i^0.7 as large as the first
)

// Fleet is the workloads of a company: so many containers at any time, rounded down to a whole number of pods, in prod,
// and as many, of all the same names, in dev. Each pod has an app and a sidecar. Four of five workloads are
// Deployments that are rolled each day, the others StatefulSets that restart in place. Namespaces differ in
// size, and two jobs scrape the largest one in prod. Half of the workloads are steady, the others bursty, batches or
// idle; dev uses a tenth of prod. The seed changes all of it.
func Fleet(containers int, seed uint64) []Workload {
	namespaces := min(max(containers/perNamespace, minNamespaces), maxNamespaces)
	var out []Workload
	for left, i := containers/2, 0; left > 0; i++ {
		chance := seedOf(seed, "fleet", strconv.Itoa(i))
		namespace := pickNamespace(unit(chance, 0), namespaces)
		w := Workload{
			Namespace: fmt.Sprintf("team-%02d", namespace), Name: fmt.Sprintf("svc-%04d", i),
			Replicas: min(fleetReplicas(unit(chance, 1), unit(chance, 2)), left), Containers: fleetContainers(chance),
		}
		if unit(chance, 3) < 0.8 {
			w.Kind, w.Rollout = Deployment, 24*time.Hour
		} else {
			w.Kind, w.Restarts = StatefulSet, time.Duration((1+3*unit(chance, 4))*float64(24*time.Hour)).Truncate(time.Minute)
		}
		left -= w.Replicas
		prod := w.In("prod", 1)
		prod.Scrape.Twice = namespace == 0
		out = append(out, prod, w.In("dev", 0.1))
	}
	return out
}

// pickNamespace draws from n namespaces, the first of which are the largest. chance is uniform in [0, 1).
func pickNamespace(chance float64, n int) int {
	weight := func(i int) float64 { return math.Pow(float64(i+1), -namespaceSkew) }
	total := 0.0
	for i := range n {
		total += weight(i)
	}
	left := chance * total
	for i := range n - 1 {
		if left -= weight(i); left < 0 {
			return i
		}
	}
	return n - 1
}

// fleetReplicas is 1 to 6, and for a tenth of the workloads 10 to 29.
func fleetReplicas(large, chance float64) int {
	if large < 0.1 {
		return 10 + int(20*chance)
	}
	return 1 + int(6*chance)
}

// fleetContainers are an app of some 50m and 200 MB, give or take some times as much, and its sidecar.
func fleetContainers(chance uint64) []Container {
	const appCPU, appMemory = 0.05, 200e6
	cpu := appCPU * math.Exp(1.2*normal(unit(chance, 5), unit(chance, 6)))
	memory := appMemory * math.Exp(normal(unit(chance, 7), unit(chance, 8)))
	factor := 5 + 8*unit(chance, 9)
	load := Diurnal(1, 0.45, 0.25)
	switch kind := unit(chance, 10); {
	case kind < 0.5: // steady, but for a minute or so twice a day
		load = Bursty(load, 4, 12*time.Hour, time.Minute)
	case kind < 0.75: // bursty
		load = Bursty(load, factor, 40*time.Minute, 2*time.Minute)
	case kind < 0.85: // batches
		load = Bursty(load, 7, 6*time.Hour, 10*time.Minute)
	default: // idle
		cpu = 0.003
	}
	used := Bursty(Diurnal(0.9, 0.1, 0.02), 1.6, 4*time.Hour, 90*time.Second)
	return []Container{
		{Name: "app", CPU: Scale(load, cpu), Memory: Scale(used, memory)},
		{Name: "sidecar", CPU: Scale(load, 0.08*cpu+0.002), Memory: Scale(used, 0.1*memory+20e6)},
	}
}

// normal makes one normally distributed number of two that are uniform in [0, 1).
func normal(a, b float64) float64 { return math.Sqrt(-2*math.Log(1-a)) * math.Cos(2*math.Pi*b) }
