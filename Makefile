# Everything here needs Python and make only; `make` alone lists the targets.
# Variables, for example `make setup PYTHON=python3.12`:
#   PYTHON  the interpreter that the environment is made with
#   VENV    the folder of the environment
#   TORCH_INDEX  where PyTorch comes from; its own CPU packages, without 5 GB of CUDA:
#           make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=

PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
DEMO_DIR := work_dirs/demo

.DEFAULT_GOAL := help
.PHONY: help setup demo benchmark-small test test-slow lint format clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | \
	while IFS='|' read -r name text; do printf '  make %-15s %s\n' "$$name" "$$text"; done

setup: $(STAMP)  ## Make the environment and install everything at its locked version

# The stamp says that what the two files ask for is installed; a failed install leaves none.
# The constraint variables hand the same versions to pip's isolated builds (older and newer pip).
$(STAMP): requirements.lock pyproject.toml
	@rm -f $@
	@if ! $(PY) -m pip --version >/dev/null 2>&1; then \
		found=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) \
			|| found='not there'; \
		case "$$found" in \
		3.10|3.11|3.12|3.13) ;; \
		*) echo "ads_det needs Python 3.10 to 3.13, but $(PYTHON) is $$found:" \
			"name another one, as in 'make setup PYTHON=python3.11'." >&2; exit 1 ;; \
		esac; \
		$(PYTHON) -m venv $(VENV) || { \
			echo "$(PYTHON) could not make the environment $(VENV):" \
				"install its venv module and run 'make setup' again." >&2; exit 1; }; \
	fi
	@echo "Installing into $(VENV): some minutes and about $(if $(TORCH_INDEX),2,7) GB the first time."
	$(if $(TORCH_INDEX),$(PY) -m pip install --disable-pip-version-check -c requirements.lock \
		--index-url $(TORCH_INDEX) --no-deps torch torchvision)
	PIP_CONSTRAINT=requirements.lock PIP_BUILD_CONSTRAINT=requirements.lock \
		$(PY) -m pip install --disable-pip-version-check -c requirements.lock -e '.[onedl,dev]'
	@touch $@

demo: setup  ## Run active learning on the embedded digits; again: go on where it stopped
	$(PY) tools/al_loop.py configs/ssd_digits_ads.py --work-dir $(DEMO_DIR) \
		$(if $(wildcard $(DEMO_DIR)),--resume)

SMALL := work_dirs/benchmark_small

benchmark-small: setup  ## Compare six methods on 8x8 digits, three seeds each; draw a report
	$(PY) tools/benchmark.py configs/resnet8_digits_ads.py --seeds 0 1 2 --jobs 2 \
		--methods plain+random plain+entropy ads+random ads+entropy plain+coreset equal+random \
		--work-dir $(SMALL)
	$(PY) tools/report.py $(SMALL) --run ads+entropy

# One process a core, each with one thread, is faster than threads that wait for each other.
test: lint  ## Lint, then run the fast tests
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --dist worksteal

test-slow: setup  ## Run the other tests: kills, lost processes, every detector
	OMP_NUM_THREADS=1 $(PY) -m pytest -n auto --dist worksteal -m slow

lint: setup  ## Check style, format and types without changing a file
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: setup  ## Mend what ruff can mend, and format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:  ## Remove the environment, caches and build leftovers; data/ and work_dirs/ stay
	@if [ -f $(VENV)/pyvenv.cfg ]; then rm -rf $(VENV); fi
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
