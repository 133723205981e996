package metrics

import "github.com/prometheus/client_golang/prometheus"

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("vgpu_"+name, help, labels, nil)
}

// domainDesc is a metric of a domain or a session of host processes.
func domainDesc(name, help string, labels ...string) *prometheus.Desc {
	return desc("domain_"+name, help, append([]string{"domain", "domain_uuid", "pool"}, labels...)...)
}

var (
	descBuild  = desc("build_info", "mediatord's version, always 1", "version")
	descEvents = desc("events_total", "What happened, by kind; refused starts are slot-refused", "kind")

	descGPU          = desc("gpu_info", "A GPU that the driver or a pool names, always 1", "gpu", "pci", "name", "driver")
	descGPUAvailable = desc("gpu_available", "1 if an executor has opened the GPU, 0 if none could yet", "gpu")
	descGPUMemory    = desc("gpu_memory_total_bytes", "Device memory; DCGM_FI_DEV_FB_TOTAL in bytes", "gpu")

	descGPUMemoryUsed        = desc("gpu_memory_used_bytes", "Device memory in use by everyone; DCGM_FI_DEV_FB_USED in bytes", "gpu")
	descGPUUtilization       = desc("gpu_utilization_ratio", "Part of the last sample period in which a kernel ran, 0 to 1; DCGM_FI_DEV_GPU_UTIL / 100", "gpu")
	descGPUMemoryUtilization = desc("gpu_memory_utilization_ratio", "Part of the last sample period in which device memory was read or written, 0 to 1; DCGM_FI_DEV_MEM_COPY_UTIL / 100", "gpu")
	descGPUTemperature       = desc("gpu_temperature_celsius", "Temperature of the GPU; DCGM_FI_DEV_GPU_TEMP", "gpu")
	descGPUPower             = desc("gpu_power_watts", "Power draw; DCGM_FI_DEV_POWER_USAGE", "gpu")
	descGPUPowerLimit        = desc("gpu_power_limit_watts", "Enforced power limit; DCGM_FI_DEV_ENFORCED_POWER_LIMIT", "gpu")
	descGPUEnergy            = desc("gpu_energy_joules_total", "Energy since the driver was loaded; DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION / 1000", "gpu")
	descGPUSMClock           = desc("gpu_sm_clock_hertz", "Clock of the multiprocessors; DCGM_FI_DEV_SM_CLOCK in Hz", "gpu")
	descGPUMemoryClock       = desc("gpu_memory_clock_hertz", "Clock of the memory; DCGM_FI_DEV_MEM_CLOCK in Hz", "gpu")
	descGPUECCErrors         = desc("gpu_ecc_uncorrected_errors_total", "Uncorrected memory errors since the driver was loaded; DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "gpu")

	descGPUXid  = desc("gpu_xid", "The last Xid error of the GPU, 0 if it had none since mediatord's start; DCGM_FI_DEV_XID_ERRORS", "gpu")
	descGPUXids = desc("gpu_xid_errors_total", "Xid errors of the GPU by code; \"vgpuctl events\" names the domains", "gpu", "xid")

	descPoolSlots         = desc("pool_slots", "Slots of the pool", "pool")
	descPoolSlotsUsed     = desc("pool_slots_used", "Slots in use", "pool")
	descPoolPromised      = desc("pool_memory_promised_bytes", "Sum of the quotas of the pool's domains", "pool")
	descPoolParkedHost    = desc("pool_parked_host_bytes", "Host memory that parked guest processes of the pool take", "pool")
	descPoolParkedHostMax = desc("pool_parked_host_limit_bytes", "Host memory that they may take", "pool")
	descPoolWeight        = desc("pool_weight", "The pool's weight against other pools on its GPUs", "pool")

	descDomain         = domainDesc("info", "A domain, or a session of host processes, with a slot; always 1", "kind", "priority", "gpu", "state")
	descConnected      = domainDesc("connected", "1 while QEMU, or a process of the session, is connected")
	descWeight         = domainDesc("weight", "The domain's weight in its pool")
	descQuota          = domainDesc("memory_quota_bytes", "Device memory that the domain may use; its own DCGM_FI_DEV_FB_TOTAL in bytes")
	descUsed           = domainDesc("memory_used_bytes", "Device memory that the domain uses; its own DCGM_FI_DEV_FB_USED in bytes")
	descParked         = domainDesc("memory_parked_bytes", "Of the memory in use, what lies in host memory because its process is idle")
	descContextsParked = domainDesc("contexts_parked", "Guest processes that are not on the GPU at all: their contexts lie in host memory too")
	descProcesses      = domainDesc("processes", "Guest processes with a channel, by the state of their executor", "state")
	descQueued         = domainDesc("queued_bytes", "Records that wait in the rings of the domain's processes")
	descStarted        = domainDesc("executors_started_total", "Executors that were started")
	descDied           = domainDesc("executors_died_total", "Executors that ended while their guest process still wanted them")
	descExpired        = domainDesc("watchdog_fired_total", "Of those, the ones that the watchdog ended because a kernel or graph ran for longer than the pool allows")
	descCalls          = domainDesc("calls_total", "Driver calls that reached an executor; those that the guest's library answers by itself are not seen")
	descWaits          = domainDesc("waits_total", "Of the calls, those whose caller waited for the reply")
	descLaunches       = domainDesc("launches_total", "Launches of kernels, and of graphs", "kind")
	descCopied         = domainDesc("copied_bytes_total", "Bytes copied to the device (in), from it (out), and copied or filled on it (within); compare DCGM_FI_PROF_PCIE_RX_BYTES and _TX_BYTES", "direction")
	descGPUTime        = domainDesc("gpu_seconds_total", "Time that the GPU worked for the domain, as the scheduler charges it; its rate is the share that DCGM_FI_PROF_GR_ENGINE_ACTIVE gives for a whole GPU")
	descFaults         = domainDesc("faults_total", "Contexts lost, by CUresult; compare DCGM_FI_DEV_XID_ERRORS", "code")
	descRefused        = domainDesc("refused_calls_total", "Calls of driver functions that are not carried", "function")
)

func descriptions() []*prometheus.Desc {
	return []*prometheus.Desc{
		descBuild, descEvents,
		descGPU, descGPUAvailable, descGPUMemory, descGPUMemoryUsed, descGPUUtilization, descGPUMemoryUtilization, descGPUTemperature,
		descGPUPower, descGPUPowerLimit, descGPUEnergy, descGPUSMClock, descGPUMemoryClock, descGPUECCErrors, descGPUXid, descGPUXids,
		descPoolSlots, descPoolSlotsUsed, descPoolPromised, descPoolParkedHost, descPoolParkedHostMax, descPoolWeight,
		descDomain, descConnected, descWeight, descQuota, descUsed, descParked, descContextsParked, descProcesses, descQueued, descStarted, descDied, descExpired,
		descCalls, descWaits, descLaunches, descCopied, descGPUTime, descFaults, descRefused,
	}
}
