#!/usr/bin/env python3
"""Both engines side by side, over HTTP/1.1 and HTTP/2, with small and large replies, beside oha.

The same pinning and rounds as speed.py; nginx speaks HTTP/1.1 on one port and HTTP/2 by prior
knowledge on another. Prints medians of requests/s, CPU microseconds per request, and each
client's ratio to oha. The job takes the status alone, so that the engines are compared and not the reading of
JSON (speed.py does that). A client that is not installed is left out and named.

    cargo build --release && python3 benches/engines.py [--rounds 5] [--rows 50000]
"""

import json
import os
import re
import shutil
import statistics
import sys
import tempfile

import server
import speed

CONNECTIONS = speed.CONNECTIONS

NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000; keepalive_timeout 1h; sendfile on; tcp_nopush on;
    open_file_cache max=10; default_type application/json;
    client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
    server {{ listen 127.0.0.1:{plain} backlog=1024; listen 127.0.0.1:{h2} http2 backlog=1024;
        location /small {{ return 200 '{body}'; }} location /large {{ try_files /large.json =404; root {dir}; }} }}
}}
"""

JOB = """
version = 1
[client]
engine = "{engine}"
http = "{http}"
[endpoints.item]
url = "http://127.0.0.1:{port}/{size}?id={{{{ row.value }}}}"
input.range = {{ from = 1, to = {rows} }}
concurrency = {connections}
meta = ["status"]
[sinks.out]
path = "out.csv"
on-existing = "replace"
"""


class Scenario:
    """One protocol and one size of reply."""

    def __init__(self, options, folder, port, http, size):
        self.options, self.folder, self.port, self.http, self.size = options, folder, port, http, size
        self.rows = options.rows if size == "small" else options.rows // 5

    def paceline(self, engine):
        shutil.rmtree(os.path.join(self.folder, ".paceline"), ignore_errors=True)
        with open(os.path.join(self.folder, "job.toml"), "w") as job:
            job.write(JOB.format(engine=engine, http=self.http, port=self.port, size=self.size, rows=self.rows,
                                 connections=CONNECTIONS))
        _, wall, cpu = speed.timed([self.options.binary, "run", "-q", "job.toml"], cwd=self.folder)
        with open(os.path.join(self.folder, "out.csv")) as out:
            good = sum(1 for line in out if line.endswith(",200\n"))
        if good != self.rows:
            sys.exit(f"{engine} wrote {good} good records, not {self.rows}")
        return self.rows / wall, cpu / self.rows * 1e6

    def hyper(self):
        return self.paceline("hyper")

    def surf(self):
        return self.paceline("surf")

    def oha(self):
        ways = {"1.1": ["-c", str(CONNECTIONS)], "2": ["--http-version", "2", "-c", "1", "-p", str(CONNECTIONS)]}
        url = f"http://127.0.0.1:{self.port}/{self.size}?id=1"
        text, _, cpu = speed.timed(["oha", "--no-tui", *ways[self.http], "-n", str(self.rows), url])
        if not re.search(rf"\[200\] {self.rows} responses", text):
            sys.exit(f"oha had failures:\n{text}")
        return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), cpu / self.rows * 1e6

    def measure(self, clients):
        results = {name: [] for name in clients}
        for _ in range(self.options.rounds):
            for name in clients:
                results[name].append(getattr(self, name)())
        rates = {name: statistics.median(rate for rate, _ in rows) for name, rows in results.items()}
        for name in clients:
            cpu = statistics.median(cpu for _, cpu in results[name])
            ratio = f"{rates[name] / rates['oha']:.2f}x" if "oha" in rates else "-"
            print(f"{self.http:<5} {self.size:<6} {name:<6} {rates[name]:>11,.0f} {cpu:>12.1f} {ratio:>10}", flush=True)


def main():
    options, nginx = speed.begin(50_000)
    clients = ["hyper", "surf"] + (["oha"] if shutil.which("oha") else [])
    if "oha" not in clients:
        print("skipped: oha not found")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # nginx's worker reads the large reply as another user
        large = dict(json.loads(speed.BODY), history=[{"day": day, "price": 12.34} for day in range(2_250)])
        with open(os.path.join(folder, "large.json"), "w") as file:
            file.write(json.dumps(large)[: 64 * 1024 - 2].rsplit(", {", 1)[0] + "]}")
        plain, h2 = server.free_port(), server.free_port()
        with server.serving(nginx, folder, plain, NGINX.format(dir=folder, plain=plain, h2=h2, body=speed.BODY)):
            print(f"{'HTTP':<5} {'reply':<6} {'client':<6} {'requests/s':>11} {'us CPU each':>12} {'is of oha':>10}")
            for http, port in (("1.1", plain), ("2", h2)):
                for size in ("small", "large"):
                    Scenario(options, folder, port, http, size).measure(clients)


if __name__ == "__main__":
    main()
