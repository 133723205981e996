package vgpuxml

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	// ErrNoGPU says that the domain has no vgpu element: it is an ordinary domain.
	ErrNoGPU = errors.New("domain has no vgpu:gpu metadata element")
	// ErrBadElement marks every error about the element itself, *AttributeError included.
	ErrBadElement = errors.New("invalid vgpu:gpu metadata element")
	// ErrOtherNamespace marks an ErrBadElement in a namespace other than Namespace: virsh metadata, which names one, does not reach it.
	ErrOtherNamespace = errors.New("vgpu:gpu metadata element in another namespace")
	// ErrMalformed marks XML that cannot be read at all, or that is no domain.
	ErrMalformed = errors.New("malformed domain XML")
	// ErrDevicePresent says that the domain already has the shared memory device.
	ErrDevicePresent = errors.New("domain already has the vgpu0 shared memory device")
	// ErrDeviceDiffers says that the domain has a shared memory device in the place of the right one.
	ErrDeviceDiffers = errors.New("domain has a different vgpu0 shared memory device")
)

// AttributeError is an attribute that is unknown, or whose value is not allowed.
type AttributeError struct {
	Attribute string
	Value     string
	Allowed   string
}

// Error names the attribute, its value and what is allowed.
func (e *AttributeError) Error() string {
	return fmt.Sprintf("vgpu:gpu attribute %s=%q is not valid: allowed is %s", e.Attribute, e.Value, e.Allowed)
}

// Is makes errors.Is(err, ErrBadElement) true.
func (e *AttributeError) Is(target error) bool { return target == ErrBadElement }

func badAttribute(name, value string) error {
	return &AttributeError{Attribute: name, Value: value, Allowed: allowedValues()[name]}
}

func unknownAttribute(name, value string) error {
	var known []string
	for k := range allowedValues() {
		known = append(known, k)
	}
	slices.Sort(known)
	return &AttributeError{Attribute: name, Value: value, Allowed: "one of the attributes " + strings.Join(known, ", ")}
}

// badElement reports an error of the element that is not one attribute's.
func badElement(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadElement, fmt.Sprintf(format, args...))
}

// namespaceError is an ErrBadElement and an ErrOtherNamespace.
type namespaceError struct{ error }

func (e namespaceError) Unwrap() error        { return e.error }
func (e namespaceError) Is(target error) bool { return target == ErrOtherNamespace }

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
