# SPDX-License-Identifier: MIT
# The ways in. CMake does the building; this installs what is missing, configures and calls it.
#
#   PRESET=asan make test     another preset of CMakePresets.json: dev, asan, tsan
#   make run ARGS="--headed"  more options for `troupe serve`
PRESET ?= dev
JOBS   ?= $(shell nproc)
ARGS   ?=
PREFIX ?= /usr/local
CTEST_ARGS ?=
FUZZ_SECONDS ?= 60

TROUPE := build/bin/troupe
CONFIGURED_BY := CMakeLists.txt CMakePresets.json tests/CMakeLists.txt bench/CMakeLists.txt \
	examples/CMakeLists.txt $(wildcard cmake/* tests/integration/*.cmake)

.PHONY: all run demo test bench soak fuzz check format install clean help \
	setup-build setup-run setup-test setup-check

all: setup-build build/release/build.ninja
	@cmake --build --preset release -j $(JOBS)

## run      build, then run the host in the foreground with one browser and the demo site
run: setup-run all
	exec $(TROUPE) serve --launch 1 --demo --follow $(ARGS)

## demo     the same as a finite run: two browsers, several pages, what was recorded
demo: setup-run all
	@scripts/demo.sh $(TROUPE)

## test     build and run all tests (PRESET=dev, asan or tsan)
test: setup-test test-peers build/$(PRESET)/build.ninja
	@cmake --build --preset $(PRESET) -j $(JOBS)
	@rm -f build/$(PRESET)/sanitizer.log*
	ctest --preset $(PRESET) --no-label-summary $(CTEST_ARGS)

# Programs of others that tests compare with; the lock file says which.
.PHONY: test-peers
test-peers: tests/peers/node_modules/.package-lock.json
tests/peers/node_modules/.package-lock.json: tests/peers/package-lock.json
	@command -v npm > /dev/null || scripts/setup.sh npm
	@cd tests/peers && npm ci --no-audit --no-fund --silent --prefer-offline || \
	    echo "test: $(CURDIR)/tests/peers could not be fetched: what compares with them is skipped" >&2

bench/peers/node_modules/.package-lock.json: bench/peers/package-lock.json
	@command -v npm > /dev/null || scripts/setup.sh npm
	@cd bench/peers && npm ci --no-audit --no-fund --silent --prefer-offline

## bench    measure beside other clients (bench/)
bench: setup-test all
	@if [ -x bench/run.sh ]; then bench/run.sh; else echo "bench: there is nothing in bench/ yet"; fi

## soak     the long runs (tests/soak/)
soak: setup-test all build/$(PRESET)/build.ninja
	@cmake --build --preset $(PRESET) -j $(JOBS) --target soak_programs
	@scripts/soak.sh $(TROUPE) build/$(PRESET)/bin

## fuzz     the fuzz targets (tests/fuzz/), each for FUZZ_SECONDS
fuzz: setup-test build/fuzz/build.ninja
	@cmake --build --preset fuzz -j $(JOBS) --target fuzz_targets
	@scripts/fuzz.sh $(FUZZ_SECONDS)

## check    formatting, include rules, shell scripts, static analysis
check: setup-check build/ci-clang/build.ninja
	scripts/format.sh --check
	scripts/check-includes.sh
	scripts/check-shell.sh
	scripts/check-static.sh build/ci-clang

## format   format all C files
format: setup-check
	scripts/format.sh

## install  command, libraries, headers, packages, manual (PREFIX=/usr/local, DESTDIR)
install: all
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) > /dev/null
	DESTDIR=$(DESTDIR) cmake --install build/release

## clean    remove everything that was built
clean:
	rm -rf build

## help     this list
help:
	@echo "make          build $(TROUPE) and build/lib/libtroupe{,-host}.{a,so}"
	@sed -n 's/^## /make /p' Makefile

# Debian packages: each target asks for the groups of packages.txt that it needs.
setup-build:
	@scripts/setup.sh build
setup-run:
	@scripts/setup.sh build run
setup-test:
	@scripts/setup.sh build run test
setup-check:
	@scripts/setup.sh build run test check

build/%/build.ninja: $(CONFIGURED_BY)
	@cmake --preset $*
	@touch $@
# Configuring needs the packages: after the set-up, but not again because of it.
build/release/build.ninja: | setup-build
build/$(PRESET)/build.ninja: | setup-test
build/fuzz/build.ninja: | setup-test
build/ci-clang/build.ninja: | setup-check
