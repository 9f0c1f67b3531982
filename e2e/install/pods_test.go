package install

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sartor-vpa/sartor/e2e/images"
)

func TestOnARealNodeOnlyImagesAndWhatTheTestWantsDiffer(t *testing.T) {
	plain := built(t, base(t, ""))
	changed := built(t, func(folder string) []byte {
		text, err := podsOverlay(folder, Options{RecommenderArgs: []string{"--v=1", "--memory-saver"}, AdmissionArgs: []string{"--v=2"}})
		require.NoError(t, err)
		return text
	})
	require.Equal(t, slices.Sorted(maps.Keys(plain)), slices.Sorted(maps.Keys(changed)))
	for _, name := range slices.Sorted(maps.Keys(plain)) {
		var image images.Image
		var more []string
		switch name {
		case "Deployment/sartor-admission":
			image, more = images.Admission, []string{"--v=2"}
		case "Deployment/sartor-recommender":
			image, more = images.Recommender, []string{"--v=1", "--memory-saver"}
		default:
			require.Equal(t, plain[name], changed[name], name)
			continue
		}
		var want, got appsv1.Deployment
		require.NoError(t, yaml.UnmarshalStrict([]byte(plain[name]), &want))
		require.NoError(t, yaml.UnmarshalStrict([]byte(changed[name]), &got))
		container := &want.Spec.Template.Spec.Containers[0]
		container.Image, container.ImagePullPolicy = image.String(), corev1.PullNever
		container.Args = append(container.Args, more...)
		require.Equal(t, want, got)
	}
}
