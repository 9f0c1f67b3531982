package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func container(name string, requests, limits corev1.ResourceList) corev1.Container {
	return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: requests, Limits: limits}}
}

func TestDeclaredIsTheSpecUntilTheAnnotationSaysOtherwise(t *testing.T) {
	spec := []corev1.Container{
		container("app", list("600m", "700Mi"), list("2", "2Gi")),
		container("late", list("50m", ""), nil),
	}
	for name, tc := range map[string]struct {
		annotation string
		wantApp    corev1.ResourceList
	}{
		"no annotation":          {"", list("600m", "700Mi")},
		"recorded":               {`{"app":{"requests":{"cpu":"100m","memory":"512Mi"}},"gone":{}}`, list("100m", "512Mi")},
		"recorded as undeclared": {`{"app":{}}`, nil},
		"other resources left":   {`{"app":{"requests":{"cpu":"100m","nvidia.com/gpu":"1"}}}`, list("100m", "")},
		"not JSON":               {`{"app":`, list("600m", "700Mi")},
		"not a quantity":         {`{"app":{"requests":{"cpu":"lots"}}}`, list("600m", "700Mi")},
		"another shape":          {`[1]`, list("600m", "700Mi")},
		"null":                   {`null`, list("600m", "700Mi")},
	} {
		t.Run(name, func(t *testing.T) {
			annotations := map[string]string{}
			if tc.annotation != "" {
				annotations[DeclaredAnnotation] = tc.annotation
			}
			got := Declared(annotations, spec)
			require.Len(t, got, 2)
			require.Equal(t, text(tc.wantApp), text(got["app"].Requests))
			require.Equal(t, text(list("50m", "")), text(got["late"].Requests))
		})
	}
}

func TestADeclarationSurvivesItsAnnotation(t *testing.T) {
	spec := []corev1.Container{
		container("b", list("1", "1Gi"), nil),
		container("a", list("100m", ""), corev1.ResourceList{"cpu": q("0.5"), "nvidia.com/gpu": q("1")}),
	}
	annotation, err := Declared(nil, spec).Annotation()
	require.NoError(t, err)
	require.Equal(t, `{"a":{"limits":{"cpu":"500m"},"requests":{"cpu":"100m"}},"b":{"requests":{"cpu":"1","memory":"1Gi"}}}`, annotation)

	patched := []corev1.Container{container("a", list("2", "2Gi"), list("4", "")), container("b", list("3", "3Gi"), nil)}
	again, err := Declared(map[string]string{DeclaredAnnotation: annotation}, patched).Annotation()
	require.NoError(t, err)
	require.Equal(t, annotation, again)
}

func TestAPodIsGuaranteedIfEveryContainerRequestsItsLimits(t *testing.T) {
	full, half := container("app", list("1", "1Gi"), list("1", "1Gi")), container("half", list("1", "1Gi"), list("1", ""))
	limitsOnly := container("limits", nil, list("1", "1Gi"))
	less := container("less", list("500m", "1Gi"), list("1", "1Gi"))
	for name, tc := range map[string]struct {
		containers, init []corev1.Container
		want             bool
	}{
		"all equal":                 {[]corev1.Container{full}, nil, true},
		"requests default to limit": {[]corev1.Container{full, limitsOnly}, []corev1.Container{limitsOnly}, true},
		"memory limit missing":      {[]corev1.Container{full, half}, nil, false},
		"request below limit":       {[]corev1.Container{less}, nil, false},
		"init container is not":     {[]corev1.Container{full}, []corev1.Container{half}, false},
		"no containers":             {nil, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, Guaranteed(Declared(nil, tc.containers), tc.init))
		})
	}
}

func FuzzDeclaredReadsAnyAnnotation(f *testing.F) {
	for _, seed := range []string{``, `null`, `{}`, `{"app":{"requests":{"cpu":"100m"}}}`, `{"app":{"limits":{"cpu":"1e30"}}}`, `{"app":{"limits":null}}`, `[`} {
		f.Add(seed)
	}
	spec := []corev1.Container{container("app", list("1", "1Gi"), nil)}
	f.Fuzz(func(t *testing.T, annotation string) {
		first, err := Declared(map[string]string{DeclaredAnnotation: annotation}, spec).Annotation()
		require.NoError(t, err)
		again, err := Declared(map[string]string{DeclaredAnnotation: first}, spec).Annotation()
		require.NoError(t, err)
		require.Equal(t, first, again, "what is recorded must be read back as it is")
	})
}
