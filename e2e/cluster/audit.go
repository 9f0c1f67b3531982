package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// auditPolicy lets every completed write of a VPA or of a checkpoint be written down, and nothing else.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete]
  resources:
  - group: autoscaling.k8s.io
    resources: [verticalpodautoscalers/status, verticalpodautoscalercheckpoints]
- level: None
`

func (c *Cluster) auditArgs() ([]string, error) {
	policy := c.file("audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, fmt.Errorf("write the audit policy: %w", err)
	}
	// Blocking: once a client has its answer, the line is there.
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + c.auditLog(), "--audit-log-mode=blocking"}, nil
}

func (c *Cluster) auditLog() string { return c.file("audit.log") }

// Write is one write of a VPA's status or of a checkpoint that the API server has answered.
type Write struct {
	At time.Time // when the request came
	// Credential is the id of the token by which the writer was known; "" for a certificate's holder.
	Credential string
	Agent      string // what the writer calls itself
	Verb       string
	Resource   string // verticalpodautoscalers or verticalpodautoscalercheckpoints
	Namespace  string
	Name       string
	Code       int // of the HTTP answer
}

// Writes are all writes so far, in the order of their answers. The cluster must have been started with Audit.
func (c *Cluster) Writes() ([]Write, error) {
	file, err := os.Open(c.auditLog())
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer file.Close()
	var all []Write
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e auditEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("read the audit log: %w: %s", err, lines.Text())
		}
		all = append(all, e.write())
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	return all, nil
}

// auditEvent is what is of interest here of audit.k8s.io/v1's Event.
type auditEvent struct {
	Verb      string
	UserAgent string
	User      struct{ Extra map[string][]string }
	ObjectRef struct{ Resource, Namespace, Name string }

	ResponseStatus           struct{ Code int }
	RequestReceivedTimestamp time.Time
}

func (e auditEvent) write() Write {
	w := Write{
		At: e.RequestReceivedTimestamp, Agent: e.UserAgent, Verb: e.Verb, Code: e.ResponseStatus.Code,
		Resource: e.ObjectRef.Resource, Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name,
	}
	if id := e.User.Extra["authentication.kubernetes.io/credential-id"]; len(id) == 1 {
		w.Credential = id[0]
	}
	return w
}
