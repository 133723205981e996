package doctor

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/isolationtest"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// host is a made-up host; a test changes what it is about.
type host struct {
	*testing.T
	Host
	root string
}

// bare is a machine on which nothing was installed.
func bare(t *testing.T) *host {
	t.Helper()
	root := t.TempDir()
	h := &host{T: t, root: root}
	h.file("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")
	h.file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
	h.Host = Host{
		Root: root, Pools: "/etc/vgpu/pools.d", Version: "1.0.0",
		GPUs:      func() ([]gpu.GPU, error) { return nil, nil },
		Mediatord: func(context.Context) (string, error) { return "", ErrNoBus },
		Libvirt:   func() error { return errors.New("no connection") },
		Reloaded:  func(context.Context, string) time.Time { return time.Time{} },
	}
	return h
}

const address = "0000:01:00.0"

// healthy is a host on which everything is as it should be.
func healthy(t *testing.T) *host {
	t.Helper()
	h := bare(t)
	sysfs := isolationtest.Sysfs(t, isolationtest.Each("DMA", isolationtest.Addresses(isolationtest.GPU3D, "nvidia", address)))
	if err := os.Symlink(sysfs, filepath.Join(h.root, "sys")); err != nil {
		t.Fatal(err)
	}
	h.file("sys/module/nvidia/version", "580.159.04\n")
	h.file("dev/nvidiactl", "")
	h.file("dev/nvidia-uvm", "")
	h.program("usr/bin/qemu-system-x86_64", `echo 'name "ivshmem-doorbell", bus PCI, desc "Inter-VM shared memory"'`)
	h.program("usr/libexec/vgpu/vgpu-qemu-hook", "")
	h.program("usr/libexec/vgpu/vgpu-executor", "")
	h.file("etc/libvirt/hooks/qemu.d/.keep", "")
	if err := os.Symlink("/usr/libexec/vgpu/vgpu-qemu-hook", filepath.Join(h.root, "etc/libvirt/hooks/qemu.d/50-vgpu")); err != nil {
		t.Fatal(err)
	}
	h.file("usr/share/dbus-1/system.d/io.github.libvirt_vgpu.Mediator1.conf", "<busconfig/>")
	h.file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nlibvirt-qemu:x:64055:104::/:/bin/false\n")
	h.file("etc/vgpu/pools.d/default.toml", `gpus = ["01:00.0"]`)
	h.file("run/vgpu/.keep", "")
	h.libvirtd(time.Hour)
	h.GPUs = func() ([]gpu.GPU, error) {
		return []gpu.GPU{{UUID: "GPU-a", PCI: address, Name: "NVIDIA H200", Memory: 141 << 30}}, nil
	}
	h.Mediatord = func(context.Context) (string, error) { return "1.0.0", nil }
	h.Libvirt = func() error { return nil }
	return h
}

// libvirtd runs and started that long from now, before or after.
func (h *host) libvirtd(from time.Duration) {
	boot := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	h.file("proc/stat", fmt.Sprintf("cpu 1 2 3\nbtime %d\n", boot.Unix()))
	ticks := time.Until(boot.Add(0)).Abs().Milliseconds()/10 + from.Milliseconds()/10
	h.file("proc/77/stat", fmt.Sprintf("77 (libvirtd) S 1 77 77 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 %d 1 1\n", ticks))
}

func (h *host) file(name, text string) {
	h.Helper()
	path := filepath.Join(h.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.Fatal(err)
	}
}

func (h *host) program(name, script string) {
	h.Helper()
	h.file(name, "#!/bin/sh\n"+script+"\n")
	if err := os.Chmod(filepath.Join(h.root, name), 0o755); err != nil {
		h.Fatal(err)
	}
}

func (h *host) remove(name string) {
	h.Helper()
	if err := os.RemoveAll(filepath.Join(h.root, name)); err != nil {
		h.Fatal(err)
	}
}

// TestHosts holds what the doctor says of whole hosts.
func TestHosts(t *testing.T) {
	for name, made := range map[string]func(*testing.T) *host{"bare": bare, "healthy": healthy} {
		t.Run(name, func(t *testing.T) {
			h := made(t)
			var text strings.Builder
			findings := h.Examine(t.Context(), func(f Finding) {
				fmt.Fprintf(&text, "%s %s: %s\n", f.Level, f.Check, f.Text)
				if f.Remedy != "" {
					fmt.Fprintf(&text, "  -> %s\n", f.Remedy)
				}
			})
			if Healthy(findings) != (name == "healthy") {
				t.Error("wrong verdict")
			}
			for _, f := range findings {
				if f.Level != OK && f.Remedy == "" {
					t.Errorf("%s does not say what to do: %s", f.Check, f.Text)
				}
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v; run go test -update", err)
			}
			if text.String() != string(want) {
				t.Errorf("got\n%swant\n%s", text.String(), want)
			}
		})
	}
}

