# Needs python3 (3.11 or newer) with pip, and make. Everything else is installed below: the tools into .build, the project
# and its dependencies, at the versions of uv.lock, into .venv.

PYTHON ?= python3
UV_VERSION := 0.13.9
AIRFLOWS := 3.1 3.2
# What runs on each of $(AIRFLOWS) too: tasks that are deferred, mapped, failed and killed, and what the pages show.
COMPAT_TESTS := tests/compat tests/airflow -m every_airflow
COMPAT_UI_TESTS := tests/ui/test_scenes.py
CHROMIUMS := chromium chromium-browser google-chrome google-chrome-stable

# Tests in which PyTorch trains, or TorchTune's recipes are loaded.
TRAINING_TESTS := tests/local/kubelet/test_training.py tests/local/operators/test_custom.py \
  tests/unit/test_progress_real.py tests/unit/trainjob/test_checks.py

# An Airflow that has a core and a half to itself answers its workers in time.
CONTROL_PLANE_AIRFLOW_TESTS := tests/control_plane/test_airflow.py

# What `make test` leaves to targets of their own.
SLOWER_TESTS := tests/airflow tests/compat tests/control_plane tests/kueue tests/soak tests/sdk tests/ui $(TRAINING_TESTS)
# A module's tests stay together: they share what takes time to start.
PARALLEL := --numprocesses=auto --maxprocesses=4 --dist=loadfile

export UV := $(CURDIR)/.build/bootstrap/bin/uv
export UV_PYTHON_DOWNLOADS := never
VENV_PYTHON := .venv/bin/python
SETUP := .venv/.synced
PYTEST := $(VENV_PYTHON) -m pytest
# Of the runs of one target, some have none of those that ARGS asks for.
OR_NONE = $(if $(ARGS),|| test $$? -eq 5)

.DEFAULT_GOAL := help
.PHONY: help setup browser demo test test-training test-airflow test-ui test-compat control-plane test-control-plane kueue test-kueue test-soak soak test-sdk lint bench bench-scale docs clean
.DELETE_ON_ERROR:

help: ## List these targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(firstword $(MAKEFILE_LIST)) | while IFS=: read -r target text; do printf '  make %-20s%s\n' "$$target" "$$text"; done

setup: $(SETUP) ## Install the project and all it needs into .venv.

demo: $(SETUP) ## Fine-tune a real LLM on this machine through Airflow; KEEP=1 leaves Airflow and the cluster up.
	@KEEP=$(KEEP) $(VENV_PYTHON) -m demo

test: $(SETUP) ## Run the tests; ARGS="-k words" narrows them. The targets that follow run the slower ones.
	@$(PYTEST) $(PARALLEL) tests $(SLOWER_TESTS:%=--ignore=%) $(ARGS)

test-training: $(SETUP) ## Run the tests in which PyTorch and TorchTune train on the local cluster.
	@$(PYTEST) $(TRAINING_TESTS) $(ARGS)

test-airflow: $(SETUP) ## Run the tests that train through a whole Airflow, and kill, stall and clear what is in it.
	@$(PYTEST) tests/airflow $(ARGS)

test-ui: $(SETUP) browser ## Run the tests that look at the Training tab with a real Chromium.
	@$(PYTEST) tests/ui $(ARGS)

test-compat: $(AIRFLOWS:%=test-compat-%) ## Run the tests that go through a whole Airflow on the older versions too.

control-plane: .build/control-plane/.built ## Build the real Kubernetes and Kubeflow control plane; needs Go.

test-control-plane: $(SETUP) .build/control-plane/.built ## Run the tests that hold us to the real control plane.
	@$(PYTEST) $(PARALLEL) tests/control_plane --ignore=$(CONTROL_PLANE_AIRFLOW_TESTS) $(ARGS) $(OR_NONE)
	@$(PYTEST) $(CONTROL_PLANE_AIRFLOW_TESTS) $(ARGS) $(OR_NONE)

kueue: .build/kueue/.built ## Build the real Kueue; needs Go.

test-kueue: $(SETUP) .build/control-plane/.built .build/kueue/.built ## Run the tests whose TrainJobs wait in queues of the real Kueue.
	@$(PYTEST) tests/kueue $(ARGS)

test-soak: $(SETUP) ## Let trainings go on while all around them dies, for three minutes, by the same dice each time.
	@SOAK_TRAINJOBS=24 SOAK_SECONDS=180 SOAK_SEED=1 $(PYTEST) tests/soak $(ARGS)

soak: $(SETUP) ## The same with 300 trainings for twenty minutes; SOAK_SEED=n throws the dice of another time again.
	@SOAK_TRAINJOBS=300 SOAK_SECONDS=1200 $(PYTEST) tests/soak $(ARGS)

