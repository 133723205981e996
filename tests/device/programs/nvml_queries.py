# SPDX-License-Identifier: Apache-2.0
"""What monitors ask of NVML through nvidia-ml-py; what must agree with the driver is compared with it."""
import ctypes
import os
import time

import tell
import driver

nvml = tell.need("pynvml")


def asked(name, *arguments):
    try:
        return getattr(nvml, name)(*arguments)
    except nvml.NVMLError as error:
        return str(error)


def identity():
    nvml.nvmlInit()
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    tell.value("count", nvml.nvmlDeviceGetCount() >= 1)
    tell.value("name", nvml.nvmlDeviceGetName(handle))
    tell.value("driver", nvml.nvmlSystemGetDriverVersion())
    tell.value("cuda", nvml.nvmlSystemGetCudaDriverVersion_v2())
    tell.value("capability", nvml.nvmlDeviceGetCudaComputeCapability(handle))
    tell.value("architecture", asked("nvmlDeviceGetArchitecture", handle))
    tell.value("brand", asked("nvmlDeviceGetBrand", handle))
    tell.info("uuid", nvml.nvmlDeviceGetUUID(handle))


def agrees_with_driver():
    device = driver.context()
    bus, uuid = ctypes.create_string_buffer(32), (ctypes.c_ubyte * 16)()
    driver.must("cuDeviceGetPCIBusId", bus, 32, device)
    driver.must("cuDeviceGetUuid_v2", uuid, device)
    handle = nvml.nvmlDeviceGetHandleByPciBusId(bus.value)
    digits = bytes(uuid).hex()
    text = "GPU-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    tell.value("uuid_agrees", nvml.nvmlDeviceGetUUID(handle) == text)
    tell.value("found_by_uuid", nvml.nvmlDeviceGetIndex(nvml.nvmlDeviceGetHandleByUUID(text)))
    pci = nvml.nvmlDeviceGetPciInfo(handle).busId
    tell.value("bus_agrees", pci.lower().endswith(bus.value.decode().lower()))
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    driver.must("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    tell.info("memory", "nvml", memory.total, memory.used, memory.free, "driver", total.value, free.value)
    tell.value("totals_are_close", abs(memory.total - total.value) < total.value // 50)
    tell.value("adds_up", memory.total >= memory.used and memory.total >= memory.free)


def own_process():
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    pointer = driver.allocate(256 << 20)
    for _ in range(30):  # what a monitor shows may be a little old
        processes = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        mine = [process for process in processes if process.pid == os.getpid()]
        used = nvml.nvmlDeviceGetMemoryInfo(handle).used
        if mine and used >= 256 << 20:
            break
        time.sleep(0.1)
    tell.value("own_process_is_listed", len(mine))
    tell.info("own memory", [process.usedGpuMemory for process in mine], "processes", len(processes))
    tell.value("allocation_is_counted", used >= 256 << 20)
    driver.must("cuMemFree_v2", pointer)


def sensors():
    handle = nvml.nvmlDeviceGetHandleByIndex(0)
    for name, *arguments in (("nvmlDeviceGetUtilizationRates",), ("nvmlDeviceGetTemperature", 0), ("nvmlDeviceGetPowerUsage",),
                             ("nvmlDeviceGetEnforcedPowerLimit",), ("nvmlDeviceGetClockInfo", 0), ("nvmlDeviceGetClockInfo", 2),
                             ("nvmlDeviceGetMaxClockInfo", 0), ("nvmlDeviceGetMaxClockInfo", 2), ("nvmlDeviceGetFanSpeed",),
                             ("nvmlDeviceGetPcieThroughput", 0), ("nvmlDeviceGetCurrPcieLinkGeneration",), ("nvmlDeviceGetCurrPcieLinkWidth",),
                             ("nvmlDeviceGetEncoderUtilization",), ("nvmlDeviceGetDecoderUtilization",), ("nvmlDeviceGetPersistenceMode",),
                             ("nvmlDeviceGetComputeMode",), ("nvmlDeviceGetEccMode",), ("nvmlDeviceGetMigMode",), ("nvmlDeviceGetPerformanceState",),
                             ("nvmlDeviceGetGraphicsRunningProcesses",), ("nvmlDeviceGetBAR1MemoryInfo",), ("nvmlDeviceGetMinorNumber",)):
        answer = asked(name, handle, *arguments)
        fields = getattr(answer, "_fields_", None)
        tell.info(name, *arguments, {field[0]: getattr(answer, field[0]) for field in fields} if fields else answer)


def ends():
    nvml.nvmlShutdown()
    tell.value("after_shutdown", asked("nvmlDeviceGetCount"))


tell.attempts([identity, agrees_with_driver, own_process, sensors, ends])
