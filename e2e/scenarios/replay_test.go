package scenarios

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/history"
	"github.com/sartor-vpa/sartor/e2e/install"
	"github.com/sartor-vpa/sartor/e2e/story"
)

// replay is what is looked at of the JSON of recommender replay.
type replay struct {
	Containers []struct {
		Namespace, Workload, Container string

		Outcomes []struct {
			CPU, Memory struct{ Request float64 }
		}
	}
}

// replays checks that a replay of the same history ends, for every workload, where its VPA's recommendation is.
func replays(t *testing.T, c *cluster.Cluster, _ *install.Sartor, past []history.Workload) {
	t.Run("a replay of the same history ends with the same", func(t *testing.T) {
		args := []string{"replay", "--prometheus-address=" + c.PrometheusURL(), "--prometheus-env-label=env", "--history-length=9d", "--restart-every=10m", "--output=json"}
		for _, w := range past {
			args = append(args, "--workload="+w.Namespace+"/"+w.Kind+"/"+w.Name)
		}
		cmd := exec.CommandContext(t.Context(), filepath.Join(c.Dir(), "bin", "recommender"), args...)
		cmd.Env = append(os.Environ(), "K8S_ENVIRONMENT="+story.Environment)
		var out, errOut bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errOut
		require.NoError(t, cmd.Run(), "%s", &errOut)
		var got replay
		require.NoError(t, json.Unmarshal(out.Bytes(), &got))

		replayed := map[string]float64{}
		for _, one := range got.Containers {
			at := one.Namespace + "/" + one.Workload + "/" + one.Container
			replayed[at+" cpu"], replayed[at+" memory"] = one.Outcomes[0].CPU.Request, one.Outcomes[0].Memory.Request
		}
		for _, w := range past {
			vpa, err := story.GetVPA(t.Context(), c, w.Namespace, w.Name)
			require.NoError(t, err)
			for _, r := range vpa.Status.Recommendation.ContainerRecommendations {
				at := w.Namespace + "/" + w.Kind + "/" + w.Name + "/" + r.ContainerName
				// The last ten minutes are measured and not learnt from.
				require.InEpsilon(t, r.Target.Cpu().AsApproximateFloat64(), replayed[at+" cpu"], 0.06, at)
				require.InEpsilon(t, r.Target.Memory().AsApproximateFloat64(), replayed[at+" memory"], 0.06, at)
			}
		}
	})
}
