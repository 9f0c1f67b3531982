package docs

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const document = "# A page\n\nProse with `kubectl get pods`.\n\n" +
	"    kubectl get vpa      # indented\n    kubectl get \\\n      pods\n\n" +
	"Said:\n\n    shop: cpu 1101m\n\n" +
	"    # kustomization.yaml\n    resources: [deploy]\n\n" +
	"```sh\n# a remark\nkubectl apply -f - <<EOF\nkind: Pod\n\nEOF\nkubectl get pods\n```\n\n" +
	"<!-- scene: empty -->\n\n```console\n$ helm list\nNAME\n...\n$ kubectl version\n```\n\n" +
	"- a list\n  ```console\n  $ not at the left\n  ```\n\n" +
	"```yaml\nkind: Pod\n```\n"

func TestCommandsAreFoundInFencedAndIndentedBlocks(t *testing.T) {
	found, err := commandsOf("page.md", document)
	require.NoError(t, err)
	require.Equal(t, []command{
		{file: "page.md", line: 5, text: "kubectl get vpa      # indented"},
		{file: "page.md", line: 6, text: "kubectl get \\\n  pods"},
		{file: "page.md", line: 18, text: "kubectl apply -f - <<EOF\nkind: Pod\n\nEOF"},
		{file: "page.md", line: 22, text: "kubectl get pods"},
		{file: "page.md", line: 28, text: "helm list", shown: []string{"NAME", "..."}, scene: "empty"},
		{file: "page.md", line: 31, text: "kubectl version", scene: "empty"},
		{file: "page.md", line: 36, text: "not at the left"},
	}, found)
}

func TestACommandIsReadToItsEnd(t *testing.T) {
	for text, more := range map[string]bool{
		"kubectl get vpa":                       false,
		"kubectl get \\":                        true,
		"kubectl patch --patch='[":              true,
		"kubectl patch --patch='[\n]'":          false,
		"jq '.a | \"b' # don't":                 false,
		"echo \"it's":                           true,
		"kubectl get vpa   # it's all":          false,
		"kubectl apply -f - <<EOF":              true,
		"kubectl apply -f - <<'EOF'\nit's\nEOF": false,
	} {
		require.Equal(t, more, unfinished(text), text)
	}
}

func TestABlockSaysWhatItIs(t *testing.T) {
	for _, language := range []string{"", "bash", "shell"} {
		_, err := commandsOf("page.md", "```"+language+"\nkubectl get vpa\n```\n")
		require.ErrorContains(t, err, "page.md:2: a block in")
	}
}

func TestYAMLIsYAML(t *testing.T) {
	found := yamls(t)
	require.Greater(t, len(found), 3)
	for where, text := range found {
		var into any
		require.NoError(t, yaml.UnmarshalStrict([]byte(text), &into), where)
	}
}
