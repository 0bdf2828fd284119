#!/usr/bin/env python3
"""Whether paceline keeps a pace and uses it, from 10 to 20,000 requests/s, and the CPU that this takes.

The judge is nginx's access log, whose stamps are milliseconds. For each pace, medians of several rounds:
the share of the pace that was used (requests over burst + rate * time of the slowest window), CPU per request
and in all; and the worst of all rounds: the most requests in any second, and by how much any window of any length
T held more than burst + rate * T + 1. That is told as time: so many milliseconds too early. A stamp may be wrong by
one of them, and nginx by those for which the machine did something else.

nginx has core 1 and paceline core 0, as in speed.py. Leaves with 1 when a pace was not used, or broken by more than
a busy machine explains.

    cargo build --release && python3 benches/pace.py [--rounds 3] [--seconds 5]
"""

import os
import shutil
import statistics
import sys
import tempfile

import server
import speed

# Windows (text, requests, seconds), burst, and the share that must be used.
PACES = [
    ([("10/s", 10, 1)], 1, 0.98),
    ([("200/s", 200, 1)], 1, 0.98),
    ([("200/s", 200, 1), ("9000/m", 9_000, 60)], 10, 0.98),
    ([("5000/s", 5_000, 1)], 50, 0.98),
    ([("5000/s", 5_000, 1), ("270000/m", 270_000, 60)], 50, 0.98),
    ([("20000/s", 20_000, 1)], 200, 0.95),
    ([("20000/s", 20_000, 1), ("1140000/m", 1_140_000, 60)], 200, 0.95),
]

# What a stamp may be wrong by, and what a busy machine may shift a request against another, in seconds.
STAMP, SHIFT = 0.001, 0.025

NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    log_format stamp "$msec"; access_log {dir}/access.log stamp buffer=256k flush=1s;
    keepalive_requests 100000000; keepalive_timeout 1h;
    client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
    server {{ listen 127.0.0.1:{port} backlog=1024; default_type application/json; location / {{ return 200 '{body}'; }} }}
}}
"""

JOB = """
version = 1
[limits.pace]
rate = [{rates}]
burst = {burst}
[endpoints.item]
url = "http://127.0.0.1:{port}/items/{{{{ row.value }}}}"
input.range = {{ from = 1, to = {rows} }}
limit = "pace"
concurrency = {connections}
[endpoints.item.columns]
price = "$.price"
seller = "$.seller.name"
[sinks.out]
path = "out.csv"
on-existing = "replace"
"""


class Pace:
    """One pace: its job, and what came of each round."""

    def __init__(self, windows, burst, wanted, seconds):
        self.windows, self.burst, self.wanted = windows, burst, wanted
        self.rates = [requests / length for _, requests, length in windows]
        self.rows = max(int(min(self.rates) * seconds), 2)
        self.used, self.cpu, self.second, self.early = [], [], [], []

    def name(self):
        return " + ".join(text for text, _, _ in self.windows)

    def job(self, port):
        rates = ", ".join(f'"{text}"' for text, _, _ in self.windows)
        return JOB.format(port=port, rows=self.rows, rates=rates, burst=self.burst, connections=speed.CONNECTIONS)

    def note(self, stamps, cpu):
        """Judges a round by its stamps, in order."""
        if len(stamps) != self.rows:
            sys.exit(f"{self.name()}: nginx saw {len(stamps)} requests, not {self.rows}")
        self.used.append(self.rows / (self.burst + min(self.rates) * (stamps[-1] - stamps[0])))
        self.cpu.append(cpu)
        self.second.append(busiest_second(stamps))
        self.early.append(max(excess(stamps, rate, self.burst + 1) / rate for rate in self.rates))

    def fine(self):
        return statistics.median(self.used) >= self.wanted and max(self.early) <= STAMP + SHIFT

    def told(self):
        cpu = statistics.median(self.cpu)
        may = self.burst + min(self.rates)
        return (f"| {self.name()} | {self.burst} | {100 * statistics.median(self.used):.1f} % | "
                f"{max(self.second):,} of {may:,.0f} | {1000 * max(self.early):.1f} ms | "
                f"{cpu / self.rows * 1e6:.1f} us | {cpu:.2f} s for {self.rows:,} |{'' if self.fine() else ' NOT KEPT'}")


def busiest_second(stamps):
    """The most requests within a second; stamps are cut, so that a second has its first millisecond and not its last."""
    most = first = 0
    for last, stamp in enumerate(stamps):
        while stamp - stamps[first] > 0.9995:
            first += 1
        most = max(most, last - first + 1)
    return most


def excess(stamps, rate, burst):
    """By how many requests the worst window holds more than burst + rate * T; 0 where none does."""
    # A window from i to j holds j - i + 1; the worst i for any j has the least of what i adds.
    worst, least = 0.0, float("inf")
    for position, stamp in enumerate(stamps):
        adds = position - rate * stamp
        least = min(least, adds)
        worst = max(worst, adds + 1 - least - burst)
    return worst


def stamps_of(path):
    with open(path) as log:
        stamps = sorted(float(line) for line in log)
    # Differences of seconds since 1970 are exact enough; small numbers are exact.
    return [stamp - stamps[0] for stamp in stamps]


def run(pace, folder, port, nginx, binary):
    """A round of one pace, with an nginx and a journal of its own."""
    shutil.rmtree(os.path.join(folder, ".paceline"), ignore_errors=True)
    log = os.path.join(folder, "access.log")
    if os.path.exists(log):
        os.remove(log)
    with open(os.path.join(folder, "job.toml"), "w") as job:
        job.write(pace.job(port))
    with server.serving(nginx, folder, port, NGINX.format(dir=folder, port=port, body=speed.BODY)):
        _, _, cpu = speed.timed([binary, "run", "-q", "job.toml"], cwd=folder)
    pace.note(stamps_of(log), cpu)


def main():
    options, nginx = speed.begin(None, seconds=5.0)
    paces = [Pace(*pace, options.seconds) for pace in PACES]
    with tempfile.TemporaryDirectory() as folder:
        port = server.free_port()
        for _ in range(options.rounds):
            for pace in paces:
                run(pace, folder, port, nginx, options.binary)
    print("| pace | burst | used | busiest second | too early | CPU per request | CPU in all |\n|---|---|---|---|---|---|---|")
    for pace in paces:
        print(pace.told())
    sys.exit(0 if all(pace.fine() for pace in paces) else 1)


if __name__ == "__main__":
    main()
