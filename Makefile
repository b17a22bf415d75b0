# The whole toolbox, the same on a laptop and in CI. `make run` and `make test` install what they miss (Debian, as root).
# ARCH=arm64 builds for that processor on another one, into folders of its own.
ARCH ?= $(shell uname -m)
RID := $(if $(filter aarch64 arm64,$(ARCH)),linux-arm64,linux-x64)
VERSION := $(shell sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
PROCESSOR := $(if $(filter linux-arm64,$(RID)),arm64,amd64)
CROSS := $(if $(filter linux-arm64,$(RID)),$(if $(filter aarch64,$(shell uname -m)),,-arm64))
AGENT := artifacts/agent$(CROSS)/sockwatch
BPF := artifacts/bpf$(CROSS)/sockwatch.bpf.o
CROSS_CLANG := $(if $(CROSS),$(shell for name in clang-19 clang-18 clang-17 clang-16 clang; do command -v $$name && break; done))
PUBLISH := $(if $(CROSS),-p:CppCompilerAndLinker=$(CROSS_CLANG) -p:ObjCopyName=aarch64-linux-gnu-objcopy)
SOURCES := $(shell find src -name '*.cs' -o -name '*.csproj') Directory.Build.props Directory.Packages.props global.json
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1

.PHONY: image rootfs chart deb tarball run test test-unit test-kernel test-page test-deploy test-kernels build bpf load bench bench-instructions demo docs clean build-packages test-packages vm-packages help

help:
	@echo "make run          build, and run the agent on this machine with flows on the screen and metrics on 127.0.0.1:9807"
	@echo "make test         everything: unit tests, kernel tests, real programs (root)"
	@echo "make test-unit    the part that needs no root, no BPF and no network"
	@echo "make test-kernel  the part that loads the programs and opens real sockets"
	@echo "make test-page    the page at / in a headless Chromium, its accessibility included"
	@echo "make test-deploy  chart, dashboards, alerts, image and packages"
	@echo "make test-kernels the agent on Debian's 5.10, 6.1, 6.12 and newest kernels, in QEMU; see docs/kernels.md"
	@echo "make build        $(AGENT), the agent as it ships, with its BPF objects beside it; ARCH=arm64 for that processor"
	@echo "make bench        what the hooks cost, and how fast totals are read; see docs/performance.md"
	@echo "make bench-instructions  the former in instructions, counted by the emulator on each kernel"
	@echo "make demo         a busy guest in QEMU with the agent in it, for machines whose kernel refuses BPF"
	@echo "make image        the agent as a container image, with docker, podman or buildah; make rootfs for its files alone"
	@echo "make chart        the Helm chart, packed"
	@echo "make deb          a Debian package; make tarball for other distributions; ARCH=arm64 for that processor"
	@echo "make docs         rewrite the generated tables in docs/"

run: build-packages build
	@$(AGENT) run $(ARGS) || { code=$$?; \
		[ $$code -ne 1 ] || echo "If it is this machine's kernel that refuses: 'make demo' shows the agent on another one." >&2; exit $$code; }

build: $(if $(CROSS),build-packages) $(AGENT)

bpf: build-packages
	@$(MAKE) --no-print-directory -C bpf OUT=../$(patsubst %/,%,$(dir $(BPF)))

$(BPF): $(wildcard bpf/*.c bpf/*.h) bpf/Makefile
	@$(MAKE) --no-print-directory -C bpf OUT=../$(patsubst %/,%,$(dir $@))

# Published ahead of time: one file that starts in milliseconds. Takes minutes the first time, nothing when nothing changed.
$(AGENT): $(SOURCES) $(BPF)
	@echo "Compiling the agent ahead of time; this takes a few minutes."
	@dotnet publish src/Sockwatch -c Release -r $(RID) -o $(@D) -v quiet -nologo -p:DebugSymbols=false $(PUBLISH)
	@mkdir -p $(@D)/bpf
	@cp $(BPF) $(@D)/bpf/
	@rm -f $(@D)/*.dbg $(@D)/*.pdb $(@D)/*.json $(@D)/*.xml
	@touch $@

load: build-packages
	@$(MAKE) --no-print-directory -C tests/load $(if $(CROSS),CC=aarch64-linux-gnu-gcc OUT=../../artifacts/load$(CROSS))

test: build-packages test-packages vm-packages
	@tests/run unit kernel page deploy kernels

test-unit:
	@tests/run unit

test-kernel: build-packages test-packages
	@tests/run kernel

test-page: build-packages test-packages
	@tests/run page

test-deploy: build-packages test-packages
	@tests/run deploy

test-kernels: build-packages vm-packages
	@tests/run kernels

bench: build-packages $(BPF) load artifacts/bench/empty.bpf.o
	@dotnet run --project tests/Sockwatch.Benchmarks -c Release -- $(ARGS)

artifacts/bench/%.bpf.o: tests/Sockwatch.Benchmarks/programs/%.bpf.c
	@$(MAKE) --no-print-directory -C bpf VPATH=../$(<D) OUT=../$(@D) ../$@

bench-instructions: build-packages vm-packages build load
	@tests/vm/instructions $(ARGS)

demo: build-packages build load
	@tools/install-packages vm
	@tools/demo

# What is shipped: an image, its root file system by itself, the chart, packages.
image:
	@tools/build-image

rootfs: artifacts/image/$(PROCESSOR)

artifacts/image/%: $(AGENT) tools/image-root
	@[ ! -d $@ ] || { chmod -R u+w $@; rm -rf $@; }
	@mkdir -p $(@D)
	@tools/image-root $(<D) $@

chart:
	@mkdir -p artifacts
	@tar --sort=name --owner=0 --group=0 --numeric-owner --exclude='examples/*/rendered.yaml' --exclude=.helmignore \
		-C deploy/helm -czf artifacts/sockwatch-$(VERSION).tgz sockwatch
	@echo artifacts/sockwatch-$(VERSION).tgz

deb tarball: $(AGENT)
	@tools/package $@ $(<D) $(PROCESSOR)

docs:
	@UPDATE_DOCS=1 tests/run unit

clean:
	rm -rf artifacts

build-packages:
	@tools/install-packages build
	@$(if $(CROSS),tools/install-packages arm64)

# What reads OTLP and is not ours; without it, what needs it is skipped with the reason.
test-packages:
	@tools/install-packages test
	@tests/receivers/fetch || true

# Without them, what needs QEMU is skipped with that reason.
vm-packages:
	@tools/install-packages vm || true
