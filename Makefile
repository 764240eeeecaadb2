# The two commands are `make demo` and `make test`; both need Python 3.11 or newer, bash, and a network for the first call.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MDA := $(BIN)/mda
RUN := $(MDA) run
SOURCES := workflow tests docs/generate
# A failure inside of a pipe counts. Snakemake needs bash, too.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
# snakefmt starts shfmt by its name.
export PATH := $(abspath $(BIN)):$(PATH)

# A worker more than cores, for tests on SLURM wait for most of their time.
PYTEST = $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 10

.DEFAULT_GOAL := help
.PHONY: help install status demo trace evidence stdlib packages packages-cpu packages-power pin cost bench test test-all test-cluster check docs format clean

help: ## list these verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

install: $(MDA) ## make the environment .venv, and nothing else

demo: $(MDA) ## the default experiment: from text to results/report.html (minutes)
	@$(RUN)

trace: $(MDA) experiments/trace/made ## a small model from elsewhere: which documents made its heads (minutes)
	@$(RUN) --configfile experiments/trace.yaml

experiments/trace/made: experiments/trace/make.py | $(MDA)
	@echo "training the model that is traced, once (experiments/trace/make.py)"
	@$(BIN)/python $<

evidence: $(MDA) ## every published finding on the default experiment, with a verdict (an hour)
	@for corpus in experiments/catalysts/*.yaml; do $(RUN) --no-summary scored --configfile $$corpus || exit; done
	@$(RUN) --no-summary --configfile experiments/no-catalysts.yaml
	@$(RUN) --no-summary
	@for other in at-once larger; do $(RUN) --no-summary --configfile experiments/$$other.yaml || exit; done
	@for model in experiments/replications/*.yaml; do $(RUN) --no-summary compared --configfile $$model || exit; done
	@$(RUN) evidence --configfile experiments/evidence.yaml

stdlib: $(MDA) ## the same on the standard library of this Python (half an hour)
	@$(RUN) --configfile experiments/python-stdlib.yaml

packages: $(MDA) ## real text: the code of the installed packages (8 minutes on one GPU)
	@$(RUN) --configfile experiments/python-packages.yaml

packages-cpu: $(MDA) ## the same with a smaller model, without a GPU (two hours on 2 CPU cores)
	@$(RUN) --configfile experiments/python-packages-cpu.yaml

PACKAGES_POWER := $(addprefix results/python-packages-power/,evidence/contrasts.csv figures/evidence/contrasts.png)
packages-power: $(MDA) ## the same in eight models, and the contrasts that were planned (40 minutes on one GPU)
	@for model in experiments/python-packages-power/*.yaml; do \
		$(RUN) --no-summary compared --configfile experiments/python-packages.yaml $$model || exit; done
	@$(RUN) --no-summary $(PACKAGES_POWER) --configfile experiments/python-packages.yaml experiments/python-packages-power.yaml
	@echo "the contrasts: $(PACKAGES_POWER)"

status: $(MDA) ## what the last run has done, is doing and has left
	@$(MDA) status

pin: $(MDA) ## note commits and hashes of hub files: make pin EXPERIMENT=experiments/x.yaml
	@$(MDA) pin $(EXPERIMENT) $(if $(UPDATE),--update)

cost: $(MDA) ## what an experiment takes: make cost EXPERIMENT=experiments/x.yaml
	@$(MDA) cost $(EXPERIMENT) $(if $(RATE),--tokens-per-second $(RATE))

bench: $(MDA) ## where time and memory go on this machine (20 minutes; make demo first)
	@$(MDA) bench $(SECTIONS)

test: $(VENV)/installed-dev $(MDA) check ## formats, types, and all tests but the rare ones (16 to 30 minutes)
	$(PYTEST) -m "not rare and not cluster"

test-all: $(VENV)/installed-dev check ## the rare ones too: a node that dies, a controller that is away
	$(PYTEST) -m "not cluster"

test-cluster: $(VENV)/installed-dev ## all rules of the evidence and of a published model as jobs of the tests' SLURM cluster
	$(BIN)/python -m pytest -m cluster tests/slurm

check: $(VENV)/installed-dev ## formats, lint and types only
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy

docs: $(VENV)/installed-dev ## build the documentation as a site, site/index.html; its links are checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet && echo "documentation: site/index.html"

format: $(VENV)/installed-dev ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/snakefmt Snakefile workflow/rules

clean: ## remove all results, those of every experiment; the environment stays
	find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -r {} +

INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off

$(VENV)/installed: envs/requirements.txt envs/requirements-no-deps.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..."; exit 1; }
	@echo "1 of 3: making the environment $(VENV), once"
	@$(PYTHON) -m venv $(VENV)
	@echo "2 of 3: installing `grep -c == envs/requirements.txt` pinned packages of envs/requirements.txt, a few minutes"
	@$(INSTALL) --requirement envs/requirements.txt | \
		awk -v total=`grep -c == envs/requirements.txt` -v terminal=`test -t 1 && echo 1` -f envs/installing.awk
	@echo "3 of 3: installing `grep == envs/requirements-no-deps.txt`"
	@$(INSTALL) --quiet --no-deps --requirement envs/requirements-no-deps.txt
	@echo "installed; the command is $(MDA)"
	@touch $@

$(MDA): $(VENV)/installed envs/mda.sh
	@install -m 755 envs/mda.sh $@

$(VENV)/installed-dev: $(VENV)/installed envs/requirements-dev.txt
	@echo "installing what the tests need (envs/requirements-dev.txt)"
	@$(INSTALL) --quiet --requirement envs/requirements-dev.txt
	@touch $@
