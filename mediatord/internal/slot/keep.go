package slot

import (
	"encoding/json"
	"os"
	"syscall"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/fdstore"
	"libvirt-vgpu/mediatord/internal/hostproc"
	"libvirt-vgpu/plugin/window"
)

// What the entries of a slot in the file descriptor store are.
const (
	keptSlot     = "slot"     // files by name, then the doorbells, then the interrupts
	keptQEMU     = "qemu"     // its connection
	keptProcess  = "process"  // a host process's connection
	keptExecutor = "executor" // what supervisor.Adopt takes
)

// labelVersion counts changes of label that an older mediatord would misread.
const labelVersion = 1

// label says what an entry is.
type label struct {
	Version int      `json:"version"`
	Slot    string   `json:"slot"` // UUID
	What    string   `json:"what"`
	Names   []string `json:"names,omitempty"` // slot: of the first files

	Channel    int    `json:"channel"`              // process, executor; -1 = none
	Generation uint32 `json:"generation,omitempty"` // executor
	PID        int    `json:"pid,omitempty"`        // executor
	Opened     uint64 `json:"opened,omitempty"`     // process
	Holds      bool   `json:"holds,omitempty"`      // process
}

// keep keeps files for the next mediatord; without a store it does nothing.
func (s *Slot) keep(l label, files ...syscall.Conn) *fdstore.Entry {
	l.Version, l.Slot = labelVersion, s.UUID.String()
	entry, err := s.Store.Keep(l, files...)
	if err != nil {
		s.Log.WithError(err).Errorf("this %s will not survive a restart of mediatord", l.What)
	}
	return entry
}

// keepMemory keeps what the slot is made of.
func (s *Slot) keepMemory() {
	l := label{What: keptSlot, Channel: -1}
	var files []syscall.Conn
	named := map[string]syscall.Conn{"window": s.window.File(), "account": s.account.File(), "listener": s.listener}
	if s.leases.table != nil {
		named[keptLeases], named[keptReport] = s.leases.table.File(), s.leases.report
	}
	for name, file := range named {
		l.Names, files = append(l.Names, name), append(files, file)
	}
	for vector := range 1 + s.Channels {
		files = append(files, s.endpoint.Doorbell(vector))
	}
	for vector := range 1 + s.Channels {
		files = append(files, s.endpoint.Interrupt(vector))
	}
	s.entry = s.keep(l, files...)
}

func (s *Slot) keepProcess(c hostproc.Connection) (forget func()) {
	return s.keep(label{What: keptProcess, Channel: c.Channel, Opened: c.Opened, Holds: c.Holds}, c.Conn).Forget
}

func (s *Slot) keepExecutor(channel int, generation uint32) func(pid int, files ...syscall.Conn) func() {
	return func(pid int, files ...syscall.Conn) func() {
		return s.keep(label{What: keptExecutor, Channel: channel, Generation: generation, PID: pid}, files...).Forget
	}
}

// keptAlready is supervisor.Settings.Keep for what an earlier mediatord keeps.
func keptAlready(forget func()) func(int, ...syscall.Conn) func() {
	return func(int, ...syscall.Conn) func() { return forget }
}

// Kept is what is left of a slot in the file descriptor store.
type Kept struct {
	slot      *kept
	qemu      *kept
	processes []*kept
	executors []*kept
}

// kept is an entry with what it is.
type kept struct {
	*fdstore.Entry
	label
}

// Sort finds the slots whose files the store has kept. Entries that are nothing
// that this version knows are dropped.
func Sort(entries []*fdstore.Entry, log logrus.FieldLogger) map[window.UUID]*Kept {
	slots := map[window.UUID]*Kept{}
	for _, e := range entries {
		k := &kept{Entry: e}
		err := json.Unmarshal(e.Label, &k.label)
		id, idErr := window.ParseUUID(k.Slot)
		if err != nil || idErr != nil || k.Version != labelVersion || len(e.Files) == 0 {
			log.Warnf("the file descriptor store has an unknown entry: %.200s", e.Label)
			e.Drop()
			continue
		}
		if slots[id] == nil {
			slots[id] = &Kept{}
		}
		slots[id].add(k)
	}
	return slots
}

func (k *Kept) add(e *kept) {
	switch e.What {
	case keptSlot:
		k.slot.drop()
		k.slot = e
	case keptQEMU: // its order is not known; the one that lives shows when it is adopted
		if k.qemu != nil && !hungUp(k.qemu.Files[0]) {
			e.drop()
			return
		}
		k.qemu.drop()
		k.qemu = e
	case keptProcess:
		k.processes = append(k.processes, e)
	case keptExecutor:
		k.executors = append(k.executors, e)
	default:
		e.drop()
	}
}

// Drop gives everything back and ends the executors.
func (k *Kept) Drop() {
	if k == nil {
		return
	}
	for _, e := range append(append([]*kept{k.slot, k.qemu}, k.processes...), k.executors...) {
		e.drop()
	}
	*k = Kept{}
}

// drop forgets the entry; an executor ends with it.
func (e *kept) drop() {
	if e == nil {
		return
	}
	if e.What == keptExecutor && len(e.Files) > 1 {
		_ = unix.PidfdSendSignal(int(e.Files[1].Fd()), unix.SIGKILL, nil, 0) // fails if it has ended
	}
	e.Entry.Drop()
}

// take gives the files to somebody else, under the names of the label.
func (e *kept) take() (named map[string]*os.File, rest []*os.File) {
	named = map[string]*os.File{}
	for i, name := range e.Names {
		if i < len(e.Files) {
			named[name] = e.Files[i]
		}
	}
	rest = e.Files[min(len(e.Names), len(e.Files)):]
	e.Files = nil
	return named, rest
}

func hungUp(socket *os.File) bool {
	poll := []unix.PollFd{{Fd: int32(socket.Fd()), Events: unix.POLLRDHUP}}
	_, err := unix.Poll(poll, 0)
	return err != nil || poll[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}
