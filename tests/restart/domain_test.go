package restart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/hooks"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

const (
	domainUUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	element    = `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" window="64MiB" memory="256MiB"/>`
)

// directory is where the domain's slot has its socket and record.
func (h *host) directory() string { return filepath.Join(h.runDir, "domain-"+domainUUID) }

// call is what the hook calls.
func (h *host) call(method string, args ...any) {
	h.Helper()
	conn, err := dbus.Connect(h.address)
	if err != nil {
		h.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Object(hooks.Service, hooks.ObjectPath).Call(hooks.ManagerInterface+"."+method, 0, args...).Err; err != nil {
		h.Fatalf("%s: %v", method, err)
	}
}

func (h *host) reserve() {
	h.Helper()
	h.call("Reserve", domainUUID, "web", element, filepath.Join(h.directory(), "ivshmem.sock"))
}

// connect plays QEMU.
func (h *host) connect() *ivshmem.Peer {
	h.Helper()
	peer, err := ivshmem.Dial(h.Context(), filepath.Join(h.directory(), "ivshmem.sock"), vgpuxml.Vectors(vgpuxml.DefaultChannels))
	if err != nil {
		h.Fatal(err)
	}
	h.until("connection", func() bool { return h.status().Slots[0].Connected })
	return peer
}

func (h *host) log() string {
	log, _ := os.ReadFile(h.logFile)
	return string(log)
}

// TestDomainThatHasNotStartedYet loses mediatord between the hook's prepare and
// QEMU's start, again when it runs, and once more with other settings.
func TestDomainThatHasNotStartedYet(t *testing.T) {
	h := newHost(t)
	h.reserve()
	h.kill()
	h.start()
	if s := h.status().Slots; len(s) != 1 || s[0].State != "reserved" || s[0].Connected {
		t.Fatalf("slots are %+v", s)
	}
	h.reserve() // libvirt may ask twice
	peer := h.connect()
	defer peer.Close()
	h.call("Started", domainUUID)
	h.kill()
	h.start()
	if s := h.status().Slots; len(s) != 1 || s[0].State != "running" || !s[0].Connected {
		t.Fatalf("slots are %+v", s)
	}
	w, err := window.Map(peer.Window)
	if err != nil {
		t.Fatal(err)
	}
	peer.Window = nil
	defer w.Close()
	w.SetGuest(0, window.GuestOpen, 1) // a guest process whose executor starts while mediatord comes and goes
	w.SetGuest(0, window.GuestStart, 1)
	if err := ivshmem.Signal(peer.Doorbells[window.VectorControl]); err != nil {
		t.Fatal(err)
	}
	h.kill()
	h.start()
	h.until("the executor", func() bool { state, generation := w.Host(0); return state == window.HostReady && generation == 1 })
	h.call("Release", domainUUID)
	if s := h.status().Slots; len(s) != 0 {
		t.Errorf("slots after the release: %+v", s)
	}
	h.nothingKept()
}

// TestWhatDoesNotFitIsNotAdopted spoils what the next mediatord finds.
func TestWhatDoesNotFitIsNotAdopted(t *testing.T) {
	edit := func(change func(record map[string]any)) func(*host, *ivshmem.Peer) {
		return func(h *host, _ *ivshmem.Peer) {
			path := filepath.Join(h.directory(), "state.json")
			text, err := os.ReadFile(path)
			if err != nil {
				h.Fatal(err)
			}
			var record map[string]any
			if err := json.Unmarshal(text, &record); err != nil {
				h.Fatal(err)
			}
			change(record)
			if text, err = json.Marshal(record); err == nil {
				err = os.WriteFile(path, text, 0o600)
			}
			if err != nil {
				h.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		name, says string
		spoil      func(*host, *ivshmem.Peer)
	}{
		{"a header that the guest has written over", "window header", func(h *host, p *ivshmem.Peer) {
			if _, err := p.Window.WriteAt(make([]byte, 64), 0); err != nil {
				h.Fatal(err)
			}
		}},
		{"another window", "the window has", edit(func(r map[string]any) { r["window"] = float64(128 << 20) })},
		{"another domain's record", "invalid record", edit(func(r map[string]any) { r["uuid"] = "00000000-0000-4000-8000-000000000001" })},
		{"a record of a later version", "version 99", edit(func(r map[string]any) { r["version"] = float64(99) })},
		{"another process than QEMU", "its use has ended", edit(func(r map[string]any) { r["qemu"] = map[string]any{"pid": 1, "started": 3} })},
		{"a socket elsewhere", "do not fit", edit(func(r map[string]any) { r["socket"] = "/tmp/elsewhere.sock" })},
		{"no record", "no such file", func(h *host, _ *ivshmem.Peer) { _ = os.Remove(filepath.Join(h.directory(), "state.json")) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHost(t)
			h.reserve()
			peer := h.connect()
			defer peer.Close()
			h.kill()
			tc.spoil(h, peer)
			h.start()
			if s := h.status().Slots; len(s) != 0 {
				t.Errorf("slots are %+v", s)
			}
			h.nothingKept()
			if !strings.Contains(h.log(), tc.says) {
				t.Errorf("mediatord does not say %q", tc.says)
			}
			h.reserve() // the domain's next start
		})
	}
}

// TestBrokenPoolFileDoesNotEndDomains restarts mediatord with a mistake in its
// configuration.
func TestBrokenPoolFileDoesNotEndDomains(t *testing.T) {
	h := newHost(t)
	h.reserve()
	peer := h.connect()
	defer peer.Close()
	h.stop()
	if err := os.WriteFile(filepath.Join(h.pools, "default.toml"), []byte("gpus = oops"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	if s := h.status().Slots; len(s) != 1 || !s[0].Connected {
		t.Errorf("slots are %+v", s)
	}
	for _, text := range []string{"the pools cannot be read", "configured no more"} {
		if !strings.Contains(h.log(), text) {
			t.Errorf("mediatord does not say %q", text)
		}
	}
	h.call("Release", domainUUID)
}
