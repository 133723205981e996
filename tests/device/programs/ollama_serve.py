# SPDX-License-Identifier: Apache-2.0
"""Ollama's own server with its own CUDA backend: a model is created and asked. ollama_serve.py tiny|small|1b [TOKENS [TIMES]]"""
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import machine
import tell

# layers, hidden, ffn, heads, key-value heads, vocabulary
SHAPES = {"tiny": (2, 256, 512, 4, 2, 512), "small": (4, 1024, 2048, 16, 4, 8192), "1b": (16, 2048, 8192, 32, 8, 128256)}
PROMPTS = ("w300", "Why is the sky blue?", "A long one. " * 40)
START, LOAD = 120, 240  # seconds
KEEP = 400             # last lines of the server's log, told when something fails


def libraries():
    """Where the dynamic linker looks, with CUDA's libraries, which Ollama's packages bring along, at the end."""
    try:
        cuda = machine.cuda_directories()
    except RuntimeError:
        cuda = []
    return ":".join(filter(None, [os.environ.get("LD_LIBRARY_PATH"), *cuda]))


class Server:
    """`ollama serve` with files in a directory of its own."""

    def __init__(self, program, directory):
        self.directory = directory
        self.lines = []
        self.known = threading.Condition()
        environment = {**os.environ, "LD_LIBRARY_PATH": libraries(), "HOME": directory, "OLLAMA_MODELS": os.path.join(directory, "models"), "OLLAMA_HOST": "127.0.0.1:0",
                       "OLLAMA_DEBUG": "1", "OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_CONTEXT_LENGTH": "2048", "OLLAMA_NUM_PARALLEL": "1"}
        self.process = subprocess.Popen([program, "serve"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="replace")
        threading.Thread(target=self._read, daemon=True).start()
        self.address = "http://" + self.line(r"Listening on (127\.0\.0\.1:\d+)", START)[1]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait(60)

    def last_lines(self):
        with self.known:
            return "\n".join(self.lines[-KEEP:])

    def _read(self):
        for line in self.process.stderr:
            with self.known:
                self.lines.append(line.rstrip("\n"))
                self.known.notify_all()

    def line(self, pattern, seconds=0):
        """The match of the first line that has the pattern, which may be yet to come."""
        found = lambda: next(filter(None, (re.search(pattern, line) for line in self.lines)), None)
        with self.known:
            match = self.known.wait_for(found, seconds)
        if not match:
            raise RuntimeError(f"ollama's log has no {pattern} after {seconds} s")
        return match

    def ask(self, path, body=None, seconds=LOAD):
        data = body if body is None or hasattr(body, "read") else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data)
        if hasattr(body, "read"):
            request.add_header("Content-Length", str(os.fstat(body.fileno()).st_size))
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def write_model(shape, directory):
    path = os.path.join(directory, "model.gguf")
    subprocess.run([machine.payload("tests/gguf"), "--words", path, *map(str, SHAPES[shape])], check=True)
    return path


def create(server, path):
    with open(path, "rb") as file:
        digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    with open(path, "rb") as file:
        server.ask("/api/blobs/" + digest, file)
    server.ask("/api/create", {"model": "words", "files": {"model.gguf": digest}, "stream": False})
    os.unlink(path)


def generate(server, prompt, tokens):
    options = {"temperature": 0, "seed": 7, "num_predict": tokens}
    return server.ask("/api/generate", {"model": "words", "prompt": prompt, "raw": True, "stream": False, "options": options})


def discovery(server):
    found = server.line(r'msg="inference compute".*library=(\S+).*compute=(\S+)', START)
    tell.value("library", found[1])
    tell.value("compute", found[2])
    tell.info(found.string.partition("msg=")[2])


def generation(server, shape, tokens, times):
    path = write_model(shape, server.directory)
    create(server, path)
    first = None
    for number, prompt in enumerate(PROMPTS):
        answer = generate(server, prompt, tokens)
        first = first or answer
        tell.value(f"tokens_{number}", f"{answer['prompt_eval_count']} then {answer['eval_count']}, {answer['done_reason']}")
        tell.hashed(f"text_{number}", answer["response"].encode())
        tell.info("answers", answer["response"][:60])
    tell.info("loaded in", first["load_duration"] / 1e9, "s")
    for _ in range(times):
        answer = generate(server, PROMPTS[1], tokens)
        tell.rate("decode_tokens_per_second", answer["eval_count"] / answer["eval_duration"] * 1e9)


def placement(server):
    loaded = server.ask("/api/ps")["models"][0]
    tell.info("on the GPU:", loaded["size_vram"], "of", loaded["size"], "bytes")
    tell.value("all_on_gpu", loaded["size_vram"] == loaded["size"] > 0)
    tell.value("layers_on_gpu", server.line(r"offloaded (\d+/\d+) layers to GPU")[1])


def main():
    shape = sys.argv[1]
    tokens = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    times = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    program = machine.payload("ollama/bin/ollama")
    if not os.path.exists(program):
        tell.missing("ollama")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, env={**os.environ, "HOME": "/nonexistent"})
    tell.version("ollama", version.stdout.split()[-1])
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ollama"))
        server = stack.enter_context(Server(program, directory))
        parts = {"discovery": lambda: discovery(server), "generation": lambda: generation(server, shape, tokens, times),
                 "placement": lambda: placement(server)}
        good = all([tell.attempt(name, part) for name, part in parts.items()])
        if not good:
            print(server.last_lines(), file=sys.stderr)
    sys.exit(0 if good else 1)


main()
