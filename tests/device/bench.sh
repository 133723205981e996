#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The microbenchmarks on the GPU there is, in software if there is none: a table, and bench.json with a plot, bench.svg, in
# build/bench; then where a posted launch's time goes in an executor. `make bench` builds what this needs.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && pwd)/build/bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$out"
"$here/payload.sh" "$work/payload"
soft=--soft
nvidia-smi -L >/dev/null 2>&1 && soft=
export VGPU_PAYLOAD=$work/payload VGPU_WORK=$work/work VGPU_RUN=$work/run OUT=$out
python3 "$here/run.py" $soft bench launchpath
python3 "$here/plot.py" "$out/bench.json" "$out/bench.svg"
echo "written: $out/bench.json $out/bench.svg"
