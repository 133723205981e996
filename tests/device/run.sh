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
# shellcheck source=tests/device/fetch.sh
. "$here/fetch.sh"
all_stages=(functions bench launchpath scale modules llama programs vm conformance)

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

make --no-print-directory -C "$root" build
make --no-print-directory -C "$here" OUT="$root/build/tests"
make --no-print-directory -C "$root/tests/conformance" OUT="$root/build/tests"
if wants functions; then
	nvcc -cudart static -o "$root/build/tests/vectors" "$root/tests/programs/vectors.cu"
fi
fetch_runtimes
parts=(tools)
"$here/carry.sh" tools "$fetched/libcudart.so.12" "$fetched/libcudart.so.13"
if wants vm; then
	"$here/carry.sh" vm "$fetched/libcudart.so.12"
	parts+=(vm)
fi
if wants vm || wants llama; then
	fetch_llama
	"$here/carry.sh" llama "$fetched/package"
	parts+=(llama)
fi
for part in "${parts[@]}"; do
	VGPU_PAYLOAD=$device "$here/unpack.sh" "$root/.carry/$part"*
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VGPU_PAYLOAD=$device VGPU_WORK=$work/work OUT=$device/out
wants vm || export VGPU_RUN=$work/run # a domain's socket has its place in /run/vgpu
status=0
python3 "$here/run.py" $soft "${stages[@]}" || status=$?
if [ -z "$soft" ]; then
	for result in "$OUT"/*.json; do
		cp "$result" "$here/results/"
	done
	(cd "$root" && python3 tests/device/report.py && python3 tests/device/report_programs.py)
fi
exit $status
