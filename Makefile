# The whole vocabulary. Every target sets up what it needs, and that is quick when nothing is missing.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
export PYTHONPATH := plugins
MAILING ?= purchase_order
ARGS ?=
# Many tests wait: for a time-out, for another process. So there are more of them at a time than two cores could do.
TOGETHER := tests --ignore=tests/acceptance -n 3 --dist loadfile
# The acceptance tests start a whole Airflow each: one at a time.
ALONE := tests/acceptance
# pytest ends with 5 when ARGS (-k …) leaves none to run here.
NONE_IS_FINE := $(if $(ARGS),|| [ $$? = 5 ])

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16
	@echo "  ARGS='…' goes to the program behind a target; MAILING=name or REPORT=name chooses for preview."

.PHONY: runtime
runtime:
	@bin/setup runtime

.PHONY: demo
demo: runtime ## do an errand for every notification in a demo ERP and watch it reach mailboxes and phones
	@exec $(BIN)/python -m demo demo $(ARGS)

.PHONY: up
up: runtime ## the same, staying up with Airflow's pages until Ctrl-C
	@exec $(BIN)/python -m demo up $(ARGS)

.PHONY: test
test: ## all tests; those that start a whole Airflow come last
	@bin/setup test
	$(BIN)/pytest $(TOGETHER) $(ARGS) $(NONE_IS_FINE)
	$(BIN)/pytest $(ALONE) $(ARGS) $(NONE_IS_FINE)

.PHONY: chaos
chaos: ## kill -9 in mid-work, 200 times for us and 200 for each of two peers; a table of what was lost and doubled
	@bin/setup test
	@exec $(BIN)/python -m tests.chaos $(ARGS)

.PHONY: bench
bench: ## our speed beside smtplib's and the peers', as ratios of paired runs; ARGS=--quick for a glance
	@bin/setup test
	@exec $(BIN)/python -m tests.bench $(ARGS)

.PHONY: lint
lint: ## style, import rules and types
	@bin/setup python
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

.PHONY: check
check: runtime ## hold queries, templates and connections against the live ERP
	@bin/emailketing check $(ARGS)

.PHONY: preview
preview: runtime ## render MAILING with a real document, or REPORT's last period, into var/preview; nothing is sent
	@bin/emailketing preview $(if $(REPORT),$(REPORT) --open,$(MAILING)) $(ARGS)

.PHONY: golden
golden: ## write the expected renderings anew; read the difference afterwards
	@bin/setup test
	GOLDEN=write $(BIN)/pytest tests/golden -q $(ARGS)
	@git status --short tests/golden

.PHONY: lock
lock: ## write requirements.txt from requirements.in; ARGS=--upgrade takes newer versions
	@bin/setup python
	$(BIN)/uv pip compile --quiet --no-header --python-version 3.11 --output-file requirements.txt requirements.in $(ARGS)

.PHONY: clean
clean: ## remove the environment and everything below var/
	rm -rf .venv var .mypy_cache .ruff_cache .import_linter_cache .hypothesis
