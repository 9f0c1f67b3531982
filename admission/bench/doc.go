// Package bench measures the webhook beside upstream's admission controller, in one run: make bench-admission. It holds tests
// only: TestReport is the program; it does nothing unless it is asked to. With -only it measures the experiments of some names
// only.
package bench
