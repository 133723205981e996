#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the packages from what `make build` made: build.sh BUILD_FOLDER OUTPUT_FOLDER. The same sources give the same bytes.
#
#   VERSION            default: packaging/VERSION
#   SOURCE_DATE_EPOCH  default: the last commit's
#   MAINTAINER         name and address in the packages
set -eu
umask 022
cd "$(dirname "$0")/.."
BUILD=$(realpath "$1")
OUT=$2
export VERSION="${VERSION:-$(cat packaging/VERSION)}"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
export MAINTAINER="${MAINTAINER:-libvirt-vgpu developers <libvirt-vgpu@users.noreply.github.com>}"
export STAGE="$BUILD/packages/stage"
go=${GO:-go}
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0
rm -rf "$STAGE"
mkdir -p "$OUT" "$STAGE/bin" "$STAGE/lib" "$STAGE/dkms/include" "$STAGE/completion" "$STAGE/markdown" "$STAGE/man/host" "$STAGE/man/guest"

go_binary() {
	CGO_ENABLED=$3 $go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o "$STAGE/bin/$1" "$2"
}

binaries() {
	go_binary vgpu-qemu-hook ./hooks/cmd/vgpu-qemu-hook 0
	go_binary vgpuctl ./mediatord/cmd/vgpuctl 1
	go_binary mediatord ./mediatord/cmd/mediatord 1
	go_binary vgpu-executor ./mediatord/cmd/vgpu-executor 1
	for library in libcuda.so.1 libnvidia-ml.so.1; do
		strip --strip-unneeded -o "$STAGE/lib/$library" "$BUILD/guest/$library"
	done
	strip -o "$STAGE/bin/nvidia-smi" "$BUILD/guest/nvidia-smi"
}

module_source() {
	cp guest/kernel/Kbuild guest/kernel/*.[ch] "$STAGE/dkms/"
	cp guest/include/vgpu_layout.h guest/include/vgpu_uapi.h "$STAGE/dkms/include/"
	sed "s/@VERSION@/$VERSION/" packaging/guest/files/dkms.conf >"$STAGE/dkms/dkms.conf"
	chmod 644 "$STAGE"/dkms/*.* "$STAGE"/dkms/Kbuild "$STAGE"/dkms/include/*
}

completions() {
	"$STAGE/bin/vgpuctl" completion bash >"$STAGE/completion/vgpuctl.bash"
	"$STAGE/bin/vgpuctl" completion zsh >"$STAGE/completion/_vgpuctl"
	"$STAGE/bin/vgpuctl" completion fish >"$STAGE/completion/vgpuctl.fish"
}

# Markdown on stdin to a manual page: man_page FOLDER NAME SECTION
man_page() {
	source="$STAGE/markdown/$2.$3.md"
	date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)
	{
		printf '%s %s "%s" "libvirt-vgpu %s" "libvirt-vgpu"\n===\n\n' "$2" "$3" "$date" "$VERSION"
		cat
	} >"$source"
	$go run github.com/cpuguy83/go-md2man/v2 -in "$source" -out "$STAGE/man/$1/$2.$3"
}

manual() {
	man_page host vgpu-qemu-hook 8 <packaging/man/vgpu-qemu-hook.8.md
	man_page host vgpu 7 <packaging/man/vgpu.7.md
	man_page guest nvidia-smi 1 <packaging/man/nvidia-smi.1.md
	man_page guest vgpu 4 <packaging/man/vgpu.4.md
	$go run -tags=libvirt_dlopen,manpages ./mediatord/cmd/mediatord options >"$STAGE/markdown/options.md"
	sed -e "/^@OPTIONS@$/{r $STAGE/markdown/options.md" -e 'd}' packaging/man/mediatord.8.md | man_page host mediatord 8
	# the page of the documentation, with the headings of a manual page
	{
		printf '# NAME\n\nvgpu-pools - pools of GPUs that domains share\n\n# DESCRIPTION\n\n'
		sed -e 1d -e 's/^## \(.*\)/# \U\1/' -e 's|\[[^]]*\](\([a-z-]*\.md\)[^)]*)|*/usr/share/doc/libvirt-vgpu/\1*|g' docs/pools.md
		printf '\n# SEE ALSO\n\n**vgpuctl**(1), **vgpu**(7), **mediatord**(8)\n'
	} | man_page host vgpu-pools 5
	$go run -tags=libvirt_dlopen,manpages -ldflags "-X main.version=$VERSION" ./mediatord/cmd/vgpuctl manpages "$STAGE/man/host"
	# cobra's pages: the day as in the others, and options as options are set
	sed -i -z -e "s/\(\n\.TH \"[^\"]*\" \"1\" \"\)[^\"]*/\1$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)/" -e 's/\[=false\]//g' \
		-e 's/\(\.PP\n\)\?\(\\fB-[^\n]*\)\n\t/.TP\n\2\n/g' "$STAGE"/man/host/vgpuctl*.1
	gzip -9n "$STAGE"/man/*/*
}

scripts() {
	for part in host guest; do
		for kind in deb rpm; do
			folder="$STAGE/$part-$kind"
			mkdir "$folder"
			for script in packaging/$part/$kind/*; do
				cat packaging/$part/common.sh "$script" | sed "s/@VERSION@/$VERSION/" >"$folder/${script##*/}"
			done
		done
	done
	cat >"$STAGE/changelog.yaml" <<-END
	- semver: $VERSION
	  date: $(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
	  packager: $MAINTAINER
	  deb:
	    urgency: medium
	    distributions: [unstable]
	  changes:
	    - note: "Release $VERSION."
	END
}

binaries
module_source
completions
manual
scripts
find "$STAGE" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
for part in host guest; do
	for kind in deb rpm; do
		sed -e "s|\${STAGE}|$STAGE|g" -e "s|\${VERSION}|$VERSION|g" packaging/$part/nfpm.yaml >"$STAGE/$part.yaml"
		# a field that Debian's control files do not have
		[ $kind != deb ] || sed -i '/^license:/d' "$STAGE/$part.yaml"
		GOFLAGS='' $go run $nfpm package --config "$STAGE/$part.yaml" --packager $kind --target "$OUT/"
	done
done
