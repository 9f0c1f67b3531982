// Package proof holds the reading of history to two promises. Rightness: eight days read from a real Prometheus give what
// watching those days would have given. Cost: TestReport (make bench-history) measures it beside upstream's, in one run.
// It holds tests only, because upstream's own code is one side of both.
package proof
