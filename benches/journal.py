#!/usr/bin/env python3
"""What the journal costs: its size, how soon a killed run goes on, and the throughput it takes.

Runs the job of speed.py with 10,000,000 rows (and some more) against one nginx, kills it by SIGKILL when the output has
10,000,000 records, and starts it again against a server that notes when it is first asked. Then runs the job in turn as
it is and with a journal whose writes and syncs are left out (by a library that is loaded before libc and does nothing
for files named `journal`). Exits 1 when the journal ever had 64 MiB, when the first request of the resumed run came
later than 2 s after its start, or when the journal takes more than 5 % of the throughput (median of the rounds).

    cargo build --release && python3 benches/journal.py [--rows 10000000] [--rounds 5]
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from server import free_port, serving
from speed import BODY, CONNECTIONS, JOB, NGINX, begin, timed

MOST = 64 << 20
SOON = 2.0  # seconds
SHARE = 0.05
LOOK = 0.05  # seconds between two looks
MORE = 500_000  # rows that a killed run leaves
ROUND = 300_000  # rows of a round

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int is_journal(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 8) return 0;
    path[length] = 0;
    return strcmp(path + length - 8, "/journal") == 0;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    return fd > 2 && is_journal(fd) ? (ssize_t)length : real(fd, bytes, length);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    return is_journal(fd) ? 0 : real(fd);
}
"""


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def state_size(folder):
    """Bytes of the state folder's files now; a file that is just renamed counts once."""
    size = 0
    for root, _, names in os.walk(os.path.join(folder, ".paceline")):
        for name in names:
            try:
                size += os.stat(os.path.join(root, name)).st_size
            except FileNotFoundError:
                pass
    return size


def lines(path, place):
    """Lines of a file from a place on, and its end."""
    with open(path, "rb") as out:
        out.seek(place)
        count = sum(block.count(b"\n") for block in iter(lambda: out.read(1 << 20), b""))
        return count, out.tell()


def killed(options, folder):
    """Kills a run when its output has so many records; the most bytes that its state had, and rows/s."""
    start = time.monotonic()
    process = subprocess.Popen([options.binary, "run", "-q", "job.toml"], cwd=folder)
    out, records, place, most = os.path.join(folder, "out.csv"), -1, 0, 0
    while records < options.rows:
        if process.poll() is not None:
            sys.exit(f"paceline ended ({process.returncode}) before it was killed")
        most = max(most, state_size(folder))
        if os.path.exists(out):
            count, place = lines(out, place)
            records += count
        time.sleep(LOOK)
    process.kill()
    process.wait()
    return max(most, state_size(folder)), records / (time.monotonic() - start)


def resumed(options, folder, port):
    """Seconds from the start of a run until it first asks the server."""
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(60)
        start = time.monotonic()
        process = subprocess.Popen([options.binary, "run", "-q", "job.toml"], cwd=folder)
        try:
            server.accept()[0].close()
            return time.monotonic() - start
        finally:
            process.kill()
            process.wait()


def shimmed(folder):
    """The environment in which the journal is written to nowhere."""
    source, library = os.path.join(folder, "shim.c"), os.path.join(folder, "shim.so")
    write(source, SHIM)
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return ["env", f"LD_PRELOAD={library}"]


def throughput(options, folder):
    """Rows/s with the journal and without, medians of rounds in turn."""
    rates = {True: [], False: []}
    without = shimmed(folder)
    for turn in range(2 * options.rounds):
        journaled = turn % 2 == 0
        shutil.rmtree(os.path.join(folder, ".paceline"), ignore_errors=True)
        command = [options.binary, "run", "-q", "job.toml"]
        _, wall, _ = timed(command if journaled else [*without, *command], cwd=folder)
        rates[journaled].append(ROUND / wall)
    return statistics.median(rates[True]), statistics.median(rates[False])


def main():
    options, nginx = begin(10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        port, job = free_port(), os.path.join(folder, "job.toml")
        config = NGINX.format(dir=folder, port=port, body=BODY)
        with serving(nginx, folder, port, config):
            write(job, JOB.format(port=port, rows=options.rows + MORE, connections=CONNECTIONS))
            most, rate = killed(options, folder)
        soon = resumed(options, folder, port)
        print(f"{options.rows:,} rows at {rate:,.0f}/s: {most / (1 << 20):.1f} MiB of state at most, resumed after {soon:.2f} s")
        with serving(nginx, folder, port, config):
            write(job, JOB.format(port=port, rows=ROUND, connections=CONNECTIONS))
            journaled, bare = throughput(options, folder)
        cost = 1 - journaled / bare
        print(f"{journaled:,.0f} rows/s with the journal, {bare:,.0f} without its writes and syncs: it costs {cost:.1%}")
        judge(most, soon, cost)


def judge(most, soon, cost):
    """Ends the program with what is wrong."""
    wrong = []
    if most >= MOST:
        wrong.append(f"the state had {most / (1 << 20):.1f} MiB, less than {MOST >> 20} MiB are promised")
    if soon >= SOON:
        wrong.append(f"the first request came after {soon:.2f} s, less than {SOON} s are promised")
    if cost >= SHARE:
        wrong.append(f"the journal costs {cost:.1%}, less than {SHARE:.0%} are promised")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
