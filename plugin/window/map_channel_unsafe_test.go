package window

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// What an executor maps of the window it can use; everything else is not there.
func TestMapChannelMapsOneChannel(t *testing.T) {
	w, err := Create("test", 16<<20, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.SetDescription(&Description{Name: "GPU", DeviceCount: 1}); err != nil {
		t.Fatal(err)
	}
	w.SetChunk(3, OwnedBy(2))
	part, err := MapChannel(reopen(t, w), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	if d, err := part.Description(); err != nil || d.Name != "GPU" {
		t.Errorf("description %+v, %v", d, err)
	}
	if !part.OwnsChunk(2, 3) || part.OwnsChunk(2, 4) {
		t.Error("the chunk table is another one")
	}
	part.Channel(2)[100] = 77
	if w.Channel(2)[100] != 77 {
		t.Error("the channel is another one")
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	base := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(part.memory))))
	shared := map[uint64]string{}
	for _, line := range strings.Split(string(maps), "\n") {
		var start, end uint64
		var rights string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &start, &end, &rights); n == 3 && start >= base && start < base+w.Size && rights != "---p" {
			shared[start-base] = fmt.Sprintf("%s %d", rights, end-start)
		}
	}
	want := map[uint64]string{
		w.DescribedAt:      fmt.Sprintf("r--s %d", DescriptionSize),
		w.ChunkTable:       fmt.Sprintf("r--s %d", w.ChannelsAt-w.ChunkTable),
		w.ChannelOffset(2): fmt.Sprintf("rw-s %d", ChannelSize),
	}
	if !reflect.DeepEqual(shared, want) {
		t.Errorf("mapped are %v, want %v", shared, want)
	}
	if _, err := MapChannel(reopen(t, w), 4); !errors.Is(err, ErrRange) {
		t.Errorf("a channel that is not there: %v", err)
	}
}
