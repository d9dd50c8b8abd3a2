# Commands of the project. `make` alone lists them. Everything is installed into .venv, from pyproject.toml with the
# versions of constraints.txt, and again whenever one of the two changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Parallel tests. Three keep two cores busy: those of daemons and servers wait for half of their time.
WORKERS ?= 3
STAMP := $(VENV)/.installed

# One thread a process: the models are small, and two threads that wait for each other are slower than one.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM = false
# Tools report home only when a user turns that on.
export DAGSTER_DISABLE_TELEMETRY = true
export DBT_SEND_ANONYMOUS_USAGE_STATS = false
export DO_NOT_TRACK = 1
export GX_ANALYTICS_ENABLED = false
export HF_HUB_DISABLE_TELEMETRY = 1

.DEFAULT_GOAL := help
.PHONY: help install demo smoke study nightly ui report test test-fast lint mypy sqlfluff format bench constraints clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

install: $(STAMP) ## create .venv and install the project (every command below does it when needed)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: no '$(PYTHON)' on PATH; install Python 3.11-3.13 or say which one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] < (3, 14) or sys.exit("error: Python 3.11-3.13 is needed, $(PYTHON) is %d.%d; say which one: make PYTHON=/path/to/python3.12" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "error: $(PYTHON) can't create a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[dev]'
	@# Twenty thousand files: pip compiles them one by one. Some are meant for another Python and don't compile.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $(STAMP)

demo: $(STAMP) ## the whole loop on the laptop profile: ten to fifteen minutes on 2 cores
	$(BIN)/llm-auction run

smoke: $(STAMP) ## the whole loop, tiny: one to two minutes
	$(BIN)/llm-auction run --profile smoke --force

study: $(STAMP) ## the whole study: three seeds, every mechanism, ablation and property; resumable
	$(BIN)/llm-auction study

nightly: $(STAMP) ## a week of generated click logs, night by night, with one bad day
	$(BIN)/llm-auction nightly --force

ui: $(STAMP) ## the Dagster UI on http://localhost:3000, with the runs of `make demo` in it
	$(BIN)/llm-auction ui

report: $(STAMP) ## say where the newest report of the demo lies
	$(BIN)/llm-auction report --path

test: $(STAMP) ## all tests; the slowest begin first (tests/conftest.py)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q --durations 10

test-fast: $(STAMP) ## the fast tests only
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile --no-loadscope-reorder -q

lint: $(STAMP) ## ruff, mypy, the floors (import-linter), sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory -j 2 mypy sqlfluff

mypy: $(STAMP)
	$(BIN)/mypy

sqlfluff: $(STAMP)
	$(BIN)/sqlfluff lint dbt_project

format: $(STAMP) ## let ruff and sqlfluff rewrite what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --quiet dbt_project

bench: $(STAMP) ## time DPO, sampling, the client, click logs and the refit against plain ones; writes bench.jsonl
	$(BIN)/python -m tests.benchmarks

constraints: $(STAMP) ## resolve constraints.txt anew, keeping versions that still fit
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --output-file constraints.txt pyproject.toml >/dev/null
	@{ echo "# The versions that this project is tested with, for pip: \`pip install -c constraints.txt -e '.[dev]'\`."; \
	  echo "# One file for Linux and macOS, Python 3.11-3.13. Made by \`make constraints\` from pyproject.toml; don't edit by hand."; \
	  cat constraints.txt; } > constraints.txt.new && mv constraints.txt.new constraints.txt

clean: ## remove .venv, caches and build outputs; keeps data/
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache dbt_project/target dbt_project/logs logs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
