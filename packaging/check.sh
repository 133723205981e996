#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks the packages in FOLDER as far as a Debian machine can: check.sh FOLDER
set -eu
cd "$(dirname "$0")/.."
folder=$(realpath "$1")
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# names in nfpm's rpms are absolute: a plain cpio, rpmlint's too, would unpack them over this machine
mkdir "$work/bin"
printf '#!/bin/sh\nexec /usr/bin/cpio --no-absolute-filenames "$@"\n' >"$work/bin/cpio"
chmod 755 "$work/bin/cpio"
PATH="$work/bin:$PATH"

check() {
	name=$1
	shift
	echo "packages: $name"
	"$@" >"$work/output" 2>&1 || {
		cat "$work/output"
		echo "packages: $name FAILED" >&2
		failed=1
	}
}

lint_debs() {
	lintian --allow-root --tag-display-limit 0 --fail-on error,warning "$folder"/*.deb
}

lint_rpms() {
	rpmlint --config packaging/rpmlint.toml "$folder"/*.rpm | tee "$work/rpmlint"
	grep -q ' 0 errors, 0 warnings' "$work/rpmlint"
}

# deb and rpm of a part hold the same files, except where their distributions put them elsewhere
same_files() {
	for part in libvirt-vgpu libvirt-vgpu-guest; do
		rm -rf "${work:?}/$part"
		mkdir -p "$work/$part/deb" "$work/$part/rpm"
		dpkg-deb -x "$folder/${part}"_*.deb "$work/$part/deb"
		rpm2cpio "$folder/$part"-[0-9]*.rpm | (cd "$work/$part/rpm" && cpio -idm --quiet 2>&1) | grep -v 'Removing leading' || true
		for kind in deb rpm; do
			(cd "$work/$part/$kind" && find . ! -type d) | sed -e 's|/usr/lib/x86_64-linux-gnu/|/usr/lib64/|' \
				-e 's|/zsh/vendor-completions/|/zsh/site-functions/|' |
				grep -v -e /usr/share/licenses/ -e /copyright -e /changelog -e /lintian/ -e /etc/apparmor.d/ | sort >"$work/$part/$kind.list"
		done
		diff "$work/$part/deb.list" "$work/$part/rpm.list" || return 1
		test -s "$work/$part/deb.list"
	done
}

# what rpm would run, as the shells of its distributions read it
rpm_scripts() {
	for package in "$folder"/*.rpm; do
		rpm -qp --scripts "$package" | awk -v work="$work" '
			/scriptlet \(using/ { n++; file = work "/scriptlet-" n ".sh"; print "#!/bin/sh" > file; next }
			n { print > file }'
	done
	ls "$work"/scriptlet-*.sh
	shellcheck --severity=warning "$work"/scriptlet-*.sh
}

deb_scripts() {
	for package in "$folder"/*.deb; do
		dpkg-deb -e "$package" "$work/control-$(basename "$package")"
	done
	shellcheck --severity=warning --shell=dash "$work"/control-*/p*[a-z]
}

# nothing asks for a newer C library than the packages do
c_library() {
	for file in "$work"/libvirt-vgpu/deb/usr/sbin/mediatord "$work"/libvirt-vgpu/deb/usr/libexec/vgpu/vgpu-executor \
		"$work"/libvirt-vgpu/deb/usr/bin/vgpuctl "$work"/libvirt-vgpu-guest/deb/usr/lib/x86_64-linux-gnu/*.so.1; do
		newest=$(objdump -T "$file" | grep -o 'GLIBC_2\.[0-9]*' | sort -Vu | tail -1)
		echo "$file $newest"
		printf '%s\nGLIBC_2.34\n' "$newest" | sort -CV
	done
}

manual() {
	for page in "$work"/libvirt-vgpu*/deb/usr/share/man/man*/*; do
		zcat "$page" | mandoc -T lint -W warning || return 1
		LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l "$page" 2>"$work/man" >/dev/null && ! grep . "$work/man" || return 1
	done
}

# for the policy of this machine's distribution; a host's own is what it is built for there
selinux_module() {
	mkdir "$work/selinux"
	cp packaging/selinux/vgpu.* "$work/selinux/"
	make -s -C "$work/selinux" -f /usr/share/selinux/devel/Makefile vgpu.pp
	test -s "$work/selinux/vgpu.pp"
}

# the service as systemd would judge it: 0 is best, 10 worst
hardening() {
	systemd-analyze security --offline=yes --threshold=20 packaging/host/files/mediatord.service
	! systemd-analyze verify --man=no "$work"/libvirt-vgpu/deb/usr/lib/systemd/system/*.s* 2>&1 | grep -v 'is not executable: No such file'
}

check 'lintian' lint_debs
check 'rpmlint' lint_rpms
check 'deb and rpm hold the same files' same_files
check 'maintainer scripts of debs' deb_scripts
check 'scriptlets of rpms' rpm_scripts
check 'C library' c_library
check 'manual pages' manual
check 'SELinux module' selinux_module
check 'hardening of mediatord.service is 2.0 or better' hardening
exit $failed
