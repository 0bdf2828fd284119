#!/usr/bin/env python3
"""The speed of paceline beside wrk and oha, in one run, against one nginx.

Pins nginx to core 1 and every client to core 0, runs the clients in turn for several rounds, and
prints medians of requests/s and CPU microseconds per request, and paceline's ratio to each peer.
A peer that is not installed is left out and named.

    cargo build --release && python3 benches/speed.py [--rounds 5] [--rows 100000]
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import server

CONNECTIONS = 100
BODY = json.dumps({
    "id": 123456, "name": "a product with a name", "price": 12.34, "currency": "EUR", "stock": 17,
    "tags": ["one", "two", "three"], "seller": {"id": 99, "name": "somebody"}, "updated": "2026-01-01T00:00:00Z",
})

NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000; keepalive_timeout 1h;
    client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
    server {{ listen 127.0.0.1:{port} backlog=1024; default_type application/json; location / {{ return 200 '{body}'; }} }}
}}
"""

JOB = """
version = 1
[endpoints.item]
url = "http://127.0.0.1:{port}/items/{{{{ row.value }}}}"
input.range = {{ from = 1, to = {rows} }}
concurrency = {connections}
[endpoints.item.columns]
price = "$.price"
seller = "$.seller.name"
[sinks.out]
path = "out.csv"
on-existing = "replace"
"""


def cpu_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(command, cwd=None):
    """Runs a command pinned to core 0; its output, wall seconds and CPU seconds."""
    cpu, wall = cpu_of_children(), time.monotonic()
    done = subprocess.run(["taskset", "-c", "0", *command], cwd=cwd, capture_output=True, text=True)
    wall, cpu = time.monotonic() - wall, cpu_of_children() - cpu
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr, wall, cpu


class Bench:
    def __init__(self, folder, port, rows, binary):
        self.folder, self.port, self.rows, self.binary = folder, port, rows, binary
        self.url = f"http://127.0.0.1:{port}/items/1"

    def paceline(self):
        shutil.rmtree(os.path.join(self.folder, ".paceline"), ignore_errors=True)
        _, wall, cpu = timed([self.binary, "run", "-q", "job.toml"], cwd=self.folder)
        with open(os.path.join(self.folder, "out.csv")) as out:
            records = sum(1 for _ in out) - 1
        if records != self.rows:
            sys.exit(f"paceline wrote {records} records, not {self.rows}")
        return self.rows / wall, cpu / self.rows * 1e6

    def wrk(self):
        text, _, cpu = timed(["wrk", "-t1", f"-c{CONNECTIONS}", "-d3s", self.url])
        requests = int(re.search(r"(\d+) requests in", text).group(1))
        return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), cpu / requests * 1e6

    def oha(self):
        count = self.rows
        text, wall, cpu = timed(["oha", "--no-tui", "-c", str(CONNECTIONS), "-n", str(count), self.url])
        return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), cpu / count * 1e6


def begin(rows, seconds=None):
    """What the command line says, with so many rows (or seconds, for a bench that knows them) by default, and where nginx is."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    if seconds is None:
        arguments.add_argument("--rows", type=int, default=rows)
    else:
        arguments.add_argument("--seconds", type=float, default=seconds)
    arguments.add_argument("--binary", default=os.path.join(os.getcwd(), "target/release/paceline"))
    nginx = server.found()
    return arguments.parse_args(), nginx


def main():
    options, nginx = begin(100_000)
    peers = [name for name in ("wrk", "oha") if shutil.which(name)]
    for name in {"wrk", "oha"} - set(peers):
        print(f"skipped: {name} not found")
    with tempfile.TemporaryDirectory() as folder:
        port = server.free_port()
        with open(os.path.join(folder, "job.toml"), "w") as job:
            job.write(JOB.format(port=port, rows=options.rows, connections=CONNECTIONS))
        with server.serving(nginx, folder, port, NGINX.format(dir=folder, port=port, body=BODY)):
            measure(Bench(folder, port, options.rows, options.binary), peers, options.rounds)


def measure(bench, peers, rounds):
    clients = ["paceline", *peers]
    results = {name: [] for name in clients}
    for _ in range(rounds):
        for name in clients:
            results[name].append(getattr(bench, name)())
    medians = {name: statistics.median(rate for rate, _ in rows) for name, rows in results.items()}
    print(f"{'client':<10} {'requests/s':>12} {'us CPU each':>12} {'paceline is':>12}")
    for name in clients:
        cpu = statistics.median(cpu for _, cpu in results[name])
        ratio = medians["paceline"] / medians[name]
        print(f"{name:<10} {medians[name]:>12,.0f} {cpu:>12.1f} {ratio:>11.2f}x")


if __name__ == "__main__":
    main()
