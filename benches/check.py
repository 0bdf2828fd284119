#!/usr/bin/env python3
"""How long `paceline check` takes for a job of 500 lines: an editor or a hook asks it at every save.

The job has 40 endpoints that use what jobs use: templates, a limit, auth, rules, assertions, retries, columns of each
kind, a CSV each for input. It is checked as it is, and with a key misspelt in each endpoint. Told are the medians of the time that went by and of the CPU time, which other work on the
machine changes little.

Leaves with 1 when a median of the CPU time is above 50 ms, or the program does not say of the jobs what it must.

    cargo build --release && python3 benches/check.py [--program target/release/paceline] [--rounds 20]
"""

import argparse
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ENDPOINTS = 40
MOST_MS = 50

ENDPOINT = """
[endpoints.e{n}]
url = "https://api.example.com/v1/{{{{ row.sku }}}}/{{{{ row.name }}}}"
input = "rows{n}.csv"
limit = "api"
{auth} = {{ bearer = "{{{{ secrets.token }}}}" }}
query.q = "{{{{ row.name }}}}"
expect.assert = "json.id > 0"
rules = [{{ when = "status == 404", then = "skip" }}]
columns.id = "$.id"
columns.title = {{ json = "$.items[?@.price > 1].name" }}
columns.jq = {{ jq = ".items | length" }}
""".strip("\n")

HEAD = """
secrets.token.env = "TOKEN"
limits.api.rate = "10/s"
""".strip("\n")


def write(folder, name, auth):
    """The job, and whether it has the length that it is said to have."""
    blocks = [HEAD] + [ENDPOINT.format(n=n, auth=auth) for n in range(ENDPOINTS)]
    text = "\n\n".join(blocks + ['[sinks.out]\npath = "out.jsonl"']) + "\n"
    lines = text.count("\n")
    if not 480 <= lines <= 540:
        sys.exit(f"the job has {lines} lines")
    (folder / name).write_text(text)


def cpu():
    """Milliseconds of all programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def medians(program, folder, name, code, rounds):
    """Milliseconds of a check that must leave with this code: by the clock, and of the CPU."""
    took, used = [], []
    for _ in range(rounds):
        begun, before = time.perf_counter(), cpu()
        done = subprocess.run([program, "check", name], cwd=folder, capture_output=True, text=True, check=False)
        took.append((time.perf_counter() - begun) * 1000)
        used.append(cpu() - before)
        if done.returncode != code:
            sys.exit(f"{name}: exit code {done.returncode} instead of {code}\n{done.stdout}{done.stderr}")
    return statistics.median(took), statistics.median(used)


def main():
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--program", default="target/release/paceline")
    asked.add_argument("--rounds", type=int, default=20)
    options = asked.parse_args()
    program = pathlib.Path(options.program).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for number in range(ENDPOINTS):
            (folder / f"rows{number}.csv").write_text("sku,name\n" + "".join(f"{n},name {n}\n" for n in range(100)))
        write(folder, "right.toml", "auth")
        write(folder, "wrong.toml", "auht")
        right = medians(program, folder, "right.toml", 0, options.rounds)
        wrong = medians(program, folder, "wrong.toml", 2, options.rounds)
    for name, (took, used) in [("right", right), ("wrong", wrong)]:
        print(f"{name}: {took:.1f} ms, {used:.1f} ms of CPU (medians of {options.rounds})")
    return max(right[1], wrong[1]) > MOST_MS


if __name__ == "__main__":
    sys.exit(main())
