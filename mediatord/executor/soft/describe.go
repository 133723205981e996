package soft

import (
	"libvirt-vgpu/mediatord/executor/soft/gpu"
	"libvirt-vgpu/plugin/window"
)

// What the device says of itself: an H200 where it is one, with fewer
// multiprocessors so that programs that fill the GPU fill it soon.
const (
	deviceName      = "vGPU software device"
	driverVersion   = 13000
	driverString    = "580.00.00"
	totalMemory     = 4 << 30
	computeMajor    = 9
	computeMinor    = 0
	multiprocessors = 8
	sharedPerSM     = 228 << 10
	sharedReserved  = 1 << 10
	granularity     = 2 << 20
	pciDeviceID     = 0x2335<<16 | 0x10de
	pciSubsystemID  = 0x18be<<16 | 0x10de
	clockKHz        = 1980000
	memoryClockKHz  = 3201000
	attributeCount  = 144
	invalidValue    = 1
)

var deviceUUID = window.UUID{'v', 'g', 'p', 'u', '-', 's', 'o', 'f', 't', 'w', 'a', 'r', 'e', 0, 0, 1}

// defaultLimits are cuCtxGetLimit's: stack, printf buffer, heap, synchronisation
// depth, pending launches, L2 fetch granularity, persisting L2, shared memory.
var defaultLimits = [8]uint32{1024, 1 << 20, 8 << 20, 0, 0, 128, 0, 0}

// Describe implements driver.Device.
func (d *Driver) Describe() (*window.Description, error) {
	out := &window.Description{
		DeviceCount: 1, DriverVersion: driverVersion, DriverString: driverString, Name: deviceName, UUID: deviceUUID,
		TotalMemory: totalMemory, PCIBus: pciBus, PCIDeviceID: pciDeviceID, PCISubsystemID: pciSubsystemID,
		VMMGranularity: granularity, Limits: defaultLimits, PriorityLowest: 0, PriorityHighest: -5,
		Attributes: make([]window.Attribute, window.DescAttributes),
	}
	for i := range out.Attributes {
		if i == 0 || i > attributeCount {
			out.Attributes[i].Result = invalidValue
		}
		out.Attributes[i].Value = attributes[i]
	}
	return out, nil
}

const (
	maxInt = 1<<31 - 1
	pciBus = 1
)

// attributes by CUdevice_attribute. Those that are not here are 0: the device
// has none of it.
var attributes = [window.DescAttributes]int32{
	1: gpu.MaxThreadsPerBlock, 2: gpu.MaxBlockXY, 3: gpu.MaxBlockXY, 4: gpu.MaxBlockZ,
	5: gpu.MaxGridX, 6: gpu.MaxGridYZ, 7: gpu.MaxGridYZ,
	8:  gpu.MaxSharedDefault,
	9:  64 << 10, // constant memory
	10: gpu.WarpSize,
	11: maxInt,   // pitch
	12: 64 << 10, // registers per block
	13: clockKHz,
	14: 512, // texture alignment
	15: 1,   // overlap of copies and kernels
	16: multiprocessors,
	19: 1,      // maps host memory
	21: 131072, // textures
	22: 131072, 23: 65536, 24: 16384, 25: 16384, 26: 16384, 27: 32768, 28: 32768, 29: 2048,
	30: 512, // surface alignment
	31: 1,   // concurrent kernels
	32: 1,   // ECC
	33: pciBus,
	36: memoryClockKHz,
	37: 6144,     // bus width, bits
	38: 60 << 20, // L2
	39: 2048,     // threads per multiprocessor
	40: 3,        // copy engines
	41: 1,        // unified addressing
	42: 32768, 43: 2048, 44: 1, 45: 32768, 46: 32768, 47: 8192, 48: 8192, 49: 32768,
	51: 32, // texture pitch alignment
	52: 32768, 53: 32768, 54: 2046, 55: 32768, 56: 131072, 57: 65536, 58: 16384, 59: 16384, 60: 16384,
	61: 32768, 62: 2048, 63: 32768, 64: 32768, 65: 2048, 66: 32768, 67: 32768, 68: 2046,
	69: 268435456, 70: 131072, 71: 65000, 72: 2097120, 73: 32768, 74: 32768,
	75: computeMajor, 76: computeMinor,
	77: 32768,
	78: 1,        // stream priorities
	79: 1, 80: 1, // L1 for globals and locals
	81: sharedPerSM,
	82: 64 << 10,        // registers per multiprocessor
	83: 1,               // managed memory
	87: 2,               // ratio of single to double precision
	89: 1,               // processor and GPU may use managed memory at once
	90: 1,               // preemption
	91: 1,               // registered host memory has its own address
	92: 1, 93: 1, 94: 1, // stream memory operations
	95:  1, // cooperative launch
	97:  gpu.MaxSharedOptIn,
	99:  1,  // host registration
	102: 1,  // virtual memory management
	103: 1,  // descriptors of memory
	106: 32, // blocks per multiprocessor
	111: sharedReserved,
	115: 1,  // memory pools
	122: 1,  // 64-bit stream memory operations
	123: 1,  // waits for NOR
	125: 1,  // events between processes
	126: 1,  // memory synchronisation domains
	131: -1, // NUMA node: none
	134: -1, // of the host: none
	139: pciDeviceID,
	140: pciSubsystemID,
}
