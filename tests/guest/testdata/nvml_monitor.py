# SPDX-License-Identifier: Apache-2.0
"""A monitor: what it prints of device 0, through nvidia-ml-py."""
import pynvml

pynvml.nvmlInit()
device = pynvml.nvmlDeviceGetHandleByIndex(0)
text = lambda value: value.decode() if isinstance(value, bytes) else value
uuid, address = text(pynvml.nvmlDeviceGetUUID(device)), text(pynvml.nvmlDeviceGetPciInfo(device).busId)
print(text(pynvml.nvmlDeviceGetName(device)), uuid)
found = [pynvml.nvmlDeviceGetIndex(pynvml.nvmlDeviceGetHandleByPciBusId(address.encode())),
         pynvml.nvmlDeviceGetIndex(pynvml.nvmlDeviceGetHandleByUUID(uuid.encode()))]
print(address, "found by address and by UUID" if found == [0, 0] else found)
print(text(pynvml.nvmlSystemGetDriverVersion()), pynvml.nvmlSystemGetCudaDriverVersion_v2(),
      pynvml.nvmlDeviceGetCudaComputeCapability(device))
memory = pynvml.nvmlDeviceGetMemoryInfo(device, version=pynvml.nvmlMemory_v2)
assert memory.total == memory.used + memory.free
print(memory.total, memory.used)
print(f"{pynvml.nvmlDeviceGetUtilizationRates(device).gpu}% {pynvml.nvmlDeviceGetTemperature(device, pynvml.NVML_TEMPERATURE_GPU)}C")
print(*(f"{process.pid}:{process.usedGpuMemory}" for process in pynvml.nvmlDeviceGetComputeRunningProcesses(device)))
assert pynvml.nvmlDeviceGetGraphicsRunningProcesses(device) == []
try:
    pynvml.nvmlDeviceGetFanSpeed(device)
except pynvml.NVMLError as error:
    print("no:", error)
pynvml.nvmlShutdown()
try:
    pynvml.nvmlDeviceGetCount()
except pynvml.NVMLError as error:
    print("done:", error)
