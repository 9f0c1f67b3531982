//go:build race

package webhook

// slowdown is what times are multiplied with: the race detector makes everything slower.
const slowdown = 10
