# `make` lists the targets. Each sets itself up in .venv; Python 3.11 or later, make and git suffice.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PROGRAM := .venv/.program
READY := .venv/.ready
RIVAL := .venv-bench/.ready
NODE := .venv/node
MODULES := $(if $(shell command -v npm 2>/dev/null),$(NODE)/.ready)
# Many tests wait for something, so more processes than cores are of use; few of the quick ones do,
# and each process imports and collects everything for itself.
PROCESSES ?= $(USUAL)
USUAL := 8
quick: USUAL := 6

.DEFAULT_GOAL := help
.PHONY: help setup demo test quick busy screens gallery backlog soak debian13 check fmt bench catalogues pictures recording lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-9s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything, exactly as locked

# What the program itself needs. Nothing is built: it runs from the checkout.
$(PROGRAM): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or later is needed: name one with make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv …"
	@$(PYTHON) -m venv .venv
	@$(PIP) --require-hashes -r requirements.lock
	@touch $@

# And what whoever works on it needs besides. The tests are compiled here, once: each of the processes
# that run them would do it, all at the same time.
$(READY): requirements-dev.lock pyproject.toml $(PROGRAM)
	@echo "Adding the tools to .venv …"
	@$(PIP) --require-hashes -r requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -qq >/dev/null || true
	@touch $@

# What the recipes for Node need. Where it cannot be had, their tests say so.
$(NODE)/.ready: tests/support/node/package-lock.json | $(READY)
	@echo "Adding Node's modules to .venv …"
	@mkdir -p $(NODE)
	@cp tests/support/node/package.json tests/support/node/package-lock.json $(NODE)
	@npm ci --prefix $(NODE) --ignore-scripts --no-audit --no-fund --loglevel error >&2 && touch $@ || true

$(RIVAL): requirements-bench.lock | $(READY)
	@echo "Setting up .venv-bench …"
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

demo: $(PROGRAM) ## The whole thing on a throw-away database: real sales, signed and verified
	@$(BIN)/python -m tui.cli demo

# Where the environment forbids to keep what was compiled, each of a thousand processes would do it.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal $(ARGS)

test: $(READY) $(MODULES) ## Every test, those of the installed program on files and on servers (ARGS="-k outbox": some)
	@$(PYTEST)

quick: $(READY) $(MODULES) ## The tests that start no server and no command, except the slow ones, in less than two minutes: the loop while you work
	@$(PYTEST) --quick

busy: $(READY) ## The same as test on a busy machine: four loops that do nothing else run beside it and end with it
	@for loop in 1 2 3 4; do (while kill -0 $$$$ 2>/dev/null; do :; done) & done; $(MAKE) test

backlog: $(READY) ## Several workers drain 100,000 deliveries, one of them killed; some minutes
	@$(BIN)/python -m pytest tests/end_to_end/test_many_workers.py --deliveries 100000 -v --durations 0

soak: $(READY) ## Kill workers 1,000 times during a long run: nothing may be lost (SOAK="--seed 7": its choices again)
	@$(BIN)/python -m tests.soak $(SOAK)

RELEASE ?= trixie
debian13: ## Both README commands as a newcomer in a bare Debian 13 (root; RELEASE=forky: in the next one)
	@.ci/debian $(RELEASE)

check: $(READY) ## Format, lint, types and the direction of imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: $(READY) ## Format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) $(RIVAL) ## Measure rate, latency, growth and screens; prints tables and writes bench/results/
	@$(BIN)/python -m tests.benchmarks.pipeline
	@$(BIN)/python -m tests.benchmarks.shipped
	@$(BIN)/python -m tests.benchmarks.latency
	@$(BIN)/python -m tests.benchmarks.fairness
	@$(BIN)/python -m tests.benchmarks.parked
	@$(BIN)/python -m tests.benchmarks.upkeep
	@$(BIN)/python -m tests.benchmarks.growth
	@$(BIN)/python -m tests.benchmarks.screens
	@$(BIN)/python -m tests.benchmarks.report

SCREENS = $(PYTEST) tests/tui -m screen
screens: $(READY) ## Only the tests of screens (ARGS="-k history": some of them)
	@$(SCREENS)

gallery: $(READY) ## One page with every screen, old beside new where they differ (ARGS as above)
	@$(SCREENS) -p tests.support.gallery.plugin -q --tb=no -r ""

catalogues: $(READY) ## Bring the French and Dutch catalogues up to date with the code, and compile them
	@$(BIN)/python -m tests.support.catalogues

SNAPSHOTS := tests/tui/__snapshots__/test_snapshots
pictures: $(READY) ## Accept the screens as they look now, in the tests and in the README
	@$(SCREENS) --snapshot-update
	@mkdir -p docs/screens
	@cp "$(SNAPSHOTS)/test_screen[webhooks_wide].svg" docs/screens/webhooks.svg
	@cp "$(SNAPSHOTS)/test_screen[edit].svg" docs/screens/edit.svg
	@cp "$(SNAPSHOTS)/test_secret_shown.svg" docs/screens/secret.svg
	@cp "$(SNAPSHOTS)/test_screen[history_wide].svg" docs/screens/history.svg
	@cp "$(SNAPSHOTS)/test_screen[delivery_wide].svg" docs/screens/delivery.svg

recording: $(READY) ## Take the README's minute of the terminal UI anew
	@$(BIN)/python -m tests.support.film

lock: $(READY) ## Lock the dependencies anew; fails if one has no wheel for a machine we promise
	$(BIN)/uv pip compile pyproject.toml --group dev --all-extras --universal --generate-hashes --no-header --no-emit-index-url -q -U -o requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml --group build --all-extras --universal --generate-hashes --no-header --no-emit-index-url -q -c requirements-dev.lock -o requirements.lock
	$(BIN)/uv pip compile --group bench --python-version 3.11 --universal --generate-hashes --no-header --no-emit-index-url -q -U -o requirements-bench.lock
	@$(BIN)/python -m tests.support.wheels

clean: ## Remove .venv, .venv-bench and every cache
	rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
