# make lab        JupyterLab on the tour
# make test       lint, types and import directions beside all tests
# make lint       only the first three
# make test-lowest  the tests with the oldest dependencies that pyproject.toml allows
# make fuzz       a hundred thousand calls (or CALLS=...) of public functions and moves of every
#                 explorer, drawn anew, and a table of what came of them
# make bare       explorers over their range and notebooks, without numba, threads and processes
# make package    wheel and sdist, installed and tried in an environment of their own
# make upgrade    newest dependencies into constraints.txt, for every Python and system
# make bench      all benchmarks
# make precision  digits of results against arithmetic of 50, and a chain of 1e8 steps, into docs
# make coverage   lines and branches of the core that its tests reach
# make mutants    changes of the core that its tests should notice
# make notebooks  run every notebook again from its .py
# make book       theory, notebooks and reference as HTML, with pictures that move: docs/_build/html
# make lite       notebooks that run in the browser without a server, in build/lite;
#                 PYODIDE=folder takes Pyodide and its wheels from there
# make export     each notebook as one HTML file, whose explorer moves, in build/export
# make apps       each explorer on a page of its own, served by Voilà
# make test-sites  book, lite, apps and course in a browser with the network off
# make course     what students are handed, and the solutions apart, in build/course
# make handout    notebooks and theory as PDF, printed from the book, in build/handout
# make clean      remove what the other targets made, except the environment
#
# PYTHON=... chooses the interpreter of the environment, VENV=... its folder,
# LAB_FLAGS=--no-browser keeps the browser shut, TESTS=... chooses tests, SHAPES= leaves shapes
# unchecked, BUILT=1 takes the sites as they are, UV=path/to/uv installs with that instead of pip.

VENV ?= .venv
PY := $(VENV)/bin/python
pip = $(if $(UV),VIRTUAL_ENV=$(1) $(UV) pip,$(1)/bin/python -m pip) install --quiet
INSTALL := $(call pip,$(VENV)) --constraint constraints.txt
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
# One more, since a browser and a kernel wait and leave their core to another
WORKERS = $(shell expr $(CORES) + 1)
# What is imported is compiled once, not anew by each worker, kernel and process of a test
unexport PYTHONDONTWRITEBYTECODE
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# Shapes are checked at run time in these; the loops that numba compiles cannot be
comma := ,
SHAPES := $(subst $() ,$(comma),$(addprefix quadlib.,task state plateau passage archive trajectory bias escape late_time \
  landscape ensemble dynamics.ode dynamics.flow) beartype.beartype)
CORE_TESTS := $(addprefix tests/,$(addsuffix .py,$(addprefix test_,bad_input bias escape_average escape_parts files landscape \
  loops ode_parts precision seeds state task together trajectory) $(addprefix theorems/test_,escape_law flow hessian_spectra \
  late_time learning_rates ode reference_values right_to_the_end)))
ROOT_FLAG := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: lab test lint test-lowest fuzz bare package upgrade bench notebooks book export lite apps apps-pages \
  test-sites course handout clean precision coverage mutants

lab: $(VENV)/.lab
	$(PY) -m jupyterlab $(ROOT_FLAG) --config=.jupyter/jupyter_server_config.py $(LAB_FLAGS)

# Types take a core for a while: pytest goes on beside them, and what they say comes after it
test: $(VENV)/.dev
	@mkdir -p build
	$(MAKE) --no-print-directory lint >build/lint.log 2>&1 & lint=$$!; \
	$(ONE_THREAD) $(PY) -m pytest -n $(WORKERS) --dist loadgroup $(addprefix --jaxtyping-packages=,$(SHAPES)) \
	  --ignore=tests/sites $(TESTS); tests=$$?; \
	wait $$lint; lint=$$?; cat build/lint.log; test $$tests = 0 && test $$lint = 0

test-lowest: $(VENV)/bin/uv
	$(VENV)/bin/uv venv --quiet --seed --clear --python $(PY) .venv-lowest
	$(VENV)/bin/uv pip install --quiet --python .venv-lowest \
	  --resolution lowest-direct --editable '.[lab,dask,dev]' 'pyparsing>=3.1,<3.3'
	$(ONE_THREAD) .venv-lowest/bin/python -m pytest -n $(WORKERS) --dist loadgroup --ignore=tests/sites $(TESTS)

