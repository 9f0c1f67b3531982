module github.com/sartor-vpa/sartor/e2e

go 1.26.0

replace github.com/sartor-vpa/sartor => ../

require (
	github.com/prometheus/prometheus v0.315.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.47.0
	k8s.io/api v0.37.2
	k8s.io/apimachinery v0.37.2
	k8s.io/client-go v0.37.2
)