test-sdk: $(SETUP) .build/sdk/.installed ## Run the tests of the Kubeflow SDK on the local cluster.
	@SDK_PYTHON=$(CURDIR)/.build/sdk/bin/python $(PYTEST) tests/sdk $(ARGS)

browser: ## Install the Chromium that tests/ui look with, where there is none (Debian, Ubuntu; as root).
	@for name in $(CHROMIUMS); do command -v $$name >/dev/null && exit; done; apt-get update -qq && apt-get install -qq -y chromium

lint: $(SETUP) ## Check style, types, layers and uv.lock.
	@$(UV) lock --check --quiet || { echo "uv.lock does not fit pyproject.toml: run 'uv lock'"; exit 1; }
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench: $(SETUP) ## Measure what importing the package, training through it and reading its progress cost.
	@$(VENV_PYTHON) -m benchmarks.import_cost
	@$(VENV_PYTHON) -m benchmarks.training_overhead
	@$(VENV_PYTHON) -m benchmarks.progress_parsing

bench-scale: $(SETUP) .build/control-plane/.built ## Measure what waiting for thousands costs, ours beside KubernetesJobTrigger's: half an hour.
	@$(VENV_PYTHON) -m benchmarks.scale $(ARGS)

docs: .build/docs-venv/.synced ## Build the documentation: .build/docs/index.html
	@.build/docs-venv/bin/mkdocs build --strict --site-dir .build/docs

clean: ## Remove everything that the targets above made.
	rm -rf .build .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- how it is made ---

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not: name one with 'make PYTHON=/path/to/python3'" >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { echo "'$(PYTHON)' has no pip: install it (on Debian and Ubuntu: apt install python3-pip), or name another Python with 'make PYTHON=/path/to/python3'" >&2; exit 1; }
	@echo "Installing uv $(UV_VERSION) into .build/bootstrap"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-warn-script-location --upgrade --target .build/bootstrap uv==$(UV_VERSION)
	@touch $@

# Who names a Python gets it, also where .venv has another one.
ifeq ($(origin PYTHON),command line)
.PHONY: $(SETUP)
endif

$(SETUP): pyproject.toml uv.lock | $(UV)
	@echo "Installing the project into .venv: minutes and some gigabytes the first time, torch above all"
	@$(UV) sync --frozen --all-extras --python $(PYTHON)
	@touch $@

.build/control-plane/.built: tests/control_plane/go.mod tests/control_plane/go.sum tests/control_plane/build.sh tests/go_tools.sh
	@tests/control_plane/build.sh .build/control-plane
	@touch $@

.build/kueue/.built: tests/kueue/go.mod tests/kueue/go.sum tests/kueue/build.sh tests/go_tools.sh
	@tests/kueue/build.sh .build/kueue
	@touch $@

.build/docs-venv/.synced: pyproject.toml uv.lock | $(UV)
	@UV_PROJECT_ENVIRONMENT=.build/docs-venv $(UV) sync --quiet --frozen --only-group docs --python $(PYTHON)
	@touch $@

.build/compat/%/.installed: tests/compat/airflow-%.txt pyproject.toml | $(SETUP)
	@echo "Installing Airflow $* into .build/compat/$*"
	@$(UV) venv --quiet --clear --python $(VENV_PYTHON) .build/compat/$*
	@$(UV) pip install --quiet --python .build/compat/$*/bin/python --requirements $<
	@$(UV) pip install --quiet --python .build/compat/$*/bin/python --no-deps --editable .
	@touch $@

.build/sdk/.installed: tests/sdk/requirements.txt | $(SETUP)
	@echo "Installing the Kubeflow SDK into .build/sdk"
	@$(UV) venv --quiet --clear --python $(VENV_PYTHON) .build/sdk
	@$(UV) pip install --quiet --python .build/sdk/bin/python --requirements $<
	@touch $@

.PHONY: $(AIRFLOWS:%=test-compat-%)
$(AIRFLOWS:%=test-compat-%): test-compat-%: .build/compat/%/.installed browser
	@echo "Airflow $*"
	@AIRFLOW_PYTHON=$(CURDIR)/.build/compat/$*/bin/python AIRFLOW_VERSION=$* $(PYTEST) $(COMPAT_TESTS) $(ARGS) $(OR_NONE)
	@AIRFLOW_PYTHON=$(CURDIR)/.build/compat/$*/bin/python AIRFLOW_VERSION=$* $(PYTEST) $(COMPAT_UI_TESTS) $(ARGS) $(OR_NONE)
