#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the section on programs of docs/compatibility.md from the raw results: report_programs.py (in the repository's root)."""
import json
import os

from stage_programs import PROGRAMS

ALONE = {entry.name for entry in PROGRAMS if entry.alone}
RESULTS = "tests/device/results/"
PAGE = "docs/compatibility.md"
BEGIN, END = "<!-- programs, from tests/device/results -->\n", "<!-- end of programs -->\n"

WHAT = {
    "torch_gemm": "PyTorch: cuBLAS and cuBLASLt in every precision, attention, out of memory",
    "torch_conv": "PyTorch: cuDNN training steps, mixed precision, AdamW",
    "generate_tiny": "transformers: eager generate, tiny Llama",
    "generate_1b": "transformers: eager generate, Llama-3.2-1B shape",
    "torch_compile": "torch.compile: inductor, Triton, CUDA graphs",
    "torch_graphs": "PyTorch: CUDA graphs of inference, training, random numbers",
    "triton_kernels": "Triton: add, softmax, product, layer norm, atomics, tensor descriptors, autotuning",
    "cupy_arrays": "CuPy: RawKernel, NVRTC, fusion, streams, graphs, pools",
    "jax": "JAX: jit, gradients, loops, convolution, callbacks; memory as needed",
    "jax_preallocating": "JAX: the same, preallocating its share of a quota of 16 GiB",
    "numba_kernels": "Numba: kernels, shared memory, atomics, streams, ufuncs",
    "torch_libraries": "cuFFT, cuSOLVER, cuSPARSE, cuRAND, CUB, NVRTC through PyTorch",
    "compile_again": "NVRTC asked twice for the same, cuDNN's attention at 64 lengths",
    "cupy_libraries": "cuFFT, cuSOLVER, cuSPARSE, cuBLAS, textures through CuPy",
    "cupy_managed": "CuPy: all arrays in managed memory, used by the processor too",
    "torch_loader": "PyTorch: DataLoader with forked and spawned workers, pinned memory",
    "ollama": "Ollama 0.17.4: its server on its own CUDA backend, 1B shape, three prompts",
    "torch_segments": "PyTorch: expandable segments, out of memory and on",
    "torch_threads": "PyTorch: 16 threads on streams of their own",
    "torch_copies": "PyTorch: copies of all small sizes in 4 threads beside kernels, every byte checked",
    "processes": "PyTorch: 8 processes at once, a tensor shared by IPC",
    "fork_then_use": "fork before and after initialisation",
    "nvml_queries": "nvidia-ml-py",
    "nccl_one_rank": "NCCL, one rank",
    "nccl_two_ranks": "NCCL, two ranks on two GPUs",
    "cuda_bindings": "cuda-bindings: NVRTC, modules, launches, errors",
    "cuda_core": "cuda.core: programs, launches, memory, events",
    "short_processes": "8 short processes one after the other",
}


def load(name):
    path = RESULTS + name + ".json"
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return json.load(file)


def answer(record):
    if record.get("skipped"):
        return "not run: " + record["skipped"]
    if record.get("missing"):
        return "not run: needs " + record["missing"]
    words = []
    if record["program"] == "nccl_two_ranks":
        return "; ".join(f"{way.replace('_', ' ')}: {'same' if one['same'] else 'not the same'}" for way, one in record["runs"].items())
    natively = record["runs"]["native"][0]
    count = len(natively["hashes"]) + len(natively["values"])
    if record["same"]:
        words.append(f"same: {count} answers")
    else:
        words.append("**differs**: " + (", ".join(record["differing"]) or "how it ends"))
    if not record["works_natively"]:
        words.append("fails natively too: " + ", ".join(natively["failed"]))
    if record["not_deterministic_natively"]:
        words.append("natively not the same twice: " + ", ".join(record["not_deterministic_natively"]))
    if record["refused"]:
        words.append("refused: " + ", ".join(f"`{name}`" for name in record["refused"]))
    for name, speed in record["speeds"].items():
        if "ratio" in speed and record["program"] in ALONE:  # others ran beside each other
            words.append(f"{speed['virtual']['median']:.4g} {name.replace('_', ' ')}, natively {speed['native']['median']:.4g}")
    return "; ".join(words)


def versions(records):
    found = {}
    for record in records.values():
        found.update(record.get("versions") or {})
    return ", ".join(f"{name} {text}" for name, text in sorted(found.items()) if name not in ("torch.distributed",))


def section():
    result, machine, vm = load("programs"), load("machine"), load("vm")
    records = {name: record for name, record in result["programs"].items() if name in WHAT}
    lines = ["## Programs", "",
             f"Unmodified, each natively and on a vGPU in the same run, on {machine['gpu']['name']} with driver {machine['gpu']['driver']}: hashes of the bytes of",
             "every result, and what is readable, compared. " + versions(records) + ".",
             "The scripts are [tests/device/programs](../tests/device/programs), their output [programs.json](../tests/device/results/programs.json).",
             "llama.cpp and the speed of it all: [benchmarks.md](benchmarks.md).", "",
             "| program | virtually |", "|---|---|"]
    lines += [f"| {WHAT[name]} | {answer(records[name])} |" for name in WHAT if name in records]
    inside = {**vm.get("host_programs", {}), **load("vm_ollama").get("host_programs", {})}
    if inside:
        lines += ["", "In a VM on such a machine (QEMU's emulation, root directory shared by virtiofs), through `/dev/vgpu0`, compared with native runs:", "",
                  "| program | answers | milliseconds |", "|---|---|---|"]
        names = {"fork": "fork before and after initialisation", "llama": "llama.cpp, 32 tokens", "torch": "PyTorch: products, training steps",
                 "ollama": "Ollama 0.17.4: its server on its own CUDA backend, three prompts"}
        lines += [f"| {names.get(name, name)} | {'same' if one['same'] else '**differ**'} | {one['ms']} |" for name, one in inside.items()]
    return "\n".join(lines) + "\n\n"


def main():
    with open(PAGE) as file:
        page = file.read()
    if BEGIN not in page:
        page = page.replace("## Functions that are refused", BEGIN + END + "\n## Functions that are refused", 1)
    before, rest = page.split(BEGIN, 1)
    with open(PAGE, "w") as file:
        file.write(before + BEGIN + "\n" + section() + END + rest.split(END, 1)[1])


main()
