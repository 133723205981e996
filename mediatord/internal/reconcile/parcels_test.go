package reconcile

import (
	"os"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/mediatord/internal/supervisor"
)

var secret = strings.Repeat("5a", parcel.SecretSize)

func (f *fakeExecutor) acquire(id uint64, channel int, generation uint32) {
	f.sink(supervisor.Event{Kind: supervisor.Acquire, Parcel: &parcel.Parcel{ID: id, Channel: channel, Generation: generation, Secret: secret}})
}

// next waits for the n-th parcel that the executor is told.
func (s *stage) next(f *fakeExecutor, n int) parcel.Parcel {
	s.Helper()
	s.until("parcel", func() bool { return len(f.received()) > n })
	return f.received()[n]
}

func TestParcelGoesFromOneExecutorToAnother(t *testing.T) {
	s := newStage(t)
	exporter, importer := s.running(0, 3), s.running(2, 1)
	importer.acquire(77, 0, 3)
	asked := s.next(exporter, 0)
	if asked.Channel != 2 || asked.Secret != secret || asked.File != nil {
		t.Errorf("the exporter is asked %+v", asked)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	share := 4
	exporter.sink(supervisor.Event{Kind: supervisor.Exported, Parcel: &parcel.Parcel{ID: asked.ID, Size: 4096, Share: &share, File: file}})
	got := s.next(importer, 0)
	if got.ID != 77 || got.Size != 4096 || *got.Share != 4 || got.File != file || got.Result != 0 {
		t.Errorf("the importer gets %+v", got)
	}
	// The same answer again is nobody's.
	again, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	exporter.sink(supervisor.Event{Kind: supervisor.Exported, Parcel: &parcel.Parcel{ID: asked.ID, File: again}})
	s.settled()
	if err := again.Close(); err == nil {
		t.Error("a descriptor that nobody wanted stays open")
	}
	if len(importer.received()) != 1 {
		t.Error("one request, two answers")
	}
	_ = file.Close()
}

func TestStaleHandles(t *testing.T) {
	s := newStage(t)
	exporter, importer := s.running(0, 3), s.running(2, 1)
	for name, ask := range map[string]func(){
		"generation that is over": func() { importer.acquire(1, 0, 2) },
		"channel without process": func() { importer.acquire(1, 1, 1) },
		"channel beyond":          func() { importer.acquire(1, testChannels, 1) },
	} {
		before := len(importer.received())
		ask()
		if got := s.next(importer, before); got.Result != resultStale || got.ID != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if len(exporter.received()) != 0 {
		t.Error("the exporter was asked in vain")
	}
}

func TestAnExecutorThatEndsAnswersNobody(t *testing.T) {
	s := newStage(t)
	exporter, importer := s.running(0, 3), s.running(2, 1)
	importer.acquire(5, 0, 3)
	s.next(exporter, 0)
	exporter.end(719, "died")
	if got := s.next(importer, 0); got.ID != 5 || got.Result != resultStale {
		t.Errorf("the importer gets %+v", got)
	}
}

func TestAnImporterThatEndsCountsNothing(t *testing.T) {
	s := newStage(t)
	exporter, importer := s.running(0, 3), s.running(2, 1)
	if err := s.account.Reserve(0, 1000); err != nil {
		t.Fatal(err)
	}
	share, err := s.account.Share(0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	importer.acquire(5, 0, 3)
	asked := s.next(exporter, 0)
	importer.end(719, "died")
	s.settled()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	exporter.sink(supervisor.Event{Kind: supervisor.Exported, Parcel: &parcel.Parcel{ID: asked.ID, Share: &share, File: file}})
	s.settled()
	if err := file.Close(); err == nil {
		t.Error("the descriptor stays open")
	}
	s.account.Drop(share, 0)
	if total := s.account.Total(); total != 0 {
		t.Errorf("%d bytes are counted for nobody", total)
	}
}

func TestRequestsAreLimited(t *testing.T) {
	s := newStage(t)
	exporter, importer := s.running(0, 3), s.running(2, 1)
	for i := range parcel.MaxPending + 1 {
		importer.acquire(uint64(i+1), 0, 3)
	}
	if got := s.next(importer, 0); got.ID != parcel.MaxPending+1 || got.Result != resultStale {
		t.Errorf("the importer gets %+v", got)
	}
	s.settled()
	if n := len(exporter.received()); n != parcel.MaxPending {
		t.Errorf("the exporter was asked %d times", n)
	}
}
