// Package ivshmem is the server that QEMU's ivshmem-doorbell device connects to, one per domain.
//
// A domain is its own world of two peers: the host has id 0, the guest id 1. When QEMU connects the server sends it, and QEMU
// blocks the start of the domain until it has it, a series of 8-byte little-endian integers, some with one file descriptor:
//
//	0                    protocol version
//	1                    QEMU's own id
//	-1 + window          the shared memory, BAR2
//	0 + doorbell 0..N-1  what the guest's doorbell write for the host, vector v, signals
//	1 + interrupt 0..N-1 what the host signals to raise the guest's MSI-X vector v
//
// QEMU never sends anything, and never reconnects. Source: docs/specs/ivshmem-spec.txt of QEMU 7.2.
//
// A peer that is turned away gets -2, which is no message of the protocol: QEMU ends with an error that names it, wherever in
// the setup it stands. A socket that is merely closed during the setup sends QEMU 7.2 into an endless loop (seen; TestQEMURefused).
//
// Doorbells and interrupts are eventfds and coalesce: they say that there is something to look at, never how much.
//
// Lock order: Server.mu is the only lock; it is not held during a callback, a send or a read.
package ivshmem

import (
	"errors"
)

// Ids of the two peers.
const (
	HostID  = 0
	GuestID = 1
)

// MaxVectors is the number of vectors that a doorbell write can name in QEMU.
const MaxVectors = 256

const (
	protocolVersion = 0
	memoryMessage   = -1
	refusalMessage  = -2
	maxID           = 65535
)

var (
	// ErrClosed is returned by a Server after Close.
	ErrClosed = errors.New("ivshmem server is closed")
	// ErrBusy says that a QEMU is connected already.
	ErrBusy = errors.New("ivshmem server has a connection")
	// ErrRefused is what Dial returns for a server that turns the peer away.
	ErrRefused = errors.New("ivshmem server refuses this peer")
	// ErrProtocol marks a server's message that breaks the protocol.
	ErrProtocol = errors.New("ivshmem protocol error")
)
