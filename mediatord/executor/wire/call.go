// Package wire decodes the records of a channel's ring into typed requests and
// dispatches them. A record is a private copy by the time it comes here.
package wire

import (
	"errors"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Errors of Dispatch. Both mean that the guest process does not speak this
// protocol; its executor ends.
var (
	ErrMalformed     = errors.New("malformed record")
	ErrUnknownOpcode = errors.New("unknown opcode")
)

// Call is what a record's header says besides the op.
type Call struct {
	Thread   uint32 // guest thread
	Context  uint32 // number of the context current in that thread, 0: none
	Reply    uint16 // reply slot of a replied op
	Sequence uint32 // to be echoed in the reply
}

// Deferred is what a handler returns that will write the reply itself later.
const Deferred driver.Result = -1
