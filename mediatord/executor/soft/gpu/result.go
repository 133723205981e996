package gpu

import (
	"errors"
	"fmt"
)

// Result is a CUDA driver result (CUresult). As an error it is never Success.
type Result int

// The results that this package returns.
const (
	Success                   Result = 0
	InvalidValue              Result = 1
	OutOfMemory               Result = 2
	Deinitialized             Result = 4
	InvalidContext            Result = 201
	InvalidPTX                Result = 218
	UnsupportedPTXVersion     Result = 222
	NotFound                  Result = 500
	InvalidHandle             Result = 400
	IllegalState              Result = 401
	NotReady                  Result = 600
	IllegalAddress            Result = 700
	LaunchOutOfResources      Result = 701
	ContextIsDestroyed        Result = 709
	Assert                    Result = 710
	HardwareStackError        Result = 714
	IllegalInstruction        Result = 715
	MisalignedAddress         Result = 716
	LaunchFailed              Result = 719
	CooperativeLaunchTooLarge Result = 720
	NotPermitted              Result = 800
	NotSupported              Result = 801
	CaptureUnsupported        Result = 900
	CaptureInvalidated        Result = 901
	CaptureMerge              Result = 902
	CaptureUnmatched          Result = 903
	CaptureUnjoined           Result = 904
	CaptureIsolation          Result = 905
	CaptureImplicit           Result = 906
	CapturedEvent             Result = 907
	CaptureWrongThread        Result = 908
	GraphExecUpdateFailure    Result = 910
)

func (r Result) Error() string { return fmt.Sprintf("CUDA result %d", int(r)) }

// Error is a result with its reason.
type Error struct {
	Code Result
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%v (%v)", e.Err, e.Code) }

// Unwrap gives the reason and the code to errors.Is and errors.As.
func (e *Error) Unwrap() []error { return []error{e.Err, e.Code} }

// CodeOf is the driver result of an error of this package; Success for nil.
func CodeOf(err error) Result {
	if err == nil {
		return Success
	}
	var r Result
	if errors.As(err, &r) {
		return r
	}
	return LaunchFailed
}

func failure(code Result, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}
