# SPDX-License-Identifier: Apache-2.0
"""Where things lie on the machine with the GPU."""
import glob
import json
import os
import site
import subprocess
import sys

PAYLOAD = os.environ.get("VGPU_PAYLOAD", "/tmp/vgpu")
OUT = os.environ.get("OUT", "/tmp/vgpu-out")
WORK = os.environ.get("VGPU_WORK", "/tmp/vgpu-work")
RUN = os.environ.get("VGPU_RUN", "/run/vgpu")


def payload(*parts):
    return os.path.join(PAYLOAD, *parts)


def write_result(name, value):
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, name + ".json"), "w") as file:
        json.dump(value, file, indent=1)


def gpus():
    """UUID, name, driver and PCI address of each GPU."""
    query = ["nvidia-smi", "--query-gpu=uuid,name,driver_version,pci.bus_id", "--format=csv,noheader"]
    try:
        text = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[field.strip() for field in line.split(",")] for line in text.splitlines() if line.strip()]
    return [dict(zip(("uuid", "name", "driver", "pci"), row)) for row in rows]


def gpu():
    """The first GPU; None without one."""
    return next(iter(gpus()), None)


def cuda_directories():
    """Directories that hold CUDA 13's runtime and cuBLAS; one may hold all."""
    roots = ["/usr/local/cuda/lib64", "/usr/local/cuda/targets/x86_64-linux/lib"]
    roots += sorted(glob.glob("/usr/local/cuda-13*/lib64"))
    packages = site.getsitepackages() + [path for path in sys.path if path.endswith("site-packages")]
    for package in dict.fromkeys(packages):
        roots += [os.path.join(package, "nvidia/cu13/lib")] + sorted(glob.glob(os.path.join(package, "nvidia/*/lib")))
    found = []
    for name in ("libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13"):
        directory = next((root for root in roots if os.path.exists(os.path.join(root, name))), None)
        if directory is None:
            raise RuntimeError(f"no {name} in {roots}")
        if directory not in found:
            found.append(directory)
    return found


def facts():
    """What a report of the runs should say about the machine."""
    def output(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)

    return {
        "gpu": gpu(),
        "kernel": " ".join(os.uname()),
        "processors": os.cpu_count(),
        "processor": output("sh", "-c", "grep -m1 'model name' /proc/cpuinfo"),
        "libcuda": output("sh", "-c", "ldconfig -p | grep -E 'libcuda.so|libnvidia-ml.so'; ls -l /usr/local/nvidia/lib64/libcuda.so*"),
        "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
        "devices": glob.glob("/dev/nvidia*"),
        "memlock": output("sh", "-c", "ulimit -l"),
    }