// TestFindings breaks one thing of a healthy host each.
func TestFindings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		broken func(*host)
		check  string
		level  Level
		says   string // in text or remedy
	}{
		{"old kernel", func(h *host) { h.file("proc/sys/kernel/osrelease", "5.10.0\n") }, "kernel", Problem, "5.11"},
		{"no driver", func(h *host) { h.remove("sys/module/nvidia") }, "driver", Problem, "not loaded"},
		{"old driver", func(h *host) { h.file("sys/module/nvidia/version", "550.54.15\n") }, "driver", Problem, "550.54.15 is too old"},
		{"no device node", func(h *host) { h.remove("dev/nvidia-uvm") }, "driver", Problem, "nvidia-modprobe -c 0 -u"},
		{"no GPU", func(h *host) { h.GPUs = func() ([]gpu.GPU, error) { return nil, nil } }, "driver", Problem, "nvidia-smi -L"},
		{"NVML fails", func(h *host) { h.GPUs = func() ([]gpu.GPU, error) { return nil, errors.New("GPU is lost") } }, "driver", Problem, "GPU is lost"},
		{"a divided GPU", func(h *host) {
			h.GPUs = func() ([]gpu.GPU, error) { return []gpu.GPU{{PCI: address, Name: "NVIDIA H200", Divided: true}}, nil }
		}, "driver", OK, "MIG instances"},
		{"no IOMMU", func(h *host) { h.remove("sys/kernel/iommu_groups/0") }, "iommu", Problem, "intel_iommu=on"},
		{"no IOMMU needed", func(h *host) {
			h.remove("sys/kernel/iommu_groups/0")
			h.file("etc/vgpu/pools.d/default.toml", `gpus = ["soft"]`)
		}, "iommu", Warning, "software"},
		{"no driver needed", func(h *host) {
			h.remove("sys/module/nvidia")
			h.file("etc/vgpu/pools.d/default.toml", `gpus = ["soft"]`)
		}, "driver", OK, "software"},
		{"no QEMU", func(h *host) { h.remove("usr/bin/qemu-system-x86_64") }, "qemu", Problem, "not installed"},
		{"QEMU without ivshmem", func(h *host) { h.program("usr/bin/qemu-system-x86_64", "echo name e1000") }, "qemu", Problem, "RHEL's"},
		{"QEMU that fails", func(h *host) { h.program("usr/bin/qemu-system-x86_64", "exit 3") }, "qemu", Problem, "exit status 3"},
		{"RHEL's QEMU", func(h *host) {
			h.remove("usr/bin/qemu-system-x86_64")
			h.program("usr/libexec/qemu-kvm", "echo name virtio")
		}, "qemu", Problem, "/usr/libexec/qemu-kvm has no device"},
		{"no libvirt", func(h *host) { h.remove("etc/libvirt") }, "libvirt", Problem, "not installed"},
		{"libvirt is down", func(h *host) { h.Libvirt = func() error { return errors.New("connection refused") } }, "libvirt", Problem, "connection refused"},
		{"libvirt is not this user's", func(h *host) {
			h.Libvirt = func() error {
				return errors.New("Failed to connect socket to '/var/run/libvirt/libvirt-sock': Permission denied")
			}
		}, "libvirt", Problem, "a member of the group libvirt"},
		{"no hook", func(h *host) { h.remove("etc/libvirt/hooks/qemu.d/50-vgpu") }, "hook", Problem, "not installed"},
		{"hook leads nowhere", func(h *host) { h.remove("usr/libexec/vgpu/vgpu-qemu-hook") }, "hook", Problem, "no program that can run"},
		{"hook is no program", func(h *host) { _ = os.Chmod(filepath.Join(h.root, "usr/libexec/vgpu/vgpu-qemu-hook"), 0o644) }, "hook", Problem, "no program that can run"},
		{"hook not seen", func(h *host) { h.libvirtd(-time.Hour) }, "hook", Problem, "systemctl reload libvirtd"},
		{"hook installed right before libvirtd started", func(h *host) { h.libvirtd(-500 * time.Millisecond) }, "hook", OK, "libvirtd has seen it"},
		{"hook seen by a reload", func(h *host) {
			h.libvirtd(-time.Hour)
			h.Reloaded = func(context.Context, string) time.Time { return time.Now().Add(time.Minute) }
		}, "hook", OK, "libvirtd has seen it"},
		{"libvirtd does not run", func(h *host) { h.remove("proc/77") }, "hook", OK, "when it starts"},
		{"no bus policy", func(h *host) { h.remove("usr/share/dbus-1") }, "bus", Problem, "no policy"},
		{"no bus", func(h *host) { h.Mediatord = func(context.Context) (string, error) { return "", ErrNoBus } }, "mediatord", Problem, "and systemctl start dbus"},
		{"no mediatord", func(h *host) { h.Mediatord = func(context.Context) (string, error) { return "", ErrNoMediatord } }, "mediatord", Problem, "systemctl start mediatord"},
		{"mediatord hangs", func(h *host) {
			h.Mediatord = func(context.Context) (string, error) { return "", context.DeadlineExceeded }
		}, "mediatord", Problem, "does not answer"},
		{"other version", func(h *host) { h.Mediatord = func(context.Context) (string, error) { return "0.9", nil } }, "mediatord", Warning, "0.9"},
		{"no executor", func(h *host) { h.remove("usr/libexec/vgpu/vgpu-executor") }, "executor", Problem, "not installed"},
		{"closed run directory", func(h *host) { _ = os.Chmod(filepath.Join(h.root, "run/vgpu"), 0o700) }, "permissions", Problem, "chmod 0755 /run/vgpu"},
		{"no run directory", func(h *host) { h.remove("run") }, "permissions", Problem, "there is no /run/vgpu"},
		{"QEMU's user", func(h *host) { h.file("etc/passwd", "root:x:0:0::/:/bin/sh\n") }, "permissions", Warning, "--qemu-users"},
		{"AppArmor", func(h *host) { h.file("sys/module/apparmor/parameters/enabled", "Y\n") }, "apparmor", OK, "is on"},
		{"AppArmor with libvirt's profile", func(h *host) {
			h.file("sys/module/apparmor/parameters/enabled", "Y\n")
			h.file("etc/apparmor.d/usr.sbin.libvirtd", "/etc/libvirt/hooks/** rmix,\n")
			h.file("etc/apparmor.d/local/usr.sbin.libvirtd", "# Site-specific additions\n")
		}, "apparmor", Problem, "apparmor_parser -r /etc/apparmor.d/usr.sbin.libvirtd"},
		{"AppArmor with our additions", func(h *host) {
			h.file("sys/module/apparmor/parameters/enabled", "Y\n")
			h.file("etc/apparmor.d/usr.sbin.libvirtd", "/etc/libvirt/hooks/** rmix,\n")
			h.file("etc/apparmor.d/local/usr.sbin.libvirtd", "/usr/libexec/vgpu/vgpu-qemu-hook rmix,\n")
			h.file("etc/apparmor.d/abstractions/libvirt-qemu.d/libvirt-vgpu", "/run/vgpu/domain-*/ivshmem.sock rw,\n")
		}, "apparmor", OK, "our additions"},
		{"SELinux", func(h *host) { h.file("sys/fs/selinux/enforce", "1") }, "selinux", Warning, "selinux-module load"},
		{"SELinux with our module", func(h *host) {
			h.file("sys/fs/selinux/enforce", "1")
			h.file("var/lib/selinux/targeted/active/modules/400/vgpu/cil", "")
		}, "selinux", OK, "is loaded"},
		{"no pool", func(h *host) { h.remove("etc/vgpu") }, "pools", Problem, "default.toml.example"},
		{"bad pool", func(h *host) { h.file("etc/vgpu/pools.d/gold.toml", "slots = 0") }, "pools", Problem, "gold.toml"},
		{"refused pool", func(h *host) { h.file("sys/kernel/iommu_groups/0/type", "identity\n") }, "pools", Problem, "identity mode"},
		{"lazy pool", func(h *host) { h.file("sys/kernel/iommu_groups/0/type", "DMA-FQ\n") }, "pools", Warning, "lazily"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := healthy(t)
			tc.broken(h)
			for _, f := range h.Examine(t.Context(), nil) {
				if f.Check == tc.check && f.Level == tc.level && strings.Contains(f.Text+" "+f.Remedy, tc.says) {
					return
				}
				if f.Level != OK {
					t.Logf("%+v", f)
				}
			}
			t.Errorf("no %s of %s that says %q", tc.level, tc.check, tc.says)
		})
	}
}
