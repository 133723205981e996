# SPDX-License-Identifier: Apache-2.0
#
#   make demo         a VM computes on a vGPU, on a machine without a GPU
#   make test         every test that needs no GPU: the next four
#   make unit         those of packages, and of daemons together
#   make e2e          programs in VMs that libvirt starts
#   make system       the packages on a Debian of their own; ROUNDS=10 restarts, upgrades and reboots that often
#   make ollama       Ollama's own program looks for GPUs
#   make hostile      attacks for ten minutes, with the race detector and the decoder's fuzzer
#   make enforced     the packages where AppArmor or SELinux enforces, in whole VMs; not part of make test, because it takes half an hour
#   make test-groovy  CloudStack's hook in Groovy; not part of make test, because it needs a Java runtime
#   make build        everything into build/, which is what make alone does
#   make packages     deb and rpm for host and guest into build/packages
#   make lint         style and static checks
#   make generate     the sources that follow from the API table and nvml.table
#   make sim          pictures of the scheduler's policy on a simulated GPU, in build/sim
#   make bench        microbenchmarks on the GPU there is (software otherwise)
#   make screenshots  the pictures of docs/virt-manager.md, by driving virt-manager
#   make deps         installs the Debian packages that the above need; they call it themselves
#   make clean        removes build/
#   make help         this list
#
# Needs Debian 12 or newer, Go 1.26 or newer, gcc, root for deps and for what runs libvirtd.

BUILD := $(abspath build)
GO ?= go
export CGO_ENABLED := 1
# what uses libvirt loads it when it is called, so that it runs on hosts without; one set of flags, so that tests reuse what build compiled
export GOFLAGS := -tags=libvirt_dlopen -trimpath

.PHONY: help sim enforced all build toolchain deps go-binaries guest kernel-module programs generate test unit e2e hostile system ollama demo test-groovy screenshots packages lint bench clean

all: build

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

# before anything is installed or built
toolchain:
	@command -v gcc >/dev/null || { echo "gcc is needed: apt-get install gcc" >&2; exit 1; }
	@$(GO) list -m >/dev/null || { echo "Go $$(sed -n 's/^go //p' go.mod) or newer is needed; Debian's is older: see https://go.dev/dl/" >&2; exit 1; }

deps:
	@packaging/develop/install-deps.sh

build: toolchain deps go-binaries guest kernel-module programs

go-binaries:
	CGO_ENABLED=0 $(GO) build -o $(BUILD)/bin/vgpu-qemu-hook ./hooks/cmd/vgpu-qemu-hook
	$(GO) build -o $(BUILD)/bin/vgpuctl ./mediatord/cmd/vgpuctl
	$(GO) build -o $(BUILD)/bin/mediatord ./mediatord/cmd/mediatord
	$(GO) build -buildmode=pie -o $(BUILD)/bin/vgpu-executor ./mediatord/cmd/vgpu-executor

guest:
	$(MAKE) --no-print-directory -C guest OUT=$(BUILD)/guest

kernel-module:
	$(MAKE) --no-print-directory -C guest/kernel OUT=$(BUILD)/guest

programs:
	$(MAKE) --no-print-directory -C tests/programs OUT=$(BUILD)/tests
	$(MAKE) --no-print-directory -C tests/conformance OUT=$(BUILD)/tests

generate:
	$(GO) run ./plugin/cmd/vgpu-apigen
	$(GO) run ./plugin/cmd/vgpu-nvmlgen

test: build unit e2e system ollama

# -p 1: packages below tests/ run real daemons and VMs; two at once starve each other on two cores
unit: build
	$(GO) vet ./...
	$(GO) test -timeout 15m $$($(GO) list ./... | grep -v /tests/)
	$(GO) test -timeout 15m -p 1 $$($(GO) list ./tests/... | grep -v -e /tests/e2e -e /tests/system -e /tests/enforced -e /tests/ollama)

e2e: build
	$(GO) test -count=1 -timeout 20m -v ./tests/e2e/...

# how often mediatord is killed, upgraded and restarted, and the host rebooted, under a guest that computes
ROUNDS ?= 3

system: build packages
	VGPU_SYSTEM_ROUNDS=$(ROUNDS) $(GO) test -count=1 -timeout $$((20 + 10 * $(ROUNDS)))m -v ./tests/system/...

# kernels of their own: no container can enforce what its host does not
enforced: build packages
	$(GO) test -count=1 -timeout 4h -v ./tests/enforced

bench: build
	$(MAKE) --no-print-directory -C tests/device OUT=$(BUILD)/tests
	tests/device/bench.sh

# attacks, SIGKILLs and random records; make test has a minute of it
hostile: build
	VGPU_HOSTILE_SECONDS=40 VGPU_HOSTILE_ROUNDS=200 $(GO) test -race -count=1 -timeout 30m -v ./tests/hostile
	VGPU_HOSTILE_ROUNDS=100 $(GO) test -count=1 -timeout 15m -v -run KillsBesideParking ./tests/restart
	VGPU_HOSTILE_ROUNDS=20 $(GO) test -count=1 -timeout 15m -v -run KillsOnTheWay ./tests/restart
	$(GO) test -run '^$$' -fuzz FuzzRing -fuzztime 3m ./mediatord/executor/process
	$(GO) test -run '^$$' -fuzz FuzzAway -fuzztime 1m -fuzzminimizetime 10x ./mediatord/executor/process

# Ollama's own program looks for GPUs; the first run builds it
ollama: build
	$(GO) test -count=1 -timeout 60m -v ./tests/ollama

demo: build
	$(GO) run ./tests/demo

packages: deps guest
	packaging/build.sh $(BUILD) $(BUILD)/packages
	packaging/check.sh $(BUILD)/packages

# CloudStack's hook in Groovy; not part of make test, because of its Java runtime
test-groovy:
	@packaging/develop/install-deps.sh packaging/develop/packages-groovy.txt
	$(GO) test -tags groovy -run Groovy ./packaging/cloud/cloudstack

# drives virt-manager and keeps pictures of it in docs/pictures; a minute, not part of make test
screenshots: build
	@packaging/develop/install-deps.sh packaging/develop/packages-screenshots.txt
	$(GO) run ./tests/virtmanager --out docs/pictures

sim:
	$(GO) run ./mediatord/cmd/vgpu-sim $(BUILD)/sim

lint: deps
	@packaging/develop/install-deps.sh packaging/develop/packages-lint.txt
	packaging/develop/lint.sh

clean:
	rm -rf $(BUILD)
