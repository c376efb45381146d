# Two commands do everything: `make run` sets up and opens the laboratory, `make test` checks it.
# Every target can be repeated; what is done already is not done again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help run data test test-all check screenshots clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

run: $(READY) data ## set up, get the images, open the laboratory on 127.0.0.1:8501
	@$(BIN)/streamlit run serve.py

data: $(READY) ## get and verify CIFAR-10, once
	@$(BIN)/python -m core data

test: $(READY) data ## the tests, two at a time
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: $(READY) data ## the tests, the long ones too
	@$(BIN)/python -m pytest

check: $(READY) ## style and types
	@$(BIN)/ruff check . && $(BIN)/mypy

screenshots: $(READY) data ## draw the README's pictures from the real app
	@$(BIN)/python -m benchmarks.screenshots

clean: ## remove the virtual environment and caches; runs and images stay
	rm -rf $(VENV) static .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(READY): requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed; install it, or name it: make run PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$$($(PYTHON) --version) is too old: 3.11 or newer is needed. Name another: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python's venv module is missing; on Debian and Ubuntu install the package python3-venv."; exit 1; }
	@echo "Setting up the virtual environment $(VENV) (a few minutes, once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt \
	  || { echo "The packages could not be installed; the lines above say which. Check the connection and repeat."; exit 1; }
	@touch $@
