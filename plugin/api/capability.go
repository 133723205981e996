package api

// concealed lists the device attributes (CUdevice_attribute) that announce what
// the API table refuses: a program that asks first must not be sent there.
var concealed = map[int]string{
	88:  "pageable memory access",
	100: "pageable memory access through the host's page tables",
	101: "managed memory access from the host",
	110: "GPUDirect RDMA of mapped memory",
	112: "sparse arrays",
	113: "read-only host memory registration",
	114: "timeline semaphores",
	116: "GPUDirect RDMA",
	117: "GPUDirect RDMA flushes",
	119: "handle types of memory pools",
	121: "deferred mapping of arrays",
	124: "dma-buf export",
	128: "fabric handles",
	130: "NUMA placement",
	132: "multicast objects",
	136: "decompression algorithms",
	137: "decompression length",
	138: "CUDA in graphics with Vulkan",
	141: "memory on a host NUMA node",
	142: "memory pools on a host NUMA node",
	143: "fabric handles of host memory",
}

// Concealed reports whether a device attribute announces a feature that is not
// carried; a vGPU answers 0 to it.
func Concealed(attribute int) bool {
	_, ok := concealed[attribute]
	return ok
}