fuzz: $(VENV)/.dev
	$(ONE_THREAD) $(PY) -m tests.fuzz $(or $(CALLS),100000) $(CORES)

bare: $(VENV)/.dev
	$(ONE_THREAD) MPLBACKEND=agg $(PY) -m tests.bare

package: $(VENV)/bin/python
	$(INSTALL) build twine
	rm -rf dist build/clean
	$(PY) -m build --quiet
	$(PY) -m twine check --strict dist/*
	$(PY) -m venv build/clean
	$(call pip,build/clean) --constraint constraints.txt dist/*.whl
	cd build && clean/bin/python ../tests/smoke.py
	build/clean/bin/python -m pip uninstall --quiet --yes numba llvmlite matplotlib ipywidgets
	cd build && clean/bin/python ../tests/smoke.py

upgrade: $(VENV)/bin/uv
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --no-header --no-annotate \
	  $(addprefix --extra ,lab dask book apps release dev) pyproject.toml --output-file constraints.txt
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --no-header --no-annotate \
	  --python-version 3.11 docs/lite.in --output-file docs/lite.txt

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

precision: $(VENV)/.dev
	$(ONE_THREAD) $(PY) -m tests.precision

coverage: $(VENV)/.dev
	$(ONE_THREAD) $(PY) -m coverage run -m pytest -q $(CORE_TESTS)
	$(PY) -m coverage report

mutants: $(VENV)/.dev
	$(ONE_THREAD) $(PY) -m tests.mutants $(MUTANTS)

bench: $(VENV)/.dev
	$(ONE_THREAD) $(PY) -m benchmarks

notebooks: $(VENV)/.dev
	$(PY) -m jupytext --update --to ipynb notebooks/*.py notebooks/solutions/*.py
	$(ONE_THREAD) $(PY) -m nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False \
	  --ExecutePreprocessor.store_widget_state=False notebooks/*.ipynb notebooks/solutions/*.ipynb
	$(PY) -m nbconvert --coalesce-streams --inplace notebooks/*.ipynb notebooks/solutions/*.ipynb

book: $(VENV)/.book
	$(PY) -m sphinx -q -E -W --keep-going -b html docs docs/_build/html
	$(ONE_THREAD) $(PY) docs/frames.py docs/_build/html/_static/frames

export: $(VENV)/.dev
	$(ONE_THREAD) $(PY) docs/export.py build/export

lite: $(VENV)-lite/.lite
	$(VENV)-lite/bin/python docs/lite.py build/lite $(PYODIDE)

apps: apps-pages
	JUPYTER_PATH=build/apps/share $(PY) -m voila --template=quadlib --classic-tree build/apps/pages $(APPS_FLAGS)

apps-pages: $(VENV)/.book
	$(PY) docs/apps.py build/apps

test-sites: $(if $(BUILT),,book lite apps-pages course) $(VENV)/.dev
	$(ONE_THREAD) QUADLIB_REQUIRE_SITES=1 $(PY) -m pytest -n $(CORES) --dist loadfile tests/sites

course: $(VENV)/.dev
	$(PY) docs/course.py

handout: book $(VENV)/.dev
	$(PY) docs/handout.py

clean:
	rm -rf docs/_build build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  found=$$python; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	  "$$python" -m venv $(VENV) && exit 0; \
	  rm -rf $(VENV); exit 1; \
	done; \
	if [ -n "$$found" ]; then \
	  echo "$$found has no venv or ensurepip module: install it (Debian: apt-get install python3-venv) and run make again."; \
	else \
	  echo "No Python 3.11 or newer was found: install one (Debian: apt-get install python3 python3-venv), or name it with make PYTHON=/path/to/python3."; \
	fi >&2; exit 1

$(VENV)/.lab: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[lab]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[lab,dask,dev]'
	@touch $@ $(VENV)/.lab

$(VENV)/.book: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[apps,book,lab]'
	@touch $@

$(VENV)-lite/.lite: docs/lite.txt | $(VENV)/bin/python
	$(PY) -m venv $(VENV)-lite
	$(call pip,$(VENV)-lite) --requirement docs/lite.txt
	@touch $@

$(VENV)/bin/uv: | $(VENV)/bin/python
	$(call pip,$(VENV)) uv
