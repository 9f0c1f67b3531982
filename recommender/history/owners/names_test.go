package owners

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// custom is a kind that nobody knows. Its pods are named in any of three ways.
const custom = "Squad"

var kinds = []string{
	"Deployment", "Rollout", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", custom,
}

func TestPodsAreKnownByTheirNames(t *testing.T) {
	for _, tc := range []struct {
		kind, name, pod string
		want            bool
	}{
		{"Deployment", "shop", "shop-7d9f8b6c5-x2x4z", true},
		{"Deployment", "shop", "shop-5c4f8bd97d-zqk9w", true},
		{"Deployment", "shop", "shop-rc-7d9f8b6c5-x2x4z", false},
		{"Deployment", "shop", "shop-api-7d9f8b6c5-x2x4z", false},
		{"Deployment", "shop", "shop-db-0", false},
		{"Deployment", "shop", "shop-rc-x2x4z", false},       // a ReplicaSet shop-rc
		{"Deployment", "shop", "shop-bff-x2x4z", false},      // a DaemonSet shop-bff: could be a hash, but for its length
		{"Deployment", "shop", "shop-qrstvwxz-x2x4z", false}, // a Job shop-qrstvwxz: not a hash's characters
		{"Deployment", "shop", "shop-bcdfghjk-x2x4z", false},
		{"Deployment", "shop", "shop-4d9f8b6c5-x2x4z", false}, // no number begins with 0
		{"Deployment", "shop", "shop-7d9f8b6c5bb-x2x4z", false},
		{"Deployment", "shop", "shop-7d9f8b6c5-x2x4", false},
		{"Deployment", "shop", "shop-7d9f8b6c5-x2x4a", false},
		{"Deployment", "shop", "shop-7d9f8b6c5-x2x4z-x2x4z", false},
		{"Deployment", "shop", "shop-x2x4z", false},
		{"Deployment", "shop", "shop-0", false},
		{"Deployment", "shop", "shop-", false},
		{"Deployment", "shop", "shop", false},
		{"Deployment", "shop", "webshop-7d9f8b6c5-x2x4z", false},
		{"Deployment", "shop.v2", "shopXv2-7d9f8b6c5-x2x4z", false},
		{"Deployment", "shop.v2", "shop.v2-7d9f8b6c5-x2x4z", true},
		{"Rollout", "shop", "shop-7d9f8b6c5-x2x4z", true},
		{"StatefulSet", "shop", "shop-0", true},
		{"StatefulSet", "shop", "shop-1203", true},
		{"StatefulSet", "shop", "shop-24567", false}, // a DaemonSet's random suffix may be all digits
		{"StatefulSet", "shop", "shop-db-0", false},
		{"StatefulSet", "shop", "shop-7d9f8b6c5-x2x4z", false},
		{"DaemonSet", "shop", "shop-x2x4z", true},
		{"DaemonSet", "shop", "shop-24567", true},
		{"DaemonSet", "shop", "shop-1234", false},
		{"DaemonSet", "shop", "shop-api-x2x4z", false},
		{"ReplicaSet", "shop", "shop-x2x4z", true},
		{"ReplicationController", "shop", "shop-x2x4z", true},
		{"Job", "shop", "shop-x2x4z", true},
		{"Job", "shop", "shop-3-x2x4z", true},
		{"Job", "shop", "shop-567899-x2x4z", false},   // a Deployment's template hash
		{"Job", "shop", "shop-29041230-x2x4z", false}, // a CronJob shop has it
		{"CronJob", "shop", "shop-29041230-x2x4z", true},
		{"CronJob", "shop", "shop-29041230-4-x2x4z", true},
		{"CronJob", "shop", "shop-1767225600-x2x4z", true},
		{"CronJob", "shop", "shop-56789456-x2x4z", false}, // a Deployment's template hash
		{"CronJob", "shop", "shop-x2x4z", false},
		{custom, "shop", "shop-7d9f8b6c5-x2x4z", true},
		{custom, "shop", "shop-x2x4z", true},
		{custom, "shop", "shop-3", true},
		{custom, "shop", "shop-3-x2x4z", false},
	} {
		t.Run(tc.kind+" "+tc.name+" has "+tc.pod, func(t *testing.T) {
			require.Equal(t, tc.want, agree(t, Workload{Kind: tc.kind, Name: tc.name}, tc.pod))
		})
	}
}

// agree asks both Owns and Names, which must say the same.
func agree(t require.TestingT, w Workload, pod string) bool {
	return agrees(t, w, regexp.MustCompile("^(?:"+Names(w)+")$"), pod)
}

func agrees(t require.TestingT, w Workload, names *regexp.Regexp, pod string) bool {
	owns := (*Links)(nil).Owns(w, pod)
	require.Equal(t, names.MatchString(pod), owns, "%+v has %q: Names (expected) and Owns differ", w, pod)
	return owns
}

