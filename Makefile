# make alone prints this file's targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
LINT = $(GO) tool -modfile=$(CURDIR)/hack/tools/go.mod golangci-lint
DEMO = bin/demo
PHASE = hack/phase
# Each has a go.mod of its own: see the end of DESIGN.md.
MODULES = . e2e e2e/legal e2e/charts hack/supply

# What --version says; empty where this is no checkout. The date is the commit's, so that builds can be compared.
VERSION ?= $(shell git describe --tags --dirty 2>/dev/null)
COMMIT ?= $(shell git describe --always --abbrev=40 --exclude='*' --dirty 2>/dev/null)
DATE ?= $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
ABOUT = github.com/sartor-vpa/sartor/pkg/version
LDFLAGS = -s -w -X $(ABOUT).number=$(VERSION) -X $(ABOUT).commit=$(COMMIT) -X $(ABOUT).date=$(DATE)

.PHONY: help
help: ## Print this
	@echo "Sartor: a VPA recommender and admission webhook. Targets:"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##### See it

.PHONY: demo demo-up demo-down
demo: $(DEMO) ## Show the main job on a real control plane on this machine, and check it (the first time some 10 minutes)
	@$(DEMO) run

demo-up: $(DEMO) ## The same, and leave it running to try things out
	@$(DEMO) up

demo-down: $(DEMO) ## Take down what demo-up left
	@$(DEMO) down

.PHONY: $(DEMO)
$(DEMO):
	@[ -x $(DEMO) ] || echo "compiling the demo: a few minutes the first time, then seconds"
	@cd e2e && $(GO) build -o ../$(DEMO) ./cmd/demo

##### Build it

.PHONY: build
build: ## Compile both programs into bin/, static, and the same to the byte wherever the same Go compiles this commit
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/ ./recommender ./admission

.PHONY: sbom
sbom: build ## Write bin/*.cdx.json: what each program in bin/ is compiled of, with versions, sums and licences (CycloneDX)
	cd hack/supply && GOOS= GOARCH= $(GO) run ./cmd/sbom -version '$(VERSION)' -commit '$(COMMIT)' -date '$(DATE)' ../../bin/recommender ../../bin/admission

.PHONY: image-args
image-args: ## Print what docker build has to be told: see Dockerfile
	@echo --build-arg VERSION=$(VERSION) --build-arg COMMIT=$(COMMIT) --build-arg DATE=$(DATE)

.PHONY: fmt
fmt: ## Format the code
	@for m in $(MODULES); do (cd $$m && $(LINT) fmt --config $(CURDIR)/.golangci.yml ./...) || exit; done

##### Check it

.PHONY: test
test: ## Lint, unit tests with the race detector, and the end-to-end tests; prints each phase's time
	@rm -f bin/phases
	@$(PHASE) lint $(MAKE) --no-print-directory lint
	@$(PHASE) unit $(MAKE) --no-print-directory unit
	@$(PHASE) licences $(MAKE) --no-print-directory licences
	@$(PHASE) vulnerabilities $(MAKE) --no-print-directory vulnerabilities
	@$(PHASE) supply $(MAKE) --no-print-directory supply
	@$(PHASE) legal $(MAKE) --no-print-directory legal
	@$(PHASE) programs $(MAKE) --no-print-directory programs
	@$(PHASE) charts $(MAKE) --no-print-directory charts
	@$(PHASE) cluster $(MAKE) --no-print-directory test-cluster
	@$(PHASE) docs $(MAKE) --no-print-directory docs
	@$(PHASE) e2e $(MAKE) --no-print-directory e2e
	@$(PHASE) e2e-node $(MAKE) --no-print-directory e2e-node
	@$(PHASE)

.PHONY: lint
lint: ## golangci-lint on all modules, and go.mod files that are tidy
	@for m in $(MODULES); do echo "module $$m"; (cd $$m && $(GO) mod tidy -diff && $(LINT) run --config $(CURDIR)/.golangci.yml ./...) || exit; done

.PHONY: unit
unit: ## Unit tests of the programs, with the race detector
	$(GO) test -race ./...

.PHONY: licences
licences: ## Hold the licences of all that is compiled into the programs to those that are allowed, and to third_party/
	cd hack/supply && $(GO) run ./cmd/licences && $(GO) run ./cmd/licences -tests

