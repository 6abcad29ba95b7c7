# Licence Portal: `make run` starts the demo, `make test` runs every test, `make help` lists all.
PYTHON ?= python3
PORT ?= 8000
PYTEST_ARGS ?=

BIN := .venv/bin
DEMO := $(BIN)/flask --app portal.cli:make_demo_app

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup setup-test run demo-reset test soak check bench screenshots lighthouse translations mutate lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' Makefile

setup: ## .venv with what the portal needs to run (instant when it is there)
	@$(PYTHON) .ci/setup

setup-test: ## the same with tests and gates
	@$(PYTHON) .ci/setup test

run: setup ## the portal in demo mode on http://localhost:8000 (PORT=…)
	@$(DEMO) demo serve --port $(PORT)

demo-reset: setup ## put the demo data back to the start
	@$(DEMO) demo reset

test: setup-test ## every test, the browser's included (PYTEST_ARGS=…)
	@.ci/setup_browser
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

soak: setup-test ## the full batteries: hundreds of kills, thousands of histories (long; PYTEST_ARGS=…)
	@PORTAL_SOAK=1 $(BIN)/python -m pytest -m "soak or hypothesis" --timeout 0 $(PYTEST_ARGS)

check: setup-test ## style, types, layers, templates, words, requirements, catalogue, translations, register
	@$(MAKE) --no-print-directory --keep-going $(CHECKS)

CHECKS := check-style check-format check-types check-layers check-templates check-words \
	check-requirements check-catalogue check-translations check-register
.PHONY: $(CHECKS)
check-style: ; $(BIN)/ruff check .
check-format: ; $(BIN)/ruff format --check .
check-types: ; $(BIN)/mypy
check-layers: ; $(BIN)/lint-imports --no-logo
check-templates: ; $(BIN)/djlint templates --lint --quiet
check-words: ; $(BIN)/codespell
check-requirements: ; $(PYTHON) .ci/check_requirements
check-catalogue: ; $(DEMO) catalog check
check-translations: ; $(BIN)/python .ci/check_translations
check-register: ; $(BIN)/python .ci/check_register

bench: setup-test ## the benchmarks
	@$(BIN)/python -m tests.benchmarks

screenshots: setup-test ## pictures of every screen
	@.ci/setup_browser
	@$(BIN)/python -m tests.browser.screenshots

lighthouse: setup-test ## what Lighthouse says (it is fetched with npm)
	@.ci/setup_browser
	@.ci/setup_lighthouse
	@$(BIN)/python -m tests.browser.lighthouse

translations: setup-test ## bring the catalogues up to date with the source, compile, and check them
	@$(BIN)/python .ci/check_translations --update

mutate: setup-test ## mutation tests of the money code (slow)
	@$(BIN)/mutmut run

lock: setup-test ## pin the newest fitting versions, with hashes
	@$(BIN)/python .ci/lock

clean: ## remove what make and the tools made (demo data included)
	rm -rf .venv instance/demo.* mutants test-results screenshots htmlcov .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find translations -name '*.mo' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
