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

shell_clean() {
	git ls-files "*.sh" .ci/run | xargs -r shellcheck --severity=warning
}

c_clean() {
	make --no-print-directory -s -C guest OUT="$PWD/build/guest" &&
		make --no-print-directory -s -C guest/kernel OUT="$PWD/build/guest"
}

check gofmt gofmt_clean
check 'go vet' go vet ./...
check staticcheck go run honnef.co/go/tools/cmd/staticcheck@v0.7.0 ./...
check shellcheck shell_clean
check 'C with -Wall -Wextra -Werror' c_clean
check sparse make --no-print-directory -s -C guest/kernel OUT="$PWD/build/guest" sparse
exit $failed
