// Package parcel is what goes from one executor of a domain to another, by way
// of mediatord: memory as a descriptor, an event as the driver's handle.
//
// The importer sends "acquire" with the exporter's channel, its generation and
// the secret out of the guest's handle. mediatord makes it an "export" for the
// exporter, who answers "exported"; mediatord makes that an "acquired" for the
// importer. mediatord keeps nothing but the requests under way.
package parcel

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"libvirt-vgpu/plugin/window"
)

// Types of the messages that carry a parcel.
const (
	Acquire  = "acquire"  // importer to mediatord
	Export   = "export"   // mediatord to exporter
	Exported = "exported" // exporter to mediatord
	Acquired = "acquired" // mediatord to importer
)

// Sizes in bytes; on the line they are hexadecimal.
const (
	SecretSize = 24
	HandleSize = 64 // CUipcEventHandle
)

// MaxPending is the number of parcels that one executor may wait for: each
// occupies a reply slot of its channel.
const MaxPending = window.ReplyCount

// ErrParcel: a field of a parcel cannot be.
var ErrParcel = errors.New("invalid parcel")

// Parcel is the body of all four messages. Which fields count follows from the
// message's type.
type Parcel struct {
	ID         uint64 `json:"id"`                   // the asking side's number of the request
	Channel    int    `json:"channel"`              // acquire: the exporter's; export: the importer's
	Generation uint32 `json:"generation,omitempty"` // acquire: of the exporter's channel
	Secret     string `json:"secret,omitempty"`     // acquire, export
	Result     uint32 `json:"result,omitempty"`     // exported, acquired: CUresult
	Size       uint64 `json:"size,omitempty"`       // memory: bytes
	Share      *int   `json:"share,omitempty"`      // memory: its share in the account, held for the importer
	Handle     string `json:"handle,omitempty"`     // event: the driver's handle
	Descriptor bool   `json:"descriptor,omitempty"` // a file descriptor goes with the line

	File *os.File `json:"-"` // that descriptor; whoever has the parcel closes it
}

// Check fails with ErrParcel when a field cannot be.
func (p *Parcel) Check() error {
	switch {
	case p == nil:
		return fmt.Errorf("%w: none", ErrParcel)
	case p.Channel < 0 || p.Channel >= window.MaxChannels:
		return fmt.Errorf("%w: channel %d", ErrParcel, p.Channel)
	case !isHex(p.Secret, SecretSize):
		return fmt.Errorf("%w: secret of %d digits", ErrParcel, len(p.Secret))
	case !isHex(p.Handle, HandleSize):
		return fmt.Errorf("%w: handle of %d digits", ErrParcel, len(p.Handle))
	case p.Share != nil && (*p.Share < 0 || *p.Share >= window.MaxShares):
		return fmt.Errorf("%w: share %d", ErrParcel, *p.Share)
	}
	return nil
}

// isHex says that text is empty or size bytes in hexadecimal.
func isHex(text string, size int) bool {
	if text == "" {
		return true
	}
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == size
}

// Close closes the descriptor, if there is one.
func (p *Parcel) Close() {
	if p.File != nil {
		_ = p.File.Close()
		p.File = nil
	}
}
