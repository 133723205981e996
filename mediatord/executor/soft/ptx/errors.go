package ptx

import (
	"errors"
	"fmt"
)

// ErrVersion says that the text was written for a PTX ISA newer than
// MaxMajor.MaxMinor. The CUDA driver reports CUDA_ERROR_UNSUPPORTED_PTX_VERSION.
var ErrVersion = errors.New("PTX ISA version is too new")

// Error is a mistake in PTX text. The CUDA driver reports
// CUDA_ERROR_INVALID_PTX.
type Error struct {
	Line int // 1-based line in the text
	Msg  string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

func errorf(line int, format string, args ...any) error {
	return &Error{Line: line, Msg: fmt.Sprintf(format, args...)}
}

type versionError struct {
	line    int
	version Version
}

func (e *versionError) Error() string {
	return fmt.Sprintf("line %d: .version %d.%d: newest known is %d.%d: %v",
		e.line, e.version.Major, e.version.Minor, MaxMajor, MaxMinor, ErrVersion)
}

func (e *versionError) Unwrap() error { return ErrVersion }
