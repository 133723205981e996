package vm

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/plugin/window"
	"libvirt-vgpu/tests/vm/manifest"
)

// image makes an initramfs with vgpu.ko and kerneltest that does the steps.
func image(t *testing.T, steps []manifest.Step, hold bool) (kernel Kernel, path string) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a VM")
	}
	ctx, dir := t.Context(), t.TempDir()
	kernel, err := FindKernel()
	if err != nil {
		t.Fatal(err)
	}
	module, err := BuildModule(ctx)
	if err != nil {
		t.Fatal(err)
	}
	guestInit, err := BuildGuestInit(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	program, err := BuildC(ctx, "vm/kerneltest", dir)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "initramfs")
	initramfs := Initramfs{
		Init: guestInit,
		Files: []File{
			{Guest: "/lib/modules/vgpu.ko", Host: module},
			{Guest: "/usr/bin/kerneltest", Host: program},
			{Guest: "/usr/bin/ls", Host: "/bin/ls"},
		},
		Manifest: manifest.Manifest{Modules: []string{"/lib/modules/vgpu.ko"}, Steps: steps, Hold: hold},
	}
	if err := initramfs.Write(path); err != nil {
		t.Fatal(err)
	}
	return kernel, path
}

// boot runs the steps in a VM without libvirt, leaves it up until settled holds, and
// returns its console.
func boot(t *testing.T, steps []manifest.Step, settled func() bool, devices ...string) *Console {
	t.Helper()
	kernel, initramfs := image(t, steps, true)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	q, err := StartQEMU(ctx, Machine{
		Kernel: kernel.Image, Initramfs: initramfs, Console: filepath.Join(t.TempDir(), "console"), CPUs: 2, Args: devices,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = q.Console.WaitEnd(ctx)
	for err == nil && !settled() {
		select {
		case <-ctx.Done():
			err = fmt.Errorf("waiting for the host: %w", ctx.Err())
		case <-time.After(fakeHostPoll):
		}
	}
	q.Kill()
	if err != nil {
		t.Fatalf("%v\nqemu: %s", err, q.Wait())
	}
	if stderr := q.Wait(); stderr != "" {
		t.Errorf("qemu: %s", stderr)
	}
	return q.Console
}

func kerneltest(name string) manifest.Step {
	return manifest.Step{Name: name, Argv: []string{"/usr/bin/kerneltest", name}}
}

func checkSteps(t *testing.T, console *Console, steps []manifest.Step, wanted map[string]int) {
	t.Helper()
	results, err := console.Results()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		result, ended := results[step.Name]
		t.Logf("%-20s exit %d, %v", step.Name, result.Exit, result.Time)
		if !ended || result.Exit != wanted[step.Name] {
			t.Errorf("%s: ended %v, exit %d, wanted %d:\n%s", step.Name, ended, result.Exit, wanted[step.Name],
				strings.Join(result.Output, "\n"))
		}
	}
}

func TestKernelModule(t *testing.T) {
	denied := kerneltest("denied")
	denied.UID = 1000
	hold := kerneltest("hold")
	hold.Background = true
	steps := []manifest.Step{kerneltest("info"), denied}
	for _, name := range []string{
		"channels", "reopen", "channel-mapping", "channel-mapping-bad", "description", "chunks", "free", "exhaust",
		"forged-table", "start", "wait", "look", "ioctl-bad", "fork", "procmem", "cached",
	} {
		steps = append(steps, kerneltest(name))
	}
	steps = append(steps,
		kerneltest("stress"),
		kerneltest("reload"),
		manifest.Step{Name: "dynamic", Argv: []string{"/usr/bin/ls", "/sys/class/vgpu/vgpu0"}},
		hold,
		manifest.Step{Name: "held", Expect: "hold", Text: "holding channel"},
		manifest.Step{Name: "killed", Kill: "hold"},
		manifest.Step{Name: "gone", Wait: "hold"},
		kerneltest("unbind"),
	)

	const abandoned, dirty = 3, 1
	host := newFakeHost(t, filepath.Join(t.TempDir(), "ivshmem"), 9, 8, func(w *window.Window) {
		// as a guest leaves it that was reset
		w.SetProcess(abandoned, window.Process{PID: 77, Comm: "abandoned"})
		w.SetGuest(abandoned, window.GuestOpen, 7)
		w.SetChunk(5, window.OwnedBy(abandoned))
		w.Channel(dirty)[window.ChMessage] = 'x'
	})
	console := boot(t, steps, host.settled, host.device("9")...)
	checkSteps(t, console, steps, map[string]int{"hold": 137})

	log, err := console.KernelLog()
	if err != nil {
		t.Fatal(err)
	}
	kernelLog := strings.Join(log, "\n")
	for _, want := range []string{
		"vgpu0: 8 channels, 507 chunks, 9 vectors",
		"the host left channel 1 dirty, clearing it",
		"kerneltest[", "refused: all 8 channels are in use",
	} {
		if !strings.Contains(kernelLog, want) {
			t.Errorf("kernel log lacks %q:\n%s", want, kernelLog)
		}
	}
	for _, bad := range []string{"WARNING", "BUG", "Oops", "Call Trace", "possible"} {
		if strings.Contains(kernelLog, bad) {
			t.Errorf("kernel log has %q:\n%s", bad, kernelLog)
		}
	}

	if l := host.find("holder"); l == nil || !l.started || !l.closed || l.returned != 3 || l.kept != 0 || l.process.PID < 2 {
		t.Errorf("the killed process looked like %+v to the host", l)
	}
	if l := host.find("abandoned"); l == nil || l.generation != 7 || !l.closed || l.returned != 1 {
		t.Errorf("the channel of a guest that was reset looked like %+v to the host", l)
	}
}

// A device with fewer vectors than channels shares them.
func TestKernelModuleFewVectors(t *testing.T) {
	for _, vectors := range []int{1, 3} {
		t.Run(fmt.Sprint(vectors), func(t *testing.T) {
			steps := []manifest.Step{kerneltest("wait"), kerneltest("look"), kerneltest("start"), kerneltest("channels"), kerneltest("unbind")}
			host := newFakeHost(t, filepath.Join(t.TempDir(), "ivshmem"), vectors, 8, nil)
			console := boot(t, steps, host.settled, host.device(fmt.Sprint(vectors))...)
			checkSteps(t, console, steps, nil)
		})
	}
}

// Windows that the module must leave alone, all in one guest.
func TestKernelModuleHeaders(t *testing.T) {
	const channels, arena = 0x100000, 0x400000
	cases := []struct {
		name   string
		change func([]byte)
		want   string // what the kernel says of the device, "" is silence
	}{
		{"somebody else's", put64(window.HdrMagic, 0x1234), ""},
		{"newer version", put32(window.HdrVersion, 2), "the host's window has layout version 2, this module knows version 1: update the older side"},
		{"window size", put64(window.HdrWindowSize, 16<<20), "window size is 0x1000000, BAR2 has 0x800000 bytes"},
		{"no channels", put32(window.HdrChannelCount, 0), "0 channels, not 1 to 64"},
		{"too many channels", put32(window.HdrChannelCount, 65), "65 channels, not 1 to 64"},
		{"channel size", put32(window.HdrChannelSize, 4096), "channel size is 4096, layout version 1 has 1048576"},
		{"chunk size", put32(window.HdrChunkSize, 4096), "chunk size is 4096, layout version 1 has 2097152"},
		{"description size", put32(window.HdrDescriptionSize, 0), "description size is 0, layout version 1 has 16384"},
		{"channels too long", put32(window.HdrChannelCount, 8), "channels at 0x100000 + 0x800000 passes the window's 0x800000 bytes"},
		{"channels unaligned", put64(window.HdrChannels, channels+64), "channels at 0x100040 is not aligned to 0x1000"},
		{"arena wraps", put64(window.HdrArena, ^uint64(0)-2<<20+1), "passes the window's"},
		{"arena unaligned", put64(window.HdrArena, arena+4096), "arena at 0x401000 is not aligned to 0x200000"},
		{"too many chunks", put32(window.HdrChunkCount, ^uint32(0)), "chunk table at 0x8000 + 0x3fffffffc passes the window's 0x800000 bytes"},
		{"control in arena", put64(window.HdrControl, arena), "arena at 0x400000 overlaps control table at 0x400000"},
		{"control in header", put64(window.HdrControl, 64), "control table at 0x40 overlaps header at 0x0"},
		{"chunk table in control", put64(window.HdrChunkTable, 0x1004), "chunk table at 0x1004 overlaps control table at 0x1000"},
		{"description in channels", put64(window.HdrDescription, channels), "channels at 0x100000 overlaps description at 0x100000"},
	}
	var devices []string
	for i, c := range cases {
		devices = append(devices,
			"-object", fmt.Sprintf("memory-backend-file,id=window%d,mem-path=%s,size=8M,share=on", i, headerFile(t, c.change)),
			"-device", fmt.Sprintf("ivshmem-plain,memdev=window%d,addr=%#x", i, i+2))
	}
	steps := []manifest.Step{{Name: "nobody", Argv: []string{"/usr/bin/kerneltest", "info"}}}
	console := boot(t, steps, func() bool { return true }, devices...)
	checkSteps(t, console, steps, map[string]int{"nobody": 1})
	log, err := console.KernelLog()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		var said []string
		for _, line := range log {
			if strings.Contains(line, fmt.Sprintf("0000:00:%02x.0", i+2)) && strings.Contains(line, "vgpu") {
				said = append(said, line)
			}
		}
		if c.want == "" && len(said) > 0 || c.want != "" && (len(said) != 1 || !strings.Contains(said[0], c.want)) {
			t.Errorf("%s: the kernel said %q, wanted %q", c.name, said, c.want)
		}
	}
}
