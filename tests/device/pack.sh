#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds, fetches and packs what all stages need on a bare machine with a GPU: pack.sh [OLLAMA_DIRECTORY]. The packs lie in
# .carry/1, .carry/2 ..., each small enough for one transfer beside the tree, and the commands for there are printed.
# OLLAMA_DIRECTORY is where ollama_backend.sh and ollama_program.sh have built; without it Ollama stays here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
carry=$root/.carry
transfer_kib=$((62 << 10))
# shellcheck source=tests/device/fetch.sh
. "$here/fetch.sh"

# kib DIRECTORY ...: what travels of it
kib() {
	du -sk --apparent-size "$@" | awk '{ sum += $1 } END { print sum }'
}

# Puts packs together, the largest first, as long as they fit into one transfer.
make_sets() {
	local room=$1 size pack set
	local -a left=()
	while read -r size pack; do
		if [ "$size" -gt "$room" ]; then
			echo "pack.sh: $pack has $size KiB, a transfer has room for $room beside the tree" >&2
			return 1
		fi
		for set in "${!left[@]}"; do
			[ "${left[$set]}" -ge "$size" ] && break
			set=
		done
		[ -n "${set:-}" ] || { set=$((${#left[@]} + 1)) && left[set]=$room; }
		mkdir -p "$carry/$set"
		mv "$pack"/* "$carry/$set/"
		rmdir "$pack"
		left[set]=$((left[set] - size))
		set=
	done < <(du -sk --apparent-size "$carry"/*-[0-9] "$carry"/{tools,vm,llama,ollama} 2>/dev/null | sort -rn)
}

make --no-print-directory -C "$root" build
make --no-print-directory -C "$here" OUT="$root/build/tests"
fetch_runtimes
fetch_llama
rm -rf "$carry"
"$here/carry.sh" tools "$fetched/libcudart.so.12" "$fetched/libcudart.so.13"
"$here/carry.sh" vm "$fetched/libcudart.so.12"
"$here/carry.sh" llama "$fetched/package"
if [ $# -gt 0 ]; then
	"$here/carry.sh" ollama "$1/ollama" "$1/build/lib/ollama"
fi
tree_kib=$(cd "$root" && git ls-files -z | du -ck --apparent-size --files0-from=- | tail -1 | cut -f1)
make_sets $((transfer_kib - tree_kib))

echo "beside the tree ($tree_kib KiB), in as many transfers to one machine:"
for set in "$carry"/[0-9]*; do
	echo "  .carry/${set##*/} ($(kib "$set") KiB): tests/device/unpack.sh .carry/${set##*/}"
done
echo "with or after the last one:"
echo "  tests/device/run.py STAGE ...    # results in \$OUT; tests/device/README.md lists the stages"
