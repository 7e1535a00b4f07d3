# Two commands matter: `make demo` and `make test`. Both install into .venv. `make help` lists all.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$p; break; }; done)
OLDEST ?= $(shell for p in python3.11 python3.12 $(PYTHON); do command -v $$p >/dev/null 2>&1 \
	&& $$p -c 'import sys' 2>/dev/null && { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto
PYTEST_ARGS ?=
BENCH_ARGS ?=
SEEDS ?= 10000
LOWEST_TESTS := tests/aggregates tests/store tests/projections tests/runtime tests/cli

# Programs that the suite starts, some four hundred, load the bytecode of perdure instead of making it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test thorough soak check format specs checkers bench profile wheel-test lowest clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/run  ## the main job, end to end, on an embedded SQLite file
	$(BIN)/perdure demo

test: $(VENV)/dev  ## the suite without its thorough tests; PYTEST_ARGS="-k g7_" for a part of it
	$(BIN)/python -m pytest -n $(WORKERS) -m "not thorough" $(PYTEST_ARGS)

thorough: $(VENV)/dev  ## the thorough tests: more seeds, kills, alterations, models, drawn examples
	$(BIN)/python -m pytest -n $(WORKERS) -m "thorough or hypothesis" --hypothesis-profile thorough $(PYTEST_ARGS)

soak: $(VENV)/dev  ## very many simulated runs, on all cores; SEEDS=100000 for more
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

check: $(VENV)/dev  ## lint, types, layers, contracts and printed pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/project/test_layers.py tests/project/test_reference.py tests/project/test_architecture.py
	$(BIN)/perdure spec --check

format: $(VENV)/dev  ## lint with fixes, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

specs: $(VENV)/dev  ## write the contracts under specs/, and the printed parts of docs/
	$(BIN)/perdure spec
	$(BIN)/python -m tests.support.reference
	$(BIN)/python -m tests.support.file_list

checkers: $(VENV)/dev  ## install SPIN and TLC, which tests compare the checker with, where possible
	sh tests/support/install_checkers.sh $(BIN)/python

bench: $(VENV)/dev  ## beside its peers, in one run; BENCH_ARGS=--document writes docs/benchmarks.md
	$(BIN)/python -m bench $(BENCH_ARGS)

profile: $(VENV)/dev  ## where a durable turn, a resume and an audit spend their time
	$(BIN)/python -m bench.profiling

wheel-test: $(VENV)/dev  ## the suite against the wheel, built from the sdist, in an environment of its own
	rm -rf .wheel-venv dist
	$(BIN)/python -m build
	$(PYTHON) -m venv .wheel-venv
	.wheel-venv/bin/python -m pip install --quiet "$$(ls dist/*.whl)[test]"
	sh tests/support/against_wheel.sh $(WORKERS)

lowest: $(VENV)/dev  ## part of the suite with the lowest versions that pyproject.toml allows, Python included
	rm -rf .lowest-venv
	$(OLDEST) -m venv .lowest-venv
	$(BIN)/python -m tests.support.lowest > .lowest-venv/constraints.txt
	.lowest-venv/bin/python -m pip install --quiet --constraint .lowest-venv/constraints.txt --editable '.[test]'
	.lowest-venv/bin/python -m pytest -n $(WORKERS) -q -m "not thorough" $(LOWEST_TESTS)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "perdure needs Python 3.11 or newer; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	@touch $@ $(VENV)/run

clean:  ## remove environments, builds and caches
	rm -rf $(VENV) .wheel-venv .lowest-venv .bench-venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
