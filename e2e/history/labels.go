package history

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// Metric names as cAdvisor exports them.
const (
	cpuMetric    = "container_cpu_usage_seconds_total"
	memoryMetric = "container_memory_working_set_bytes"
)

// pauseContainer is the name under which a pod's pause container is exported. It runs nothing of the user's.
const pauseContainer = "POD"

// podSum stands for the pod's own cgroup: its series have no label container.
const podSum = ""

// The pause container's constant usage: next to nothing, but not nothing.
const (
	pauseCPU    = 20e-6     // cores
	pauseMemory = 512 << 10 // bytes
)

// node is the machine the pod runs on, for all of its lives.
func (t *target) node() string {
	seed := seedOf(t.recording.Seed, "node", t.workload.Env, t.workload.Namespace, t.pod)
	return fmt.Sprintf("node-%d", mix(seed, 0)%nodes)
}

// hex is n lower-case hex digits made of the pod's identity and names, as UIDs and container ids are.
func (t *target) hex(n int, names ...string) string {
	w := t.workload
	seed := seedOf(t.recording.Seed, w.Env, w.Namespace, w.Name, t.pod, strconv.FormatInt(t.generation, 10))
	seed = seedOf(seed, names...)
	var b strings.Builder
	for i := uint64(0); b.Len() < n; i++ {
		fmt.Fprintf(&b, "%016x", mix(seed, i))
	}
	return b.String()[:n]
}

// labels are those of one series as a scrape of a kubelet leaves them. container is a container's name,
// pauseContainer, or podSum. Prometheus drops empty labels, so podSum's image and name are not there at all.
func (t *target) labels(metric, container string, job int) labels.Labels {
	w, j := t.workload, jobs[job]
	node := t.node()
	address := mix(seedOf(t.recording.Seed, "address", w.Env, node), 0) % 256
	b := labels.NewBuilder(labels.EmptyLabels()).
		Set("__name__", metric).
		Set("env", w.Env).
		Set("namespace", w.Namespace).
		Set("pod", t.pod).
		Set("container", container).
		Set("node", node).
		Set("instance", fmt.Sprintf("10.0.0.%d:10250", address)).
		Set("job", j.name).
		Set("service", j.service).
		Set("endpoint", j.endpoint).
		Set("metrics_path", "/metrics/cadvisor")
	if metric == cpuMetric {
		b.Set("cpu", "total")
	}
	if container != podSum {
		b.Set("image", t.image(container))
	}
	if !w.Scrape.DropIDs {
		t.setIDs(b, container)
	}
	return b.Labels()
}

// image changes with the pod template, as a release's does.
func (t *target) image(container string) string {
	if container == pauseContainer {
		return "registry.k8s.io/pause:3.10"
	}
	tag := mix(seedOf(t.recording.Seed, "image", t.workload.Name, container), uint64(t.generation))
	return fmt.Sprintf("registry.example.com/%s/%s:%07x", t.workload.Namespace, container, tag>>36)
}

// uid is the pod's.
func (t *target) uid() string {
	uid := t.hex(32, "uid")
	return strings.Join([]string{uid[:8], uid[8:12], uid[12:16], uid[16:20], uid[20:]}, "-")
}

// setIDs adds the cgroup path and the runtime's container id, which is a new one after every restart.
func (t *target) setIDs(b *labels.Builder, container string) {
	uid := strings.ReplaceAll(t.uid(), "-", "_")
	slice := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uid + ".slice"
	if container == podSum {
		b.Set("id", slice)
		return
	}
	id := t.hex(64, container, strconv.Itoa(t.run))
	b.Set("id", slice+"/cri-containerd-"+id+".scope")
	b.Set("name", id)
}
