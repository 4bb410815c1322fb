# make run: install and prune the quickstart.   make test: install with plugins and test extras, and run all tests.
# make test-fast: only the quick ones, while you work.
PYTHON ?= python3
BIN := .venv/bin
PIP := -m pip install --quiet --disable-pip-version-check
INSTALL := $(BIN)/python $(PIP) -c constraints.txt
OLDEST := .venv/oldest

PLUGINS := $(wildcard plugins/emopms-*)

.PHONY: run test test-fast test-oldest test-install nightly check docs site format bench-cifar10 bench-agreement bench-reconstruction bench-compatibility bench-speed bench-reliability released clean

run: .venv/installed
	$(BIN)/emopms run specs/quickstart.yaml

# Two processes of one thread each: OpenMP's threads, were there more, would only wait for each other.
test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# In at most 90 seconds on two quiet cores: without slow tests, and with fewer examples of property-based ones.
test-fast: .venv/installed-dev
	OMP_NUM_THREADS=1 HYPOTHESIS_PROFILE=fast $(BIN)/python -m pytest -n 2 -m "not slow"

# The fast tests with the oldest torch that pyproject.toml allows, in an environment of its own.
test-oldest: $(OLDEST)/installed
	OMP_NUM_THREADS=1 HYPOTHESIS_PROFILE=fast $(OLDEST)/bin/python -m pytest -n 2 -m "not slow"

# What README and the plugins' pages say about installing, in a fresh clone.
test-install: .venv/installed-dev
	EMOPMS_TEST_INSTALL=1 $(BIN)/python -m pytest -s tests/test_documents.py -k installation

# Property-based tests with random seeds and ten times the examples, and 500 killed runs.
nightly: .venv/installed-dev
	OMP_NUM_THREADS=1 HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest -n 2 -m hypothesis
	HYPOTHESIS_PROFILE=nightly EMOPMS_MUTATIONS=10000 $(BIN)/python -m pytest tests/test_mutations.py
	$(BIN)/python -m benchmarks.reliability kill --points 500

# docs/components.md, docs/cli.md, schema/emopms.schema.json and two pictures, from the code.
docs: .venv/installed-dev
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/figures.py

# The documentation site, in docs/_build/index.html. Offline, from scratch, and every warning is an error.
site: .venv/installed-dev
	$(BIN)/python -m sphinx -E -a -q -W --keep-going -n -c docs . docs/_build

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy docs/generate.py
	$(BIN)/mypy docs/figures.py
	$(BIN)/mypy docs/conf.py
	$(foreach plugin,$(PLUGINS),$(BIN)/mypy $(plugin) &&) true
	$(BIN)/lint-imports

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The table of docs/results.md. Needs the data root in EMOPMS_DATA (see specs/cifar10_resnet20.yaml).
bench-cifar10: .venv/installed-dev
	$(BIN)/python -m benchmarks.cifar10_resnet20

# docs/agreement.md. Needs the data root in EMOPMS_DATA (see plugins/emopms-timm/specs/efficientnet_lite0_photos.yaml).
bench-agreement: .venv/installed-dev
	$(BIN)/python -m benchmarks.efficientnet_lite0_photos

# benchmarks/reconstruction.json. Needs the data root in EMOPMS_DATA, as bench-cifar10 does.
bench-reconstruction: .venv/installed-dev
	$(BIN)/python -m benchmarks.reconstruction

# docs/compatibility.md, from random weights: needs nothing but the two plugins. About half an hour on two quiet cores.
bench-compatibility: .venv/installed-dev
	$(BIN)/python -m benchmarks.compatibility

# docs/speed.md. Needs the data root in EMOPMS_DATA, as bench-cifar10 does; DEVICE=cuda measures on a GPU,
# BENCH=--quick takes two minutes. About two hours and a quarter on two quiet cores.
bench-speed: .venv/installed-dev
	$(BIN)/python -m benchmarks.speed --device $(or $(DEVICE),cpu) $(BENCH)

# The figures of docs/reliability.md; about half an hour on two cores.
bench-reliability: .venv/installed-dev
	$(BIN)/python -m benchmarks.reliability kill
	$(BIN)/python -m benchmarks.reliability finished
	$(BIN)/python -m benchmarks.reliability unfinished
	$(BIN)/python -m benchmarks.reliability full_disk
	$(BIN)/python -m benchmarks.reliability growth

# Once for each release: what later versions must be able to read.
released: .venv/installed-dev
	$(BIN)/python -m tests.released.write

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[digits]'
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml) | .venv/bin/python
	$(INSTALL) -e '.[dev]' $(foreach plugin,$(PLUGINS),-e './$(plugin)[test]')
	touch $@ .venv/installed

$(OLDEST)/installed: pyproject.toml constraints.txt constraints-oldest.txt $(PLUGINS:%=%/pyproject.toml)
	$(PYTHON) -m venv $(OLDEST)
	awk -F== 'NR == FNR {named[$$1]} NR == FNR || !($$1 in named)' constraints-oldest.txt constraints.txt > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python $(PIP) -c $(OLDEST)/constraints.txt -e '.[dev]' $(PLUGINS:%=-e './%[test]')
	touch $@

clean:
	rm -rf .venv build docs/_build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
