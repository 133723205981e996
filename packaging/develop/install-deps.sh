#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install-deps.sh [LIST]: installs the Debian packages listed in LIST (packages.txt) that are missing, and says which and why.
set -eu
list=${1:-$(dirname "$0")/packages.txt}

installed() {
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

missing=
while read -r name why; do
	case $name in '' | '#'*) continue ;; esac
	installed "$name" && continue
	missing="$missing $name"
	echo "deps: installing $name: $why"
done <"$list"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "deps: installing packages needs root; run: sudo apt-get install$missing" >&2
	exit 1
fi

# services of these packages are not wanted on a build machine: the tests start their own
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list of package names
apt-get install -q -y --no-install-recommends $missing
