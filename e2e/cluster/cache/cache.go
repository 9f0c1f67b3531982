// Package cache knows the folder outside the source tree that outlives a run: built programs, run
// folders, logs, and the locks that say who owns what.
package cache

import (
	"fmt"
	"os"
	"path/filepath"
)

// Dir is the cache's root, absolute: $SARTOR_CACHE, or sartor in the user's cache folder
// ($XDG_CACHE_HOME, ~/.cache).
func Dir() (string, error) {
	if dir := os.Getenv("SARTOR_CACHE"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("SARTOR_CACHE=%q: %w", dir, err)
		}
		return abs, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder (set SARTOR_CACHE to one): %w", err)
	}
	return filepath.Join(base, "sartor"), nil
}

// Sub is the folder of that name in the cache, made when missing.
func Sub(name string) (string, error) {
	root, err := Dir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("the cache cannot be written (set SARTOR_CACHE to a folder that can): %w", err)
	}
	return dir, nil
}
