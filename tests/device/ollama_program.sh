#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds Ollama's Go program as its users have it, optimised: ollama_program.sh DIRECTORY. Needs g++, nlohmann-json3-dev,
# libstb-dev and half an hour of a processor. (tests/ollama builds one whose speed does not matter.)
set -euo pipefail

directory=$(realpath -m "${1:?usage: ollama_program.sh DIRECTORY}")
version=v0.17.4 # as in tests/ollama
audio=$(cd /tmp && GOFLAGS=-mod=mod go mod download -json github.com/gen2brain/malgo@v0.11.23 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')

mkdir -p "$directory/include/miniaudio"
ln -sf "$audio/miniaudio.h" "$directory/include/miniaudio/"
cd /tmp # our own module is not concerned
GOFLAGS='' GOBIN=$directory CGO_ENABLED=1 CGO_CFLAGS=${CGO_CFLAGS:--O2} CGO_CXXFLAGS=${CGO_CXXFLAGS:--O2} \
	CPATH=$directory/include go install -trimpath '-ldflags=-s -w' "github.com/ollama/ollama@$version"
