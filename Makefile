# On a fresh Debian or Ubuntu machine with Go and root:
#   make wheel   the default wheel, in dist/
#   make test    every test, real builds included

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

# The same flags everywhere, so that the compiler's cache serves the binary, go vet and the tests.
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(GOFLAGS) -trimpath)
LINK := -s -w

# The tests find in the cache what the command line built.
export SAGEBUILD_STATE ?= $(or $(filter /%,$(XDG_CACHE_HOME)),$(HOME)/.cache)/sagebuild
export SAGEBUILD_TEST_STATE ?= $(SAGEBUILD_STATE)

SAGEBUILD := bin/sagebuild
GO_FILES := $(shell find cmd csrc internal matrix kernels bake -name '*.go' -o -name '*.hcl' -o -name '*.sh' -o -name '*.tmpl' -o -name "*.html" -o -name kernels.toml) go.mod go.sum

.PHONY: build
build: $(SAGEBUILD) ## the command line, bin/sagebuild

$(SAGEBUILD): $(GO_FILES)
	go build -ldflags '$(LINK)' -o $@ ./cmd/sagebuild

.PHONY: tools
tools: ## what apt must give, if it is missing
	scripts/install-tools.sh

.PHONY: test-tools
test-tools: ## the same for the tests
	scripts/install-tools.sh test

.PHONY: wheel
wheel: tools build ## the default wheel, in dist/
	$(SAGEBUILD) bake default

TOOL_PLATFORMS ?= all

.PHONY: tool-wheels
tool-wheels: ## sagebuild itself as wheels for Linux, macOS and Windows, in dist/tool
	go run ./scripts/tool-wheels -platforms $(TOOL_PLATFORMS) $(TOOL_OPTIONS)

.PHONY: generate
generate: build ## the files that are generated: docker-bake.hcl, BUILD_MATRIX.md, dockerfiles/Dockerfile, docs/cli.md, tables of kernels
	$(SAGEBUILD) generate

.PHONY: gpu-names
gpu-names: ## the names of GPUs, from NVIDIA's driver and pci.ids as Debian packages them
	scripts/gpu-names.sh

.PHONY: lock
lock: tools build ## pins everything in lock/ anew: Debian base, interpreters, compilers, each torch
	$(SAGEBUILD) lock
	$(call lock-packages,)

.PHONY: lock-missing
lock-missing: build ## pins what the definition needs and lock/ does not have: a new torch, CUDA or Python of it
	$(call lock-packages,--missing)

define lock-packages
uv=$$(mktemp -d) && trap 'rm -rf "$$uv"' EXIT && \
python3 -m pip install --quiet --require-hashes --target "$$uv" -r lock/uv.txt && \
$(SAGEBUILD) matrix --json | PYTHONPATH=$$uv python3 scripts/lock.py $(1)
endef

.PHONY: test
test: test-tools lint test-python test-wheels test-clients test-go ## every test

.PHONY: lint
lint: lint-go lint-python lint-c ## formatting, imports, types, static checks, dead functions, generated files

GO_TOOL := go tool -modfile=lock/lint.mod

.PHONY: lint-go
lint-go: build
	$(call silent,gofmt -l .,not formatted; run: gofmt -w)
	$(call silent,$(GO_TOOL) goimports -local $(shell go list -m) -l .,own imports are not apart; run: $(GO_TOOL) goimports -local $(shell go list -m) -w)
	go vet ./...
	$(GO_TOOL) staticcheck ./...
	$(call silent,$(GO_TOOL) deadcode ./cmd/... ./scripts/...,no program calls these functions:)
	$(SAGEBUILD) generate --check

.PHONY: lint-python
lint-python:
	scripts/install-tools.sh lint
	scripts/lint-python.sh

.PHONY: lint-c
lint-c:
	scripts/install-tools.sh lint
	scripts/lint-c.sh

# A command that finds nothing prints nothing; what this one prints is a mistake.
define silent
@found=$$($(1)) && if [[ -n $$found ]]; then echo '$(2)' "$$found" >&2; exit 1; fi
endef

.PHONY: test-go
test-go: tools ## Go tests: units, command line scripts, conformance and integration on real BuildKit
	go test -ldflags '$(LINK)' -timeout 60m ./...

