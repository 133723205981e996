# SPDX-License-Identifier: Apache-2.0
"""What systemd's file descriptor store does, for mediatord without systemd."""
import os
import socket
import subprocess
import threading

FILES = 253  # most in one message


class Keeper:
    def __init__(self, path):
        self.path = path
        self.stored = {}  # name: descriptor
        self.states = []
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            text, files, _, _ = socket.recv_fds(self.socket, 8192, FILES)
            lines = text.decode().splitlines()
            name = next((line[len("FDNAME="):] for line in lines if line.startswith("FDNAME=")), "stored")
            with self.lock:
                if "FDSTOREREMOVE=1" in lines and name in self.stored:
                    os.close(self.stored.pop(name))
                elif "FDSTORE=1" in lines and files:
                    self.stored[name] = files.pop(0)
                else:
                    self.states += lines
            for file in files:
                os.close(file)

    def count(self, state):
        with self.lock:
            return self.states.count(state)

    def start(self, command, **options):
        """Starts the service with what is stored."""
        with self.lock:
            names, files = list(self.stored), list(self.stored.values())
        environment = {**os.environ, "NOTIFY_SOCKET": self.path}
        if names:
            environment |= {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
            # Descriptors from 3 on, which the shell gets under numbers far above.
            high = [os.dup2(file, 1000 + i, inheritable=True) for i, file in enumerate(files)]
            moves = " ".join(f"{3 + i}<&{file} {file}<&-" for i, file in enumerate(high))
            command = ["bash", "-c", f'exec {moves}; LISTEN_PID=$$ exec "$@"', "bash", *command]
            options["pass_fds"] = high
        try:
            return subprocess.Popen(command, env=environment, **options)
        finally:
            for file in options.get("pass_fds", ()):
                os.close(file)
