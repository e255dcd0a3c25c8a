# Bare `make` lists the targets. Everything runs in .venv, made from the lock files.
PYTHON ?= python3
PORT ?= 8000
WORKERS ?= $(or $(WEB_CONCURRENCY),2)
SETTINGS ?= $(RECSYS_SETTINGS)
VENV := .venv
RUN := $(VENV)/bin/python
export RECSYS_SETTINGS := $(SETTINGS)
TRAINING := $(RUN) -m training
PIP := pip install --disable-pip-version-check --require-hashes
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
EXTRAS := training cloud databases lake postgres ranker notebook

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z][a-z-]*\):.*/\1/p' $(MAKEFILE_LIST))

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  SETTINGS=examples/…/settings.toml chooses a shop; ARGS='--help' shows what a training command takes"

$(VENV)/.ready: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	@echo "Setting up $(VENV): $$(grep -c == requirements.lock) packages are fetched and checked against their hashes, which takes a minute or two"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/$(PIP) -r requirements.lock
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock $(VENV)/.ready
	@echo "Adding what tests and checks need to $(VENV)"
	$(VENV)/bin/$(PIP) --no-compile -r requirements-dev.lock
	@touch $@

$(VENV)/.ready-spark: requirements-spark.lock $(VENV)/.ready
	@echo "Adding Spark to $(VENV): 570 MB, once"
	$(VENV)/bin/$(PIP) -r requirements-spark.lock
	@touch $@

