# `make run` is all that a user needs; CONTRIBUTING.md explains the rest.

PYTHON ?= python3
PORT ?= 4891

BIN := .venv/bin
DEFAULT_MODEL := instance/models/SmolLM2-135M-Instruct.Q4_1.gguf
GEMMA := .venv-oracle/gemma-3-270m.Q4_K_M.gguf
# llama.cpp of October 2026
LLAMA_CPP := xllamacpp==2026.10.11549
# Without what its tasks need, half a gigabyte: the tests ask as its tasks do.
LM_EVAL := lm-eval==0.4.13

# The engine of the last GPT4All that its package has.
GPT4ALL := gpt4all==2.8.2
# The second engine: llama.cpp of October 2026 too.
ENGINE := llama-cpp-python==0.3.36
PY_SPY := py-spy==0.4.3

.PHONY: install llama-cpp model run test test-page test-fleet lint wheel picture clients node-clients lock oracle record bench \
	bench-growth bench-fleet bench-smoke profile bench-localdocs soak kill-test fuzz endurance-smoke

install: .venv/installed

.venv/installed: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	touch $@

# What only `make test`, `make lint` and `make wheel` need.
.venv/tests-installed: .venv/installed tests/requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r tests/requirements.txt
	touch $@

# The second engine, for models that the first one cannot run. Its tools for images are left out.
llama-cpp: .venv/llama-cpp-installed

.venv/llama-cpp-installed: .venv/installed
	CMAKE_ARGS="-DLLAVA_BUILD=OFF $(CMAKE_ARGS)" $(BIN)/python -m pip install \
		--disable-pip-version-check --quiet $(ENGINE)
	touch $@

model: install
	$(BIN)/flask --app wsgi models default

run: install
	PORT="$(PORT)" $(BIN)/flask --app wsgi serve --default-model

# Two workers, each with half of the CPUs. What a file's tests share is started once. Each module of
# the clients is compiled once, even where the environment tells Python to keep no bytecode.
test: export PYTHONDONTWRITEBYTECODE =
test: model clients .venv/tests-installed .venv-oracle/installed
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

# The page, and pages of others, in the system's chromium. Pictures are in tests/pictures.
test-page: .venv/tests-installed node-clients
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile tests/page_in_browser.py tests/origins_in_browser.py

# Several instances behind the system's haproxy, as docs/scaling.md starts them.
test-fleet: .venv/tests-installed
	$(BIN)/python -m pytest tests/fleet.py

# The README's picture.
picture: model .venv/tests-installed
	$(BIN)/python -m tests.picture docs/page.png

# Other people's programs that the tests run, apart from the rest; Node's only if it is there.
clients: .venv-clients/installed node-clients

node-clients:
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
oracle: model .venv-oracle/installed $(GEMMA)
	$(BIN)/python -m tests.oracle .venv-oracle/bin/python $(DEFAULT_MODEL) $(GEMMA)

record: model .venv-oracle/installed
	$(BIN)/python -m tests.oracle.record .venv-oracle/bin/python $(DEFAULT_MODEL)

.venv-oracle/installed:
	$(PYTHON) -m venv .venv-oracle
	.venv-oracle/bin/python -m pip install --disable-pip-version-check --quiet $(LLAMA_CPP)
	touch $@

$(GEMMA): | .venv/installed .venv-oracle/installed
	$(BIN)/python -m tests.oracle.gemma $@

# The tables of docs/performance.md. ROUNDS=2 asks less often; ROWS names some of the rows.
# LLAMA_CPP_PYTHON=1 also compares with llama-cpp-python, whose build takes minutes.
ROUNDS ?= 5
OPTIONS = --rounds $(ROUNDS) $(if $(ROWS),--rows $(ROWS))

bench: model .venv/tests-installed .venv-peers/installed $(if $(LLAMA_CPP_PYTHON),.venv-peers/built)
	$(BIN)/python -m benchmarks.speed --peers .venv-peers/bin/python $(OPTIONS)

bench-growth: model .venv/tests-installed
	$(BIN)/python -m benchmarks.speed.growth $(OPTIONS)

# The table of docs/scaling.md.
bench-fleet: model .venv/tests-installed
	$(BIN)/python -m benchmarks.fleet --rounds $(ROUNDS)

# Each row once with tiny numbers, for the exit code. One thread: the engine's threads wait for each
# other, and would do so for minutes on a machine with other work.
bench-smoke: model .venv/tests-installed
	$(BIN)/python -m benchmarks.speed --peers none --quick --rounds 1 --threads 1
	$(BIN)/python -m benchmarks.speed.growth --quick --rounds 1 --threads 1

# The functions that the server and the model process spend their time in.
profile: model .venv/tests-installed .venv-peers/installed
	$(BIN)/python -m benchmarks.speed.profiling --py-spy .venv-peers/bin/py-spy

# A peer that cannot be installed is left out of the table.
.venv-peers/installed: Makefile
	$(PYTHON) -m venv .venv-peers
	for peer in $(LLAMA_CPP) $(GPT4ALL) $(PY_SPY); do \
		.venv-peers/bin/python -m pip install --disable-pip-version-check --quiet $$peer || \
		echo "$$peer cannot be installed."; done
	touch $@

.venv-peers/built: .venv-peers/installed
	.venv-peers/bin/python -m pip install --disable-pip-version-check --quiet "llama-cpp-python[server]"
	touch $@

# The tables of docs/localdocs.md; CRANFIELD and XQUAD are folders with the collections of those names.
bench-localdocs: model
	$(BIN)/python -m benchmarks.retrieval "$(CRANFIELD)" "$(XQUAD)"

# What docs/reliability.md has the figures of. SECONDS=300 soaks for five minutes, COUNT=20 kills so
# often or judges so many files.
soak: SECONDS ?= 1800
soak: model .venv/tests-installed
	$(BIN)/python -m tests.endurance.soak --seconds $(SECONDS) --model $(DEFAULT_MODEL)

kill-test: COUNT ?= 100
kill-test: model .venv/tests-installed
	$(BIN)/python -m tests.endurance.kills --count $(COUNT) --model $(DEFAULT_MODEL)

fuzz: COUNT ?= 100000
fuzz: EXAMPLES ?= 5000
fuzz: .venv/tests-installed
	$(BIN)/python -m tests.endurance.fuzz --files $(COUNT)
	OPENAPI_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/test_openapi.py

# All three for less than a minute, with a tiny model.
endurance-smoke: .venv/tests-installed
	$(BIN)/python -m tests.endurance.soak --seconds 15 --kill-every 4
	$(BIN)/python -m tests.endurance.kills --count 10
	$(BIN)/python -m tests.endurance.fuzz --files 500 --loads 3 --requests 300

# Pins the newest releases that setup.cfg allows, for all supported Pythons; needs uv.
LOCK := grep -v '^\#' | uv pip compile - --quiet --upgrade --universal --python-version 3.11 \
	--fork-strategy fewest --no-header --no-annotate --output-file
SETUP := $(PYTHON) -c "import configparser as c; p = c.ConfigParser(); p.read('setup.cfg'); \
	e = p['options.extras_require'];

lock:
	$(SETUP) print(p['options']['install_requires'])" | $(LOCK) requirements.txt
	$(SETUP) print(e['test'])" | $(LOCK) tests/requirements.txt --constraint requirements.txt
	$(SETUP) print(e['clients'])" | $(LOCK) tests/clients/requirements.txt
