#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Style and static checks; prints what fails and exits non-zero.
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0

check() {
	name=$1
	shift
	echo "lint: $name"
	"$@" || {
		echo "lint: $name FAILED" >&2
		failed=1
	}
}

gofmt_clean() {
	unformatted=$(git ls-files '*.go' | xargs gofmt -l)
	[ -z "$unformatted" ] || {
		echo "not gofmt-ed: $unformatted" >&2
		return 1
	}
}

# scripts, and the packages' fragments, which packaging/build.sh puts behind variables of its own
shell_clean() {
	{ git ls-files '*.sh' && git grep -lE '^#!/(usr/)?bin/(env )?(ba)?sh$' -- ':!*.go' ':!*.md' ':!*.py'; } | sort -u | xargs -r shellcheck --severity=warning &&
		git ls-files 'packaging/*/deb/*' 'packaging/*/rpm/*' | xargs -r shellcheck --shell=sh --severity=warning --exclude=SC2154
}

python_clean() {
	git ls-files '*.py' | xargs -r pyflakes3
}

c_clean() {
	make --no-print-directory -s -C guest OUT="$PWD/build/guest" &&
		make --no-print-directory -s -C guest/kernel OUT="$PWD/build/guest"
}

check gofmt gofmt_clean
check 'go vet' go vet ./...
check staticcheck go run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./...
check shellcheck shell_clean
check pyflakes python_clean
check 'C with -Wall -Wextra -Werror' c_clean
check sparse make --no-print-directory -s -C guest/kernel OUT="$PWD/build/guest" sparse
exit $failed
