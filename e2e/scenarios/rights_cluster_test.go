package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sartor-vpa/sartor/e2e/cluster"
	"github.com/sartor-vpa/sartor/e2e/install"
)

// right is one thing that a role of Sartor's allows.
type right struct{ account, group, resource, verb string }

func (r right) String() string {
	return fmt.Sprintf("%s: %s %s.%s", r.account, r.verb, r.resource, r.group)
}

// seldom are the verbs that are needed where a test cannot bring it about at will, if the other was used of the same
// resource.
var seldom = map[string]struct{ beside, why string }{
	"get":   {"watch", "an owner that a watch has not told of yet is read"},
	"list":  {"watch", "API servers before 1.34 cannot stream a list"},
	"patch": {"create", "an event that comes again is counted"},
}

func TestTheProgramsMayDoWhatTheyDoAndNothingElse(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	t.Parallel()
	c := start(t, cluster.Options{Name: "rights", Audit: true})
	quick := append([]string{"--checkpoint-interval=5s", "--checkpoints-gc-interval=2s"}, fast...)
	sartor, err := install.Run(t.Context(), c, install.Options{RecommenderArgs: quick, Progress: t.Output()})
	require.NoError(t, err)
	const namespace = "righteous"
	deploy(t, c, namespace,
		service{name: "kept", cpu: "200m", memory: "500Mi", resources: "requests: {memory: 800Mi}, limits: {memory: 800Mi}"},
		service{name: "gone", cpu: "200m", memory: "500Mi"})
	recommended(t, c, namespace, "kept", "app", 200, 500<<20)
	recommended(t, c, namespace, "gone", "app", 200, 500<<20)
	killForMemory(t, c, running(t, c, namespace, "app=kept", 2)[0], time.Now())
	_, err = c.Kubectl(t.Context(), "", "-n", namespace, "rollout", "restart", "deployment/gone")
	require.NoError(t, err)

	checkpoints := vpaClient(t, c).AutoscalingV1().VerticalPodAutoscalerCheckpoints(namespace)
	eventually(t, "a checkpoint", func(ctx context.Context) error {
		_, err := checkpoints.Get(ctx, "gone-app", metav1.GetOptions{})
		return err
	})
	_, err = c.Kubectl(t.Context(), "", "-n", namespace, "delete", "vpa", "gone")
	require.NoError(t, err)
	eventually(t, "the end of a checkpoint without a VPA", func(ctx context.Context) error {
		_, err := checkpoints.Get(ctx, "gone-app", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is still there"), err)
	})
	// One whose leases are of its shards, and which starts with a checkpoint.
	require.NoError(t, sartor.CrashRecommender(t.Context()))
	replica, err := sartor.StartReplica(t.Context(), "sharing", append([]string{"--leader-elect=false", "--shards=2", "--shard-leases"}, quick...)...)
	require.NoError(t, err)
	afterLoops(t, replica, 3)
	stop(t, replica)

	requests, err := c.Requests()
	require.NoError(t, err)
	used := map[right]bool{}
	for _, r := range requests {
		require.NotEqual(t, http.StatusForbidden, r.Code, "a right is missing: %+v", r)
		used[right{r.Account, r.Group, r.Resource, r.Verb}] = true
	}
	for r := range rights(t, c) {
		if used[r] {
			continue
		}
		beside := r
		beside.verb = seldom[r.verb].beside
		if assert.True(t, used[beside], "a right that is never used: %s", r) {
			t.Logf("not used now: %s: %s", r, seldom[r.verb].why)
		}
	}
}

// rights are all that Sartor's roles allow.
func rights(t *testing.T, c *cluster.Cluster) map[right]bool {
	roles := kubeClient(t, c).RbacV1()
	all := map[right]bool{}
	add := func(account string, rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						if resource == "*/scale" && verb == "get" {
							continue // of kinds that only a cluster knows, such as Rollouts
						}
						require.NotContains(t, []string{group, resource, verb}, "*", account)
						all[right{account, group, resource, verb}] = true
					}
				}
			}
		}
	}
	for _, account := range []string{"sartor-recommender", "sartor-admission"} {
		role, err := roles.ClusterRoles().Get(t.Context(), account, metav1.GetOptions{})
		require.NoError(t, err)
		add(account, role.Rules)
	}
	everywhere, err := roles.Roles("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, role := range everywhere.Items {
		if role.Name == "sartor-recommender" || role.Name == "sartor-admission" {
			add(role.Name, role.Rules)
		}
	}
	require.Greater(t, len(all), 20)
	return all
}
