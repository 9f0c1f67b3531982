package licence

import "path/filepath"

// Shipped are the builds of the images: see Dockerfile. root is the main module's folder.
func Shipped(root string) []Build {
	var builds []Build
	for _, arch := range []string{"amd64", "arm64"} {
		builds = append(builds, Build{Dir: root, Packages: []string{"./recommender", "./admission"}, OS: "linux", Arch: arch})
	}
	return builds
}

// Others are the builds of tests and tools, which do not ship.
func Others(root string) []Build {
	builds := []Build{{Dir: filepath.Join(root, "hack", "tools"), Packages: []string{"tool"}}}
	for _, dir := range []string{".", "e2e", "e2e/legal", "e2e/charts", "hack/supply"} {
		builds = append(builds, Build{Dir: filepath.Join(root, filepath.FromSlash(dir)), Packages: []string{"./..."}, Tests: true})
	}
	return builds
}
