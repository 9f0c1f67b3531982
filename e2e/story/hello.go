package story

import _ "embed"

// Hello is a service of a user's own, with its VPA, in the namespace default: what make demo-up invites to try.
//
//go:embed hello.yaml
var Hello string
