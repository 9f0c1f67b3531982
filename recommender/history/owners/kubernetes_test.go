package owners

import (
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// What Kubernetes does, told once more and otherwise: forwards, from numbers to names.

const kubernetesAlphabet = "bcdfghjklmnpqrstvwxz2456789"

// encoded is a number with a character of the alphabet for each digit, as a template's hash is.
func encoded(number uint32) string {
	var b strings.Builder
	for _, digit := range strconv.FormatUint(uint64(number), 10) {
		b.WriteByte(kubernetesAlphabet[int(digit)%len(kubernetesAlphabet)])
	}
	return b.String()
}

// generate is what the API server does with a generateName.
func generate(t *rapid.T, base string) string {
	var suffix [5]byte
	for i := range suffix {
		suffix[i] = kubernetesAlphabet[rapid.IntRange(0, len(kubernetesAlphabet)-1).Draw(t, "random")]
	}
	return base[:min(len(base), 58)] + string(suffix[:])
}

// indexedBase is what an indexed Job asks for; index stands between two dashes. It is never what gets cut.
func indexedBase(job, index string) string { return job[:min(len(job), 58-len(index))] + index }

// podOf makes up the name of one of w's pods.
func podOf(t *rapid.T, w Workload) string {
	ordinal := "-" + strconv.Itoa(rapid.IntRange(0, 5000).Draw(t, "ordinal"))
	hash := "-" + encoded(rapid.Uint32Min(100_000).Draw(t, "template"))
	plain := func(controller string) string { return generate(t, controller+"-") }
	switch w.Kind {
	case "StatefulSet":
		return w.Name + ordinal
	case "DaemonSet", "ReplicaSet", "ReplicationController":
		return plain(w.Name)
	case "Job":
		if rapid.Bool().Draw(t, "indexed") {
			return generate(t, indexedBase(w.Name, ordinal+"-"))
		}
		return plain(w.Name)
	case "CronJob":
		due := "-" + strconv.Itoa(rapid.IntRange(26_297_280, 35_000_000).Draw(t, "minute")) // 2020 to 2036
		if len(w.Name) < 40 && rapid.Bool().Draw(t, "indexed") {
			return generate(t, indexedBase(w.Name+due, ordinal+"-"))
		}
		return plain(w.Name + due)
	case custom:
		switch rapid.IntRange(0, 2).Draw(t, "way") {
		case 0:
			return w.Name + ordinal
		case 1:
			return plain(w.Name)
		}
	}
	return plain(w.Name + hash)
}

// canHaveMade reports whether the controller can have a pod of this name, by trying what it may have asked for.
func canHaveMade(w Workload, pod string) bool {
	for _, base := range bases(w, pod) {
		if base == pod { // a StatefulSet's
			return true
		}
		base = base[:min(len(base), 58)]
		if strings.HasPrefix(pod, base) && len(pod) == len(base)+5 && strings.Trim(pod[len(base):], kubernetesAlphabet) == "" {
			return true
		}
	}
	return false
}

// bases are the names that the controller may ask for, made of what follows its own name in the pod's.
func bases(w Workload, pod string) []string {
	rest := strings.TrimPrefix(pod, w.Name+"-")
	number, _, _ := strings.Cut(rest, "-")
	counted := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	var hashes, numbers []string
	for n := range len(rest) + 1 {
		if h := rest[:n]; n > 0 && n <= 10 && h[0] != '4' && strings.Trim(h, "456789bcdf") == "" {
			hashes = append(hashes, w.Name+"-"+h+"-", w.Name+"-"+h) // the dash may have been cut off
		}
		if counted(rest[:n]) {
			numbers = append(numbers, w.Name+"-"+rest[:n]+"-", w.Name+"-"+rest[:n])
		}
	}
	switch w.Kind {
	case "StatefulSet":
		return []string{w.Name + "-" + number}
	case "DaemonSet", "ReplicaSet", "ReplicationController":
		return []string{w.Name + "-"}
	case "Job":
		return append(numbers, w.Name+"-")
	case "CronJob":
		if _, after, ok := strings.Cut(rest, "-"); ok && counted(number) {
			index, _, _ := strings.Cut(after, "-")
			numbers = append(numbers, w.Name+"-"+number+"-"+index+"-")
		}
		return numbers
	case custom:
		return append(hashes, w.Name+"-", w.Name+"-"+number)
	}
	return hashes
}