// TestCutNamesCountWhileTheyTell looks at the names that the API server has cut to 58 characters and five more.
func TestCutNamesCountWhileTheyTell(t *testing.T) {
	const hash, due = "5678945678", "29041230"
	for _, tc := range []struct {
		kind   string
		length int
		asked  string // what the controller asks for after its name
		want   bool
	}{
		{"Deployment", 46, "-" + hash + "-", true},     // not cut
		{"Deployment", 47, "-" + hash + "-", true},     // the dash is gone
		{"Deployment", 47, "-" + hash[:9] + "-", true}, // not cut
		{"Deployment", 48, "-" + hash + "-", true},
		{"Deployment", 51, "-" + hash + "-", true},  // six of the hash are left
		{"Deployment", 52, "-" + hash + "-", false}, // five: db567 could begin a name
		{"Deployment", 57, "-" + hash + "-", false},
		{"Deployment", 58, "-" + hash + "-", false},
		{"Deployment", 70, "-" + hash + "-", false},
		{"DaemonSet", 56, "-", true},
		{"DaemonSet", 57, "-", false}, // a Deployment's, whose name goes on after the dash, looks the same
		{"DaemonSet", 58, "-", false},
		{"DaemonSet", 60, "-", false},
		{"Job", 53, "-12-", true},
		{"Job", 54, "-12-", false}, // a Job with one character more in its name is cut to the same
		{"Job", 55, "-12-", false},
		{"CronJob", 48, "-" + due + "-", true},
		{"CronJob", 49, "-" + due + "-", true},
		{"CronJob", 52, "-" + due + "-", true},
		{custom, 51, "-" + hash + "-", true},
		{custom, 52, "-" + hash + "-", false},
		{custom, 57, "-", false},
	} {
		w := Workload{Kind: tc.kind, Name: strings.Repeat("n", tc.length)}
		base := w.Name + tc.asked
		if tc.kind == "Job" {
			base = indexedBase(w.Name, tc.asked)
		}
		pod := base[:min(len(base), 58)] + "x2x4z"
		require.Equal(t, tc.want, agree(t, w, pod), "%s of %d characters has %s", tc.kind, tc.length, pod)
	}
}

func TestAStatefulSetsPodNamesAreNeverCut(t *testing.T) {
	for length := 50; length <= 61; length++ {
		w := Workload{Kind: "StatefulSet", Name: strings.Repeat("n", length)}
		require.True(t, agree(t, w, w.Name+"-7"), length)
	}
}

// alike says which kinds' pods nobody can tell apart where the workloads have the same name.
func alike(a, b string) bool {
	throughReplicaSets := []string{"Deployment", "Rollout", custom}
	atRandom := []string{"DaemonSet", "ReplicaSet", "ReplicationController", "Job", custom}
	counted := []string{"StatefulSet", custom}
	for _, group := range [][]string{throughReplicaSets, atRandom, counted} {
		if slices.Contains(group, a) && slices.Contains(group, b) {
			return true
		}
	}
	return a == b
}

// TestWorkloadsOfSimilarNamesNeverShareAPod takes all ordered pairs of kinds and names. There is no shop-2 among
// them: a DaemonSet's pod shop-2-x2x4z is what an indexed Job shop calls its third.
func TestWorkloadsOfSimilarNamesNeverShareAPod(t *testing.T) {
	names := []string{"shop", "shop-rc", "shop-api", "shop-db", "shop-bff", "shop-v2", "shop-canary", "shop-rc-rc", "sho", "webshop", "shop.api"}
	workloads, expressions := []Workload{}, []*regexp.Regexp{}
	for _, kind := range kinds {
		for _, name := range names {
			w := Workload{Kind: kind, Name: name}
			workloads = append(workloads, w)
			expressions = append(expressions, regexp.MustCompile("^(?:"+Names(w)+")$"))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.SampledFrom(workloads).Draw(t, "workload")
		pod := podOf(t, w)
		for i, other := range workloads {
			switch owns := agrees(t, other, expressions[i], pod); {
			case other == w:
				require.True(t, owns, "%+v has %s", w, pod)
			case other.Name != w.Name || !alike(w.Kind, other.Kind):
				require.False(t, owns, "%+v has %s of %+v", other, pod, w)
			}
		}
	})
}

// TestAPodBelongsToWhoCanHaveMadeIt takes random names, long ones and ones that begin alike. Each workload has its
// pods, and any other only those that its controller could have given the same name.
func TestAPodBelongsToWhoCanHaveMadeIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stem := rapid.StringMatching(`[a-z]([a-z0-9]|-[a-z0-9]){0,9}`).Draw(t, "stem")
		stem += strings.Repeat("n", rapid.IntRange(0, 50).Draw(t, "more of it"))
		name := func(label string) string {
			end := rapid.StringMatching(`(-[4-9b-df]{1,8}|-[0-9]{1,8}|-[a-z]{1,10})?(-[a-z0-9]{1,5})?`).Draw(t, label)
			return stem + end
		}
		w := Workload{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Name: name("name")}
		other := Workload{Kind: rapid.SampledFrom(kinds).Draw(t, "other's kind"), Name: name("other's name")}
		pod := podOf(t, w)
		if owns := agree(t, w, pod); len(w.Name) <= 51 || w.Kind == "StatefulSet" {
			require.True(t, owns, "%+v has %s", w, pod)
		}
		if agree(t, other, pod) {
			require.True(t, canHaveMade(other, pod), "%+v has %s of %+v", other, pod, w)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("shop", "shop-7d9f8b6c5-x2x4z")
	f.Add("shop.v2", "shopXv2-7d9f8b6c5-x2x4z")
	f.Add(`sh(op|.*)\Q`, `sh(op|.*)\Q-x2x4z`)
	f.Add("[", "[-0")
	f.Add("(?i)shop{1,9999}", "SHOP-0")
	f.Add("\xff\n", "\xff\n-0")
	f.Add(strings.Repeat("n", 49), strings.Repeat("n", 49)+"-29041230x2x4z")
	f.Add("", "-0")
	f.Fuzz(func(t *testing.T, name, pod string) {
		for _, kind := range kinds {
			w := Workload{Kind: kind, Name: name}
			text := Names(w)
			expression, err := regexp.Compile("^(?:" + text + ")$")
			require.NoError(t, err)
			if utf8.ValidString(name) && !strings.HasSuffix(pod, "-") { // no pod's name does
				owns := agrees(t, w, expression, pod)
				require.False(t, owns && !strings.HasPrefix(pod, name+"-"), "%s is not meant literally", text)
			}
		}
	})
}
