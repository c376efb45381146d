# `make run` sets up and serves the app; `make test` sets up and runs the tests.
# Every target can be repeated: finished work is not done again.

PYTHON ?= python3
#: The versions that PyTorch and the other packages have wheels for, as in pyproject.toml.
PYTHONS := 3.11 3.12 3.13 3.14
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
#: Marks that the operator of core/model/fused.cpp is compiled, or that it cannot be compiled here.
FUSED := $(VENV)/.fused
#: Exact versions that were tested. `make test-newest` empties this to take the newest versions that the ranges allow.
CONSTRAINTS ?= -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup cluster run data test test-all test-newest test-oldest check format lock screenshots clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(FUSED) ## create the virtual environment with the tested versions

cluster: $(BIN)/ray ## also install Ray, to train on several machines

run: $(FUSED) data ## set up, get the images, serve the app on http://127.0.0.1:8501
	@$(BIN)/streamlit run serve.py

data: $(READY) ## get and verify CIFAR-10, once
	@$(BIN)/resnet-lab data

test: $(FUSED) data ## run the tests, two at a time
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-all: $(FUSED) data ## run all tests, including the slow ones
	@$(BIN)/python -m pytest

test-newest: ## run the tests with the newest versions within the ranges of requirements.txt
	@rm -rf .venv-newest
	@$(MAKE) test VENV=.venv-newest CONSTRAINTS=

test-oldest: ## run the tests with the oldest versions within the ranges of requirements.txt (Python 3.11)
	@rm -rf .venv-oldest
	@sed -nE 's/^([A-Za-z0-9_-]+)>=([0-9.]+).*/\1==\2/p' requirements.txt > .venv-oldest.txt
	@$(MAKE) test VENV=.venv-oldest CONSTRAINTS="-c .venv-oldest.txt"

check: $(READY) ## check format, style and types
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

format: $(READY) ## format the code and sort its imports
	@$(BIN)/ruff check --select I --fix --quiet . && $(BIN)/ruff format .

lock: ## renew constraints.txt: install the newest versions within the ranges, test them, record them
	@rm -rf .venv-newest
	@$(MAKE) cluster test VENV=.venv-newest CONSTRAINTS=
	@{ echo "# The exact versions that were tested together; written by \`make lock\`."; .venv-newest/bin/python -m pip freeze --all --exclude pip --exclude-editable; } > constraints.txt
	@echo "constraints.txt is renewed. Commit it."

screenshots: $(READY) data ## draw the images and the animation in README.md from the real app (needs Chromium)
	@$(BIN)/python -m docs.tools.screenshots
	@$(BIN)/python -m docs.tools.tour

clean: ## remove the virtual environments and caches; runs and images stay
	rm -rf $(VENV) .venv-newest .venv-oldest .venv-oldest.txt static .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(BIN)/ray: $(READY) requirements-cluster.txt
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements-cluster.txt $(CONSTRAINTS)
	@touch $@

$(READY): requirements.txt constraints.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null \
	  || { echo "There is no $(PYTHON) here. ResNet Lab runs on Python $(PYTHONS). Install one, or name it: make run PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(PYTHONS)".split())' \
	  || { echo "ResNet Lab runs on Python $(PYTHONS), not on $$($(PYTHON) --version). Name another: make run PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python's venv module is missing; on Debian and Ubuntu install the package python3-venv."; exit 1; }
	@echo "Setting up the virtual environment $(VENV) (a few minutes, once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt $(CONSTRAINTS) \
	  || { echo "The packages could not be installed; the lines above say which. Check the connection and repeat."; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@echo "Installed the command $(BIN)/resnet-lab."
	@touch $@

$(FUSED): $(READY) core/model/fused.cpp core/model/fused.py
	@$(BIN)/python -m core.model.fused
	@touch $@
