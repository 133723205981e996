#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -e

kept_unit_folder=/run/systemd/system

# A unit that an earlier removal kept would hide the package's.
forget_kept_unit() {
	rm -f $kept_unit_folder/mediatord.service
}

systemd_runs() {
	[ -d /run/systemd/system ]
}

# libvirt looks for hooks when it starts and when it is reloaded; a reload touches no domain. Its unit reloads by a kill(1) that small
# systems do not have.
reload_libvirt() {
	systemd_runs || return 0
	for daemon in libvirtd virtqemud; do
		if systemctl --quiet is-active $daemon.service; then
			systemctl reload $daemon.service 2>/dev/null || systemctl kill --signal=HUP --kill-who=main $daemon.service ||
				echo "libvirt-vgpu: cannot reload $daemon, which has to see its hook: systemctl reload $daemon" >&2
		fi
	done
}

# The domains that hold a slot, as the directories of their sockets say.
domains_in_use() {
	systemd_runs && systemctl --quiet is-active mediatord.service || return 1
	for directory in /run/vgpu/domain-*; do
		[ -d "$directory" ] && return 0
	done
	return 1
}

# The running mediatord and its executors are left alone: guests go on computing. Until the next boot its unit stays known as it is, or
# systemd would not listen to it any more and take it for hanging.
warn_of_domains() {
	mkdir -p $kept_unit_folder
	cp /usr/lib/systemd/system/mediatord.service $kept_unit_folder/
	cat >&2 <<-END
	libvirt-vgpu: domains hold vGPUs. Their guest processes go on computing and mediatord goes on running, but no process and no domain
	libvirt-vgpu: can begin to use a vGPU any more. When these domains are shut down: systemctl stop mediatord
	END
}

users_and_directories() {
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers libvirt-vgpu.conf
	fi
	if command -v systemd-tmpfiles >/dev/null; then
		systemd-tmpfiles --create libvirt-vgpu.conf || true
	fi
}

# The bus's policy must be known before mediatord takes its name.
reload_units_and_bus() {
	systemd_runs || return 0
	systemctl daemon-reload || true
	busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig >/dev/null 2>&1 || true
}
