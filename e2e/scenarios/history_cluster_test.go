package scenarios

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/e2e/history"
)

func TestHistoryIsReadWhateverHappensToItsServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	t.Parallel()
	l := openLibrary(t)
	for name, test := range map[string]func(*library, *testing.T){
		"a server that was down at the start is read when it is back, and what was published is held": (*library).isDownAtFirst,
		"a server that is slow, hangs and dies in the middle of reading loses nothing":                (*library).hangsAndDies,
		"a query over the server's limit is halved until it fits":                                     (*library).hasLimits,
		"every broken answer is told and none of it used":                                             (*library).answersBadly,
		"every broken answer to a range query is told and none of it used":                            (*library).answersRangesBadly,
		"a restart with checkpoints asks for nothing again":                                           (*library).isNotAskedAgain,
		"scrapes that are spoilt do not count, and are counted":                                       (*library).isSpoilt,
		"of environments that share all names only the own one counts":                                (*library).isShared,
		"the value of an environment is no pattern":                                                   (*library).hasHostileEnvironments,
		"filters that match nothing are told loudly":                                                  (*library).hasNothingOfOurs,
		"a label that only leaves the server filters remote reads":                                    (*library).hasExternalLabels,
		"each workload has its own pods' history and nobody else's":                                   (*library).hasNamesakes,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(l, t)
		})
	}
}

// of is a workload of the store's past, as it was in an environment.
func of(name, env string, factor float64) history.Workload {
	return workload(history.Recording{Workloads: history.Store()}, "prod", name).In(env, factor)
}

// requireOracle: the VPA says what upstream would after the same days of live metrics, to the unit.
func requireOracle(t *testing.T, r history.Recording, w history.Workload, got recommendation) {
	t.Helper()
	w.Namespace = shelf
	require.Equal(t, renderOracle(upstream(r, w)), got.render(), "%s: %v", got.vpa.Name, got.vpa.Status.Conditions)
}
