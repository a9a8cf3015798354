# One or two lines a target; what they do is written in Python (sandbox/install.py, sandbox/setup.py).

# The first Python that really starts: a pyenv shim may exist without its version.
PYTHON ?= $(firstword $(foreach name,python3.11 /usr/bin/python3.11 python3 python3.12 python3.13,\
	$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null)))
RUN := .venv/bin/python
DEMO ?= $(CURDIR)/demo
DEMO_ITEM ?= parse-hyphens
# As many processes as there are cores; more than four would only queue for the engine. A file's tests
# stay together, so that what they share is made once, and files go in their own order: the long ones
# of the gate come first.
TEST_OPTIONS ?= -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help install setup demo test check bench format clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

.venv/.installed: pyproject.toml constraints.txt
	@$(or $(PYTHON),$(error Kettle needs Python 3.11 or newer: apt-get install python3)) sandbox/install.py

install: .venv/.installed ## make .venv with Kettle and its pinned dependencies

setup: install ## install and start what is missing: the Docker engine, the base image
	@$(RUN) -m sandbox.setup

demo: setup ## turn a bundled session into an environment, in ./demo
	@$(RUN) -m evals materialise $(DEMO_ITEM) --to $(DEMO)
	@$(RUN) -m agent build $(DEMO)/session.jsonl --repo $(DEMO)/repository --out $(DEMO)/environments

test: setup ## run every test, against the real engine
	@$(RUN) -m pytest $(TEST_OPTIONS)

check: install ## formatting, lint and types
	@$(RUN) -m ruff format --check . && $(RUN) -m ruff check . && $(RUN) -m mypy

bench: setup ## measure the sandbox and the demo
	@$(RUN) -m tests.bench

format: install ## format the code
	@$(RUN) -m ruff format . && $(RUN) -m ruff check --fix .

clean: ## remove what the targets made here (not the engine, not the images)
	@rm -rf .venv $(DEMO) .mypy_cache .pytest_cache .ruff_cache
