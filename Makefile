# `make` lists the targets. Each sets itself up in .venv; Python 3.11 or later, make and git suffice.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak check fmt bench pictures lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything, exactly as locked

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed: name one with make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## The whole thing on a throw-away database: real sales, signed and verified
	@$(BIN)/aurapos-webhooks demo

test: $(READY) ## Every test, on SQLite and on a real PostgreSQL
	@$(BIN)/python -m pytest -n auto

soak: $(READY) ## Kill workers 1,000 times during a long run: nothing may be lost (SOAK="--seed 7")
	@PYTHONPATH=tests/support:tests/benchmarks $(BIN)/python tests/soak.py $(SOAK)

check: $(READY) ## Format, lint, types and the direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: $(READY) ## Format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## Measure the pipeline and the screens; prints tables and writes bench/results/
	@$(BIN)/python tests/benchmarks/pipeline.py
	@PYTHONPATH=tests/support $(BIN)/python tests/benchmarks/screens.py

SNAPSHOTS := tests/tui/__snapshots__/test_snapshots
pictures: $(READY) ## Accept the screens as they look now, in the tests and in the README
	@$(BIN)/python -m pytest tests/tui/test_snapshots.py -k "not readme" --snapshot-update
	@mkdir -p docs/screens
	@cp "$(SNAPSHOTS)/test_screen[webhooks].svg" docs/screens/webhooks.svg
	@cp "$(SNAPSHOTS)/test_screen[edit].svg" docs/screens/edit.svg
	@cp "$(SNAPSHOTS)/test_secret_shown.svg" docs/screens/secret.svg
	@cp "$(SNAPSHOTS)/test_screen[history].svg" docs/screens/history.svg
	@cp "$(SNAPSHOTS)/test_screen[delivery_failed].svg" docs/screens/delivery.svg

lock: $(READY) ## Lock the dependencies anew (needs uv)
	uv pip compile pyproject.toml --group dev --all-extras --universal --generate-hashes --no-header --no-emit-index-url -q -U -o requirements-dev.lock
	uv pip compile pyproject.toml --all-extras --universal --generate-hashes --no-header --no-emit-index-url -q -c requirements-dev.lock -o requirements.lock

clean: ## Remove .venv and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
