# Sealane. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES := $(shell nproc)
WORKERS ?= $(shell expr $(CORES) + 1) # tests on clusters wait more than they compute
export PYTHONPATH := $(CURDIR)/src

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.ready ## install what a bare Debian lacks, then .venv with the sealane command
	@$(BIN)/python -m compileall -q src # what an installed package has: a start need not compile

$(VENV)/.ready: pyproject.toml
	@scripts/setup $(PYTHON) $(VENV)
	@touch $@

demo: setup ## start examples/shop, show it working, stop it
	@$(BIN)/python examples/demo.py

test: setup ## unit tests and tests on real clusters
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: setup ## format, lint, types, layers, unit tests: what every commit passes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n $(CORES) --dist worksteal tests/unit

test-all: setup ## unit tests and tests on real clusters with every Python of 3.11, 3.12, 3.13 that is here
	@scripts/test-all $(PYTHONS)

golden: setup ## tests/unit/cases: writes anew what comes out of each, to be read before it is committed
	GOLDEN=write $(BIN)/python -m pytest -q tests/unit/test_cases.py
	git diff --stat tests/unit/cases

agree: setup ## random clusters, routes and Ingresses: what the model says against what packets and Envoy do
	$(BIN)/python tests/cluster/agree_random.py 200
	$(BIN)/python tests/cluster/agree_routes.py 1000
	$(BIN)/python tests/cluster/agree_ingress.py 500

agree-routes: setup ## 1,000 random sets of routes, 50 requests each: what the model says against what Envoy does
	$(BIN)/python tests/cluster/agree_routes.py 1000

agree-ingress: setup ## 500 random sets of Ingresses with annotations, 50 requests each: what the model says against what Envoy does
	$(BIN)/python tests/cluster/agree_ingress.py 500

crash: setup ## kill -9 at random moments during 10,000 writes: nothing acknowledged may be lost (SQLite, and etcd if it is here)
	$(BIN)/python tests/cluster/crash_lab.py 10000

fuzz: setup ## 10,000 mutated objects and requests: never a 5xx, never a hang, always a Status with a reason
	$(BIN)/python tests/cluster/fuzz_lab.py 10000

sets: setup ## sets of manifests that people have: everything of each ready, in the time that its own delays allow
	$(BIN)/python tests/cluster/sets_lab.py

relay: setup ## a million connections through a loopback mirror: none may be lost
	$(BIN)/python tests/cluster/relay_lab.py 1000000

kill: setup ## one process killed every 2 s for a minute: no request may fail, no gap of a mirror be longer than 0.5 s
	$(BIN)/python tests/cluster/kill_lab.py 60

conformance-gateway: setup ## the official Gateway API suite (needs Go): ARGS="--profiles GATEWAY-HTTP -run-test=NAME -short=5s -whole"
	$(BIN)/python tests/conformance/gateway/run.py $(ARGS)

conformance-policy: setup ## the official suite of the network policy API (needs Go): ARGS="-run-test=CNPAdminTierGress"
	$(BIN)/python tests/conformance/policy/run.py $(ARGS)

bench: setup ## every performance claim, measured on this machine
	$(BIN)/python -m benchmarks

.PHONY: help setup demo test test-all check golden agree agree-routes crash fuzz sets relay kill conformance-gateway conformance-policy bench
