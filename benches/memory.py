#!/usr/bin/env python3
"""The memory of paceline on millions of rows, against one nginx.

Runs `input.range` of 5,000,000 rows with 100 requests in flight, two JSON columns, a CSV sink and the
journal; prints rows/s and the most memory that was ever resident (VmHWM), and exits 1 when that is
64 MiB or more, or when a row is missing.

    cargo build --release && python3 benches/memory.py [--rows 5000000] [--pin]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

from server import found, free_port, pinned, serving
from speed import BODY, CONNECTIONS, JOB, NGINX

MOST = 64 * 1024  # KiB
LOOK = 0.05  # seconds between two looks


def high_water(pid):
    """VmHWM of a process in KiB; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def run(binary, folder, pin):
    """Runs the job; wall seconds and the high water mark in KiB."""
    start = time.monotonic()
    command = pinned(0 if pin else None, [binary, "run", "-q", "job.toml"])
    process = subprocess.Popen(command, cwd=folder)
    most = 0
    while True:
        most = max(most, high_water(process.pid))
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(LOOK)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"paceline failed ({process.returncode})")
    # The kernel's own maximum sees what happens between two looks; it includes the moment of the fork.
    return time.monotonic() - start, max(most, usage.ru_maxrss)


def records(path):
    with open(path, "rb") as out:
        return sum(block.count(b"\n") for block in iter(lambda: out.read(1 << 20), b"")) - 1


def measure(options, folder, port):
    with open(os.path.join(folder, "job.toml"), "w") as job:
        job.write(JOB.format(port=port, rows=options.rows, connections=CONNECTIONS))
    wall, most = run(os.path.abspath(options.binary), folder, options.pin)
    written = records(os.path.join(folder, "out.csv"))
    print(f"{options.rows:,} rows in {wall:,.1f} s, {options.rows / wall:,.0f}/s, {most / 1024:.1f} MiB resident at most")
    if written != options.rows:
        sys.exit(f"{written:,} records were written, not {options.rows:,}")
    if most >= MOST:
        sys.exit(f"{most / 1024:.1f} MiB were resident, less than {MOST // 1024} MiB are promised")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=5_000_000)
    arguments.add_argument("--pin", action="store_true", help="nginx on core 1, paceline on core 0")
    arguments.add_argument("--binary", default=os.path.join(os.getcwd(), "target/release/paceline"))
    options = arguments.parse_args()
    nginx = found()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = NGINX.format(dir=folder, port=port, body=BODY)
        with serving(nginx, folder, port, config, core=1 if options.pin else None):
            measure(options, folder, port)


if __name__ == "__main__":
    main()
