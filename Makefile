# Every command a developer or an operator needs. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
ARGS   ?=
# One more than cores: a test that waits for a browser or a server leaves its core to another.
JOBS   ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
NODE   := node --test tests/annotation_ui/*.test.mjs tests/annotation_ui/*/*.test.mjs
FAST   := tests/accuracy/decisions tests/accuracy/statistics tests/app/quality/test_rules.py tests/app/studies tests/app/test_docs.py \
          tests/app/test_settings.py tests/contracts/test_words.py \
          $(filter-out %/cli %/__pycache__,$(wildcard tests/saliency/*)) # nothing that loads torch, which takes 13 s
# A file's tests stay in one process; the files that take longest are given out first (tests/conftest.py).
SPREAD := -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations 20 --durations-min 2
ALL    := -m "not slow" $(SPREAD)
# Never imported here: tests of the packages, and packages of which one file or a small part is used.
UNUSED := /(tests?|mypy|pip|plotly|mlflow|databricks|faker)/
unexport PYTHONDONTWRITEBYTECODE  # or each of some hundred processes compiles the product again
SCRIPTS := "{annotation_ui,tests}/**/*.{css,js,mjs,ts}" eslint.config.js

.DEFAULT_GOAL := help

.PHONY: help setup hooks demo serve worker test test-all test-fast test-slow coverage check check-python check-types \
        check-migrations check-scripts format docs docs-site contract screenshots bench bench-cyborg lock

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(VENV)/.installed  ## Make .venv and install the pinned packages

$(VENV)/.installed: requirements/dev.txt requirements/faces.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
	$(UV) pip install --quiet --require-hashes -r requirements/dev.txt
	$(UV) pip install --quiet --no-deps --require-hashes -r requirements/faces.txt
	$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	-$(BIN)/python -m compileall -qq -j 0 -x '$(UNUSED)' $(VENV)/lib
	@touch $@

hooks: setup node_modules  ## Format and check each commit when it is made (.pre-commit-config.yaml)
	$(BIN)/pre-commit install

demo: setup  ## Run the whole chain with simulated participants, then keep serving
	$(BIN)/cyborg demo $(ARGS)

serve: setup  ## Serve the web application
	$(BIN)/cyborg serve $(ARGS)

worker: setup  ## Run a worker: maps, exports, training
	$(BIN)/cyborg worker $(ARGS)

test: setup  ## Run the tests, those in Chromium included, but the long ones; JOBS=N processes share the files
	.ci/need-chromium
	.ci/need-node
	$(BIN)/python -m pytest -m "not slow and not long and not engines" $(SPREAD) $(ARGS)
	$(NODE)

test-all: setup  ## Run the long ones too: whole installations, attacks, kills, other browsers, whole networks
	.ci/need-chromium
	.ci/need-engines
	.ci/need-node
	$(BIN)/python -m pytest $(ALL) $(ARGS)
	$(NODE)

coverage: setup  ## Run what test-all runs and print which lines of the packages it reaches
	.ci/need-chromium
	.ci/need-engines
	$(BIN)/python -m pytest $(ALL) --cov --cov-report=term:skip-covered $(ARGS)

test-fast: setup  ## Run what takes a minute: rules, numbers, words and the browser's modules; no browser
	.ci/need-node
	$(BIN)/python -m pytest -q -m "not slow and not browser and not engines" -n $(JOBS) $(FAST) --ignore tests/app/studies/test_tallies.py $(ARGS)
	$(NODE)

check: setup node_modules  ## Formatting, lint, types, arrows between packages, migrations, links of the documentation
	$(MAKE) --no-print-directory -j 2 $(if $(filter output-sync,$(.FEATURES)),-O) \
	  check-types check-python docs-site check-scripts check-migrations

check-types: setup
	$(BIN)/mypy

check-python: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

check-migrations: setup
	folder=$$(mktemp -d) && chmod 755 $$folder && CYBORG_DATABASE_URL= CYBORG_DATA_DIR=$$folder sh -ec \
	  '$(BIN)/cyborg db upgrade && $(BIN)/alembic check'; status=$$?; rm -rf $$folder; exit $$status

check-scripts: node_modules
	npx --no-install prettier --log-level warn --check $(SCRIPTS)
	npx --no-install eslint annotation_ui tests/annotation_ui
	npx --no-install tsc --noEmit

node_modules: package-lock.json
	.ci/need-node
	npm ci --silent
	@touch $@

format: setup node_modules  ## Format and repair what can be repaired
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	npx --no-install eslint --fix annotation_ui tests/annotation_ui
	npx --no-install prettier --log-level warn --write $(SCRIPTS)

docs: setup  ## Write again the pages that are made from the code: commands, data dictionary, map parameters
	$(BIN)/python -m app.cli.reference > docs/cli.md
	$(BIN)/python -m app.exports.dictionary > docs/data-dictionary.md
	$(BIN)/python -m saliency.parameter_table docs/saliency.md

docs-site: setup  ## Build the documentation into site/; a link that leads nowhere is an error
	$(BIN)/sphinx-build -q -E -W --keep-going --nitpicky -c docs . site

contract: setup  ## Write what browser and server share again from the server
	$(BIN)/python -m app.contract

screenshots: setup  ## Photograph every page at desk and phone size, with drawn faces
	.ci/need-chromium
	$(BIN)/python -m tests.e2e.screenshots screenshots

bench: setup  ## Print every figure that the README quotes
	for script in benchmarks/*.py; do $(BIN)/python $$script; done

bench-cyborg: setup  ## Do human maps help? Every objective on faces drawn by code (docs/benchmark.md)
	$(BIN)/python -m benchmarks.human_maps compare $(ARGS)

test-slow: setup  ## Run the statistical and training proofs that `test` leaves out
	$(BIN)/python -m pytest -m slow $(ARGS)

lock:  ## Pin every dependency again
	$(UV) pip compile -q --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/base.txt
	$(UV) pip compile -q --generate-hashes --no-emit-index-url --no-header --extra train --extra weights pyproject.toml -o requirements/train.txt
	$(UV) pip compile -q --generate-hashes --no-emit-index-url --no-header --extra train --extra dev pyproject.toml -o requirements/dev.txt
