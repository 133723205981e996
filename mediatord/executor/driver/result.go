// Package driver is what an executor needs of a GPU: the calls of the CUDA driver
// behind an interface, so that the real driver (package cuda) and the software
// GPU (package soft) are alike to it.
package driver

// Result is a CUresult.
type Result int32

// Results an executor itself produces or looks at; the numbers are the driver's.
const (
	Success                 Result = 0
	ErrorInvalidValue       Result = 1
	ErrorOutOfMemory        Result = 2
	ErrorNotInitialized     Result = 3
	ErrorNoDevice           Result = 100
	ErrorInvalidDevice      Result = 101
	ErrorInvalidImage       Result = 200
	ErrorInvalidContext     Result = 201
	ErrorMapFailed          Result = 205
	ErrorAlreadyMapped      Result = 208
	ErrorNoBinaryForGPU     Result = 209
	ErrorECC                Result = 214
	ErrorInvalidPTX         Result = 218
	ErrorUnsupportedLimit   Result = 215
	ErrorNVLink             Result = 220
	ErrorUnsupportedPTX     Result = 222
	ErrorNoAffinity         Result = 224
	ErrorContained          Result = 226
	ErrorInvalidHandle      Result = 400
	ErrorIllegalState       Result = 401
	ErrorNotFound           Result = 500
	ErrorNotReady           Result = 600
	ErrorIllegalAddress     Result = 700
	ErrorLaunchTimeout      Result = 702
	ErrorContextDestroyed   Result = 709
	ErrorAssert             Result = 710
	ErrorHostRegistered     Result = 712
	ErrorHostNotRegistered  Result = 713
	ErrorHardwareStack      Result = 714
	ErrorIllegalOp          Result = 715
	ErrorMisalignedAddress  Result = 716
	ErrorInvalidSpace       Result = 717
	ErrorInvalidPC          Result = 718
	ErrorLaunchFailed       Result = 719
	ErrorTensorMemoryLeak   Result = 721
	ErrorNotSupported       Result = 801
	ErrorCaptureUnsupported Result = 900
	ErrorGraphUpdate        Result = 910
	ErrorUnknown            Result = 999
)

// Sticky reports whether the result means that the context is lost: every later
// call of the process answers it too.
func (r Result) Sticky() bool {
	switch r {
	case ErrorIllegalAddress, ErrorLaunchTimeout, ErrorAssert, ErrorHardwareStack, ErrorIllegalOp,
		ErrorMisalignedAddress, ErrorInvalidSpace, ErrorInvalidPC, ErrorLaunchFailed,
		ErrorECC, ErrorNVLink, ErrorContained, ErrorTensorMemoryLeak:
		return true
	}
	return false
}
