# Everything sets itself up: a virtual environment in .venv, downloads cached in .cache.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all compose check docs bench generate lock sbom preview format clean

PYTHON ?= $(shell command -v python3 || command -v python)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help: ## Show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml tools/bootstrap.py
	@test -n "$(PYTHON)" || { echo "make: Python 3.10 or newer is needed and no python3 is on PATH."; exit 1; }
	@"$(PYTHON)" tools/bootstrap.py $(VENV)
	@touch $@

setup: $(READY) ## Create the virtual environment (the other commands do it by themselves)

demo: $(READY) ## Run the sample application against a local provider and show what it cost
	@$(BIN)/python -m examples.assistant

test: $(READY) ## Run the whole test suite, on the oldest and the newest clients too
	@$(BIN)/python tools/test.py

test-all: $(READY) ## The same, and what takes long: every overlay, Kafka, Thanos, a bucket, every way to end
	@$(BIN)/python tools/test.py --all

compose: $(READY) ## Start the compose file on a real Docker engine and look at everything
	@$(BIN)/python -m tools.compose

check: $(READY) ## Format, lint, types, imports, generated files, docs
	@$(BIN)/ruff format --check --quiet . || { echo "check: run 'make format'"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@imports="$$($(BIN)/lint-imports --no-logo --no-cache)" || { echo "$$imports"; exit 1; }
	@$(BIN)/python -m tools.generate_docs --check
	@$(BIN)/llm-otel render --check
	@$(BIN)/python -m pytest tests/docs
	@echo "check: all green"

format: $(READY) ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

docs: $(READY) ## Build the documentation as a site into site/; a dead link fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean
	@echo "docs: site/index.html"

bench: $(READY) ## Measure what a call costs, as ratios to a floor, in one run
	@$(BIN)/python benchmarks/run.py

generate: $(READY) ## Regenerate what is derived from the code
	@$(BIN)/llm-otel render
	@$(BIN)/python -m tools.generate_docs

LOCK := $(BIN)/uv pip compile --quiet --python-version 3.13 --python-platform linux \
	--generate-hashes --custom-compile-command "make lock" $(UPGRADE)

lock: $(READY) ## Pin what the image installs, with hashes; UPGRADE=--upgrade takes the newest
	@$(LOCK) --extra local pyproject.toml deploy/requirements.in --output-file deploy/requirements.txt
	@$(LOCK) deploy/build-requirements.in --output-file deploy/build-requirements.txt

SBOM := dist/llm-otel.cdx.json

sbom: $(READY) ## Write what the image is made of as CycloneDX to dist/llm-otel.cdx.json
	@mkdir -p $(dir $(SBOM))
	@$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml \
		--output-reproducible --output-format JSON --output-file $(SBOM) deploy/requirements.txt
	@echo "sbom: $(SBOM)"

preview: $(READY) ## Draw the Grafana dashboards with live data into one page, without Grafana
	@$(BIN)/python -m tools.preview

clean: ## Remove the virtual environment and every cache
	@rm -rf $(VENV) site .cache .mypy_cache .ruff_cache .pytest_cache
