// Package gpu is a GPU in software: device memory, modules from PTX text,
// streams, events, captures and graphs, behind plain Go values. It knows
// nothing of the CUDA driver's ABI; what maps driver calls to it lives
// elsewhere. Results are the driver's own codes (Result).
//
// Addresses are the caller's choice: memory is mapped where the caller says,
// whether the device owns it or the caller lends a slice, and kernels may
// dereference both alike.
//
// All methods are safe for concurrent use.
//
// A kernel that breaks a rule (illegal address, trap) fails the device for
// good, as it fails a CUDA context: every later call returns the same code,
// and work that is queued is dropped. Kill does the same from outside and
// ends kernels that run.
//
// Lock order: Device.submit, then Graph.mu, then GraphExec.mu, then Stream.mu.
// Module.mu comes before the heap's lock, and that before the address
// space's. Event.mu is a leaf. Stream goroutines execute operations without
// any of these held.
package gpu
