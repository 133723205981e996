package soft

import "libvirt-vgpu/mediatord/executor/driver"

// Execution affinity (CUexecAffinityType) is a matter of MPS, which this device
// has not.
const affinityMultiprocessors = 0

// CtxGetExecAffinity implements driver.Native.
func (d *Driver) CtxGetExecAffinity(kind uint32) (value [8]byte, r driver.Result) {
	if kind != affinityMultiprocessors {
		return value, driver.ErrorInvalidValue
	}
	return value, driver.ErrorNoAffinity
}

// DeviceAffinitySupport implements driver.Native.
func (d *Driver) DeviceAffinitySupport(kind uint32) (int32, driver.Result) {
	if kind != affinityMultiprocessors {
		return 0, driver.ErrorInvalidValue
	}
	return 0, driver.Success
}

// DeviceTextureWidth implements driver.Native: a texture is at most 2^28
// elements and 2^30 bytes long.
func (d *Driver) DeviceTextureWidth(format, channels uint32) (uint64, driver.Result) {
	size := uint64(0)
	switch format {
	case 1, 8: // 8 bits
		size = 1
	case 2, 9, 16: // 16 bits
		size = 2
	case 3, 10, 32: // 32 bits
		size = 4
	}
	if size == 0 || channels != 1 && channels != 2 && channels != 4 {
		return 0, driver.ErrorInvalidValue
	}
	return min(1<<28, 1<<30/(size*uint64(channels))), driver.Success
}

// FlushRDMAWrites implements driver.Native: nobody else reaches this device.
func (d *Driver) FlushRDMAWrites(uint32, uint32) driver.Result { return driver.Success }

// HostAtomics implements driver.Links: none go over the link.
func (d *Driver) HostAtomics(uint32) (uint32, driver.Result) { return 0, driver.Success }
