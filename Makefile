# The whole toolbox, the same on a laptop and in CI. `make run` and `make test` install what they miss (Debian, as root).
ARCH ?= $(shell uname -m)
RID := $(if $(filter aarch64 arm64,$(ARCH)),linux-arm64,linux-x64)
AGENT := artifacts/agent/sockwatch
BPF := artifacts/bpf/sockwatch.bpf.o
SOURCES := $(shell find src -name '*.cs' -o -name '*.csproj') Directory.Build.props Directory.Packages.props global.json
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1

.PHONY: run test test-unit test-kernel build bpf load bench docs clean build-packages test-packages help

help:
	@echo "make run          build, and run the agent on this machine with flows on the screen and metrics on 127.0.0.1:9807"
	@echo "make test         everything: unit tests, kernel tests, real programs (root)"
	@echo "make test-unit    the part that needs no root, no BPF and no network"
	@echo "make test-kernel  the part that loads the programs and opens real sockets"
	@echo "make build        $(AGENT), the agent as it ships, with its BPF objects beside it"
	@echo "make bench        what the hooks cost, and how fast totals are read; see docs/performance.md"
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

test: build-packages test-packages
	@tests/run unit kernel

test-unit:
	@tests/run unit

test-kernel: build-packages test-packages
	@tests/run kernel

bench: build-packages $(BPF) load artifacts/bench/empty.bpf.o
	@dotnet run --project tests/Sockwatch.Benchmarks -c Release -- $(ARGS)

artifacts/bench/%.bpf.o: tests/Sockwatch.Benchmarks/programs/%.bpf.c
	@$(MAKE) --no-print-directory -C bpf VPATH=../$(<D) OUT=../$(@D) ../$@

docs:
	@UPDATE_DOCS=1 tests/run unit

clean:
	rm -rf artifacts

build-packages:
	@tools/install-packages build

test-packages:
	@tools/install-packages test
