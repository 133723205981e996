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

# Domains hold slots, as the directories of their sockets say, and mediatord or its holder has what they need.
domains_in_use() {
	systemd_runs && systemctl --quiet is-active mediatord.service vgpu-held.scope || return 1
	for directory in /run/vgpu/domain-*; do
		[ -d "$directory" ] && return 0
	done
	return 1
}

# The running mediatord and its executors are left alone: guests go on computing. Until the next boot its unit stays known as it is, or
# systemd would not listen to it any more and take it for hanging.
warn_of_domains() {
	if ! systemctl --quiet is-active mediatord.service; then
		cat >&2 <<-END
		libvirt-vgpu: domains hold vGPUs, and mediatord is stopped. Their guest processes go on computing, but no process and no domain can
		libvirt-vgpu: begin to use a vGPU any more. vgpu-held.scope keeps what they need, for mediatord when the package is installed again.
		libvirt-vgpu: When these domains are shut down: systemctl stop vgpu-held.scope
		END
		return 0
	fi
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

# AppArmor's profiles of libvirt's daemons. The one that comes later reads our addition too.
libvirt_profiles='usr.sbin.libvirtd usr.sbin.virtqemud'

# Takes our line out of a file of local additions. An empty file stays where a profile may demand it.
forbid_in_apparmor_file() {
	local=/etc/apparmor.d/local/$1
	[ -e "$local" ] || return 0
	sed -i '/^# begin libvirt-vgpu$/,/^# end libvirt-vgpu$/d' "$local"
	[ -s "$local" ] || [ -e "/etc/apparmor.d/$1" ] || rm -f "$local"
}

# Running daemons are under the new profile at once.
reload_apparmor() {
	command -v aa-enabled >/dev/null && aa-enabled --quiet 2>/dev/null || return 0
	for profile in $libvirt_profiles; do
		if [ -e "/etc/apparmor.d/$profile" ]; then
			apparmor_parser --replace --write-cache --skip-bad-cache "/etc/apparmor.d/$profile" ||
				echo "libvirt-vgpu: libvirt's profile /etc/apparmor.d/$profile was not loaded: see apparmor_parser -r" >&2
		fi
	done
}

# What starts from here on is in domains of its own where SELinux is on.
load_selinux_module() {
	/usr/libexec/vgpu/selinux-module load || echo "libvirt-vgpu: the SELinux module was not loaded; see: /usr/libexec/vgpu/selinux-module load" >&2
}
