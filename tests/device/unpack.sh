#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# On the machine with the GPU: unpack.sh .carry/NAME ...   into /tmp/vgpu (or VGPU_PAYLOAD)
# A piece of a larger archive is kept until the others have come; then they are joined. Every archive and every file in
# it is checked against the sums made by carry.sh.
set -euo pipefail

target=${VGPU_PAYLOAD:-/tmp/vgpu}
mkdir -p "$target/pieces"

extract() {
	if command -v xz >/dev/null; then
		tar -C "$target" -xJf "$1"
	else
		python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$1" "$target"
	fi
}

for directory in "$@"; do
	cp "$directory"/* "$target/pieces/"
done
for list in "$target"/pieces/*.pieces; do
	[ -e "$list" ] || continue
	read -r sum count archive <"$list"
	pieces=("$target/pieces/$archive".[0-9])
	if [ "${#pieces[@]}" -lt "$count" ]; then
		echo "$archive: ${#pieces[@]} of $count pieces"
		continue
	fi
	cat "${pieces[@]}" >"$target/$archive"
	echo "$sum  $target/$archive" | sha256sum --quiet -c -
	rm -f "${pieces[@]}" "$list"
	extract "$target/$archive"
	rm "$target/$archive"
	(cd "$target" && sha256sum --quiet -c "SHA256SUMS.${archive%.tar.xz}")
	echo "$archive: unpacked and verified"
done
