package slot

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"libvirt-vgpu/plugin/window"
)

// recordVersion counts changes of Record that an older mediatord would misread.
const recordVersion = 1

// RecordName is the record's file in a slot's directory.
const RecordName = "state.json"

// ErrRecord: a record cannot be of a slot of this version.
var ErrRecord = errors.New("invalid record of a slot")

// Record is what the next mediatord must know of a slot beside its open files.
// Nothing in it is believed that does not fit them.
type Record struct {
	Version  int      `json:"version"`
	UUID     string   `json:"uuid"`
	Name     string   `json:"name"`
	Kind     Kind     `json:"kind"`
	Pool     string   `json:"pool"`
	Device   Device   `json:"device"`
	Settings Settings `json:"settings"` // of this moment
	Window   uint64   `json:"window"`   // bytes
	Channels int      `json:"channels"`
	Socket   string   `json:"socket"` // path
	UID      int      `json:"uid"`    // the socket's owner
	State    State    `json:"state"`
	QEMU     *Process `json:"qemu,omitempty"` // the last one that was given the window
	// Request is what the slot was asked for by, in the words of who asked.
	Request json.RawMessage `json:"request,omitempty"`
}

// Device is a GPU as executors are told of it.
type Device struct {
	Name     string `json:"name"`     // as the pool file has it
	Argument string `json:"argument"` // the executor's --gpu
	PCI      string `json:"pci,omitempty"`
	Backend  string `json:"backend"`
}

// LoadRecord reads the record of the slot in a directory. It fails with
// ErrRecord, or with os.ErrNotExist if there is none.
func LoadRecord(directory string) (Record, error) {
	text, err := os.ReadFile(filepath.Join(directory, RecordName))
	if err != nil {
		return Record{}, fmt.Errorf("reading record of slot: %w", err)
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, fmt.Errorf("reading %s: %w: %w", directory, ErrRecord, err)
	}
	if r.Version != recordVersion {
		return Record{}, fmt.Errorf("reading %s: %w: version %d, this mediatord knows %d", directory, ErrRecord, r.Version, recordVersion)
	}
	if id, err := window.ParseUUID(r.UUID); err != nil || id.String() != r.UUID || filepath.Base(directory) != string(r.Kind)+"-"+r.UUID {
		return Record{}, fmt.Errorf("reading %s: %w: it is of %s %q", directory, ErrRecord, r.Kind, r.UUID)
	}
	return r, nil
}

// snapshot is the record of this moment.
func (s *Slot) snapshot() Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Record{
		Version: recordVersion, UUID: s.UUID.String(), Name: s.Name, Kind: s.Kind, Pool: s.Pool,
		Device: Device{
			Name: s.Grant.Device.Name, Argument: s.Grant.Device.Argument, PCI: s.Grant.Device.PCI, Backend: s.Executor.Backend,
		},
		Settings: s.settings, Window: s.Config.Window, Channels: s.Channels, Socket: s.Socket.Path, UID: s.Socket.UID,
		State: s.state, QEMU: s.qemu, Request: s.request,
	}
}

// save writes the record, if the slot's files outlive this process. It is called
// after each change of what the record says.
func (s *Slot) save() {
	if s.Store == nil {
		return
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	if err := writeRecord(s.Directory, s.snapshot()); err != nil {
		s.Log.WithError(err).Error("the slot will not survive a restart of mediatord")
	}
}

func writeRecord(directory string, r Record) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("writing record of slot: %w", err)
	}
	file, err := os.CreateTemp(directory, RecordName+".")
	if err != nil {
		return fmt.Errorf("writing record of slot: %w", err)
	}
	_, err = file.Write(append(text, '\n'))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(directory, RecordName))
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("writing record of slot: %w", err)
	}
	return nil
}

// SetRequest notes the words that the slot would be asked for by now.
func (s *Slot) SetRequest(request json.RawMessage) {
	s.mu.Lock()
	s.request = request
	s.mu.Unlock()
	s.save()
}
