package legal

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// checks is how many scenes are looked at, unless -rapid.checks says otherwise.
const checks = "2500"

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}

// TestWhateverIsPatchedKubernetesTakes takes random pods the way of the API server, with the webhook and without it.
func TestWhateverIsPatchedKubernetesTakes(t *testing.T) {
	h, pods := newHook(), seen{}
	rapid.Check(t, func(t *rapid.T) {
		if err := scenes.Draw(t, "of a scene").check(h, pods); err != nil {
			t.Fatal(err)
		}
	})
	pods.hold(t, h)
}

// check holds what the webhook does in a scene to what must hold.
func (s *scene) check(h *hook, pods seen) error {
	h.knows(s.vpa, s.ranges, s.cluster)
	server, err := newAPIServer(s.ranges)
	if err != nil {
		return err
	}
	posted, err := s.posted()
	if err != nil {
		return err
	}
	before, err := server.received(posted)
	if err != nil {
		return err
	}
	after, err := server.mutated(before, h.review)
	if err != nil {
		return err
	}
	refused := server.refuses(before)
	pods.add(s, refused, before, after)
	if refused == nil {
		if err := server.refuses(after); err != nil {
			return fmt.Errorf("Kubernetes would take the pod, but not with the patch: %w\n%s", err, text(after))
		}
	}
	if s.guaranteed() && qos.ComputePodQOS(after) != corev1.PodQOSGuaranteed {
		return fmt.Errorf("the pod was declared Guaranteed and is no more:\n%s", text(after))
	}
	if err := same(server, h, after); err != nil || s.mesh == nil {
		return err
	}
	return s.joined(server, h, before, after)
}

// joined goes on with what happens when another webhook adds a container to the patched pod: the LimitRanger and we are
// asked again. Without us some other webhook comes first that changes a label, because the API server makes the pod's own
// requests what the containers' are after any change, and then nothing fits in.
func (s *scene) joined(server *apiServer, h *hook, before, after *corev1.Pod) error {
	labelled := before.DeepCopy()
	legacyscheme.Scheme.Default(labelled)
	without, err := server.again(s.join(labelled))
	if err != nil {
		return err
	}
	with, err := server.again(s.join(after))
	if err != nil {
		return err
	}
	if with, err = server.mutated(with, h.review); err != nil {
		return err
	}
	if server.refuses(without) == nil {
		if err := server.refuses(with); err != nil {
			return fmt.Errorf("Kubernetes would take the pod with a container more, but not with the patch: %w\n%s\n%s", err, text(after), text(with))
		}
	}
	return same(server, h, with)
}

func (s *scene) join(pod *corev1.Pod) *corev1.Pod {
	with := pod.DeepCopy()
	with.Spec.Containers = append(with.Spec.Containers, *s.mesh)
	legacyscheme.Scheme.Default(with)
	return with
}

// guaranteed reports whether the pod was so before the LimitRanger saw it. One that comes with the annotations of another
// pod may say that somebody only filled in what is its own.
func (s *scene) guaranteed() bool {
	if s.pod.Annotations != nil {
		return false
	}
	declared := s.pod.DeepCopy()
	legacyscheme.Scheme.Default(declared)
	return qos.ComputePodQOS(declared) == corev1.PodQOSGuaranteed
}

// same asks the LimitRanger and the webhook again, as the API server does when the pod was changed: nothing changes.
func same(server *apiServer, h *hook, pod *corev1.Pod) error {
	again, err := server.again(pod)
	if err != nil {
		return err
	}
	twice, err := server.mutated(again, func(pod []byte) ([]byte, error) {
		patch, err := h.review(pod)
		if err == nil && len(patch) > 0 {
			err = fmt.Errorf("applied again it is not the same: %s", patch)
		}
		return nil, err
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, text(pod))
	}
	once, err := json.Marshal(pod)
	if err != nil {
		return err
	}
	if again, err := json.Marshal(twice); err != nil || !bytes.Equal(once, again) {
		return fmt.Errorf("applied again it is not the same:\n%s\n%s: %w", text(pod), text(twice), err)
	}
	return nil
}

func text(pod *corev1.Pod) string {
	out, err := yaml.Marshal(pod)
	if err != nil {
		return err.Error()
	}
	return string(out)
}
