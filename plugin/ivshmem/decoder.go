package ivshmem

import "fmt"

// noFD stands for a message without a file descriptor.
const noFD = -1

// decoder checks the setup messages as a client sees them. File descriptors are numbers to it; it opens and closes none.
type decoder struct {
	// vectors is how many the device has, 1 to MaxVectors.
	vectors int

	messages int
	id       int64
	window   int
	// doorbells signal the host, interrupts the client itself, in the order of vectors.
	doorbells, interrupts []int
}

func newDecoder(vectors int) *decoder { return &decoder{vectors: vectors, window: noFD} }

// take takes one message and reports whether the handshake is complete. fd is noFD or belongs to the decoder if take succeeds;
// an error is ErrRefused or an ErrProtocol, and the handshake is over.
func (d *decoder) take(value int64, fd int) (complete bool, err error) {
	d.messages++
	if value == refusalMessage && fd == noFD {
		return false, ErrRefused
	}
	switch d.messages {
	case 1:
		if value != protocolVersion {
			return false, d.broken("version is %d, known is %d", value, protocolVersion)
		}
		return false, d.without(fd)
	case 2:
		if value < 0 || value > maxID || value == HostID {
			return false, d.broken("own id is %d, allowed are 1 to %d", value, maxID)
		}
		d.id = value
		return false, d.without(fd)
	case 3:
		if value != memoryMessage {
			return false, d.broken("found %d in the place of the shared memory (%d)", value, memoryMessage)
		}
		if fd == noFD {
			return false, d.broken("the shared memory has no file descriptor")
		}
		d.window = fd
		return false, nil
	}
	return d.takeVector(value, fd)
}

func (d *decoder) takeVector(value int64, fd int) (complete bool, err error) {
	var list *[]int
	switch {
	case value < 0 || value > maxID:
		return false, d.broken("peer id is %d, allowed are 0 to %d", value, maxID)
	case value == HostID:
		list = &d.doorbells
	case value == d.id:
		list = &d.interrupts
	default:
		return false, d.broken("peer id is %d, there are only the host %d and this peer %d", value, HostID, d.id)
	}
	if fd == noFD {
		return false, d.broken("peer %d has left, or vector %d of it has no file descriptor", value, len(*list))
	}
	if len(*list) == d.vectors {
		return false, d.broken("peer %d has more than %d vectors", value, d.vectors)
	}
	*list = append(*list, fd)
	return len(d.doorbells) == d.vectors && len(d.interrupts) == d.vectors, nil
}

func (d *decoder) without(fd int) error {
	if fd != noFD {
		return d.broken("it has a file descriptor and must not")
	}
	return nil
}

func (d *decoder) broken(format string, args ...any) error {
	return fmt.Errorf("%w: message %d: %s", ErrProtocol, d.messages, fmt.Sprintf(format, args...))
}
