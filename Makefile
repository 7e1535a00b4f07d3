# Two commands matter: `make demo` and `make test`. Both install what they need into .venv.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto
PYTEST_ARGS ?=
BENCH_ARGS ?=
SEEDS ?= 10000

.PHONY: demo test soak check format specs checkers bench profile wheel-test clean

demo: $(VENV)/run  ## the main job, end to end, on an embedded SQLite file
	$(BIN)/perdure demo

test: $(VENV)/dev  ## the whole suite
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

soak: $(VENV)/dev  ## very many simulated runs, on all cores; SEEDS=100000 for more
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

check: $(VENV)/dev  ## lint, types, layers, contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/project/test_layers.py
	$(BIN)/perdure spec --check

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

specs: $(VENV)/dev  ## write the contracts under specs/, and the printed parts of docs/
	$(BIN)/perdure spec
	$(BIN)/python -m tests.support.reference
	$(BIN)/python -m tests.support.file_list

checkers: $(VENV)/dev  ## SPIN and TLC, which the suite holds its own checker against, where they can be had
	sh tests/support/install_checkers.sh $(BIN)/python

bench: $(VENV)/dev  ## beside its peers, in one run; BENCH_ARGS=--document writes docs/benchmarks.md
	$(BIN)/python -m bench $(BENCH_ARGS)

profile: $(VENV)/dev  ## where a durable turn, a resume and an audit spend their time
	$(BIN)/python -m bench.profiling

wheel-test: $(VENV)/dev  ## the suite against the built wheel, in an environment of its own
	rm -rf .wheel-venv dist
	$(BIN)/python -m build --wheel
	$(PYTHON) -m venv .wheel-venv
	.wheel-venv/bin/python -m pip install --quiet "$$(ls dist/*.whl)[test]"
	sh tests/support/against_wheel.sh $(WORKERS)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "perdure needs Python 3.11 or newer; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	@touch $@ $(VENV)/run

clean:
	rm -rf $(VENV) .wheel-venv .bench-venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
