# Two commands set up all they need: `make demo` and `make test`.
# Python 3.11 or newer with venv, make and git must be there; PYTHON=… picks another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
DEMO_ATLAS ?= demo-atlas.db

.PHONY: demo demo-atlas test check format bench bench-pages browser clean

demo: $(VENV)/.precompute
	$(BIN)/feature-atlas demo --output $(DEMO_ATLAS) --port $(PORT)

demo-atlas: $(VENV)/.precompute
	$(BIN)/feature-atlas demo --output $(DEMO_ATLAS) --no-serve

test: $(VENV)/.test browser
	$(BIN)/python -m pytest

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Ratios measured in one process; single times on a shared machine mean little.
bench: $(VENV)/.test
	$(BIN)/python benchmarks/bench_ablation.py

bench-pages: $(VENV)/.test
	$(BIN)/python benchmarks/bench_pages.py

# The browser tests drive Debian's Chromium: installed here where that is allowed, else asked for.
browser:
	@command -v chromium >/dev/null || [ -x /usr/bin/chromium ] \
	|| { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium chromium-driver; } \
	|| echo "The browser tests need Chromium: run 'sudo apt-get install chromium chromium-driver'."

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.precompute: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[map,precompute]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[map,precompute,test]'
	@touch $@ $(VENV)/.precompute

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
