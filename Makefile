# `make run` is all that a user needs; CONTRIBUTING.md explains the rest.

PYTHON ?= python3
PORT ?= 4891

BIN := .venv/bin
DEFAULT_MODEL := instance/models/SmolLM2-135M-Instruct.Q4_1.gguf
# llama.cpp of October 2026
LLAMA_CPP := xllamacpp==2026.10.11549
# Without what its tasks need, half a gigabyte: the tests ask as its tasks do.
LM_EVAL := lm-eval==0.4.13

.PHONY: install model run test lint wheel clients lock oracle record bench-localdocs

install: .venv/installed

.venv/installed: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	touch $@

# What only `make test`, `make lint` and `make wheel` need.
.venv/tests-installed: .venv/installed tests/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r tests/requirements.txt
	touch $@

model: install
	$(BIN)/flask --app wsgi models default

run: install
	PORT="$(PORT)" $(BIN)/flask --app wsgi serve --default-model

test: model clients .venv/tests-installed
	$(BIN)/python -m pytest

# Other people's programs that the tests run, apart from the rest; Node's only if it is there.
clients: .venv-clients/installed
	if command -v npm >/dev/null; then cd tests/clients && npm install --silent --no-package-lock --ignore-scripts; fi

.venv-clients/installed: tests/clients/requirements.txt
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python -m pip install --disable-pip-version-check --quiet --no-compile -r $<
	.venv-clients/bin/python -m pip install --disable-pip-version-check --quiet --no-compile \
		--no-deps $(LM_EVAL)
	touch $@

lint: .venv/tests-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Builds the wheel and asks it in an empty environment.
wheel: .venv/tests-installed
	$(BIN)/python -m pytest tests/installed_wheel.py

# Compares with llama.cpp and prints the table of docs/models.md; `record` keeps what it says
# for `make test`.
oracle: model .venv-oracle/installed
	$(BIN)/python -m tests.oracle .venv-oracle/bin/python $(DEFAULT_MODEL)

record: model .venv-oracle/installed
	$(BIN)/python -m tests.oracle.record .venv-oracle/bin/python $(DEFAULT_MODEL)

.venv-oracle/installed:
	$(PYTHON) -m venv .venv-oracle
	.venv-oracle/bin/python -m pip install --disable-pip-version-check --quiet $(LLAMA_CPP)
	touch $@

# The tables of docs/localdocs.md; CRANFIELD and XQUAD are folders with the collections of those names.
bench-localdocs: model
	$(BIN)/python -m benchmarks.retrieval "$(CRANFIELD)" "$(XQUAD)"

# Pins the newest releases that setup.cfg allows, for all supported Pythons; needs uv.
LOCK := grep -v '^\#' | uv pip compile - --quiet --upgrade --universal --python-version 3.11 \
	--fork-strategy fewest --no-header --no-annotate --output-file
SETUP := $(PYTHON) -c "import configparser as c; p = c.ConfigParser(); p.read('setup.cfg'); \
	e = p['options.extras_require'];

lock:
	$(SETUP) print(p['options']['install_requires'])" | $(LOCK) requirements.txt
	$(SETUP) print(e['test'])" | $(LOCK) tests/requirements.txt --constraint requirements.txt
	$(SETUP) print(e['clients'])" | $(LOCK) tests/clients/requirements.txt
