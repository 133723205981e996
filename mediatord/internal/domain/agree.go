package domain

import (
	"errors"

	vgpuxml "libvirt-vgpu/xml"
)

// agreeAttempts bounds Agree: each one more means that somebody else has changed
// the domain in between once more.
const agreeAttempts = 5

// Agree makes the device of a persistent configuration follow its element: it adds
// the device, takes it away, or finds that both agree, and returns what it found at
// last. Whoever adds or removes the device calls it afterwards, since the element
// may have come or gone meanwhile; who changes the element after that is followed
// by the keeper. A bad element, and a device that is not the project's, stay.
func Agree(target Target) (Configuration, error) {
	for range agreeAttempts {
		c, err := Read(target, Persistent)
		if err != nil {
			return c, err
		}
		var failure error
		switch {
		case c.HasElement() && c.Device.State == vgpuxml.DeviceMissing:
			failure = AddDevice(target, c, Persistent)
		case errors.Is(c.ElementErr, vgpuxml.ErrNoGPU) && c.Device.State != vgpuxml.DeviceMissing:
			var removed bool
			if removed, failure = RemoveDevice(target, c, Persistent); !removed && failure == nil {
				return c, nil
			}
		default:
			return c, nil
		}
		if failure == nil {
			continue
		}
		// somebody else may have done it at the same time
		now, err := Read(target, Persistent)
		if err != nil || now.Device.State == c.Device.State {
			return c, failure
		}
	}
	return Configuration{}, errRestless
}

// errRestless: others change the domain all the time.
var errRestless = errors.New("the domain's metadata changes all the time: try again")
