PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-extras soak bench bench-stores check docs clean

# MER, experience replay and online learning side by side on MNIST Rotations, full size, and a report.
run: .venv/cli
	$(BIN)/everlearn paper --stream rotations --seeds 3 --out runs

test: .venv/dev
	$(BIN)/python -m pytest -n auto --dist loadfile

# The story's page in a browser, sinks and trainers against the real packages: Debian's chromium must be installed. SCREENSHOTS names a folder for pictures of it.
test-extras: .venv/dev .venv/browser .venv/trainers .venv/watch
	$(BIN)/python -m pytest -n auto --dist loadfile -m extra tests/story tests/integrations

# Long forms of the tests of crashes, of damage, and of rows without end: an hour or two.
soak: .venv/dev
	EVERLEARN_SOAK=350 $(BIN)/python -m pytest -q --timeout 0 tests/memory/test_crashes.py tests/memory/test_damage.py \
		tests/memory/test_disk.py::test_a_budget_of_bytes_is_kept_to_the_page

# What is claimed about speed, measured: ratios, on one thread. Best on a machine with nothing else to do.
bench: .venv/dev
	$(BIN)/python -m pytest -q benchmarks

# The same beside LMDB and tensordict.
bench-stores: .venv/dev .venv/stores
	$(BIN)/python -m pytest -q benchmarks/test_memory.py

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check src
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_structure.py

docs: .venv/dev
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

.venv/bin/python:
	$(PYTHON) -m venv .venv

# Versions are those of pins.txt. `make run` installs what it needs; the rest is for developers.
.venv/cli .venv/dev .venv/browser .venv/trainers .venv/watch .venv/stores: pyproject.toml pins.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint pins.txt --editable '.[$(@F)]'
	touch $@

clean:
	rm -rf .venv docs/_build
