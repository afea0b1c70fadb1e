# mcugen: `make` lists what there is. Every target does its own set-up; the second time that is a look at a stamp.

RUN := .venv/bin/python -m
C_FILES = $(shell find firmware -name '*.[ch]' -o -name '*.cpp' -o -name '*.hpp' -o -name '*.ino')
PYTEST_ARGS ?=
CLASSICAL_ARGS ?=
# ci: Hypothesis takes the same examples every time, and no deadline, which a busy machine would miss.
# One thread of BLAS and OpenMP for each of the two processes: theirs wait for each other by spinning, and fits of seconds
# took a minute.
PYTEST = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(RUN) pytest -n 2 --dist loadfile --no-loadscope-reorder --hypothesis-profile ci

.PHONY: help setup demo test quick lint format bench classical clean

help: ## this list
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile

setup: ## the Debian packages (as root) and the virtual environment .venv, where they are missing
	@scripts/setup

demo: setup ## a random forest on digits: compiled, proven, built, run and flashed to a simulated Arduino Uno
	@.venv/bin/mcugen demo -o demo-out

test: setup ## all tests
	@$(PYTEST) $(PYTEST_ARGS)

quick: setup ## the tests that take no more than a few seconds each
	@$(PYTEST) -m "not long" $(PYTEST_ARGS)

lint: setup ## ruff, mypy and clang-format; changes nothing
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@.venv/bin/clang-format --dry-run -Werror $(C_FILES)

format: setup ## Python and C as lint wants them
	@$(RUN) ruff check --quiet --fix .
	@$(RUN) ruff format --quiet .
	@.venv/bin/clang-format -i $(C_FILES)

bench: ## sizes and cycles beside the peers, on a simulated ATmega2560
	@scripts/setup all,dev,bench
	@.venv/bin/python benchmarks/trees.py

classical: ## all classical models beside seven peers on three cores; CLASSICAL_ARGS="--model knn" takes some of it
	@scripts/setup all,dev,bench
	@$(RUN) benchmarks.classical $(CLASSICAL_ARGS)

clean: ## remove the virtual environment and everything that was made here
	@rm -rf .venv demo-out dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
