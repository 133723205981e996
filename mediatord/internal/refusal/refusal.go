// Package refusal names the reasons for which mediatord turns a request down.
// Each sentinel is one D-Bus error name; the error's text is one sentence for
// the person who asked: what is wrong and what to do.
package refusal

import (
	"errors"
	"fmt"
)

// The kinds of refusal. Compare with errors.Is.
var (
	ErrNoSuchPool         = errors.New("no such pool")
	ErrPoolFull           = errors.New("pool full")
	ErrPriorityNotAllowed = errors.New("priority not allowed")
	ErrMemoryExceedsPool  = errors.New("memory exceeds pool")
	ErrMemoryInUse        = errors.New("memory in use")
	ErrInvalidMetadata    = errors.New("invalid metadata")
	ErrInvalidSocketPath  = errors.New("invalid socket path")
	ErrInvalidArgument    = errors.New("invalid argument")
	ErrNoSuchDomain       = errors.New("no such domain")
	ErrAlreadyReserved    = errors.New("already reserved")
	ErrGPUUnavailable     = errors.New("gpu unavailable")
	ErrIsolationRefused   = errors.New("isolation refused")
	ErrNotAuthorized      = errors.New("not authorized")

	ErrInvalidConfiguration = errors.New("invalid configuration")
)

// Names maps every kind to the last part of its D-Bus error name.
func Names() map[error]string {
	return map[error]string{
		ErrNoSuchPool:         "NoSuchPool",
		ErrPoolFull:           "PoolFull",
		ErrPriorityNotAllowed: "PriorityNotAllowed",
		ErrMemoryExceedsPool:  "MemoryExceedsPool",
		ErrMemoryInUse:        "MemoryInUse",
		ErrInvalidMetadata:    "InvalidMetadata",
		ErrInvalidSocketPath:  "InvalidSocketPath",
		ErrInvalidArgument:    "InvalidArgument",
		ErrNoSuchDomain:       "NoSuchDomain",
		ErrAlreadyReserved:    "AlreadyReserved",
		ErrGPUUnavailable:     "GPUUnavailable",
		ErrIsolationRefused:   "IsolationRefused",
		ErrNotAuthorized:      "NotAuthorized",

		ErrInvalidConfiguration: "InvalidConfiguration",
	}
}

// refusal is a sentence with its kind; only the sentence is shown.
type refusal struct {
	kind error
	text string
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.kind }

// Because makes an error of the given kind whose text is the formatted
// sentence alone: what is wrong, a semicolon, what to do. The hook shows both
// parts to whoever started the domain.
func Because(kind error, format string, args ...any) error {
	return &refusal{kind: kind, text: fmt.Sprintf(format, args...)}
}
