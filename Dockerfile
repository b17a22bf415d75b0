# The agent as an image: its file, the BPF objects, the libraries they need, and nothing else: no shell, no package manager.
# `make image` builds it with whatever builder there is. The base images are arguments, for mirrors and for machines without one.
# Compilers run on the building machine's processor, for whichever the image is for; only LIBRARIES_IMAGE is the image's own, so that
# --platform of another processor takes an emulator for a few commands, not for a compiler.

# The SDK of global.json on a distribution whose C library is no newer than that of LIBRARIES_IMAGE.
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0-noble
# A Debian, for clang.
ARG CLANG_IMAGE=debian:trixie-slim
# A Debian, for libbpf and what it needs.
ARG LIBRARIES_IMAGE=debian:trixie-slim

# What runs in the kernel: one object for every kernel of this processor.
FROM --platform=${BUILDPLATFORM} ${CLANG_IMAGE} AS bpf
RUN apt-get update \
	&& apt-get install -y --no-install-recommends clang-19 llvm-19 libbpf-dev linux-libc-dev make \
	&& rm -rf /var/lib/apt/lists/*
COPY bpf/ /src/bpf/
ARG TARGETARCH
RUN case $TARGETARCH in arm64) arch=arm64 ;; *) arch=x86 ;; esac \
	&& make -C /src/bpf ARCH=$arch OUT=/out/bpf /out/bpf/sockwatch.bpf.o

# What runs beside it, compiled ahead of time.
FROM --platform=${BUILDPLATFORM} ${SDK_IMAGE} AS agent
ARG TARGETARCH
RUN case $(uname -m)-$TARGETARCH in \
	x86_64-arm64) cross="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;; \
	aarch64-amd64) cross="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;; \
	esac \
	&& apt-get update \
	&& apt-get install -y --no-install-recommends clang zlib1g-dev $cross \
	&& rm -rf /var/lib/apt/lists/*
COPY global.json Directory.Build.props Directory.Packages.props .editorconfig /src/
COPY src/ /src/src/
RUN case $(uname -m)-$TARGETARCH in \
	x86_64-arm64) target="-r linux-arm64 -p:CppCompilerAndLinker=clang -p:ObjCopyName=aarch64-linux-gnu-objcopy" ;; \
	aarch64-amd64) target="-r linux-x64 -p:CppCompilerAndLinker=clang -p:ObjCopyName=x86_64-linux-gnu-objcopy" ;; \
	*) target=--ucr ;; \
	esac \
	&& cd /src && dotnet publish src/Sockwatch -c Release $target -o /out/agent -nologo -p:DebugSymbols=false

# Everything the image will hold, in one folder.
FROM ${LIBRARIES_IMAGE} AS root
RUN apt-get update \
	&& apt-get install -y --no-install-recommends ca-certificates libbpf1 openssl \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=agent /out/agent/sockwatch /out/agent/
COPY --from=bpf /out/bpf/sockwatch.bpf.o /out/agent/bpf/
COPY tools/image-root /usr/local/bin/
RUN image-root /out/agent /out/root

FROM scratch
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sockwatch" \
	org.opencontainers.image.description="Counts in the kernel what applications do with TCP and UDP sockets" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}" \
	org.opencontainers.image.licenses="Apache-2.0 AND (BSD-2-Clause OR GPL-2.0-only)"
COPY --from=root /out/root/ /
# Where OpenSSL finds the authorities that OTLP receivers are checked against.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
EXPOSE 9807/tcp
# Capabilities reach a process of another user only as file capabilities, which an image had better not carry.
USER 0:0
ENTRYPOINT ["/usr/bin/sockwatch"]
CMD ["run", "--listen", ":9807"]
