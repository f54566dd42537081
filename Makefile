# All commands of the project; `make help` lists them.
#
# Variables of `make run`, on the command line, in the environment or in .env:
#   PORT=8000   HOST=127.0.0.1   HTTPS=1   DB=mysql
# PYTHON is the Python (3.11 to 3.13) for the virtual environment.
PYTHON ?= python3
VENV := .venv/bin/python
# The linters must not touch the data of a site that runs in this folder.
LINT := env -u DATABASE_URL -u REDIS_URL ENV_FILE=/dev/null FACEREC_VAR=var/lint $(VENV)

.DEFAULT_GOAL := help
.PHONY: help install run demo password weights test unit lint lint-types lint-others format bench lock clean

help: ## list all targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## install what the site needs, without starting it
	@$(PYTHON) -m tools.prepare

run: ## install what is missing and serve on http://localhost:8000
	@$(PYTHON) -m tools.prepare
	@exec $(VENV) -m tools.start run

demo: ## the same with an enrolled sample and a video that plays as a camera
	@$(PYTHON) -m tools.prepare
	@exec $(VENV) -m tools.start demo

password: ## set a new password for the administrator
	@$(PYTHON) -m tools.prepare
	@exec $(VENV) -m tools.start password

weights: ## fetch the weights of all models
	@$(PYTHON) -m tools.prepare
	@$(VENV) -m tools.weights --all

test: ## all tests, on SQLite and on a private MariaDB; ARGS="-k name" for some
	@$(PYTHON) -m tools.prepare test
	@exec $(VENV) -m tools.run_tests $(ARGS)

unit: ## the tests that need no database, weights, server, process or browser
	@$(PYTHON) -m tools.prepare dev
	@env -u PYTHONDONTWRITEBYTECODE $(VENV) -m pytest -m unit $(ARGS)

lint: ## check style, types, imports, migrations, OpenAPI and the scripts of pages
	@$(PYTHON) -m tools.prepare lint
	@$(MAKE) --no-print-directory --jobs=2 --output-sync lint-types lint-others

# It takes as long as all others together.
lint-types:
	$(LINT) -m mypy .

lint-others:
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	.venv/bin/lint-imports
	$(LINT) manage.py makemigrations --check --dry-run
	$(LINT) manage.py spectacular --fail-on-warn --validate --file var/lint/openapi.yaml
	npm run --silent lint
	npm run --silent types

format: ## let ruff format the code and fix what it can
	@$(PYTHON) -m tools.prepare dev
	$(VENV) -m ruff format .
	$(VENV) -m ruff check --fix .

bench: ## measure against the peers and write docs/benchmarks.md; ARGS=detection for a part
	@$(PYTHON) -m tools.prepare dev
	@$(VENV) -m tools.weights --all
	@exec $(VENV) -m benchmarks $(ARGS)

lock: ## resolve requirements/*.txt again and pin the result
	@$(PYTHON) -m tools.lock

clean: ## remove the environment and caches; keeps the data below var/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache node_modules var/lint var/static
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
