package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/tests/vm/manifest"
)

// recordingHook writes every call down and refuses a domain named "refused".
const recordingHook = `#!/bin/sh
echo "$1 $2 $3" >>/var/log/libvirt/hook-calls
grep -q urn:test && echo "$1 has metadata" >>/var/log/libvirt/hook-calls
[ "$1 $2" = "refused prepare" ] && { echo "no such pool: gold" >&2; exit 1; }
exit 0
`

func startSandbox(t *testing.T) *Libvirt {
	t.Helper()
	if testing.Short() {
		t.Skip("starts libvirtd")
	}
	if os.Geteuid() != 0 {
		t.Skip(errNotRoot)
	}
	hook := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(hook, []byte(recordingHook), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := StartLibvirt(ctx, LibvirtOptions{Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(l.LogFile())
			t.Logf("libvirtd: %s", log)
		}
		l.Close()
	})
	return l
}

func TestLibvirtSandbox(t *testing.T) {
	steps := []manifest.Step{kerneltest("info"), kerneltest("start"), kerneltest("wait"), kerneltest("exhaust")}
	kernel, initramfs := image(t, steps, true)
	l := startSandbox(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	host := newFakeHost(t, l.Path("/run/vgpu/ivshmem"), 9, 8, nil)
	kernelImage, err := l.Image(kernel.Image)
	must(err)
	initramfsImage, err := l.Image(initramfs)
	must(err)
	domain := Domain{
		Name: "guest", UUID: "6b0e7a3c-4a0e-4f3e-9d1c-0c3b9b0a1d11",
		Kernel: kernelImage, Initramfs: initramfsImage, Console: l.Console("guest").Path,
		Devices: `<shmem name='vgpu0'><model type='ivshmem-doorbell'/><server path='/run/vgpu/ivshmem'/><msi vectors='9' ioeventfd='on'/></shmem>`,
	}
	text, err := domain.XML()
	must(err)
	must(l.Define(ctx, text))
	must(l.SetMetadata(ctx, "guest", "urn:test", "t", "<thing a='1'/>"))
	if got, err := l.Virsh(ctx, "metadata", "guest", "--uri", "urn:test"); err != nil || !strings.Contains(got, "thing") {
		t.Errorf("metadata is %q, %v", got, err)
	}
	_, err = l.Virsh(ctx, "start", "guest")
	must(err)
	console := l.Console("guest")
	_, err = console.WaitEnd(ctx)
	must(err)
	checkSteps(t, console, steps, nil)
	if peer, connected := host.server.Connected(); !connected || peer.Uid == 0 {
		t.Errorf("QEMU is connected: %v, as %+v", connected, peer)
	}

	// the VM outlives its libvirtd, and a program in the sandbox finds the new one
	must(l.Restart(ctx))
	out, err := l.Command(ctx, "virsh", "-c", "qemu:///system", "domstate", "guest").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "running" {
		t.Errorf("after libvirtd's restart the domain is %q, %v", out, err)
	}
	out, err = l.Command(ctx, "dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetId").CombinedOutput()
	if err != nil {
		t.Errorf("asking the system bus from inside: %v: %s", err, out)
	}
	_, err = l.Virsh(ctx, "destroy", "guest")
	must(err)
	if l.Running("guest") {
		t.Error("the domain runs after its destruction")
	}
	_, err = l.Virsh(ctx, "undefine", "guest")
	must(err)

	domain.Name, domain.UUID = "refused", ""
	text, err = domain.XML()
	must(err)
	must(l.Define(ctx, text))
	if _, err := l.Virsh(ctx, "start", "refused"); err == nil || !strings.Contains(err.Error(), "no such pool: gold") {
		t.Errorf("starting a domain that the hook refuses: %v", err)
	}

	calls, err := os.ReadFile(l.Path("/var/log/libvirt/hook-calls"))
	must(err)
	for _, want := range []string{
		"guest prepare begin", "guest has metadata", "guest start begin", "guest started begin", "guest reconnect begin",
		"guest stopped end", "guest release end", "refused prepare begin", "refused release end",
	} {
		if !strings.Contains(string(calls), want+"\n") {
			t.Errorf("the hook was not called for %q, but:\n%s", want, calls)
		}
	}
}

// What runs when the sandbox is closed ends with it.
func TestLibvirtSandboxClose(t *testing.T) {
	kernel, initramfs := image(t, nil, true)
	l := startSandbox(t)
	host := newFakeHost(t, l.Path("/run/vgpu/ivshmem"), 2, 1, nil)
	kernelImage, err := l.Image(kernel.Image)
	if err != nil {
		t.Fatal(err)
	}
	initramfsImage, err := l.Image(initramfs)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Domain{
		Name: "left", Kernel: kernelImage, Initramfs: initramfsImage, Console: l.Console("left").Path,
		Devices: `<shmem name='vgpu0'><model type='ivshmem-doorbell'/><server path='/run/vgpu/ivshmem'/><msi vectors='2' ioeventfd='on'/></shmem>`,
	}.XML()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Define(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Virsh(t.Context(), "start", "left"); err != nil {
		t.Fatal(err)
	}
	if _, connected := host.server.Connected(); !connected {
		t.Fatal("QEMU is not connected")
	}
	l.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(consolePoll) {
		if _, connected := host.server.Connected(); !connected {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("QEMU outlives the sandbox")
		}
	}
	if _, err := os.Stat(l.Dir); err == nil {
		t.Error("the sandbox leaves its directory behind")
	}
}

func TestBus(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	policy := filepath.Join(t.TempDir(), "policy.conf")
	config := fmt.Sprintf(`<busconfig><policy user="%d"><allow own="org.example.Allowed"/></policy></busconfig>`, os.Getuid())
	if err := os.WriteFile(policy, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	bus, err := StartBus(ctx, t.TempDir(), policy)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	conn, err := dbus.Connect(bus.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.RequestName("org.example.Allowed", 0); err != nil {
		t.Errorf("owning a name that the policy allows: %v", err)
	}
	if _, err := conn.RequestName("org.example.Other", 0); err == nil {
		t.Error("the bus lets a client own a name that no policy allows")
	}
}
