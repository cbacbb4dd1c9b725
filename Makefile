# The few things one does with a clone of Redline. Each target makes what it needs and says what it lacks.
#
#   make demo    run a service with two orgs and a simulated product; open the address that it prints
#   make test    every test and every static check
#   make check   the static checks alone
#   make faults  kill -9, damaged files, bad disks, 100 rounds of each, and a cluster that loses its parts under load, a minute each;
#                says what was lost
#   make bench   Redline beside its peers, forty minutes; BENCH_ARGS=--quick to see that it works
#   make lock    bring config/requirements.lock in line with pyproject.toml
#   make clean   remove everything that is made here
#
# PYTHON picks the interpreter (3.11 to 3.13), VENV the folder of the virtual environment, PYTEST_ARGS and DEMO_ARGS go to pytest and to demo.
# WORKERS is how many processes run tests side by side: one more than the machine has cores, for a third of the time a test waits.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=
WORKERS ?= $(shell expr $$(nproc) + 1)
FAULT_ROUNDS ?= 100
FAULT_SECONDS ?= 60
UV ?= $(firstword $(wildcard $(VENV)/bin/uv) uv)

# A file's tests share what it makes, so they stay together. A process that dies, for a test that hangs, ends the run, which names the test.
SIDE_BY_SIDE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart=0

INSTALLED := $(VENV)/.installed
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --no-input

.PHONY: demo test check faults bench lock clean

demo: $(INSTALLED)
	@$(VENV)/bin/redline demo $(DEMO_ARGS)

test: $(INSTALLED)
	@$(VENV)/bin/python -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

check: $(INSTALLED)
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

faults: $(INSTALLED)
	@FAULT_ROUNDS=$(FAULT_ROUNDS) FAULT_SECONDS=$(FAULT_SECONDS) $(VENV)/bin/python -m pytest tests/faults $(PYTEST_ARGS)

$(INSTALLED): config/requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 \
		|| { echo "make: there is no $(PYTHON) here. Install Python 3.11 to 3.13, or name yours: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1), and Redline takes Python 3.11 to 3.13. Name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "make: $(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV), once; this takes a minute."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq --require-hashes --no-deps -r config/requirements.lock \
		|| { echo "make: the packages could not be installed; pip says why above. It needs a network, or a mirror (pip config set global.index-url)." >&2; exit 1; }
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@touch $@

bench: $(INSTALLED)
	@$(VENV)/bin/python -m tests.benchmarks $(BENCH_ARGS)

lock:
	@command -v $(UV) >/dev/null 2>&1 || { echo "make: there is no uv here, which makes the lock: $(VENV)/bin/pip install uv" >&2; exit 1; }
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--group dev pyproject.toml --output-file config/requirements.lock

clean:
	@rm -rf .venv .venv-* build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
