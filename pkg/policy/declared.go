package policy

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

const (
	// DeclaredAnnotation is where the webhook records, on the pod, what the pod had declared when the webhook saw it
	// first. It is JSON: container name to requests and limits of cpu and memory. What the LimitRanger had only filled
	// in stands apart, under "defaulted".
	DeclaredAnnotation = "sartor.dev/declared"
	// UpdatesAnnotation is upstream's: it tells what was changed, for people to read. The webhook writes it whenever it
	// writes DeclaredAnnotation.
	UpdatesAnnotation = "vpaUpdates"
)

// record is one container's part of DeclaredAnnotation.
type record struct {
	Defaulted amountTexts `json:"defaulted"`
	amountTexts
}

type amountTexts struct {
	Limits   map[string]string `json:"limits"`
	Requests map[string]string `json:"requests"`
}

// recallRecord takes what DeclaredAnnotation says; false, and nothing taken, if the annotation cannot be of this pod.
// It is copied from a live pod into a template then, and the template edited, so that only the spec tells what is
// wanted: a container is gone, or a request. That amounts were edited cannot be seen. Limits may come and go between
// two calls, for there are webhooks that add or remove them: then the spec is right about that limit.
func (p *Pod) recallRecord(text, limitRanger string, ranges *Ranges) bool {
	if len(text) > maxAnnotation {
		return false
	}
	var records map[string]record
	if err := json.Unmarshal([]byte(text), &records); err != nil || records == nil {
		return false
	}
	found, was := 0, slices.Clone(p.Containers)
	said := parseLimitRanger(limitRanger)
	for i := range was {
		one, ok := records[was[i].Name]
		if !ok {
			// A sidecar that another webhook added in between.
			was[i].defaults(said, ranges)
			continue
		}
		found++
		if !one.read(&was[i]) {
			return false
		}
	}
	if found != len(records) {
		return false
	}
	p.Containers = was
	return true
}

// read sets what the container asked for first. False if it cannot have asked for that and be as it is now.
func (x *record) read(c *PodContainer) bool {
	for _, r := range usage.Resources {
		request, ok := x.Requests[r.String()]
		if !ok {
			if request, ok = x.Defaulted.Requests[r.String()]; ok {
				c.defaulted |= requestMark(r)
			}
		}
		if (ok && !c.Now.Requests[r].IsSet()) || !recalled(r, request, ok, c.Now.Requests[r], &c.First.Requests[r]) {
			return false
		}
		limit, ok := x.Limits[r.String()]
		if !ok {
			if limit, ok = x.Defaulted.Limits[r.String()]; ok {
				c.defaulted |= limitMark(r)
			}
		}
		if now := c.Now.Limits[r]; ok == now.IsSet() && !recalled(r, limit, ok, now, &c.First.Limits[r]) {
			return false
		}
	}
	return true
}

// recalled reads what was recorded of one amount, if anything was. False if it cannot be. Absurd amounts are not
// recorded, for they are never changed.
func recalled(r usage.Resource, text string, recorded bool, now Value, first *Value) bool {
	switch {
	case now.absurd():
		return true
	case !recorded:
		*first = Value{}
		return true
	}
	q, err := parseQuantity(text)
	*first = ValueOf(r, q)
	return err == nil && !first.absurd()
}

// AppendDeclaration appends the value of DeclaredAnnotation to b: the same bytes for the same declaration, whatever
// was patched since.
func (p *Pod) AppendDeclaration(b []byte) []byte {
	var few [8]*PodContainer
	sorted := few[:0]
	for i := range p.Containers {
		sorted = append(sorted, &p.Containers[i])
	}
	slices.SortFunc(sorted, func(a, b *PodContainer) int { return cmp.Compare(a.Name, b.Name) })
	b = append(b, '{')
	for i, c := range sorted {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendName(b, c.Name)
		b = append(b, ':', '{')
		declared, filled := c.Declared(), c.First
		if c.defaulted != 0 {
			for _, r := range usage.Resources {
				if declared.Requests[r].IsSet() {
					filled.Requests[r] = Value{}
				}
				if declared.Limits[r].IsSet() {
					filled.Limits[r] = Value{}
				}
			}
			start := len(b)
			b = append(b, `"defaulted":{`...)
			if b = appendResources(b, &filled); b[len(b)-1] == '{' {
				b = b[:start]
			} else {
				b = append(b, '}')
			}
		}
		b = append(appendResources(b, &declared), '}')
	}
	return append(b, '}')
}

func appendResources(b []byte, r *Resources) []byte {
	b = appendAmounts(b, "limits", &r.Limits)
	return appendAmounts(b, "requests", &r.Requests)
}

// appendAmounts appends a member and what it holds, if it holds anything.
func appendAmounts(b []byte, member string, amounts *Amounts) []byte {
	first := true
	for _, r := range usage.Resources {
		v := amounts[r]
		if v.is != exact {
			continue
		}
		if first {
			b = appendComma(b)
			b = append(append(append(b, '"'), member...), `":{`...)
			first = false
		}
		b = appendComma(b)
		b = append(append(append(b, '"'), r.String()...), `":"`...)
		b = append(v.AppendText(b, r), '"')
	}
	if !first {
		b = append(b, '}')
	}
	return b
}

func appendComma(b []byte) []byte {
	if last := b[len(b)-1]; last != '{' {
		return append(b, ',')
	}
	return b
}

// appendName appends a container's name as JSON has it. Names of pods that exist need no escapes.
func appendName(b []byte, name string) []byte {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			quoted, err := json.Marshal(name)
			if err != nil {
				return append(b, '"', '"')
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), name...), '"')
}