$(VENV)/.ready-jars: tests/support/servers/spark_jars.txt | $(VENV)/.ready
	@echo "Fetching what Spark reads Delta, Iceberg and PostgreSQL with, for tests: 59 MB, once"
	mkdir -p $(VENV)/jars
	while read -r hash path; do \
	  curl -fsSL --retry 3 -o $(VENV)/jars/.part https://repo1.maven.org/maven2/$$path || exit 1; \
	  echo "$$hash  $(VENV)/jars/.part" | sha256sum --check --quiet || exit 1; \
	  mv $(VENV)/jars/.part $(VENV)/jars/$${path##*/}; \
	done < $<
	@touch $@

$(VENV)/bin/versitygw: | $(VENV)/.ready
	@echo "Building versitygw, an S3 server for tests, which takes a minute or two"
	GOBIN=$(abspath $(VENV)/bin) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0

$(VENV)/bin/compose-check: | $(VENV)/.ready
	@echo "Building compose-check, which reads a file as Docker Compose does"
	GOBIN=$(abspath $(VENV)/bin)/.go go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2
	mv $(VENV)/bin/.go/cmd $@

clients/storefront/node_modules/.ready: clients/storefront/package-lock.json
	cd clients/storefront && npm ci --no-audit --no-fund
	@touch $@

setup: $(VENV)/.ready ## Make .venv with what the job and the service need
setup-dev: $(VENV)/.ready-dev ## The same, with what tests and checks need
setup-spark: $(VENV)/.ready-spark ## Make .venv with what trains on Spark
setup-tools: $(VENV)/.ready-jars $(VENV)/bin/versitygw $(VENV)/bin/compose-check clients/storefront/node_modules/.ready ## Build and fetch the programs that single tests need (Go, npm)
setup-all: setup-dev setup-spark setup-tools ## The same, with what single tests need, which are skipped without (Spark, npm, Go)

demo: setup ## Make a synthetic shop, train on it, serve it on PORT (Ctrl-C ends it)
	@$(RUN) -m training demo --port $(PORT) --workers $(WORKERS) $(ARGS)

serve: setup ## Serve the current snapshot on HOST and PORT
	PORT=$(PORT) WEB_CONCURRENCY=$(WORKERS) $(VENV)/bin/gunicorn -c gunicorn.conf.py serve:app

shop: setup ## Write the tables of a synthetic shop (ARGS="--users 5000 --out data")
	@$(TRAINING) shop $(ARGS)
init: setup ## Look at a shop's files and write settings for them (DATA="exports/*")
	@$(TRAINING) init $(DATA) $(ARGS)
validate: setup ## Say what is wrong with the shop's tables
	@$(TRAINING) validate $(ARGS)
train: setup ## Fit everything on the shop's tables and publish a snapshot
	@$(TRAINING) train $(ARGS)
train-spark: $(VENV)/.ready-spark ## The same, with the partitions on a Spark cluster (MASTER=spark://host:7077; needs Java 17)
	@PYSPARK_PYTHON=$${PYSPARK_PYTHON:-$(abspath $(RUN))} \
	  PYSPARK_SUBMIT_ARGS="$${PYSPARK_SUBMIT_ARGS:---conf spark.executorEnv.PYTHONPATH=$(CURDIR) pyspark-shell}" $(TRAINING) train --spark $(MASTER) $(ARGS)
evaluate: setup ## Measure recommenders, blend and placements on the shop's own past (ARGS="--folds 3")
	@$(TRAINING) evaluate $(ARGS)
tune: setup ## Choose settings and blend weights on folds before the test window (ARGS="--minutes 60")
	@$(TRAINING) tune $(ARGS)
report: setup ## Write the current snapshot's report as one HTML page
	@$(TRAINING) report $(ARGS)
export: setup ## Write recommendations for all users (ARGS="--placement email_weekly --limit 20 --out exports/all.parquet")
	@$(TRAINING) export $(ARGS)
rollback: setup ## Go back to the snapshot before the current one (ARGS="--to VERSION")
	@$(TRAINING) rollback $(ARGS)
line: setup ## Let a snapshot line name a version, or end it (ARGS="candidate --drop"); ARGS="--line candidate" trains to one
	@$(TRAINING) line $(ARGS)
snapshots: setup ## List the published snapshots
	@$(TRAINING) snapshots $(ARGS)
migrate: setup ## Make or migrate the tables of live state in PostgreSQL; run it before a new version starts
	@$(TRAINING) migrate $(ARGS)
compact: setup ## Move old live events out of the log into Parquet files; run it daily
	@$(TRAINING) compact $(ARGS)
backup: setup ## Copy the live state, checked, while the service runs (ARGS="--to backups/2026-04-01")
	@$(TRAINING) backup $(ARGS)
restore: setup ## Put a backup back; stop the service first (ARGS="--from backups/2026-04-01 --replace")
	@$(TRAINING) restore $(ARGS)
state-copy: setup ## Copy the live state from files into PostgreSQL or back (FROM=state TO=postgresql://recsys@db/shop)
	@$(TRAINING) state-copy --from '$(FROM)' --to '$(TO)' $(ARGS)
replay: setup ## Answer a logged slate again, byte for byte (ID=…; without, list those logged last)
	@$(TRAINING) replay $(ID) $(ARGS)
experiment: setup ## Say what an experiment brought: measures, intervals, a verdict (ID=home_lead)
	@$(TRAINING) experiment '$(ID)' $(ARGS)
attribution: setup ## Say what lists brought, by placement, rule, recommender, campaign and send (ARGS="--days 7")
	@$(TRAINING) attribution $(ARGS)
whatif: setup ## Say what other settings would have earned on lists that exploration drew (SETTINGS=candidate.toml)
	@$(TRAINING) whatif $(ARGS)
restock: setup ## List items that will run out of stock, by revenue at risk (ARGS="--lead-days 14 --out restock.csv")
	@$(TRAINING) restock $(ARGS)
moments: setup ## Write who should hear from the shop now to a file (KIND=cart AS_OF=2026-03-31 OUT=cart.csv)
	@$(TRAINING) moments --kind '$(KIND)' $(if $(AS_OF),--as-of '$(AS_OF)') $(if $(OUT),--out '$(OUT)') $(ARGS)
lint-templates: setup ## Render every message template for difficult readers; fails naming template, reader and limit
	@$(TRAINING) lint-templates $(ARGS)
dry-run: setup ## Show what a declared send would show, before it goes out (SEND=2026-w14)
	@$(TRAINING) dry-run '$(SEND)' $(ARGS)
purge: setup ## Delete old snapshots and rows that still hold forgotten shoppers; run it after `make train`
	@$(TRAINING) purge $(ARGS)

test: setup-dev ## Run the tests but for the longest, on all cores: five to six minutes on two (ALL=1: every test, as CI does)
	@$(RUN) -m pytest -n auto --dist worksteal $(if $(ALL),,-m "not long") $(ARGS)
test-fast: setup-dev ## Run the unit tests but for those of random examples: under a minute
	@$(RUN) -m pytest -n auto --dist worksteal -m "unit and not hypothesis and not long" $(ARGS)
cases: setup-dev ## Say of each open case of CASES whether it holds (make cases CASES=../cases)
	@RECSYS_CASES=$(abspath $(CASES)) $(RUN) -m pytest -p tests.support.case_report tests/cases tests/tables/test_*cases*.py tests/tables/sources/test_sources_cases.py tests/training/job/test_order_cases.py $(ARGS)
check: setup-dev ## Lint, types, import rules, tests (ALL=1: every test)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@$(MAKE) --no-print-directory test
format: setup-dev ## Format the code
	$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .
docs: setup ## Write the reference pages that are made from the code
	@$(TRAINING) docs
docs-site: setup-dev ## Build the docs with a reference of the code into site/
	$(VENV)/bin/zensical build --clean --strict
lock: ## Pin all packages again (needs uv); what the service runs on is the same in all lock files
	$(LOCK) pyproject.toml --extra training -o requirements.lock
	$(LOCK) pyproject.toml $(EXTRAS:%=--extra %) --group dev --group docs --group browser --constraint requirements.lock -o requirements-dev.lock
	$(LOCK) pyproject.toml --extra training --extra spark --extra cloud --extra postgres --extra ranker --group spark-formats --constraint requirements-dev.lock -o requirements-spark.lock
	$(LOCK) pyproject.toml --extra training --group peers --constraint requirements.lock -o requirements-peers.lock
	$(LOCK) pyproject.toml --extra training --extra cloud --extra postgres --extra ranker --constraint requirements.lock -o deploy/requirements.lock

bench: setup-dev ## Measure the service against bare Flask (needs wrk), the export and a 10-million-event fit
	$(RUN) -m benchmarks.http.bench $(ARGS)
benchmark-soak: setup-dev ## Serve for an hour under load, new snapshots and killed workers; says what failed, was lost or grew (ARGS="--minutes 60")
	$(RUN) -m benchmarks.soak $(ARGS)
benchmark-chaos: setup-all ## Run three nodes behind nginx for half an hour while nodes, database and store die and come back (needs nginx, PostgreSQL)
	$(RUN) -m benchmarks.chaos $(ARGS)
benchmark-databases: setup-dev ## Measure a request over PostgreSQL against one over SQLite files, in one run (needs PostgreSQL)
	@$(RUN) -m benchmarks.http.databases $(ARGS)
benchmark-nodes: setup-dev ## Measure the processor time of a request on two nodes over one PostgreSQL database against one node
	@$(RUN) -m benchmarks.http.nodes $(ARGS)
rehearse-image: setup-dev ## Run the steps of deploy/Dockerfile in clean Debian roots and serve from a read-only one (root, debootstrap)
	@$(RUN) -m benchmarks.image $(ARGS)
benchmark-bounds: setup-dev ## Measure an answer for a shopper with 100,000 ids, 500,000 events, after 100,000 item updates
	$(RUN) -m benchmarks.http.bounds $(ARGS)
benchmark-isolation: setup-dev ## Measure pages beside bulk answers, polls, cards, slow clients, large bodies and the console
	$(RUN) -m benchmarks.http.isolation $(ARGS)
benchmark-latency: setup-dev ## Measure latency against offered load, and the first answer of a cold start
	$(RUN) -m benchmarks.http.latency $(ARGS)
benchmark-campaigns: setup-dev ## Measure what 50 running campaigns of 10,000 cost an answer (ARGS="--folder .demo" for another trained shop)
	$(RUN) -m benchmarks.merchandising.campaigns $(ARGS)
benchmark-filters: setup-dev ## Measure a filter over three attributes of 100,000 items, the first time and again
	$(RUN) -m benchmarks.merchandising.filters $(ARGS)
benchmark-attributes: setup-dev ## Measure how fast 20 attributes of a million items are mapped, and the memory that workers share
	$(RUN) -m benchmarks.merchandising.attributes $(ARGS)
benchmark-visits: setup-dev ## Simulate 30 visits without a click, with and without fatigue, rotation, limits (ARGS="--folder .demo")
	$(RUN) -m benchmarks.merchandising.visits $(ARGS)
benchmark-variety: setup-dev ## Measure relevance against variety on three public shops, and draw docs/pictures/variety.png (needs RECSYS_DATA)
	$(RUN) -m pip install --quiet --disable-pip-version-check matplotlib
	$(RUN) -m benchmarks.merchandising.variety $(ARGS)
benchmark-storefront: setup-dev ## Count what arrives of 10,000 page views in a browser that is killed and cut off (needs chromium; ARGS="--views 500")
	$(RUN) -m pip install --quiet --disable-pip-version-check --group browser
	$(RUN) -m benchmarks.http.storefront $(ARGS)
benchmark-gate: setup-dev ## Simulate how often the gate passes worse settings, and refuses equal ones
	$(RUN) -m benchmarks.job.gate_errors $(ARGS)
benchmark-crowds: setup-dev ## Say in how many small shops an id of many people is named (needs RECSYS_DATA)
	$(RUN) -m benchmarks.job.crowds
benchmark-side-by-side: setup-dev ## Print similar items and complements beside plain co-occurrence, titles only, after a training (SETTINGS=)
	$(RUN) -m benchmarks.lists.side_by_side $(SETTINGS)
benchmark-public: setup-dev ## Hold untuned and tuned lists of a public set against each recommender alone (DATA=folder ARGS="--core 5 --tune 5")
	$(RUN) -m benchmarks.lists.public $(DATA) $(ARGS)
benchmark-ranked: setup-dev ## Hold the ranker, or other settings, against the blend on a past window, and say what becomes of young items (SETTINGS= ARGS="--as-of 2011-11-01")
	$(RUN) -m benchmarks.lists.ranked $(SETTINGS) $(ARGS)
benchmark-floods: setup-dev ## Say at which place fresh ids with one view bring an item, with and without what keeps floods down
	$(RUN) -m benchmarks.lists.floods
benchmark-first-list: setup-dev ## Measure init, training and a first list in each folder of cases (CASES=../cases)
	$(RUN) -m benchmarks.job.first_list $(CASES) $(ARGS)
benchmark-gowalla: setup-dev ## Compare collaborative filtering with published tables on Gowalla (needs RECSYS_DATA)
	$(RUN) -m benchmarks.lists.gowalla $(ARGS)
benchmark-intent: setup-dev ## Hold intent, lifecycle and exit stage against what shoppers bought next (needs RECSYS_DATA)
	$(RUN) -m benchmarks.lists.intent $(ARGS)
benchmark-live: setup-dev ## Replay a real shop's events over HTTP, and measure what a live log costs (needs RECSYS_DATA and wrk)
	$(RUN) -m benchmarks.lists.live $(ARGS)
benchmark-messages: setup-dev ## Ask 10,000 cards of a send four times over HTTP, and export a million lines, watching memory
	$(RUN) -m benchmarks.moments.messages $(ARGS)
benchmark-experiments: setup-dev ## Hold experiments against simulated shoppers whose choices are known (ARGS="--runs 200")
	@$(RUN) -m benchmarks.experiments.experiments $(ARGS)
benchmark-readout: setup-dev ## Measure what reading an experiment out takes in memory, by exposures (ARGS="--exposures 1000000")
	@$(RUN) -m benchmarks.experiments.readout_memory $(ARGS)
benchmark-replayed: setup-dev ## Replay a real shop through an experiment, from settings to read-out (ARGS="--settings examples/rees46/settings.toml --since 2019-10-01T01:30")
	@$(RUN) -m benchmarks.experiments.replayed_experiment $(ARGS)
benchmark-offpolicy: setup-dev ## Hold off-policy estimates against simulated shoppers whose choices are known (ARGS="--runs 30")
	@$(RUN) -m benchmarks.experiments.off_policy $(ARGS)
benchmark-training: setup-dev $(if $(findstring spark,$(ARGS)),$(VENV)/.ready-spark) ## Measure training by events and partitions: seconds, peak memory, content hash (ARGS="--events 10000000 --runners local spark")
	@$(RUN) -m benchmarks.job.training $(ARGS)
benchmark-reading: setup-dev ## Measure reading of a shop's tables: processor time, peak memory (ARGS="--events 10000000 --beside ../before")
	@$(RUN) -m benchmarks.job.reading $(ARGS)
benchmark-value: setup-dev ## Hold customer value against held-back purchases (needs RECSYS_DATA)
	$(RUN) -m benchmarks.lists.customer_value $(ARGS)
benchmark-moments: setup-dev ## Measure polls and batches of all kinds of moments over 200,000 people
	$(RUN) -m benchmarks.moments.moments $(ARGS)
benchmark-moments-truth: setup-dev ## Hold who was due for a moment against held-back purchases (needs RECSYS_DATA)
	$(RUN) -m benchmarks.moments.moments_truth $(ARGS)
$(VENV)-peers/.ready: requirements-peers.lock
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/$(PIP) --no-compile -r requirements-peers.lock
	@touch $@

benchmark-peers: $(VENV)-peers/.ready ## Compare with public models, tuned alike (needs RECSYS_DATA; 6 GB for LensKit in .venv-peers)
	$(VENV)-peers/bin/python -m benchmarks.peers $(ARGS)
pictures: setup-dev ## Take the pictures of the docs, while `make demo` runs (needs chromium; ARGS="--address http://127.0.0.1:8000")
	$(RUN) -m pip install --quiet --disable-pip-version-check --group browser
	$(RUN) -m benchmarks.pictures $(ARGS)
clean: ## Remove the environment and what the demo made
	rm -rf $(VENV) $(VENV)-peers clients/storefront/node_modules .demo benchmarks/out site
