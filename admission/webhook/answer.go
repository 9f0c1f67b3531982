package webhook

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/sartor-vpa/sartor/admission/patch"
	"github.com/sartor-vpa/sartor/pkg/policy"
)

// outcome is what becomes of one review.
type outcome struct {
	decision Decision
	// vpa is the name of the VPA that controls the pod; empty if none does.
	vpa   string
	patch []byte // empty: nothing to change
	// warnings are for the client that creates the pod; capped and skipped are the same for the audit log.
	warnings, capped, skipped []string
	// steps are how the decision came about.
	steps []policy.Step
	err   error // why the pod was left alone, for the log
}

// paper is what answers are written on.
type paper struct {
	// text is where amounts and annotations are put together.
	answer, patch, text []byte
	pod                 patch.Pod
}

func (p *paper) size() int { return cap(p.answer) + cap(p.patch) + cap(p.text) }

const (
	// maxWarnings is how many warnings an answer has at most, and maxAnnotation the largest annotation for the audit
	// log, in bytes. The API server cuts warnings off at 4 KiB, and does not say so.
	maxWarnings   = 20
	maxAnnotation = 2 << 10
)

// appendAnswer appends the AdmissionReview that answers the request with this uid. The pod is always allowed. Annotations
// for the audit log come sorted, as all else that has keys.
func appendAnswer(b []byte, uid string, o *outcome) []byte {
	b = append(b, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":`...)
	b = appendString(b, uid)
	b = append(b, `,"allowed":true`...)
	if len(o.patch) > 0 {
		b = append(b, `,"patch":"`...)
		b = base64.StdEncoding.AppendEncode(b, o.patch)
		b = append(b, `","patchType":"JSONPatch"`...)
	}
	b = append(b, `,"auditAnnotations":{`...)
	if len(o.capped) > 0 {
		b = appendAudit(append(b, `"capped":`...), o.capped)
		b = append(b, ',')
	}
	b = appendString(append(b, `"decision":`...), string(o.decision))
	if len(o.skipped) > 0 {
		b = appendAudit(append(b, `,"skipped":`...), o.skipped)
	}
	if o.vpa != "" {
		b = appendString(append(b, `,"vpa":`...), o.vpa)
	}
	b = append(b, '}')
	if len(o.warnings) > 0 {
		b = append(b, `,"warnings":[`...)
		b = appendWarnings(b, o.warnings)
		b = append(b, ']')
	}
	return append(b, `}}`...)
}

func appendWarnings(b []byte, warnings []string) []byte {
	for i, w := range warnings {
		if i > 0 {
			b = append(b, ',')
		}
		if i == maxWarnings-1 && len(warnings) > maxWarnings {
			return appendString(b, "and "+strconv.Itoa(len(warnings)-i)+" warnings more")
		}
		b = appendString(b, w)
	}
	return b
}

func appendAudit(b []byte, notes []string) []byte {
	text := strings.Join(notes, "; ")
	if len(text) > maxAnnotation {
		text = text[:maxAnnotation]
	}
	return appendString(b, text)
}

// appendString appends s in JSON's notation.
func appendString(b []byte, s string) []byte {
	// The error tells of bytes that are no UTF-8. They are replaced, as a JSON encoder does.
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

var contentType = []string{"application/json"}

// answer sends the answer to d's review.
func (d *desk) answer(w http.ResponseWriter, o *outcome) error {
	d.paper.answer = appendAnswer(d.paper.answer[:0], d.review.uid, o)
	header := w.Header()
	header["Content-Type"] = contentType
	// Without a length longer answers would come in chunks.
	header["Content-Length"] = []string{strconv.Itoa(len(d.paper.answer))}
	_, err := w.Write(d.paper.answer)
	return err
}
