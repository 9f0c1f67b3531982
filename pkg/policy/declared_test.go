package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// patched are annotations as the webhook leaves them.
func patched(declared string) map[string]string {
	return map[string]string{DeclaredAnnotation: declared, UpdatesAnnotation: "Pod resources updated by app"}
}

func TestDeclaredIsTheSpecUntilTheAnnotationSaysOtherwise(t *testing.T) {
	const spec = `{"app":{"limits":{"cpu":"2","memory":"2Gi"},"requests":{"cpu":"600m","memory":"700Mi"}},"late":{"requests":{"cpu":"50m"}}}`
	for name, tc := range map[string]struct{ annotation, want string }{
		"no annotation":             {"", spec},
		"recorded":                  {`{"app":{"limits":{"cpu":"1","memory":"1G"},"requests":{"cpu":"100m","memory":"512Mi"}}}`, `{"app":{"limits":{"cpu":"1","memory":"1G"},"requests":{"cpu":"100m","memory":"512Mi"}},"late":{"requests":{"cpu":"50m"}}}`},
		"recorded without requests": {`{"app":{"limits":{"cpu":"1","memory":"1Gi"}}}`, `{"app":{"limits":{"cpu":"1","memory":"1Gi"}},"late":{"requests":{"cpu":"50m"}}}`},
		"recorded as defaulted":     {`{"app":{"defaulted":{"limits":{"cpu":"1"}},"limits":{"memory":"1Gi"}}}`, `{"app":{"defaulted":{"limits":{"cpu":"1"}},"limits":{"memory":"1Gi"}},"late":{"requests":{"cpu":"50m"}}}`},
		"other resources left":      {`{"app":{"limits":{"cpu":"1","memory":"1Gi","nvidia.com/gpu":"1"}}}`, `{"app":{"limits":{"cpu":"1","memory":"1Gi"}},"late":{"requests":{"cpu":"50m"}}}`},
		// Other webhooks add limits, and remove them.
		"of a limit that is gone":     {`{"app":{"limits":{"cpu":"1","memory":"1Gi"}},"late":{"limits":{"memory":"1Gi"},"requests":{"cpu":"40m"}}}`, `{"app":{"limits":{"cpu":"1","memory":"1Gi"}},"late":{"requests":{"cpu":"40m"}}}`},
		"of before there was a limit": {`{"app":{"limits":{"memory":"1Gi"}}}`, `{"app":{"limits":{"cpu":"2","memory":"1Gi"}},"late":{"requests":{"cpu":"50m"}}}`},
		// Copied from a live pod, and then edited: it tells nothing of this pod.
		"of a container that is gone":      {`{"app":{"limits":{"cpu":"1","memory":"1Gi"}},"gone":{}}`, spec},
		"of a request that is gone":        {`{"app":{"limits":{"cpu":"1","memory":"1Gi"}},"late":{"requests":{"memory":"1Gi"}}}`, spec},
		"not JSON":                         {`{"app":`, spec},
		"not a quantity":                   {`{"app":{"limits":{"cpu":"lots","memory":"1Gi"}}}`, spec},
		"a quantity that takes a lifetime": {`{"app":{"limits":{"cpu":"1e-999999999","memory":"1Gi"}}}`, spec},
		"an absurd amount":                 {`{"app":{"limits":{"cpu":"-1","memory":"1Gi"}}}`, spec},
		"another shape":                    {`[1]`, spec},
		"null":                             {`null`, spec},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podOf(container("app", list("600m", "700Mi"), list("2", "2Gi")), container("late", list("50m", ""), nil))
			pod.Annotations = patched(tc.annotation)
			got := PodOf(pod, nil)
			require.Equal(t, tc.want, string(got.AppendDeclaration(nil)))
			delete(pod.Annotations, UpdatesAnnotation)
			got = PodOf(pod, nil)
			require.Equal(t, spec, string(got.AppendDeclaration(nil)), "we did not patch it")
		})
	}
}

func TestWhatTheLimitRangerFilledInIsNotDeclared(t *testing.T) {
	pod := podOf(container("app", list("100m", "512Mi"), list("500m", "512Mi")), container("own", list("100m", ""), list("500m", "")))
	pod.Annotations = map[string]string{LimitRangerAnnotation: "LimitRanger plugin set: memory request for container app; cpu, memory limit for container app; cpu limit for init container own"}
	const declared = `{"app":{"defaulted":{"limits":{"cpu":"500m","memory":"512Mi"},"requests":{"memory":"512Mi"}},"requests":{"cpu":"100m"}},"own":{"limits":{"cpu":"500m"},"requests":{"cpu":"100m"}}}`
	got := PodOf(pod, nil)
	require.Equal(t, declared, string(got.AppendDeclaration(nil)))

	defaults := &corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, Default: list("500m", "512Mi"), DefaultRequest: list("", "512Mi")},
	}}}
	got = PodOf(pod, RangesOf([]*corev1.LimitRange{defaults}))
	require.Equal(t, declared, string(got.AppendDeclaration(nil)))

	defaults.Spec.Limits[0].Default = list("400m", "512Mi")
	got = PodOf(pod, RangesOf([]*corev1.LimitRange{defaults}))
	require.True(t, got.Containers[0].Declared().Limits[usage.CPU].IsSet(), "no default gives that: the annotation was copied")
	require.False(t, got.Containers[0].Declared().Limits[usage.Memory].IsSet())
}

