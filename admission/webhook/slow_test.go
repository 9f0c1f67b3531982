//go:build !race

package webhook

// slowdown is what times are multiplied with: nothing makes anything slower.
const slowdown = 1
