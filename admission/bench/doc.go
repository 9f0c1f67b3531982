// Package bench measures the webhook beside upstream's admission controller, in one run: make bench-admission.
package bench
