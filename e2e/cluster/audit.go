package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// auditPolicy lets every completed write of a VPA or of a checkpoint be written down, all that Sartor's own accounts ask
// for, as soon as it is answered, and nothing else.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:sartor-system"]
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
	var all []Write
	err := c.eachAudit(func(e auditEvent) {
		if e.writes() && e.Stage != "ResponseStarted" {
			all = append(all, e.write())
		}
	})
	return all, err
}

// Request is what one of Sartor's service accounts asked an API server for.
type Request struct {
	Account     string // name of the service account
	Verb        string
	Group       string
	Resource    string // with its subresource: verticalpodautoscalers/status
	Namespace   string
	Name        string
	NonResource string // the path, where it is no resource
	Code        int    // of the HTTP answer
}

// Requests are all that Sartor's service accounts asked for so far and that was answered. The cluster must have been
// started with Audit.
func (c *Cluster) Requests() ([]Request, error) {
	var all []Request
	err := c.eachAudit(func(e auditEvent) {
		if account, ours := strings.CutPrefix(e.User.Username, "system:serviceaccount:sartor-system:"); ours {
			all = append(all, e.request(account))
		}
	})
	return all, err
}

func (c *Cluster) eachAudit(do func(auditEvent)) error {
	file, err := os.Open(c.auditLog())
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e auditEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("read the audit log: %w: %s", err, lines.Text())
		}
		do(e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	return nil
}

// auditEvent is what is of interest here of audit.k8s.io/v1's Event.
type auditEvent struct {
	Stage      string
	RequestURI string
	Verb       string
	UserAgent  string
	User       struct {
		Username string
		Extra    map[string][]string
	}
	ObjectRef struct{ APIGroup, Resource, Subresource, Namespace, Name string }

	ResponseStatus           struct{ Code int }
	RequestReceivedTimestamp time.Time
}

// writes reports whether the event is one of those that auditPolicy wants of everybody.
func (e auditEvent) writes() bool {
	switch e.Verb {
	case "create", "update", "patch", "delete":
	default:
		return false
	}
	return e.ObjectRef.Resource == "verticalpodautoscalers" && e.ObjectRef.Subresource == "status" || e.ObjectRef.Resource == "verticalpodautoscalercheckpoints"
}

func (e auditEvent) request(account string) Request {
	o := e.ObjectRef
	r := Request{Account: account, Verb: e.Verb, Group: o.APIGroup, Resource: o.Resource, Namespace: o.Namespace, Name: o.Name, Code: e.ResponseStatus.Code}
	if o.Subresource != "" {
		r.Resource += "/" + o.Subresource
	}
	if o.Resource == "" {
		r.NonResource = e.RequestURI
	}
	return r
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