func TestTheLimitRangersAnnotationIsReadStrictly(t *testing.T) {
	const prefix = "LimitRanger plugin set: "
	for text, want := range map[string]marks{
		prefix + "cpu request for container app":                                              1,
		prefix + "cpu, memory request for container app; cpu, memory limit for container app": 15,
		prefix + "ephemeral-storage, memory limit for container app":                          8,
		prefix + "cpu limit for init container app":                                           0,
		prefix + "cpu limit for init container x; cpu limit for container app":                4,
		prefix + "cpu limit for container web":                                                0,
		prefix + "cpu limit for container app;":                                               0,
		prefix + "cpu limit for container app; ":                                              0,
		prefix + "cpu limit for container app and more":                                       0,
		prefix + "cpu,memory limit for container app":                                         0,
		prefix + "cpu limits for container app":                                               0,
		prefix + "cpu limit for container app; nonsense":                                      0,
		prefix: 0, "": 0, "cpu limit for container app": 0,
	} {
		require.Equal(t, want, marksOf(parseLimitRanger(text), "app"), text)
	}
}

func TestADeclarationSurvivesItsAnnotation(t *testing.T) {
	limits := corev1.ResourceList{"cpu": q("0.5"), "nvidia.com/gpu": q("1")}
	first := PodOf(podOf(container("b", list("1", "1Gi"), nil), container("a", list("100m", ""), limits)), nil)
	annotation := string(first.AppendDeclaration(nil))
	require.Equal(t, `{"a":{"limits":{"cpu":"500m"},"requests":{"cpu":"100m"}},"b":{"requests":{"cpu":"1","memory":"1Gi"}}}`, annotation)

	pod := podOf(container("a", list("2", "2Gi"), list("4", "")), container("b", list("3", "3Gi"), nil))
	pod.Annotations = patched(annotation)
	again := PodOf(pod, nil)
	require.Equal(t, annotation, string(again.AppendDeclaration(nil)))
}

func TestAPodIsGuaranteedIfEveryContainerDeclaresItsLimitsAsRequests(t *testing.T) {
	full, half := container("app", list("1", "1Gi"), list("1", "1Gi")), container("half", list("1", "1Gi"), list("1", ""))
	limitsOnly := container("limits", nil, list("1", "1Gi"))
	less := container("less", list("500m", "1Gi"), list("1", "1Gi"))
	fraction, huge := container("fraction", list("1", "1500m"), list("1", "1500m")), container("huge", list("9E", "1Gi"), list("9E", "1Gi"))
	for name, tc := range map[string]struct {
		containers, init []corev1.Container
		level, annotated bool
		want             bool
	}{
		"all equal":                      {containers: []corev1.Container{full}, want: true},
		"requests default to limit":      {containers: []corev1.Container{full, limitsOnly}, init: []corev1.Container{limitsOnly}, want: true},
		"fractions of a byte are equal":  {containers: []corev1.Container{full}, init: []corev1.Container{fraction}, want: true},
		"amounts beyond all bounds, too": {containers: []corev1.Container{full, huge}, want: true},
		"a limit of zero is none":        {containers: []corev1.Container{full, container("zero", list("0", "1Gi"), list("0", "1Gi"))}},
		"memory limit missing":           {containers: []corev1.Container{full, half}},
		"request below limit":            {containers: []corev1.Container{less}},
		"init container is not":          {containers: []corev1.Container{full}, init: []corev1.Container{half}},
		"a default finer than a byte":    {containers: []corev1.Container{container("app", list("1", "1500m"), list("1", "1500m"))}, annotated: true, want: true},
		"a limit was only defaulted":     {containers: []corev1.Container{full}, annotated: true},
		"the pod has resources itself":   {containers: []corev1.Container{full}, level: true},
		"no containers":                  {},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podOf(tc.containers...)
			pod.Spec.InitContainers = tc.init
			if tc.annotated {
				pod.Annotations = map[string]string{LimitRangerAnnotation: "LimitRanger plugin set: memory limit for container app"}
			}
			if tc.level {
				pod.Spec.Resources = &full.Resources
			}
			require.Equal(t, tc.want, PodOf(pod, nil).Guaranteed)
		})
	}
}

func TestValuesAreWrittenAsQuantitiesAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(usage.Resources[:]).Draw(t, "resource")
		q := anyAmount(resourceName(r)).Draw(t, "amount")
		v := ValueOf(r, q)
		if v.is != exact {
			require.False(t, Sane(resourceName(r), q) && v.is != fraction, q.String())
			return
		}
		again := v.Quantity(r)
		require.Zero(t, again.Cmp(q))
		require.Equal(t, again.String(), string(v.AppendText(nil, r)))
		if r == usage.Memory {
			require.Equal(t, q.String(), again.String(), "in its own notation")
		}
	})
}

func FuzzDeclaredReadsAnyAnnotation(f *testing.F) {
	for _, seed := range []string{``, `null`, `{}`, `{"app":{"requests":{"cpu":"100m"}}}`, `{"app":{"limits":{"cpu":"1e30"}}}`, `{"app":{"limits":null}}`, `[`, `{"app":{"defaulted":{"limits":{"cpu":"1"}}}}`} {
		f.Add(seed, "LimitRanger plugin set: cpu limit for container app")
	}
	f.Fuzz(func(t *testing.T, annotation, limitRanger string) {
		pod := podOf(container("app", list("1", "1Gi"), list("2", "")), container("\"b", list("1", "1Gi"), list("2", "")))
		pod.Annotations = patched(annotation)
		pod.Annotations[LimitRangerAnnotation] = limitRanger
		first := PodOf(pod, nil)
		pod.Annotations[DeclaredAnnotation] = string(first.AppendDeclaration(nil))
		again := PodOf(pod, nil)
		require.Equal(t, pod.Annotations[DeclaredAnnotation], string(again.AppendDeclaration(nil)), "what is recorded must be read back as it is")
		require.Equal(t, first, again)
	})
}
