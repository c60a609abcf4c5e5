# SPDX-License-Identifier: BSD-3-Clause
# Each target makes what it needs, starting from Python >= 3.11, make and a C++20 compiler.
# Stamp files keep a second run quick. See docs/development.md.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)/tools.stamp
PACKAGE := $(VENV)/package.stamp
CPP_BUILD := build/cpp

export PYTHON
ifneq ($(origin CXX),default)
  export CXX
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# The package under test is the installed one, never the source tree.
unexport PYTHONPATH

PACKAGE_SOURCES := pyproject.toml CMakeLists.txt \
  $(shell find python cpp -type f ! -name '*.pyc' ! -name '*.so' ! -path 'cpp/tests/*')

.PHONY: help prerequisites demo test test-cpp test-all lint format sanitize docs validation validation-long bench wheel clean

help:
	@echo "make demo      run the main job: prints a table, writes demo.nc and demo.png"
	@echo "make test      C++ and Python tests"
	@echo "make test-all  the same with the long tests"
	@echo "make lint      format, lint and type checks"
	@echo "make format    rewrite the sources as 'make lint' wants them"
	@echo "make sanitize  C++ tests under ASan+UBSan, then TSan"
	@echo "make docs      regenerate docs/variables.md"
	@echo "make validation  measure every published case; rewrite docs/validation.md and README"
	@echo "make validation-long  repeat the stored Monte Carlo runs first (an hour)"
	@echo "make bench     time the kernels"
	@echo "make wheel     build a wheel into dist/ and import it in an empty environment"
	@echo "make clean     remove everything that these targets made"

prerequisites:
	@sh scripts/check_prerequisites.sh > /dev/null

$(TOOLS): pyproject.toml scripts/install_tools.sh | prerequisites
	sh scripts/install_tools.sh $(VENV)
	touch $@

$(PACKAGE): $(TOOLS) $(PACKAGE_SOURCES) | prerequisites
	$(BIN)/python -m pip install --quiet .
	touch $@

demo: $(PACKAGE)
	$(BIN)/immunodose demo

test-cpp: $(TOOLS) | prerequisites
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/test_cpp.sh $(CPP_BUILD)

test: $(PACKAGE) test-cpp
	$(BIN)/python -m pytest -m "not long"

test-all: $(PACKAGE) test-cpp
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest

lint: $(PACKAGE)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/lint.sh

format: $(TOOLS)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	git ls-files 'cpp/*.hpp' 'cpp/*.cpp' | xargs $(BIN)/clang-format -i

sanitize: $(TOOLS) | prerequisites
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/test_cpp.sh build/asan "-fsanitize=address,undefined -fno-sanitize-recover=all"
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/test_cpp.sh build/tsan "-fsanitize=thread"

docs: $(PACKAGE)
	$(BIN)/python scripts/make_variables_doc.py docs/variables.md

validation: $(PACKAGE)
	$(BIN)/python scripts/make_validation.py

validation-long: $(PACKAGE)
	$(BIN)/python scripts/validation_runs.py --again
	$(BIN)/python scripts/make_validation.py

bench: $(PACKAGE)
	$(BIN)/python -m pip install --quiet --group bench
	mkdir -p build
	PYTHONPATH=bench $(BIN)/python -m pytest bench/test_speed.py --benchmark-json=build/benchmark.json
	$(BIN)/python bench/bench_dose.py
	$(BIN)/python bench/bench_transport.py

wheel: $(TOOLS)
	rm -rf dist build/wheel-check
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python -m venv build/wheel-check
	build/wheel-check/bin/python -m pip install --quiet dist/immunodose-*.whl
	cd build && wheel-check/bin/python -c "import immunodose; print(immunodose.__version__)"

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
