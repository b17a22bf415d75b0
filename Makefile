# The whole toolbox, the same on a laptop and in CI. `make run` and `make test` install what they miss (Debian, as root).
ARCH ?= $(shell uname -m)
RID := $(if $(filter aarch64 arm64,$(ARCH)),linux-arm64,linux-x64)
AGENT := artifacts/agent/sockwatch
BPF := artifacts/bpf/sockwatch.bpf.o
SOURCES := $(shell find src -name '*.cs' -o -name '*.csproj') Directory.Build.props Directory.Packages.props global.json
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1

.PHONY: run test test-unit test-kernel test-kernels build bpf load bench demo docs clean build-packages test-packages vm-packages help

help:
	@echo "make run          build, and run the agent on this machine with flows on the screen and metrics on 127.0.0.1:9807"
	@echo "make test         everything: unit tests, kernel tests, real programs (root)"
	@echo "make test-unit    the part that needs no root, no BPF and no network"
	@echo "make test-kernel  the part that loads the programs and opens real sockets"
	@echo "make test-kernels the agent on Debian's 5.10, 6.1, 6.12 and newest kernels, in QEMU; see docs/kernels.md"
	@echo "make build        $(AGENT), the agent as it ships, with its BPF objects beside it"
	@echo "make bench        what the hooks cost, and how fast totals are read; see docs/performance.md"
	@echo "make demo         a busy guest in QEMU with the agent in it, for machines whose kernel refuses BPF"
	@echo "make docs         rewrite the generated tables in docs/"

run: build-packages build
	@$(AGENT) run $(ARGS)

build: $(AGENT)

bpf: build-packages
	@$(MAKE) --no-print-directory -C bpf

$(BPF): $(wildcard bpf/*.c bpf/*.h) bpf/Makefile
	@$(MAKE) --no-print-directory -C bpf

# Published ahead of time: one file that starts in milliseconds. Takes minutes the first time, nothing when nothing changed.
$(AGENT): $(SOURCES) $(BPF)
	@echo "Compiling the agent ahead of time; this takes a few minutes."
	@dotnet publish src/Sockwatch -c Release -r $(RID) -o artifacts/agent -v quiet -nologo -p:DebugSymbols=false
	@mkdir -p artifacts/agent/bpf
	@cp $(BPF) artifacts/agent/bpf/
	@rm -f artifacts/agent/*.dbg artifacts/agent/*.pdb artifacts/agent/*.json artifacts/agent/*.xml
	@touch $@

load: build-packages
	@$(MAKE) --no-print-directory -C tests/load

test: build-packages test-packages vm-packages
	@tests/run unit kernel kernels

test-unit:
	@tests/run unit

test-kernel: build-packages test-packages
	@tests/run kernel

test-kernels: build-packages vm-packages
	@tests/run kernels

bench: build-packages build load
	@dotnet run --project tests/Sockwatch.Benchmarks -c Release -- $(ARGS)

demo: build-packages build load
	@tools/install-packages vm
	@tools/demo

docs:
	@UPDATE_DOCS=1 tests/run unit

clean:
	rm -rf artifacts

build-packages:
	@tools/install-packages build

test-packages:
	@tools/install-packages test

# Without them, what needs QEMU is skipped with that reason.
vm-packages:
	@tools/install-packages vm || true
