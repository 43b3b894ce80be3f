# `make train` and `make test` set up .venv by themselves; a second run finds the stamp and sets nothing up.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE := engram benchmarks docs/hooks.py train.py evaluate.py report.py export.py

# The agent of examples/agent, small enough for the repository.
SMALL := experiment=tmaze_twenty memory.slots=64 memory.heads=2 memory.key_size=16 memory.value_size=16 \
	memory.step_embedding_size=16 controller.hidden_size=32 ppo.features_dim=32 'env.kwargs.delay=[5,64]' \
	total_timesteps=320000

# Small recurrent steps are slower, not faster, with more threads per process.
export OMP_NUM_THREADS ?= 1

# A peer whose own requirements are not needed; without it the benchmark says that it is missing.
WITH_DNC := @$(BIN)/python -m pip show --quiet dnc 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps dnc || true

.DEFAULT_GOAL := help
.PHONY: help install train example evaluate test test-slow test-browser test-wheel test-launchers test-gpu lint format type play pictures bench bench-envs bench-chunks bench-memory clean docs

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,baselines,popgym,docs]'
	@touch $@

install: $(STAMP) ## set up .venv with everything that development needs

train: $(STAMP) ## train the default experiment and evaluate it on held-out mazes (ARGS="seed=1 env=tmaze")
	$(BIN)/python train.py $(ARGS)

example: $(STAMP) ## train the small agent of examples/agent anew
	$(BIN)/python train.py $(SMALL) name=example tracking=disabled eval.film=false eval.certificate=true
	rm -rf examples/agent
	mv "$$(ls -td runs/example/seed0-* | head -n 1)" examples/agent
	rm examples/agent/latest.zip

evaluate: $(STAMP) ## evaluate a run folder: make evaluate RUN=runs/...
	@test -n "$(RUN)" || { echo "name the run folder: make evaluate RUN=runs/..." >&2; exit 2; }
	$(BIN)/python evaluate.py $(RUN) $(ARGS)

play: $(STAMP) ## play a task by keyboard: make play ARGS="Engram-MazeMatch-S9-v0"
	$(BIN)/python -m engram.envs.play $(ARGS)

pictures: $(STAMP) ## draw the pictures of docs/reference/tasks.md
	$(BIN)/python -m benchmarks.figures.tasks

test: $(STAMP) ## the quick tests
	$(BIN)/python -m pytest -n 2 $(ARGS)
	@echo "left out: make test-slow, test-browser, test-wheel, test-launchers, test-gpu"

test-slow: $(STAMP) ## the learning checks
	$(BIN)/python -m pytest -n 2 -m slow $(ARGS)

test-browser: $(STAMP) ## the page of the why-trace in a headless Chromium
	@$(BIN)/python tests/browser/chromium.py
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

test-wheel: $(STAMP) ## the wheel, installed into an environment of its own
	$(BIN)/python -m pytest -n 2 -m wheel tests/test_wheel.py $(ARGS)

test-launchers: $(STAMP) ## grids by joblib, submitit and Ray, which it installs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[launchers,ray]'
	$(BIN)/python -m pytest -m launchers tests/cli/launchers $(ARGS)

test-gpu: $(STAMP) ## memories and agents on a CUDA device
	@$(BIN)/python -c 'import sys, torch; torch.cuda.is_available() or sys.exit("no CUDA device, or a build of torch that has no use for it")'
	$(BIN)/python -m pytest -m gpu $(ARGS)

docs: $(STAMP) ## build the site into build/site, warnings are errors (ARGS=serve to look at it while you write)
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs $(or $(ARGS),build --quiet)

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## ruff: fix and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(STAMP) ## mypy --strict
	$(BIN)/mypy $(CODE)

bench: $(STAMP) ## all speeds beside their peers: benchmarks/results, docs/reference/speed.md (ARGS="--quick", ARGS="training acting")
	$(WITH_DNC)
	$(BIN)/python -m benchmarks.speed $(ARGS)

bench-envs: $(STAMP) ## steps per second of the environments
	$(BIN)/python -m benchmarks.speed.envs $(ARGS)

bench-chunks: $(STAMP) ## learning from a sequence at once beside the naive loop over time
	$(BIN)/python -m benchmarks.speed.chunks $(ARGS)

bench-memory: $(STAMP) ## our DNC beside the published package dnc
	$(WITH_DNC)
	$(BIN)/python -m benchmarks.speed.memories $(ARGS)

clean: ## remove caches (runs and .venv stay)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
