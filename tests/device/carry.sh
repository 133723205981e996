#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packs what a bare machine with a GPU needs into .carry/, which git ignores, in pieces that fit one transfer:
#   carry.sh tools CUDART12.so CUDART13.so   our binaries, test programs, a D-Bus daemon     -> .carry/tools
#   carry.sh vm CUDART12.so                  QEMU, virtiofsd, a Debian kernel, an initramfs  -> .carry/vm
#   carry.sh llama PACKAGE_DIRECTORY         the unmodified llama.cpp libraries              -> .carry/llama-0, -1 ...
#   carry.sh ollama PROGRAM LIBRARIES        Ollama and its CUDA backend (ollama_backend.sh) -> .carry/ollama
# unpack.sh joins and verifies them there. Expects `make build` and `make -C tests/device` to have been run.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build
carry=$root/.carry
piece_bytes=$((48 << 20))

main() {
	local name=${1:?usage: carry.sh tools|vm|llama|ollama ...}
	shift
	mkdir -p "$carry"
	exclude=$root/.git/info/exclude
	mkdir -p "${exclude%/*}"
	grep -qxs "/.carry/" "$exclude" || echo "/.carry/" >>"$exclude"
	stage=$(mktemp -d)
	chmod 755 "$stage"
	trap 'rm -rf "$stage" "$stage.packed"' EXIT
	"stage_$name" "$@"
	pack "$name"
}

# bundle PROGRAM NAME: the program with every library it needs and the loader, started by NAME/run.
bundle() {
	local target=$stage/$2
	mkdir -p "$target/lib"
	cp "$1" "$target/program"
	ldd "$1" | awk '/=> \//{print $3} /^\t\//{print $1}' | xargs -I{} cp -L {} "$target/lib/"
	cat >"$target/run" <<'RUN'
#!/bin/sh
here=$(dirname "$0")
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/program" "$@"
RUN
	chmod +x "$target/run"
}

stage_tools() {
	mkdir -p "$stage"/{bin,lib,tests,cudart}
	for program in mediatord vgpu-executor vgpuctl vgpu-qemu-hook; do
		cp "$build/bin/$program" "$stage/bin/"
		strip "$stage/bin/$program"
	done
	cp -L "$build"/guest/lib{cuda,nvidia-ml}.so.1 "$stage/lib/"
	cp "$build/guest/nvidia-smi" "$stage/bin/"
	ln -s libcuda.so.1 "$stage/lib/libcuda.so" # Numba asks for it by this name
	ln -s libnvidia-ml.so.1 "$stage/lib/libnvidia-ml.so"
	for program in driverapi runtimeapi conformance spin steady residue tenant bench bench_module bench_scale launchpath pinned_ways memory_ways sharing gguf llama_run vectors crash.so timeslice.so; do
		[ -e "$build/tests/$program" ] && cp "$build/tests/$program" "$stage/tests/"
	done
	cp "$1" "$stage/cudart/libcudart.so.12"
	cp "$2" "$stage/cudart/libcudart.so.13"
	bundle "$(command -v dbus-daemon)" dbus
}

stage_vm() {
	local kernel
	kernel=$(ls -v /boot/vmlinuz-*-cloud-amd64 | tail -1)
	bundle "$(command -v qemu-system-x86_64)" qemu
	bundle /usr/lib/qemu/virtiofsd virtiofsd
	mkdir -p "$stage"/qemu/{modules,firmware} "$stage/guest"
	cp /usr/lib/x86_64-linux-gnu/qemu/accel-tcg-*.so "$stage/qemu/modules/"
	cp -L /usr/share/seabios/bios-256k.bin /usr/share/qemu/{kvmvapic,linuxboot_dma,linuxboot}.bin "$stage/qemu/firmware/"
	cp "$kernel" "$stage/guest/vmlinuz"
	(cd "$root" && go run ./tests/device/guestimage -build "$build" -cudart "$1" -modules "/lib/modules/${kernel#*vmlinuz-}" -out "$stage/guest/initramfs")
}

stage_llama() {
	mkdir -p "$stage/llama"
	cp "$1"/bins/linux-x64-cuda/lib*.so "$stage/llama/"
}

stage_ollama() {
	mkdir -p "$stage"/ollama/{bin,lib/ollama/cuda_v13}
	cp "$1" "$stage/ollama/bin/ollama"
	cp -L "$2"/libggml-{base.so.0,cuda.so} "$stage/ollama/lib/ollama/cuda_v13/"
}

pack() {
	local archive=$1.tar.xz index=0 sum count directory
	local packed=$stage.packed
	mkdir "$packed"
	(cd "$stage" && find . -type f -print0 | sort -z | xargs -0 sha256sum >"$packed/SHA256SUMS.$1")
	mv "$packed/SHA256SUMS.$1" "$stage/"
	tar -C "$stage" --owner=0 --group=0 -cf - . | nice xz -6 -T2 >"$packed/$archive"
	sum=$(sha256sum <"$packed/$archive" | cut -d' ' -f1)
	split -b "$piece_bytes" -d -a 1 "$packed/$archive" "$packed/$archive."
	rm "$packed/$archive"
	count=$(find "$packed" -type f | wc -l)
	rm -rf "${carry:?}/$1" "${carry:?}/$1"-[0-9]
	for part in "$packed"/*; do
		directory=$carry/$1
		[ "$count" -gt 1 ] && directory=$carry/$1-$index
		mkdir -p "$directory"
		mv "$part" "$directory/"
		echo "$sum $count $archive" >"$directory/$archive.pieces"
		index=$((index + 1))
	done
	du -sm "$carry/$1"* | sed 's/^/MiB: /'
}

main "$@"
