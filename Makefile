# make run      open the window (FILE=checkpoint.pkl to open one)
# make test     the test suite; `make test-all` adds the slow tests
# make screenshots   the pictures in the README, of the real window
# All first make .venv and install what they need, system packages included.
#
# TORCH=auto    Linux without an NVIDIA driver: PyTorch's CPU build (200 MB); otherwise the default build
# TORCH=cpu     PyTorch's CPU build
# TORCH=default whatever `pip install torch` gives (with CUDA on Linux: about 3 GB)

TORCH ?= auto
FILE ?=
TESTS ?= tests
PARALLEL := -n auto --maxprocesses 4 --dist loadfile
VENV := .venv
PYTHON := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python

.PHONY: run test test-all benchmark screenshots clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	@sh .ci/system-packages run
	@$(PYTHON) visualizer.py $(FILE)

test: $(VENV)/.installed
	@sh .ci/system-packages test
	$(PYTHON) -m pytest $(PARALLEL) $(TESTS)

test-all: $(VENV)/.installed
	@sh .ci/system-packages test
	$(PYTHON) -m pytest -m "" $(PARALLEL) $(TESTS)

benchmark: $(VENV)/.installed
	@for name in ops networks resume strip window training; do $(PYTHON) -m benchmarks.$$name || exit 1; done

screenshots: $(VENV)/.installed
	@sh .ci/system-packages test
	@$(PYTHON) tests/gui/screenshots.py

$(VENV)/.installed: requirements.txt constraints.txt .ci/make-venv
	@sh .ci/make-venv $(VENV) $(TORCH)
	@touch $@

clean:
	rm -rf $(VENV) build