.PHONY: vulnerabilities
VULNDB ?= https://vuln.go.dev
vulnerabilities: ## Ask VULNDB whether what ships calls what is vulnerable (a minute); VULNERABILITIES=required fails if it cannot be reached
	cd hack/supply && $(GO) run ./cmd/vulnerabilities -db '$(VULNDB)'

.PHONY: supply
supply: ## Tests of these checks, of the bill of materials, and that a build is the same wherever it is made (some 2 minutes)
	cd hack/supply && $(GO) test -count=1 ./...

.PHONY: reproducible
reproducible: ## Build it anew in other folders, once with an empty cache of the compiler, and compare the bytes (some 10 minutes)
	cd hack/supply && SARTOR_COLD_CACHE=1 $(GO) test -count=1 -v -timeout 60m ./reproducible

.PHONY: legal
legal: ## Hold patched pods to Kubernetes' own defaults, LimitRanger and validation (some 30 s; the first time it compiles some minutes)
	cd e2e/legal && $(GO) test -race -count=1 .

.PHONY: programs
programs: $(DEMO) ## Build the Kubernetes and the Prometheus that clusters run, into the cache outside the tree
	@$(DEMO) build

.PHONY: test-cluster
test-cluster: ## Tests of what the end-to-end tests stand on: cluster, history, detaching
	cd e2e && $(GO) test -race -timeout 30m $$($(GO) list ./... | grep -v -e /scenarios$$ -e /e2e/docs$$ -e /e2e/node$$)

.PHONY: docs
docs: ## The commands of the documentation, run on a simulated cluster, and what they print compared (some 2 minutes; the first time it compiles helm)
	cd e2e && $(GO) test -race -count=1 -timeout 15m -v ./docs

.PHONY: e2e
e2e: ## End-to-end tests: the story on real clusters, beside upstream's own programs and answers
	cd e2e && $(GO) test -race -count=1 -timeout 30m ./scenarios

.PHONY: e2e-node
e2e-node: ## The same on a real node, with real pods, cAdvisor, evictions and OOM kills (some 3 minutes); needs root and cgroup v1, else says what is missing
	cd e2e && $(GO) test -race -count=1 -timeout 15m -v ./node

.PHONY: charts
charts: ## Charts and overlays: rendered, compared with each other and with golden files, and shown to a real API server (some 2 minutes)
	cd e2e/charts && $(GO) test -race -count=1 -timeout 15m .

.PHONY: update-golden
update-golden: ## Write golden files, docs/flags.md and third_party/ anew; read the diff before you commit it
	$(GO) test ./recommender/loop -update
	$(GO) test ./recommender/explain -update
	$(GO) test ./recommender/replay -update
	$(GO) test ./admission/validation -update
	$(GO) test ./deploy/monitoring -update
	cd hack/supply && $(GO) run ./cmd/licences -write
	cp deploy/crds/vpa-v1-crd-gen.yaml deploy/charts/sartor/files/crds.yaml
	cd e2e/charts && $(GO) test . -run 'TestExamplesReadLikeDocuments|TestEverythingThatCanBeSet' -update
	cd e2e && $(GO) test ./scenarios -run 'TestWhatKubectlTells|TestNoPodIsHurt' -update
	$(GO) test -p 1 ./recommender ./admission -run TestFlagsAreDocumented -update

##### Measure it

.PHONY: bench
bench: ## Measure the recommender's parts beside upstream's, in one run; ends with a line RATIO for each (some 10 minutes)
	$(GO) test ./recommender/bench -run TestReport -count=1 -timeout 60m -v -report

.PHONY: bench-admission
bench-admission: ## Measure the webhook beside upstream's admission controller, in one run; ends with a line RATIO for each (some 5 minutes)
	$(GO) test ./admission/bench -run TestReport -count=1 -timeout 30m -v -report

.PHONY: bench-cluster
bench-cluster: programs ## Measure it beside upstream's on a simulated cluster with 2000 VPAs and 10000 pods (some 15 minutes)
	cd e2e && $(GO) run ./cmd/benchcluster

SIZES ?= 500 2000
.PHONY: bench-history
bench-history: ## Measure reading history beside upstream's, on a real Prometheus with SIZES="500 2000" containers (some 5 minutes; 2 GB of cache)
	cd e2e && $(GO) test ./proof -run '^TestReport$$' -count=1 -timeout 3h -v -report -sizes='$(SIZES)'

##### Clean it

.PHONY: clean
clean: demo-down ## Remove what was built here, and the demo
	rm -rf bin
