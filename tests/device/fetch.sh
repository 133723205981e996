# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the stages run that is not ours, fetched into $fetched: for run.sh and pack.sh.
fetched=${root:?the tree}/build/fetched
llama_package=@node-llama-cpp/linux-x64-cuda@3.14.2
runtime_12=nvidia-cuda-runtime-cu12==12.9.79
runtime_13=nvidia-cuda-runtime==13.0.96

# wheel PACKAGE FILE: one library out of a Python wheel
wheel() {
	local unpacked
	[ -e "$fetched/$2" ] && return
	unpacked=$(mktemp -d)
	python3 -m pip download -q --no-deps --only-binary=:all: --platform manylinux2014_x86_64 -d "$unpacked" "$1"
	python3 -m zipfile -e "$unpacked"/*.whl "$unpacked"
	cp "$(find "$unpacked" -name "$2" | head -1)" "$fetched/$2"
	rm -rf "$unpacked"
}

fetch_runtimes() {
	mkdir -p "$fetched"
	wheel "$runtime_12" libcudart.so.12
	wheel "$runtime_13" libcudart.so.13
}

fetch_llama() {
	mkdir -p "$fetched"
	[ -e "$fetched/package" ] && return
	(cd "$fetched" && npm pack --silent "$llama_package" >/dev/null && tar xzf ./*.tgz && rm ./*.tgz)
}
