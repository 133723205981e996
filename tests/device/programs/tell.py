# SPDX-License-Identifier: Apache-2.0
"""What the programs print, a line each; stage_programs.py reads it.

    version NAME TEXT    of a library that took part
    hash NAME HEX        SHA-256 of a result's bytes; native and virtual runs must print the same
    value NAME TEXT      the same for what is readable as it is
    rate NAME NUMBER     a speed, higher is better; not compared for equality
    info TEXT            for the reader
    missing NAME         the machine lacks what the program needs; the program ends with MISSING
"""
import hashlib
import importlib
import sys
import traceback

MISSING = 77


def say(kind, *words):
    print(kind, *words, flush=True)


def version(name, text):
    say("version", name, text)


def value(name, text):
    say("value", name, text)


def rate(name, number):
    say("rate", name, f"{number:.6g}")


def info(*words):
    say("info", *words)


def missing(name):
    say("missing", name)
    sys.exit(MISSING)


def need(*names):
    """The modules, imported; ends the program as missing when one is not installed."""
    modules = []
    for name in names:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            # a broken installation is a failure, an absent one is not
            if error.name and name.split(".")[0] == error.name.split(".")[0]:
                missing(name)
            raise
        modules.append(module)
        text = getattr(module, "__version__", None)
        if text:
            version(name, text)
    return modules[0] if len(modules) == 1 else modules


def octets(array):
    """The bytes of a NumPy, CuPy, JAX or PyTorch array, of bytes, or of a number's text."""
    if isinstance(array, (bytes, bytearray)):
        return bytes(array)
    if hasattr(array, "detach"):
        torch = sys.modules["torch"]
        flat = array.detach().resolve_conj().cpu().contiguous().reshape(-1)
        return flat.view(torch.uint8).numpy().tobytes()
    if hasattr(array, "get") and hasattr(array, "flags"):
        array = array.get()
    if hasattr(array, "dtype"):
        import numpy
        return numpy.ascontiguousarray(numpy.asarray(array)).tobytes()
    return repr(array).encode()


def hashed(name, *arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(octets(array))
    say("hash", name, digest.hexdigest())


def attempt(name, function):
    """Runs one part of a program; its failure is told and does not keep the others from running. False when it failed."""
    try:
        function()
    except Exception as error:  # what it raises is the result
        traceback.print_exc()
        say("failed", name, type(error).__name__, str(error).replace("\n", " ")[:300])
        return False
    return True


def attempts(functions):
    """Ends the program with 1 when one of the parts failed."""
    results = [attempt(function.__name__, function) for function in functions]
    sys.exit(0 if all(results) else 1)
