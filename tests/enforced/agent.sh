#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs commands that come on a serial port. "ID COMMAND" is answered by "ID STATUS OUTPUT"; command and output are base64.
port=/dev/ttyS1
stty -F $port raw -echo
exec 3<>$port
while read -r id command <&3; do
	printf %s "$command" | base64 -d >/run/agent.command
	/bin/sh /run/agent.command >/run/agent.output 2>&1 3>&- </dev/null
	status=$?
	printf '%s %s %s\n' "$id" $status "$(base64 -w0 /run/agent.output)" >&3
done
