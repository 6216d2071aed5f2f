# Two commands for a newcomer: `make demo` and `make test`. On Debian and Ubuntu they need
#   sudo apt-get install -y git make python3-venv libegl1 libgl1-mesa-dri
# The tests drive the panel with a real Qt, which needs besides
#   sudo apt-get install -y libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 libglib2.0-0 fonts-dejavu-core libpangoft2-1.0-0 dicom3tools
# `make panel` shows the panel without Slicer.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check -c constraints.txt
INSTALL := $(BIN)/python $(PIP_INSTALL)
# The reference programs have an environment of their own: they bring much that MedAssist never needs.
PARITY_VENV ?= .venv-parity
PARITY_PYTHON := $(PARITY_VENV)/bin/python

.PHONY: demo panel test test-parity lint clean

demo: $(VENV)/.demo
	$(BIN)/medassist demo -o demo-output

panel: $(VENV)/.dev
	$(BIN)/python -m Testing.host $(VOLUME)

# Two at a time, each with one thread; then, by themselves, the tests that measure time.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not alone" -n 2 --dist loadfile
	$(BIN)/python -m pytest -m alone

test-parity: $(PARITY_VENV)/.installed
	$(PARITY_PYTHON) -m pytest Testing/parity

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/.made
	$(INSTALL) -e ".[demo]"
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.made
	$(INSTALL) -e ".[dev]"
	touch $@

$(PARITY_VENV)/.installed: pyproject.toml constraints.txt Testing/parity/oracles.txt Testing/parity/requirements.txt | $(VENV)/.made
	$(PYTHON) -m venv $(PARITY_VENV)
	$(PARITY_PYTHON) $(PIP_INSTALL) --no-deps -r Testing/parity/oracles.txt
	$(PARITY_PYTHON) $(PIP_INSTALL) -r Testing/parity/requirements.txt -e .
	touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "MedAssist needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Python cannot make a virtual environment. Install it: sudo apt-get install -y python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

clean:
	rm -rf $(VENV) $(PARITY_VENV) demo-output build *.egg-info
