#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Agent hook of CloudStack (agent.hooks.libvirt_vm_xml_transformer.shell_script), which calls it
# with "transform" and the XML, takes what it prints, and keeps its own XML if it fails. The same
# as libvirt-vm-xml-transformer.groovy, where the agent knows shell scripts.
set -eu
[ $# -ge 2 ] && [ "$1" = transform ] || { echo "$0: called with \"${1-}\": CloudStack's agent calls it with transform and a domain's XML" >&2; exit 2; }
printf '%s' "$2" | "${VGPUCTL:-/usr/bin/vgpuctl}" domain-xml
