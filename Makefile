# Sous: what a contributor types. `make` alone lists it.

SHELL       := /bin/bash
GO          ?= go
GOLANGCI    ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
PKGS        ?= ./...
# The race detector leaves out SQLite's engine: C translated to Go, over memory that is not Go's and that the
# detector does not watch anyway. Watching it made every test with a store five to eight times slower.
RACE        := -race -gcflags=modernc.org/sqlite/lib=-race=false
# A checkout may belong to somebody else (a container, a CI machine); then the version stamp of git fails.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help run test check format vet lint layers eval eval-minutes eval-routing eval-redaction eval-injection eval-memory bench-memory eval-replicas eval-upgrade eval-contracts eval-slack crash soak bench pictures mutants benchmarks

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
		while IFS=$$'\t' read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

run: ## start Sous here, with nothing configured
	@$(GO) run ./cmd/sous

test: ## install what the tests need, then run all of them with the race detector in random order
	@./.ci/prepare
	@$(GO) test $(RACE) -shuffle=on -timeout 40m $(PKGS)

check: format vet layers lint test ## everything a change must pass: format, vet, layers, lint, tests

format: # gofmt names the files it would change; none may be left.
	@bad="$$(gofmt -l agent cmd integrations internal memory prompts tools 2>/dev/null)"; \
	if [ -n "$$bad" ]; then echo "format: run gofmt -w on:"; echo "$$bad"; exit 1; fi

vet:
	@$(GO) vet $(PKGS)
	@$(GO) vet -tags faults ./cmd/sous

layers: # who may import whom, package comments, file lengths
	@$(GO) test -count=1 ./internal/layers

# The linter is built from source the first time, which takes minutes and the network. When it cannot be
# built, the check goes on and says so; findings always fail it.
lint: ## golangci-lint with .golangci.yml
	@if ! $(GOLANGCI) version >/dev/null 2>&1; then \
		echo "lint: SKIPPED: golangci-lint could not be built here; '$(GOLANGCI) version' says why"; \
	else $(GOLANGCI) run $(PKGS); fi

# Each evaluation prints its table and then one line of JSON. DATA names another folder of the same
# shape. Alone, `make eval` ends with the figures of the minutes; with DATA it is the minutes alone,
# since one folder cannot hold both.
ifdef DATA
eval: eval-minutes
else
eval: eval-routing eval-minutes ## quality on real data: routing, then minutes (DATA=folder: only minutes, of that folder)
endif

eval-minutes: ## ROUGE of the minutes and words per second (DATA=folder of meetings)
	@$(GO) run ./internal/eval/minutes -data $(or $(DATA),../shared/data/meetings)

eval-routing: ## accuracy of the router and time per message (DATA=folder of routing sets)
	@$(GO) run ./internal/eval/routing -data $(or $(DATA),../shared/data/routing)

eval-redaction: ## recall of the recognisers of personal data, false hits, time per text (DATA=folder of marked texts)
	@$(GO) run ./internal/eval/redaction -data $(or $(DATA),../shared/data/pii)

eval-memory: ## evidence recall of memory and time per query (DATA=folder of conversations)
	@$(GO) run ./internal/eval/memory -data $(or $(DATA),../shared/data/memory)

bench-memory: ## memory as it grows: rates, times and recall at 10k to 1M passages (SIZES=10000,50000,200000,1000000; takes hours at 1M)
	@$(GO) run ./internal/eval/memorybench -sizes $(or $(SIZES),10000,50000,200000,1000000) -results docs/memory.jsonl -plot docs/memory.svg

eval-replicas: ## three replicas under load, killed, frozen and drained in turn: requests lost, effects doubled (ROUNDS=10)
	@$(GO) run ./internal/eval/replicas -rounds $(or $(ROUNDS),10)

eval-upgrade: ## turns parked by the build of FROM (a commit) finished by this one, the two side by side meanwhile
	@$(GO) run ./internal/eval/upgrade -from $(or $(FROM),HEAD~1)

eval-contracts: ## every request to a model against the published OpenAPI contract (DATA=folder of contracts)
	@$(GO) run ./internal/eval/contracts -data $(or $(DATA),../shared/data/contracts)

eval-slack: ## Slack at volume: deliveries, clicks, bad requests, mentions at once, one process and two replicas; official samples (DATA=folder of samples)
	@$(GO) run ./internal/eval/slackshapes -data $(or $(DATA),../shared/data/slack)
	@$(GO) run ./internal/eval/slackvolume

crash: ## SIGKILL 500 times at random, at named points, and other faults, on both stores: what was lost or done twice (KILLS=, STORE=, ONLY=, SEED=)
	@$(GO) run ./internal/eval/crash -kills $(or $(KILLS),500) -store $(or $(STORE),both) $(if $(ONLY),-only $(ONLY)) $(if $(SEED),-seed $(SEED))

soak: ## 20 requests a second with faults at random: violations, goroutines and heap that stay (DURATION=4h, STORE=sqlite, SEED=)
	@$(GO) run ./internal/eval/soak -duration $(or $(DURATION),4h) -store $(or $(STORE),sqlite) $(if $(SEED),-seed $(SEED))

eval-injection: ## attacks with any effect through the gate, and how often people are asked (DATA=folder of attacks)
	@$(GO) run ./internal/eval/injection -data $(or $(DATA),../shared/data/injection)

pictures: ## the pictures of docs/slack.md, drawn from the golden files by headless Chromium
	@$(GO) run ./internal/eval/slackpreview -images docs/images home card-example minutes changes modal-edit review-draft

mutants: ## put deliberate mistakes into a copy of the tree, and see that some test notices each (ONLY=regexp)
	@$(GO) run ./internal/eval/mutants -only '$(ONLY)'

bench: ## Sous beside the floor under one load generator, as ratios (DATA=folder of rig and peers, ROWS=, ROUNDS=)
	@$(GO) run ./internal/eval/bench -data $(or $(DATA),../shared/bench) $(if $(ROWS),-rows $(ROWS)) $(if $(ROUNDS),-rounds $(ROUNDS))

benchmarks: ## benchmarks of packages, ending with one line of JSON (BENCH=regexp, PKGS=packages)
	@./.ci/bench $(PKGS)
