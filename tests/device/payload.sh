#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lays out what this tree has built as run.py wants it: payload.sh DIRECTORY. What was built elsewhere comes by
# carry.sh and unpack.sh instead.
set -euo pipefail

build=$(cd "$(dirname "$0")/../.." && pwd)/build
target=${1:?usage: payload.sh DIRECTORY}

mkdir -p "$target/dbus"
ln -sfn "$build/bin" "$target/bin"
ln -sfn "$build/guest" "$target/lib"
ln -sfn "$build/tests" "$target/tests"
printf '#!/bin/sh\nexec dbus-daemon "$@"\n' >"$target/dbus/run"
chmod +x "$target/dbus/run"
