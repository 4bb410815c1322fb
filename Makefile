# make run: install and prune the quickstart.   make test: install with the test extras and run all tests.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test check format bench-cifar10 bench-agreement clean

run: .venv/installed
	$(BIN)/emopms run specs/quickstart.yaml

test: .venv/installed-dev
	$(BIN)/python -m pytest

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The table of docs/results.md. Needs the data root in EMOPMS_DATA (see specs/cifar10_resnet20.yaml).
bench-cifar10: .venv/installed-dev
	$(BIN)/python benchmarks/cifar10_resnet20.py

# docs/agreement.md. Needs the data root in EMOPMS_DATA (see plugins/emopms-timm/specs/efficientnet_lite0_photos.yaml).
bench-agreement: .venv/installed-dev
	$(INSTALL) ./plugins/emopms-timm
	$(BIN)/python benchmarks/efficientnet_lite0_photos.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[digits]'
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[dev]'
	touch $@ .venv/installed

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
