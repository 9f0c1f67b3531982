// Package policy decides what a container may ask for: how a VPA's resource policy bounds a
// recommendation, which limit follows from a request, and what a pod had declared before anybody
// changed it. The webhook patches pods with these decisions and the recommender explains them, so
// that both say the same.
//
// Everything here is a function of its arguments: no client, no clock, no logger. Quantities are
// compared and computed exactly, in whole milli-CPU and whole bytes.
package policy
