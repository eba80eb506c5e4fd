# Attention to Edge. `make` lists what there is; CONTRIBUTING.md explains.
# Everything runs from .venv, which the first command makes from requirements.lock. The folder may have any name: paths
# are relative to it or reach the shell as $PWD, whose text it does not read again, and tools run as `python -m`, because a
# script's first line cannot hold every path.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
ARGS ?=
# Compiling takes PyTorch longer than these tests, and its threads get into each other's way: both are off for them.
TORCH_TESTS = tests/test_attention.py tests/test_captum.py tests/test_transformer.py tests/test_low_rank.py tests/test_structured.py \
	tests/test_quantized_layers.py tests/test_pruning.py $(wildcard tests/test_pruning_*.py)
# Not the copies of a learner's own that `course update` keeps: their names end in a digit.
NOTEBOOKS ?= $(wildcard notebooks/*[a-z].ipynb) $(wildcard solutions/*[a-z].ipynb)
SHELL := /bin/bash
export COURSE_PYTHON := $(PYTHON)
# Where it is set, as in many containers, each process compiles TensorFlow anew, which takes longer than importing it.
unexport PYTHONDONTWRITEBYTECODE
# A kernel starts in its notebook's folder, where a relative path would name another place than here. `value`,
# because make would read a dollar in a path as a variable of its own.
define absolute
ifneq ($$(value $(1)),)
override export $(1) := $$(if $$(filter /% ~%,$$(firstword $$(value $(1)))),,$$(CURDIR)/)$$(value $(1))
endif
endef
$(foreach name,COURSE_CACHE COURSE_CAPSTONE COURSE_IMDB COURSE_PROGRESS COURSE_WEIGHTS,$(eval $(call absolute,$(name))))
# Jupyter, IPython, Keras and matplotlib keep their settings here instead of in the home folder.
export JUPYTER_CONFIG_DIR ?= $(CURDIR)/.venv/home/jupyter/config
export JUPYTER_DATA_DIR ?= $(CURDIR)/.venv/home/jupyter/data
export JUPYTER_RUNTIME_DIR ?= $(CURDIR)/.venv/home/jupyter/runtime
export IPYTHONDIR ?= $(CURDIR)/.venv/home/ipython
export KERAS_HOME ?= $(CURDIR)/.venv/home/keras
export MPLCONFIGDIR ?= $(CURDIR)/.venv/home/matplotlib

.PHONY: help setup lab test lint unit notebooks test-backends test-colab bench frameworks lessons exercises site dist lock clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

# A .venv whose Python went away with an upgrade of the system is not ready, whatever its file says.
ifneq ($(wildcard .venv/.ready),)
ifneq ($(shell .venv/bin/python -c '' 2>/dev/null && echo runs),runs)
.PHONY: .venv/.ready
endif
endif

.venv/.ready: requirements.lock course_lib/carriers.py pyproject.toml tools/setup.sh
	@bash tools/setup.sh

setup: .venv/.ready ## make .venv and fetch data and weights, without opening anything

lab: .venv/.ready ## open JupyterLab on the first lesson (ARGS=--no-browser on a server)
	@echo "Opening JupyterLab on notebooks/00_welcome.ipynb; stop it with Ctrl-C."
	@PATH="$$PWD/.venv/bin:$$PATH" $(PY) -m jupyterlab --ServerApp.root_dir="$$PWD" \
		--LabApp.default_url=/lab/tree/notebooks/00_welcome.ipynb $$([ "$$(id -u)" != 0 ] || echo --allow-root) $(ARGS)

test: .venv/.ready .venv-frameworks/.ready lint unit test-backends notebooks ## run everything CI runs
	@echo "All checks passed."

lint: .venv/.ready
	@echo "Checking style (ruff) and layers (import-linter) ..."
	@$(PY) -m ruff check --quiet . && $(PY) -m ruff format --quiet --check .
	@$(PY) -c "from importlinter.cli import lint_imports_command as run; run()" --no-cache > .venv/layers.log || { cat .venv/layers.log; exit 1; }

# Where two processes share two cores, threads of OpenBLAS that wait for each other make small products slower.
unit test-backends: export OPENBLAS_NUM_THREADS ?= 1

# All of them in two processes, each file in one of them; some of them, or under --pdb, in this process.
unit: .venv/.ready ## run the unit tests (ARGS="-k attention" for some)
	@echo "Running the unit tests ..."
	@$(PY) -m pytest -q $(or $(ARGS),-n 2 --dist loadfile --no-loadscope-reorder)

test-backends: .venv/.ready ## run the tests of model code on JAX as well, and on PyTorch after make frameworks
	@echo "Running the tests of model code with Keras on JAX ..."
	@KERAS_BACKEND=jax $(PY) -m pytest -q -m backend -n 2 --dist loadfile $$(grep -l 'mark\.backend' tests/*.py)
	@[ ! -e .venv-frameworks/.ready ] || { echo "Running the tests of model code with Keras on PyTorch ..." && \
		KERAS_BACKEND=torch TORCHDYNAMO_DISABLE=1 OMP_NUM_THREADS=1 .venv-frameworks/bin/python -m pytest -q -n 2 \
		--dist loadfile $(TORCH_TESTS); }

notebooks: .venv/.ready ## run every notebook and compare its outputs
	@echo "Running every notebook and comparing its outputs (nbval) ..."
	@$(PY) tools/check_notebooks.py $(NOTEBOOKS)

test-colab: .venv/.ready ## run lessons and tests with Colab's versions (Python 3.12 or later)
	@bash tools/test_colab.sh $(NOTEBOOKS)

.venv-frameworks/.ready: .venv/.ready pyproject.toml tools/frameworks.sh tools/torch_cpu.sh
	@bash tools/frameworks.sh

frameworks: .venv-frameworks/.ready ## bring PyTorch and PaddlePaddle for lesson 12 (1.7 GB)

.venv-bench/.ready: .venv/.ready benchmarks/setup.sh tools/torch_cpu.sh
	@bash benchmarks/setup.sh

bench: .venv-bench/.ready ## compare with what people use instead (ARGS="text_to_batches" for one)
	@PATH="$$PWD/.venv-bench/bin:$$PATH" .venv-bench/bin/python benchmarks/bench.py $(ARGS)

.venv-site/.ready: .venv/.ready docs/requirements.lock docs/setup.sh
	@bash docs/setup.sh

site: .venv-site/.ready ## build the course as a site (ARGS=--serve shows it)
	@.venv-site/bin/python tools/build_site.py $(ARGS)

lessons: .venv/.ready ## execute all notebooks and save their outputs
	@$(PY) tools/execute.py $(NOTEBOOKS)

exercises: .venv/.ready ## generate exercises/ from solutions/, and what questions keep
	@$(PY) -c "from course_lib.grading import exercises as e, kept; \
		print(*([*e.write_all('.'), *kept.write_all()] or ['Nothing changed.']), sep='\n')"

dist: .venv/.ready ## build wheel and source archive into dist/, and try the wheel in a bare environment
	@$(PY) tools/dist.py $(ARGS)

lock: .venv/.ready ## renew requirements.lock from pyproject.toml
	@bash tools/lock.sh

clean: ## remove .venv and everything that can be made again (not the cache)
	rm -rf .venv .venv-colab .venv-bench .venv-frameworks .venv-site build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
