# `make` alone prints what there is. Only Python >= 3.11, make and git are needed: every target sets
# itself up in .venv, and installs again only when one of the lists of versions has changed.

PYTHON ?= python3
NB ?= $(wildcard notebooks/*.ipynb)

BIN := .venv/bin
COLAB := .venv/colab
# Other versions of the libraries, each with an environment of its own and a list in tests/.
SETS := colab newest oldest
# One thread for each process: two notebooks at a time fill two cores without fighting over them.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# What is in one file stays together (loadfile): tests share what is slow to make, a notebook's cells
# their kernel. The notebooks come first, since two of them train for minutes.
TOGETHER := --numprocesses=2 --dist=loadfile --no-loadscope-reorder
NBVAL := --nbval notebooks --nbval-current-env --nbval-cell-timeout=600 \
  --nbval-sanitize-with=tests/notebooks/sanitize.cfg
# The kernels, which have no examples, can be imported only where there is triton.
UNIT := tests --doctest-modules histmatch_lab --ignore=histmatch_lab/kernels
ALLOW_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install lab test test-full lint quick all browser colab report site lecturer bench \
  test-gpu bench-gpu weights ledger notebooks clean $(SETS:%=set-%)

help:
	@echo "make lab         open the course in JupyterLab   (ARGS='--no-browser --port=9999' to pass options)"
	@echo "make test        lint, types, spelling, the quick tests, every notebook   (some minutes)"
	@echo "make test-full   all tests: also the slow ones, widgets as on Colab, notebooks in a browser"
	@echo "make report      run the notebooks and write pages to report/   (ARGS='-p NAME VALUE')"
	@echo "make site        the notebooks as they were run, as pages with search, to site/index.html"
	@echo "make lecturer    write lecturer/: solutions shown, minutes, known mistakes, slides"
	@echo "make bench       time the library against its peers"
	@echo "make test-gpu    the kernels on an NVIDIA GPU: right, and without waiting; make bench-gpu: how fast"
	@echo "make weights     train what data_samples/weights and results hold   (ARGS='--workers 4')"
	@echo "make ledger      check docs/ledger.toml and make docs/ledger.md of it"
	@echo "make notebooks   run notebooks in place, to store fresh outputs   (NB=notebooks/01*.ipynb)"
	@echo "make install     only set up .venv   (PYTHON=python3.12 to choose one)"
	@echo "make set-colab   all tests with Colab's versions of the libraries; also set-newest, set-oldest"
	@echo "make clean       remove .venv, report/, site/, lecturer/ and caches"

install: .venv/installed

.venv/installed: requirements.txt pyproject.toml tests/requirements-colab.txt \
  tools/jupyter_server_config.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	       "Name another one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "Python's venv is missing; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt -e .
	rm -rf $(COLAB)
	$(BIN)/python -m pip install --quiet --no-deps --target $(COLAB) \
	  $$(grep -E '^(ipywidgets|widgetsnbextension|ipython-genutils|plotly|tenacity)=' \
	    tests/requirements-colab.txt)
	@mkdir -p .venv/share/jupyter/lab/settings .venv/etc/jupyter
	cp tools/jupyter_server_config.py .venv/etc/jupyter/
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}' \
	  > .venv/share/jupyter/lab/settings/overrides.json
	@touch $@

lab: install
	$(BIN)/jupyter lab --ip=127.0.0.1 $(ALLOW_ROOT) \
	  --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(ARGS)

test: lint quick

test-full: lint all colab

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell README.md docs notebooks histmatch_lab data_samples/README.md benchmarks/results

quick: install
	$(ONE_THREAD) $(BIN)/python -m pytest $(NBVAL) $(UNIT) --ignore=tests/browser $(TOGETHER) \
	  -m 'not slow'

# In one run, so that no core waits at the end of each part for the other's last file.
all: install
	$(ONE_THREAD) $(BIN)/python -m pytest $(NBVAL) $(UNIT) $(TOGETHER) --durations=40

browser: install
	$(ONE_THREAD) $(BIN)/python -m pytest tests/browser $(TOGETHER) --durations=20

# The same promises under the versions of ipywidgets and plotly that Google Colab has. ipywidgets 7
# calls what a newer ipykernel deprecates: that is its matter, not ours.
colab: install
	$(ONE_THREAD) PYTHONPATH=$(COLAB) HISTMATCH_LAB_EXPECT_IPYWIDGETS=7.7.1 \
	  $(BIN)/python -m pytest --numprocesses=2 \
	  tests/test_versions.py tests/demos/test_live.py tests/demos/test_watch.py \
	  tests/demos/test_alpha_demos.py tests/demos/test_grid.py \
	  -W 'ignore:The `ipykernel.comm.Comm` class has been deprecated:DeprecationWarning' \
	  -W 'ignore:Deprecated in traitlets 4.1:DeprecationWarning'

# Libraries of different ages warn of each other, so warnings are no errors here.
$(SETS:%=set-%): set-%: .venv/sets/%/installed
	$(ONE_THREAD) $(<D)/bin/python -m pytest $(NBVAL) $(UNIT) $(TOGETHER) -o filterwarnings=

# Colab has no JupyterLab.
set-colab: UNIT := tests/test_versions.py tests/demos
set-newest set-oldest: UNIT := tests --ignore=tests/browser
set-colab set-oldest: export HISTMATCH_LAB_EXPECT_IPYWIDGETS := 7.7.1

$(SETS:%=.venv/sets/%/installed): .venv/sets/%/installed: tests/requirements-%.txt pyproject.toml
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet -r $<
	@touch $@

report: install
	$(BIN)/histmatch-lab report $(ARGS)

site: install
	$(BIN)/histmatch-lab site notebooks/*.ipynb docs/ledger.md $(ARGS)

lecturer: install
	$(BIN)/histmatch-lab lecturer $(ARGS)

bench: install
	set -e; for script in $(filter-out benchmarks/gpu.py,$(wildcard benchmarks/[a-z]*.py)); do \
	  $(BIN)/python $$script; done

# On a machine with a GPU, its own Python will do, if it has torch for CUDA, safetensors and pytest.
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))

test-gpu:
	$(GPU_PYTHON) -m pytest tests/gpu -o filterwarnings=

bench-gpu:
	$(GPU_PYTHON) -m benchmarks.gpu

# May be stopped: what is finished in runs/ is not trained again.
weights: install
	mkdir -p runs
	$(BIN)/python -m tools.study missing sweeps/study.yaml > runs/missing.yaml
	test ! -s runs/missing.yaml || { $(BIN)/histmatch-lab sweep runs/missing.yaml -o runs $(ARGS) && \
	  $(BIN)/python -m tools.study ship runs/missing.csv; }

ledger: install
	$(ONE_THREAD) $(BIN)/python -m tools.ledger

notebooks: install
	$(BIN)/python -m tools.set_up
	$(BIN)/python -m tools.refresh $(NB)

clean:
	rm -rf .venv report site lecturer .pytest_cache .mypy_cache .ruff_cache .hypothesis
