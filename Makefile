# What people type; everything below stands on .venv, which `make install` makes and keeps.
PYTHON ?= python3
LOCK ?= envs/lock-cpu.txt
CORES ?= $(shell nproc)
VENV := .venv
STAMP := $(VENV)/.installed-$(notdir $(LOCK))
BIN := $(VENV)/bin

.PHONY: install quickstart test test-all check bench bench-sweep clean-venv

install: $(STAMP)

# A half-made .venv has no stamp, so an interrupted installation is finished by the next call.
$(STAMP): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; found " + sys.version.split()[0] + ". Try: make install PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing $(LOCK) into $(VENV) (about 3 GB, a few minutes) ..."
	@# Of the 200 packages a small part is ever imported: Python compiles that part when it is, pip would compile all.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r $(LOCK)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.installed-*
	@touch $@

quickstart: install
	@$(BIN)/snakemake --cores $(CORES)

test: install
	@$(BIN)/python -m pytest -m "not slow or ci"

test-all: install
	@$(BIN)/python -m pytest

check: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules
	@$(BIN)/mypy
	@$(BIN)/snakemake --lint

bench: install
	@$(BIN)/python -m tests.benchmarks

bench-sweep: install
	@$(BIN)/python -m tests.benchmarks.sweep --cores $(CORES)

clean-venv:
	rm -rf $(VENV)
