package history

import "time"

const mib = 1 << 20

// Store is the small shop that the demo and the tests tell of: one namespace in prod, and the same in dev,
// where everything has the same names and uses ten times as much. Whoever mixes the two up sees it at once.
//
// In prod, shop idles at 230m to 470m, three times that in bursts, and 450Mi to 840Mi: far above the requests
// of 100m and 512Mi that its developers guessed, so that twice its recommended CPU is between 2 and 3 cores.
func Store() []Workload {
	var out []Workload
	for _, w := range []Workload{shop(), shopRC(), shopAPI(), shopDB(), nightly()} {
		out = append(out, w.In("prod", 1), w.In("dev", 10))
	}
	return out
}

const storeNamespace = "store"

func shop() Workload {
	return Workload{
		Namespace: storeNamespace, Name: "shop", Kind: Deployment, Replicas: 3, Rollout: 24 * time.Hour,
		Containers: []Container{shopContainer("shop"), istioProxy()},
	}
}

// shopRC is shop's release candidate, an hour old: too young to be judged by its own past.
func shopRC() Workload {
	return Workload{
		Namespace: storeNamespace, Name: "shop-rc", Kind: Deployment, Replicas: 1, Age: time.Hour,
		Containers: []Container{shopContainer("shop-rc"), istioProxy()},
	}
}

// shopContainer bursts for a fifth of the time, so that the 90th percentile of CPU is within the bursts.
func shopContainer(name string) Container {
	return Container{
		Name:   name,
		CPU:    Bursty(Diurnal(0.35, 0.3, 0.05), 3, 15*time.Minute, 3*time.Minute),
		Memory: Diurnal(640*mib, 0.25, 0.05),
	}
}

// istioProxy is the same sidecar, under the same name, in several workloads.
func istioProxy() Container {
	return Container{Name: "istio-proxy", CPU: Diurnal(0.04, 0.4, 0.1), Memory: Steady(70*mib, 0.1)}
}

// shopAPI's name begins like shop's. It is scraped by two jobs.
func shopAPI() Workload {
	return Workload{
		Namespace: storeNamespace, Name: "shop-api", Kind: Deployment, Replicas: 2, Rollout: 24 * time.Hour,
		Scrape: Scrape{Twice: true},
		Containers: []Container{
			{Name: "shop-api", CPU: Diurnal(0.15, 0.5, 0.1), Memory: Steady(300*mib, 0.05)},
			istioProxy(),
		},
	}
}

// shopDB is a StatefulSet whose containers restart in place, seen as counter resets within a series.
func shopDB() Workload {
	return Workload{
		Namespace: storeNamespace, Name: "shop-db", Kind: StatefulSet, Replicas: 2, Restarts: 60 * time.Hour,
		Scrape: Scrape{DropIDs: true},
		Containers: []Container{
			{Name: "postgres", CPU: Bursty(Steady(0.5, 0.2), 2.5, time.Hour, 4*time.Minute), Memory: Diurnal(1500*mib, 0.1, 0.02)},
		},
	}
}

// nightly does next to nothing but for half an hour a day. It exists in history only: nobody deploys it.
func nightly() Workload {
	return Workload{
		Namespace: storeNamespace, Name: "nightly", Kind: Deployment, Replicas: 1, Rollout: 7 * 24 * time.Hour,
		Containers: []Container{
			{Name: "nightly", CPU: Bursty(Steady(0.02, 0.3), 60, 24*time.Hour, 30*time.Minute), Memory: Bursty(Steady(120*mib, 0.05), 6, 24*time.Hour, 30*time.Minute)},
		},
	}
}
