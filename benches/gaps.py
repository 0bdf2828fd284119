#!/usr/bin/env python3
"""Whether gaps are kept: nginx with `limit_req` and no burst, which refuses a second request within the interval.

paceline at 195/s against a limit of 200/s has 0.13 ms to spare for each request. Beside it an exact sender: a loop that
burns a core until the time has come, writes at once, and never shortens a gap. What it is refused is what the machine
and nginx shift requests by. In turn, several rounds; told are the refusals of each round.

Leaves with 1 when paceline lost a row, or its median is above three times that of the exact sender and one in a hundred.

    cargo build --release && python3 benches/gaps.py [--rounds 5] [--rows 1000]
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import server
import speed

RATE = 195

NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
    log_format judge "$status"; access_log {dir}/access.log judge;
    keepalive_requests 1000000; limit_req_zone $server_name zone=all:1m rate=200r/s; limit_req_status 429;
    server {{
        listen 127.0.0.1:{port}; server_name localhost;
        location ~ "^/items/([0-9]+)$" {{ limit_req zone=all; root {dir}; try_files /item.json =404; }}
    }}
}}
"""

JOB = """
version = 1
[endpoints.item]
url = "http://127.0.0.1:{port}/items/{{{{ row.value }}}}"
input.range = {{ from = 1, to = {requests} }}
rate = "{rate}/s"
learn = false
[sinks.out]
path = "out.csv"
"""


def refusals(nginx, folder, send):
    """Refusals of a fresh nginx while `send` runs."""
    port = server.free_port()
    with open(f"{folder}/item.json", "w") as item:
        item.write('{"ok": true}\n')
    with server.serving(nginx, folder, port, NGINX.format(dir=folder, port=port), core=None):
        send(port)
    with open(f"{folder}/access.log") as log:
        return sum(line.strip() == "429" for line in log)


def exact(requests):
    def send(port):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due = time.perf_counter()
        for number in range(requests):
            while (now := time.perf_counter()) < due:
                pass
            connection.sendall(b"GET /items/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number)
            connection.recv(65536)
            due = now + 1 / RATE
        connection.close()

    return send


def paceline(binary, folder, requests):
    def send(port):
        with open(f"{folder}/job.toml", "w") as job:
            job.write(JOB.format(port=port, requests=requests, rate=RATE))
        done = subprocess.run([binary, "run", "job.toml"], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)

    return send


def main():
    options, nginx = speed.begin(1000)
    counts = {"paceline": [], "exact sender": []}
    for _ in range(options.rounds):
        for name, refused in counts.items():
            folder = tempfile.mkdtemp(prefix="gaps-")
            os.chmod(folder, 0o755)
            ours = name == "paceline"
            send = paceline(options.binary, folder, options.rows) if ours else exact(options.rows)
            refused.append(refusals(nginx, folder, send))
            shutil.rmtree(folder)
    for name, refused in counts.items():
        counts_told = ", ".join(map(str, refused))
        print(f"{name}: refused {counts_told} of {options.rows} each, median {statistics.median(refused)}")
    ours, theirs = (statistics.median(refused) for refused in counts.values())
    sys.exit(ours > max(3 * theirs, options.rows / 100))


if __name__ == "__main__":
    main()
