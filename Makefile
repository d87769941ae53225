# `make setup` once, then `make demo`. `make help` lists the rest.

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lunlab

# The agent runs in the guest: a static program, built for another target, in a
# directory of its own so that the two builds do not undo each other's work.
guest_target := x86_64-unknown-linux-musl
guest_cargo := setup/cargo-for $(guest_target) build --profile agent --target-dir target/agent
guest_bin := $(CURDIR)/target/agent/$(guest_target)/agent

# The host embeds the agent; the tests find both programs, and the one that
# misbehaves, by these. The same in every rule, or cargo would rebuild.
export LUNLAB_AGENT := $(guest_bin)/lunlab-agent
export LUNLAB_WORKLOADS := $(guest_bin)/lunlab-workloads
export LUNLAB_ROGUE := $(guest_bin)/lunlab-rogue
export LUNLAB_RTSLIB := $(guest_bin)/lunlab-rtslib
export LUNLAB_CONFIGFS := $(guest_bin)/lunlab-configfs
export LUNLAB := $(CURDIR)/target/release/lunlab

# The paths above are where cargo puts things when nobody says otherwise.
export CARGO_TARGET_DIR := $(CURDIR)/target
unexport CARGO_BUILD_TARGET

.PHONY: build help setup install demo test no-std lint bench controls conformance fuzz clean distclean

build: ## build target/release/lunlab, the agent inside it (default)
	$(guest_cargo) -p lunlab-agent -p lunlab-workloads
	cargo build --release -p lunlab

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

setup: ## install and prepare all that building, demo and test need
	setup/run test

# Under sudo only copies: what root builds, its user could not rebuild.
install: $(if $(SUDO_USER),,build) ## install into PREFIX (/usr/local), below DESTDIR
	install -D -m 755 target/release/lunlab "$(DESTDIR)$(PREFIX)/bin/lunlab"

demo: ## boot the kernel, measure a target; KERNEL=… for another kernel
	setup/run demo
	$(MAKE) build
	target/release/lunlab run $(if $(KERNEL),--kernel "$(KERNEL)")

test: ## run every test, real boots included
	setup/run test
	$(MAKE) build no-std
	$(guest_cargo) -p lunlab-rogue -p lunlab-rtslib
	setup/test
	cargo test --release --workspace --no-fail-fast

no-std: ## prove that the protocol needs neither std nor alloc
	setup/cargo-for x86_64-unknown-none build --profile agent --target-dir target/agent -p lunlab-protocol

lint: ## formatting, clippy, documentation, shell scripts
	setup/run test
	$(MAKE) build
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps
	shellcheck --external-sources --check-sourced setup/run setup/cargo-for setup/fuzz setup/test .ci/run

bench: ## measure lunlab itself; BENCH_ARGS=… go to the program
	setup/run test
	$(MAKE) build
	$(guest_cargo) -p lunlab-rtslib
	cargo run --release -p lunlab-tests --bin bench -- $(BENCH_ARGS)

controls: ## whether comparisons can be believed: the same, and a tenth slower; CONTROLS_ARGS=…
	setup/run test
	$(MAKE) build
	cargo run --release -p lunlab-tests --bin controls -- $(CONTROLS_ARGS)

conformance: ## libiscsi's test suite on every backstore, against the baseline; CONFORMANCE_ARGS=…
	setup/run test
	$(MAKE) build
	cargo run --release -p lunlab-tests --bin conformance -- $(if $(KERNEL),--kernel "$(KERNEL)") $(CONFORMANCE_ARGS)

fuzz: ## fuzz the frame parser for FUZZ_SECONDS (60)
	setup/run fuzz
	setup/fuzz frames $(FUZZ_SECONDS)

clean: ## remove what was built here; the cache stays
	rm -rf target

distclean: clean ## remove the cache too (kernels, Rust libraries, helper programs)
	rm -rf "$(cache)"
