# Two commands set up all they need: `make demo` and `make test`.
# Python 3.11 or newer with venv, make and git must be there; PYTHON=… picks another interpreter.

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin
PORT ?= 8000
DEMO_ATLAS ?= demo-atlas.db

.PHONY: demo demo-atlas test torture check format bench bench-pages bench-peers debian clean

demo: $(VENV)/.precompute
	$(BIN)/feature-atlas demo --output $(DEMO_ATLAS) --port $(PORT)

demo-atlas: $(VENV)/.precompute
	$(BIN)/feature-atlas demo --output $(DEMO_ATLAS) --no-serve

test: $(VENV)/.test debian
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# The real command killed 30 times at random moments, and resumed.
torture: $(VENV)/.test
	FEATURE_ATLAS_KILLS=30 $(BIN)/python -m pytest -s tests/torture

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Each benchmark replaces its own section of benchmarks/RESULTS.md. Single times on a shared machine
# mean little: read the ratios.
bench: $(VENV)/.test
	for name in bound statistics ablation storage memory studies exchange import; do \
	$(BIN)/python -m benchmarks.bench_$$name || exit 1; done

bench-pages: $(VENV)/.test
	for name in pages notebook paint reading; do $(BIN)/python -m benchmarks.bench_$$name || exit 1; done

bench-peers: $(VENV)/.test $(PEERS)/.installed
	$(BIN)/python -m benchmarks.peers.bench_peers --python $(PEERS)/bin/python

# The tests drive Debian's Chromium and start Debian's PostgreSQL: installed here where that is allowed,
# else asked for.
debian:
	@{ [ -x /usr/bin/chromium ] && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; } \
	|| { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium chromium-driver postgresql; } \
	|| echo "Some tests need more: run 'sudo apt-get install chromium chromium-driver postgresql'."

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.precompute: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[map,precompute]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[map,postgres,precompute,ray,test]'
	@touch $@ $(VENV)/.precompute

# Other tools, which need older libraries: an environment of their own. All packages are pinned.
$(PEERS)/.installed: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info .pytest_cache .ruff_cache
