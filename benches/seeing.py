#!/usr/bin/env python3
"""What it costs to see a run: the throughput of the job of speed.py with everything that watches, and with nothing.

The same rows are sent in turn, round by round, with `-q` and with a terminal's bar (a pseudo-terminal is read), --events,
--log-file, --metrics (scraped once a second), --serve, and reports in HTML, JUnit, JSON and Markdown. Told are medians of rows/s and of
CPU microseconds per row, and the ratios; and the size of the page, which fails from 2 MB on, however many rows there are.

    cargo build --release && python3 benches/seeing.py [--rounds 5] [--rows 300000]
    cargo build --release && python3 benches/seeing.py --rounds 1 --rows 1000000     the page of a large run
"""

import os
import pty
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from server import free_port, serving
from speed import BODY, CONNECTIONS, JOB, NGINX, begin, cpu_of_children

MOST_OF_A_PAGE = 2_000_000
REPORTS = [word for kind in ("html", "junit", "json", "markdown") for word in (f"--report-{kind}", f"report.{kind}")]


def scrape(port, ended):
    """Asks for metrics once a second, as Prometheus does at its busiest."""
    while not ended.wait(1):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read()
        except (urllib.error.URLError, OSError):
            pass


def read_all(terminal):
    """A terminal that shows what it is told."""
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass


def clean(folder):
    shutil.rmtree(os.path.join(folder, ".paceline"), ignore_errors=True)
    for name in ("events.ndjson", "run.log"):
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))


def timed(command, folder, stderr):
    cpu, wall = cpu_of_children(), time.monotonic()
    done = subprocess.Popen(["taskset", "-c", "0", *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
    code = done.wait()
    if code != 0:
        sys.exit(f"{' '.join(command)} left with {code}")
    return time.monotonic() - wall, cpu_of_children() - cpu


def silent(binary, folder, rows):
    clean(folder)
    wall, cpu = timed([binary, "run", "-q", "job.toml"], folder, subprocess.DEVNULL)
    return rows / wall, cpu / rows * 1e6


def seen(binary, folder, rows):
    clean(folder)
    port, ended, (ours, theirs) = free_port(), threading.Event(), pty.openpty()
    watch = [threading.Thread(target=scrape, args=(port, ended)), threading.Thread(target=read_all, args=(ours,), daemon=True)]
    for thread in watch:
        thread.start()
    flags = ["--events", "events.ndjson", "--log-file", "run.log", "--metrics", f"127.0.0.1:{port}", "--serve", "127.0.0.1:0"]
    wall, cpu = timed([binary, "run", *flags, *REPORTS, "job.toml"], folder, theirs)
    ended.set()
    os.close(theirs)
    watch[0].join()
    os.close(ours)
    return rows / wall, cpu / rows * 1e6


def main():
    options, nginx = begin(300_000)
    results = {"nothing": [], "everything": []}
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        with open(os.path.join(folder, "job.toml"), "w") as job:
            job.write(JOB.format(port=port, rows=options.rows, connections=CONNECTIONS))
        with serving(nginx, folder, port, NGINX.format(dir=folder, port=port, body=BODY)):
            for _ in range(options.rounds):
                results["nothing"].append(silent(options.binary, folder, options.rows))
                results["everything"].append(seen(options.binary, folder, options.rows))
            page = os.path.getsize(os.path.join(folder, "report.html"))
    medians = {name: [statistics.median(values) for values in zip(*rounds)] for name, rounds in results.items()}
    for name, (rate, cpu) in medians.items():
        print(f"{name:<11} {rate:>10,.0f} rows/s {cpu:>7.2f} us of CPU a row")
    (quiet, quiet_cpu), (loud, loud_cpu) = medians["nothing"], medians["everything"]
    print(f"the page of {options.rows:,} rows has {page:,} bytes")
    print(f"everything takes {100 * (1 - loud / quiet):.1f} % of the throughput, {100 * (loud_cpu / quiet_cpu - 1):.1f} % more CPU")
    if page >= MOST_OF_A_PAGE:
        sys.exit(f"a page of {page:,} bytes is too large")


if __name__ == "__main__":
    main()
