# The front page of the project: every target is one or two lines that also work by hand.
# `make` alone lists them. Targets are grouped by `##@`, each says what it does behind `##`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# A fresh rustup is found even before the shell was started anew.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Settings of `make demo`. The command line tool has its own defaults: only what is given is handed on.
# (bash has a variable SECONDS as well; the recipes use make's, which is put into the text before bash sees it.)
DEMO_FLAGS = $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE)) $(if $(MALFORMED),--malformed $(MALFORMED)) $(if $(JAEGER),--jaeger)
# Settings of `make bench` and `make bench-peers`, likewise.
BENCH_FLAGS = $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(PAIRS),--pairs $(PAIRS)) $(if $(SAVE),--save $(SAVE))
BINARIES = -p turnpike -p toll-generator -p traffic-generator -p weather-generator -p validator -p mariadb-writer

##@ Run
.PHONY: demo
demo: setup $(if $(JAEGER),jaeger) ## Kafka, registry, MariaDB and all services on this machine, with a live summary; ends with the ledger
	cargo build --release --locked $(BINARIES)
	target/release/turnpike demo $(DEMO_FLAGS)

.PHONY: jaeger
jaeger: ## Build Jaeger with Go for `make demo JAEGER=1` (the first time some minutes and 3 GB)
	deploy/jaeger/install

##@ Run in containers (with Docker)
# Variables of .env, such as TOLL_RATE=200 or MARIADB_PORT=3306, may also be given to make. PROFILES adds services.
export COMPOSE_PROFILES := $(or $(PROFILES),$(COMPOSE_PROFILES))
ifeq ($(COMPOSE_PROFILES),)
unexport COMPOSE_PROFILES
endif

.PHONY: up
up: ## Build and start everything, wait until it is healthy, and say where it is (PROFILES=observability,feeds for more)
	@deploy/compose/up

.PHONY: down
down: ## Stop and remove the containers; the data stays
	docker compose --profile '*' down --remove-orphans

.PHONY: clean
clean: ## Stop everything and remove its data; asks first
	@deploy/compose/clean

.PHONY: ps
ps: ## The containers and how they are
	@docker compose --profile '*' ps --all --format 'table {{.Name}}\t{{.Status}}\t{{.Ports}}'

.PHONY: logs
logs: ## Follow the logs of all services (SERVICE=validator: of one)
	docker compose logs --follow --tail 50 $(SERVICE)

.PHONY: mysql
mysql: ## A prompt of the database, as the user who may read; QUERY="SELECT ..." asks and ends
	@deploy/compose/mysql $(if $(QUERY),"$$QUERY")

.PHONY: verify
verify: ## Prove that what runs works: topics, rows, ledger, dead letters, a trace, memory; exit code 1 if anything falls short
	@deploy/compose/verify

.PHONY: scale
scale: ## Run N validators and N writers: make scale N=3
	@deploy/compose/scale $(N)

.PHONY: backup
backup: ## All tables and the ledger in one file, while everything runs: make backup FILE=turnpike.sql.gz
	@deploy/compose/backup $(FILE)

.PHONY: restore
restore: ## Put the tables and the ledger back; the writer goes on from there: make restore FILE=turnpike.sql.gz
	@deploy/compose/restore $(FILE)

.PHONY: rotate
rotate: ## New passwords for the database's users, set and taken up at once
	@deploy/compose/secrets rotate
	@deploy/compose/up

##@ Check and test
.PHONY: check
check: setup ## Format, clippy with all warnings as errors, the house rules, the alerts, the deployment, and the documentation's links
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo run --quiet --locked -p xtask -- check
	deploy/prometheus/test --if-possible
	deploy/lint --if-possible
	deploy/k8s/check --if-possible
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --workspace --no-deps --document-private-items

.PHONY: test
test: setup ## All tests, with a real Kafka and MariaDB on free ports of this machine (some minutes)
	cargo build --locked --workspace --all-targets
	cargo test --locked --workspace

.PHONY: test-unit
test-unit: need-cargo ## Unit tests alone: needs no Kafka and no database
	cargo test --locked --workspace --lib --bins --exclude system-tests

.PHONY: test-telemetry
test-telemetry: setup jaeger ## Traces, metrics and log lines over OTLP, the same traces in a real Jaeger, and the alerts
	deploy/prometheus/test
	cargo test --locked -p system-tests --test system telemetry::
	cargo test --locked -p system-tests --test jaeger -- --nocapture

.PHONY: test-compose
test-compose: need-cargo ## The containers, for real: up, verify, scale, kill, restart, restore, down (some minutes; needs Docker)
	TURNPIKE_TEST_COMPOSE=1 cargo test --locked -p system-tests --test compose -- --nocapture

.PHONY: bench
bench: setup ## Every figure beside its limit (about 30 min; QUICK=1: 5 min; ONLY=writer,path; SAVE=name keeps it in docs/results)
	cargo build --release --locked $(BINARIES) -p bench
	target/release/bench suite $(BENCH_FLAGS)

.PHONY: bench-peers
bench-peers: setup ## The writer's work by Kafka Connect and by Python, in turn with the writer (about 40 min; PLUGIN=dir: another sink)
	cargo build --release --locked $(BINARIES) -p bench
	target/release/bench peers $(BENCH_FLAGS) $(if $(PLUGIN),--plugin $(PLUGIN)) $(if $(PLUGIN_CONFIG),--plugin-config $(PLUGIN_CONFIG))

.PHONY: bench-queries
bench-queries: setup ## Median time and index of each named query on ROWS stored passages (default 10 million; some minutes)
	cargo run --release --locked -p bench -- queries $(if $(ROWS),--rows $(ROWS))

.PHONY: bench-generators
bench-generators: setup ## Records a second of the three generators together, beside what the client can send at all
	cargo build --release --locked $(BINARIES)
	cargo run --release --locked -p bench -- generators

.PHONY: deny
deny: need-cargo ## Licences, duplicate versions and sources of all dependencies (needs cargo-deny)
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is not installed: cargo install --locked cargo-deny"; exit 1; }
	cargo deny check licenses bans sources

##@ Work on it
.PHONY: fmt
fmt: need-cargo ## Format all Rust code
	cargo fmt --all

.PHONY: generate
generate: need-cargo ## Grafana's dashboards and the page of metrics, from their sources
	cargo run --quiet --locked -p xtask -- dashboards
	cargo run --quiet --locked -p xtask -- metrics

.PHONY: setup
setup: need-cargo ## Install what is missing (Java, Maven, MariaDB, C compiler, OpenSSL) with apt where allowed, else name it
	deploy/local/install

.PHONY: clean-local
clean-local: ## Remove the data of the local Kafka and MariaDB (target/local-stack); compiled code stays
	rm -rf target/local-stack

##@ Help
.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
	@printf '\n%s\n' 'Settings of make demo'
	@printf '  %-17s %s\n' \
	  'SECONDS=n' 'stop by itself after n seconds (0, the default: until Ctrl-C)' \
	  'RATE=n' 'records a second, eight in ten of them passages (default 500; 0: as fast as possible)' \
	  'MALFORMED=n%' 'share of records made wrong on purpose (default 2%)' \
  'JAEGER=1' 'follow records in Jaeger, on http://127.0.0.1:16686 if that is free; built with Go the first time'
	@printf '\n%s\n' 'For example: make demo SECONDS=30 RATE=1000 MALFORMED=5%'

.PHONY: need-cargo
need-cargo:
	@command -v cargo >/dev/null || { echo "cargo was not found: install Rust with rustup, see https://rustup.rs (rust-toolchain.toml picks the version)"; exit 1; }
