#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the CUDA backend of Ollama's Go module from its own sources, with its own CMake files and NVIDIA's compiler
# from PyPI: ollama_backend.sh DIRECTORY [ARCHITECTURE]. The libraries come to DIRECTORY/build/lib/ollama. The default
# architecture is PTX for compute capability 9.0: Ollama takes only a GPU whose architecture its backend was built for.
# Needs g++, cmake, ninja and an hour of two processors.
set -euo pipefail

directory=${1:?usage: ollama_backend.sh DIRECTORY [ARCHITECTURE]}
architecture=${2:-90-virtual}
version=v0.17.4 # as in tests/ollama
root=$(cd "$(dirname "$0")/../.." && pwd)

mkdir -p "$directory"
python3 -m venv "$directory/cuda"
"$directory/cuda/bin/pip" install -q --no-cache-dir nvidia-{cuda-nvcc,cuda-runtime,cuda-cccl,cuda-crt,nvvm,cublas}==13.0.*
toolkit=$(echo "$directory"/cuda/lib/python3*/site-packages/nvidia/cu13)
ln -sfn lib "$toolkit/lib64"
for library in "$toolkit"/lib/*.so.*; do
	ln -sf "${library##*/}" "${library%%.so.*}.so"
done
sources=$(cd /tmp && GOFLAGS=-mod=mod go mod download -json "github.com/ollama/ollama@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
cmake -S "$sources" -B "$directory/build" -G Ninja -DCMAKE_CUDA_COMPILER="$toolkit/bin/nvcc" -DCUDAToolkit_ROOT="$toolkit" \
	-DCMAKE_CUDA_ARCHITECTURES="$architecture" -DCUDA_cuda_driver_LIBRARY="$root/build/guest/libcuda.so.1"
ninja -C "$directory/build" ggml-cuda
