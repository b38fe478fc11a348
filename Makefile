# Everything runs in the project's own virtual environment, made from uv.lock:
# with uv where there is one, else with a uv that venv and pip bring.
PYTHON ?= python3
UV     := $(shell command -v uv 2>/dev/null)
VENV   := .venv
BIN    := $(VENV)/bin
DIR    ?= demo
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-real oracle bench soak lint format clean

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

$(BIN)/.ready: pyproject.toml uv.lock
ifeq ($(UV),)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check 'uv>=0.7'
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv sync --quiet --frozen --all-extras --inexact --no-managed-python
else
	$(UV) sync --quiet --frozen --all-extras --inexact
endif
	@touch $@

demo: $(BIN)/.ready ## Run the whole story on this machine (DIR=demo, ARGS=--tour)
	$(BIN)/hostclaim-proxy demo --dir $(DIR) $(ARGS)

test: $(BIN)/.ready ## Unit tests and the end-to-end suite on the embedded cluster
	$(BIN)/pytest -n auto --maxprocesses=4 --dist=loadfile \
		--ignore=tests/real --ignore=tests/oracle/test_planted.py $(ARGS)

test-real: $(BIN)/.ready ## The end-to-end suite on a real kube-apiserver, etcd and Keycloak
	$(BIN)/python -m tests.real.parts $(if $(REQUIRE_REAL),--require)
	E2E=real $(BIN)/pytest tests/real tests/e2e $(ARGS)

oracle: $(BIN)/.ready ## Ask the oracle 10,000 random examples, and plant bugs for it to find
	ORACLE=full $(BIN)/pytest tests/oracle $(ARGS)

bench: $(BIN)/.ready ## Measure beside nginx and kube-rbac-proxy (ARGS=--help)
	$(BIN)/python -m tests.bench $(ARGS)

soak: $(BIN)/.ready ## Ten minutes of half load with faults, and no leak after it (ARGS=--help)
	$(BIN)/python -m tests.bench.soak $(ARGS)

lint: $(BIN)/.ready ## Formatting, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(BIN)/.ready ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what was made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
