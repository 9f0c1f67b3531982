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

// readme is what README says of reading history.
const readme = `configMapGenerator:
- name: sartor-recommender
  namespace: sartor-system
  behavior: merge
  literals:
  - PROMETHEUS_ADDRESS=http://10.0.0.1:9090
  - PROMETHEUS_ENV_LABEL=env
  - K8S_ENVIRONMENT=prod
`

func TestOnARealNodeOnlyImagesAndWhatTheTestWantsDiffer(t *testing.T) {
	for name, tc := range map[string]struct{ environment, overlay string }{
		"without history":           {"", ""},
		"with it, as README has it": {"prod", readme},
	} {
		t.Run(name, func(t *testing.T) {
			plain := built(t, base(t, tc.overlay))
			changed := built(t, func(folder string) []byte {
				text, err := podsOverlay(folder, "http://10.0.0.1:9090", Options{
					Environment: tc.environment, RecommenderArgs: []string{"--v=1", "--memory-saver"}, AdmissionArgs: []string{"--v=2"},
				})
				require.NoError(t, err)
				return text
			})
			require.Equal(t, slices.Sorted(maps.Keys(plain)), slices.Sorted(maps.Keys(changed)))
			for _, name := range slices.Sorted(maps.Keys(plain)) {
				switch name {
				case "Deployment/sartor-admission":
					requireRuns(t, plain[name], changed[name], images.Admission, "--v=2")
				case "Deployment/sartor-recommender":
					requireRuns(t, plain[name], changed[name], images.Recommender, "--v=1", "--memory-saver")
				default:
					require.Equal(t, plain[name], changed[name], name)
				}
			}
		})
	}
}

// requireRuns: a Deployment was changed to run the image, with more arguments, and in nothing else.
func requireRuns(t *testing.T, plain, changed string, image images.Image, more ...string) {
	t.Helper()
	var want, got appsv1.Deployment
	require.NoError(t, yaml.UnmarshalStrict([]byte(plain), &want))
	require.NoError(t, yaml.UnmarshalStrict([]byte(changed), &got))
	container := &want.Spec.Template.Spec.Containers[0]
	container.Image, container.ImagePullPolicy = image.String(), corev1.PullNever
	container.Args = append(container.Args, more...)
	require.Equal(t, want, got)
}