.PHONY: test-python
test-python: test-tools ## Python tests that need no torch
	scripts/test-python.sh

.PHONY: test-wheels
test-wheels: tools build ## the default wheel, and the universal one of every platform; the first tested as well
	$(SAGEBUILD) bake default universal
	$(SAGEBUILD) test default

.PHONY: test-clients
test-clients: test-tools build ## the wheels of dist/ with kernels, kernel-abi-check, pip, uv, and over another SageAttention
	scripts/test-clients.sh

.PHONY: test-torches
test-torches: tools build ## one wheel of each torch tested on it; the last results are docs/torches.md
	scripts/test-torches.py --sagebuild $(SAGEBUILD)

.PHONY: test-tool-windows
test-tool-windows: test-tools ## the tool's wheel for Windows, installed by pip and used in Wine; the last result is in docs/tool.md
	SAGEBUILD_TEST_WINE=1 go test -run ToolOnWindows -v ./tests

SINGLES ?= none
.PHONY: bench-build
bench-build: tools build ## measures builds; the last results are docs/bench-build.md; SINGLES=all builds ten cells one by one as well
	go run ./scripts/bench-build -sagebuild $(SAGEBUILD) -singles $(SINGLES)

.PHONY: check-index
check-index: tools build ## pip and uv install every wheel of dist/ for Linux on x86-64, from an index; docs/index.md
	wheels=$$(mktemp -d) && trap 'rm -rf "$$wheels"' EXIT && \
	cp --reflink=auto dist/*linux_x86_64.whl dist/*manylinux*x86_64.whl "$$wheels" && \
	$(SAGEBUILD) index --check --dist "$$wheels"

.PHONY: bench-cells
bench-cells: tools build ## measures a thousand generated cells; the last results are docs/bench-cells.md; BENCH_OPTIONS=-cached bakes them from the cache as well
	go run ./scripts/bench-build -sagebuild $(SAGEBUILD) -cells 1000 $(BENCH_OPTIONS)

GROUP ?= everything
.PHONY: bench-group
bench-group: tools build ## measures a bake of GROUP, cold and warm: docs/bench-GROUP.md
	go run ./scripts/bench-build -sagebuild $(SAGEBUILD) -group $(GROUP) $(BENCH_OPTIONS)

.PHONY: compile-seconds
compile-seconds: ## docs/compile-seconds.md: what the compiler and the assembler of CUDA 12.9 take for each kernel source and SM
	compilers=$$(scripts/pinned-packages.sh compilers-cu129 toolchain-cu129 ptxas-cu129) && \
	PYTHONPATH=python:$$compilers scripts/compile-seconds.py

.PHONY: same-code
same-code: ## docs/same-code.md: compiles what wheels leave out because an older SM has the same code or PTX, and compares
	for name in $(basename $(notdir $(wildcard lock/toolchain-cu*.txt))); do \
	  compilers=$$(scripts/pinned-packages.sh $$name-ptxas $$name $${name/toolchain/ptxas}) && PYTHONPATH=python:python/tests:$$compilers scripts/same-code.py || exit; \
	done

.PHONY: kernels-report
kernels-report: wheel ## docs/kernels.md: registers and shared memory of each kernel of the default wheel
	go run ./scripts/kernels-report

.PHONY: bare-machine
bare-machine: ## make wheel and make test in a minimal Debian root; the last result is docs/bare-machine.md
	scripts/bare-machine.sh

GPU_RESULTS ?= dist/gpu-results

.PHONY: gpu-results
gpu-results: test-tools build ## what a machine with a GPU needs to test the default wheel, in $(GPU_RESULTS): docs/gpu-results/README.md
	scripts/gpu-results.sh prepare $(GPU_RESULTS)

FUZZ_TIME ?= 30s

.PHONY: fuzz
fuzz: ## every fuzz target, $(FUZZ_TIME) each
	scripts/fuzz.sh $(FUZZ_TIME)

.PHONY: clean
clean: ## removes bin/ and what lies in the state directory; dist/ stays
	if [[ -x $(SAGEBUILD) ]]; then $(SAGEBUILD) clean --all; fi
	rm -rf bin

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16
