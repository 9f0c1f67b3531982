package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// inKernel is nil when the kernel holds a pod's only container to these resources: its cgroups have them.
func inKernel(pod corev1.Pod, request, limit corev1.ResourceList) error {
	return holds(pod, pod.Spec.Containers[0].Name, request, limit)
}

// allInKernel is nil when the kernel holds each container of a pod to what its spec says.
func allInKernel(pod corev1.Pod) error {
	for _, c := range pod.Spec.Containers {
		if err := holds(pod, c.Name, c.Resources.Requests, c.Resources.Limits); err != nil {
			return err
		}
	}
	return nil
}

// holds is nil when a container's cgroups have these resources.
func holds(pod corev1.Pod, container string, request, limit corev1.ResourceList) error {
	const period = 100_000 // microseconds, in which a container gets its share
	want := map[string]int64{"cpu/cpu.shares": request.Cpu().MilliValue() * 1024 / 1000}
	if cpu := limit.Cpu().MilliValue(); cpu > 0 {
		want["cpu/cpu.cfs_quota_us"] = cpu * period / 1000
	}
	if memory := limit.Memory().Value(); memory > 0 {
		want["memory/memory.limit_in_bytes"] = memory
	}
	for file, value := range want {
		got, err := cgroup(pod, container, file)
		if err != nil {
			return err
		}
		if got != value {
			return fmt.Errorf("pod %s, container %s: %s is %d and not %d", pod.Name, container, file, got, value)
		}
	}
	return nil
}

// cgroup is a number in a file of the cgroup of a pod's container: controller/file.
func cgroup(pod corev1.Pod, container, file string) (int64, error) {
	controller, name := filepath.Split(file)
	id := ""
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == container {
			_, id, _ = strings.Cut(status.ContainerID, "://")
		}
	}
	if id == "" {
		return 0, fmt.Errorf("pod %s has not started container %s: %w", pod.Name, container, os.ErrNotExist)
	}
	// The kubelet sorts pods by QoS class, and puts Guaranteed ones at the top.
	pattern := filepath.Join("/sys/fs/cgroup", controller, "kubepods", "*", "pod"+string(pod.UID), id, name)
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return 0, fmt.Errorf("%d files match %s: %w", len(found), pattern, os.ErrNotExist)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}
