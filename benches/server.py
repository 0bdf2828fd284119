"""nginx as the benches ask it: found, started with a configuration, and ended with what asks it."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time


def found():
    """Where nginx is; without it there is nothing to measure."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not nginx:
        sys.exit("skipped: nginx not found")
    return nginx


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(core, command):
    """A command on one core; `None`: on any."""
    return command if core is None else ["taskset", "-c", str(core), *command]


@contextlib.contextmanager
def serving(nginx, folder, port, config, core=1):
    """An nginx with this text as its configuration, which listens on this port, for as long as the block runs."""
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w") as file:
        file.write(config)
    command = [nginx, "-e", os.path.join(folder, "error.log"), "-p", folder, "-c", path]
    server = subprocess.Popen(pinned(core, command))
    try:
        wait_for(port)
        yield
    finally:
        # What is left of its log is written as it goes.
        server.terminate()
        server.wait()


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("nginx did not start")
