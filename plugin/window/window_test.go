package window

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func testWindow(t *testing.T) *Window {
	t.Helper()
	w, err := Create("test", 16<<20, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// reopen gives a second, independent descriptor of the window's memory.
func reopen(t *testing.T, w *Window) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(w.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "window")
}

func TestGeometry(t *testing.T) {
	for _, tc := range []struct {
		name     string
		size     uint64
		channels int
		chunks   uint32
		err      bool
	}{
		{"default", DefaultSize, 16, 503, false},
		{"all channels", DefaultSize, MaxChannels, 479, false},
		{"smallest", MinSize, 1, 1, false},
		{"largest", MaxSize, MaxChannels, 32735, false},
		{"not a power of two", 3 << 20, 1, 0, true},
		{"zero", 0, 1, 0, true},
		{"too large", MaxSize * 2, 1, 0, true},
		{"no channels", DefaultSize, 0, 0, true},
		{"too many channels", DefaultSize, MaxChannels + 1, 0, true},
		{"no arena left", MinSize, 4, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g, err := NewGeometry(tc.size, tc.channels)
			if tc.err {
				if !errors.Is(err, ErrGeometry) {
					t.Fatalf("error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if g.Chunks != tc.chunks {
				t.Errorf("%d chunks, want %d", g.Chunks, tc.chunks)
			}
			if g.Arena%ChunkSize != 0 || g.ChannelOffset(tc.channels) > g.Arena || g.ChunkOffset(int(g.Chunks)) != g.Size {
				t.Errorf("parts overlap: %+v", g)
			}
			if g.ChunkTable+uint64(g.Chunks)*4 > g.ChannelsAt || g.DescribedAt+DescriptionSize > g.ChunkTable {
				t.Errorf("tables overlap: %+v", g)
			}
		})
	}
}

func TestCreateSealsAndMapReadsTheSame(t *testing.T) {
	w := testWindow(t)
	if err := w.File().Truncate(4096); err == nil {
		t.Error("the window could be shrunk")
	}
	other, err := Map(reopen(t, w))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if other.Geometry != w.Geometry {
		t.Errorf("mapped %+v, created %+v", other.Geometry, w.Geometry)
	}
	w.Channel(2)[ChRing] = 7
	if other.Channel(2)[ChRing] != 7 {
		t.Error("the two mappings are not the same memory")
	}
}

func TestMapRefusesEveryChangedHeaderField(t *testing.T) {
	for name, offset := range map[string]int{
		"magic": HdrMagic, "version": HdrVersion, "features": HdrFeatures, "window size": HdrWindowSize,
		"channel count": HdrChannelCount, "channel size": HdrChannelSize, "channels": HdrChannels,
		"arena": HdrArena, "chunk count": HdrChunkCount, "chunk size": HdrChunkSize, "control": HdrControl,
		"chunk table": HdrChunkTable, "description": HdrDescription, "description size": HdrDescriptionSize,
	} {
		t.Run(name, func(t *testing.T) {
			for _, value := range []uint32{0xffffffff, 0x12345678, 1 << 31} {
				w := testWindow(t)
				binary.LittleEndian.PutUint32(w.memory[offset:], value)
				file := reopen(t, w)
				if _, err := Map(file); !errors.Is(err, ErrHeader) {
					t.Errorf("value %#x: error is %v", value, err)
				}
				_ = file.Close()
			}
		})
	}
}

func TestMapRefusesUnsealedAndForeignFiles(t *testing.T) {
	fd, err := unix.MemfdCreate("unsealed", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "unsealed")
	defer file.Close()
	if err := file.Truncate(int64(MinSize)); err != nil {
		t.Fatal(err)
	}
	if _, err := Map(file); !errors.Is(err, ErrHeader) {
		t.Errorf("unsealed memfd: %v", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, err := Map(null); err == nil {
		t.Error("mapped /dev/null")
	}
}

func TestControlEntry(t *testing.T) {
	w := testWindow(t)
	w.SetProcess(3, Process{PID: 42, UID: 1000, Comm: "a-name-longer-than-fits"})
	w.SetGuest(3, GuestStart, 9)
	w.SetHost(3, HostReady, 9)
	if got := w.Process(3); got != (Process{42, 1000, "a-name-longer-t"}) {
		t.Errorf("process is %+v", got)
	}
	if s, g := w.Guest(3); s != GuestStart || g != 9 {
		t.Errorf("guest half is %d, %d", s, g)
	}
	if s, g := w.Host(3); s != HostReady || g != 9 {
		t.Errorf("host half is %d, %d", s, g)
	}
	entry := w.memory[w.ControlAt+3*CtlEntrySize:]
	for offset, want := range map[int]uint32{
		CtlGuestState: 2, CtlGuestGeneration: 9, CtlPID: 42, CtlUID: 1000, CtlHostState: 2, CtlHostGeneration: 9,
	} {
		if got := binary.LittleEndian.Uint32(entry[offset:]); got != want {
			t.Errorf("word at %d is %d, want %d", offset, got, want)
		}
	}
	copy(entry[CtlComm:], "\x1b[31m\nx\xff0123456789")
	if got := w.Process(3).Comm; strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) || len(got) != 16 {
		t.Errorf("hostile name came out as %q", got)
	}
}

func TestChunkTable(t *testing.T) {
	w := testWindow(t)
	last := int(w.Chunks) - 1
	w.SetChunk(last, OwnedBy(1))
	w.SetChunk(last-1, OwnedBy(1))
	if !w.OwnsChunks(1, last-1, 2) || w.OwnsChunks(1, last-1, 3) || w.OwnsChunks(1, last-2, 2) ||
		w.OwnsChunks(1, -1, 1) || w.OwnsChunks(1, last, 0) || w.OwnsChunks(1, 1, int(^uint(0)>>1)) || w.OwnsChunk(0, last) {
		t.Error("wrong owner answers")
	}
	returned := OwnedBy(1) | ChunkEntry(ChunkReturned)
	w.SetChunk(last, returned)
	if w.OwnsChunk(1, last) || !w.Chunk(last).Returned() || w.Chunk(last).Owner() != 1 {
		t.Error("a returned chunk counts as owned")
	}
	w.ChunkMemory(last)[5] = 1
	if err := w.PunchChunk(last); err != nil {
		t.Fatal(err)
	}
	if w.ChunkMemory(last)[5] != 0 {
		t.Error("the punched chunk kept its content")
	}
	if w.SwapChunk(last, OwnedBy(1), 0) || !w.SwapChunk(last, returned, 0) || !w.Chunk(last).Free() {
		t.Error("swapping does not compare")
	}
	if err := w.PunchChunk(last + 1); !errors.Is(err, ErrRange) {
		t.Errorf("punching beyond the arena: %v", err)
	}
}

func TestPunchChannelLeavesTheOthers(t *testing.T) {
	w := testWindow(t)
	for i := range 3 {
		w.Channel(i)[0], w.Channel(i)[ChannelSize-1] = 1, 2
	}
	if err := w.PunchChannel(1); err != nil {
		t.Fatal(err)
	}
	for i, want := range [][2]byte{{1, 2}, {0, 0}, {1, 2}} {
		if c := w.Channel(i); c[0] != want[0] || c[ChannelSize-1] != want[1] {
			t.Errorf("channel %d reads %d, %d", i, c[0], c[ChannelSize-1])
		}
	}
	for _, i := range []int{-1, 4} {
		if err := w.PunchChannel(i); !errors.Is(err, ErrRange) {
			t.Errorf("punching channel %d: %v", i, err)
		}
	}
}

func TestFailChannelCutsTheMessage(t *testing.T) {
	w := testWindow(t)
	w.FailChannel(0, 719, strings.Repeat("x", 3000))
	result, message := w.Failure(0)
	if result != 719 || len(message) != ChMessageSize-1 || w.ChannelState(0) != HostFailed {
		t.Errorf("got %d, %d bytes, state %d", result, len(message), w.ChannelState(0))
	}
	if fence := w.Channel(0)[ChMessage+ChMessageSize]; fence != 0 {
		t.Error("the message ran over its end")
	}
}

func testDescription() *Description {
	return &Description{
		DeviceCount: 1, DriverVersion: 13000, DriverString: "580.159.04", Name: "NVIDIA H200",
		UUID: UUID{1, 2, 3}, TotalMemory: 16 << 30, UsedMemory: 5, PCIBus: 7, PCIDeviceID: 0x233510de,
		VMMGranularity: 2 << 20, Limits: [8]uint32{1024, 7}, PriorityHighest: -5,
		Attributes: []Attribute{{}, {Value: 1024}, {Value: -1, Result: 1}},
	}
}

func TestDescriptionRoundTrips(t *testing.T) {
	w, d := testWindow(t), testDescription()
	if err := w.SetDescription(d); err != nil {
		t.Fatal(err)
	}
	got, err := w.Description()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, d) {
		t.Errorf("read %+v\nwrote %+v", got, d)
	}
	w.SetUsedMemory(77)
	w.SetSensors(50, 60, 70000)
	got, err = w.Description()
	if err != nil {
		t.Fatal(err)
	}
	if got.UsedMemory != 77 || got.Utilization != 50 || got.Temperature != 60 || got.PowerMilliwatts != 70000 {
		t.Errorf("live fields are %+v", got)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON Description
	if err := json.Unmarshal(text, &fromJSON); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&fromJSON, d) || !bytes.Contains(text, []byte(`"uuid":"01020300-0000-0000-0000-000000000000"`)) {
		t.Errorf("JSON is %s", text)
	}
}

func TestDescriptionRefusesWhatDoesNotFit(t *testing.T) {
	for name, change := range map[string]func(*Description){
		"devices":       func(d *Description) { d.DeviceCount = 2 },
		"name":          func(d *Description) { d.Name = strings.Repeat("n", 96) },
		"driver string": func(d *Description) { d.DriverString = strings.Repeat("1", 32) },
		"attributes":    func(d *Description) { d.Attributes = make([]Attribute, DescAttributes+1) },
	} {
		d := testDescription()
		change(d)
		if _, err := d.MarshalBinary(); !errors.Is(err, ErrDescription) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, data := range map[string][]byte{"short": make([]byte, 100), "version 0": make([]byte, DescriptionSize)} {
		if err := new(Description).UnmarshalBinary(data); !errors.Is(err, ErrDescription) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseUUID(t *testing.T) {
	want := "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	for _, text := range []string{want, "GPU-" + want, "6BA7B8109DAD11D180B400C04FD430C8"} {
		if u, err := ParseUUID(text); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v", text, u, err)
		}
	}
	for _, text := range []string{"", "6ba7b810", strings.Repeat("g", 32)} {
		if _, err := ParseUUID(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestAccountKeepsTheQuota(t *testing.T) {
	a, err := CreateAccount("test", 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Reserve(0, 600); err != nil {
		t.Fatal(err)
	}
	if err := a.Reserve(63, 401); !errors.Is(err, ErrQuota) || a.Total() != 600 {
		t.Errorf("over the quota: %v, total %d", err, a.Total())
	}
	if err := a.Reserve(1, 1<<63); !errors.Is(err, ErrQuota) || a.Total() != 600 {
		t.Errorf("far over the quota: %v, total %d", err, a.Total())
	}
	if err := a.Reserve(63, 400); err != nil {
		t.Error(err)
	}
	a.Release(63, 150)
	a.Clear(0)
	if a.Total() != 250 || a.Used(63) != 250 || a.Quota() != 1000 {
		t.Errorf("total %d, used %d, quota %d", a.Total(), a.Used(63), a.Quota())
	}
	if got := binary.LittleEndian.Uint64(a.memory[64+63*8:]); got != 250 {
		t.Errorf("channel 63's entry holds %d", got)
	}
}
