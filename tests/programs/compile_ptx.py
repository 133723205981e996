#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compile a .cu file to PTX with NVRTC, without a GPU.

NVRTC comes from the wheel nvidia-cuda-nvrtc-cu12==12.4.127: PTX ISA 8.4. Another release writes other text.
    compile_ptx.py [--nvrtc libnvrtc.so.12] [--target compute_80] kernels.cu kernels.ptx
    compile_ptx.py --check ...     compares instead of writing; status 1 when the PTX is out of date
Without --nvrtc it is looked for in VGPU_TEST_NVRTC, then among Python's packages. Status 77 when it is not there or
of another release.
"""
import argparse
import ctypes
import glob
import os
import site
import sys


def find_nvrtc(given):
    given = given or os.environ.get("VGPU_TEST_NVRTC")
    if given:
        return given
    roots = site.getsitepackages() + [site.getusersitepackages()]
    for root in roots + os.environ.get("PYTHONPATH", "").split(":"):
        found = glob.glob(os.path.join(root, "nvidia/cuda_nvrtc/lib/libnvrtc.so.12"))
        if found:
            return found[0]
    return None


RELEASE = (12, 4)


class Compiler:
    def __init__(self, path):
        directory = os.path.dirname(os.path.abspath(path))
        for builtins in glob.glob(os.path.join(directory, "libnvrtc-builtins.so*")):
            ctypes.CDLL(builtins, ctypes.RTLD_GLOBAL)
        self.lib = ctypes.CDLL(path)

    def version(self):
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.lib.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        return major.value, minor.value

    def _text(self, program, size_call, get_call):
        size = ctypes.c_size_t()
        getattr(self.lib, size_call)(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        getattr(self.lib, get_call)(program, text)
        return text.value

    def compile(self, source, name, options):
        program = ctypes.c_void_p()
        status = self.lib.nvrtcCreateProgram(ctypes.byref(program), source, name, 0, None, None)
        if status:
            raise RuntimeError(f"creating program: nvrtc result {status}")
        array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        status = self.lib.nvrtcCompileProgram(program, len(options), array)
        if status:
            log = self._text(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog").decode()
            raise RuntimeError(f"compiling: nvrtc result {status}\n{log}")
        return self._text(program, "nvrtcGetPTXSize", "nvrtcGetPTX")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nvrtc")
    parser.add_argument("--target", default="compute_80")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("source")
    parser.add_argument("ptx")
    arguments = parser.parse_args()

    path = find_nvrtc(arguments.nvrtc)
    if not path:
        print("no libnvrtc.so.12: pip install nvidia-cuda-nvrtc-cu12==12.4.127", file=sys.stderr)
        return 77
    compiler = Compiler(path)
    if compiler.version() != RELEASE:
        print("{} is NVRTC {}.{}, not {}.{}".format(path, *compiler.version(), *RELEASE), file=sys.stderr)
        return 77
    with open(arguments.source, "rb") as file:
        source = file.read()
    options = ["--gpu-architecture=" + arguments.target, "--std=c++17", "--fmad=true"]
    ptx = compiler.compile(source, os.path.basename(arguments.source).encode(), options)
    if not arguments.check:
        with open(arguments.ptx, "wb") as file:
            file.write(ptx)
        return 0
    with open(arguments.ptx, "rb") as file:
        if file.read() != ptx:
            print(f"{arguments.ptx} is not what NVRTC makes of {arguments.source}: make ptx", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
