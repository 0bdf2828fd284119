#!/usr/bin/env python3
"""Messages over WebSockets into JSON lines, on one core with flat memory.

The server is the demo API (`paceline demo`, `/ticks/..?rate=0`: as fast as the socket takes them) on one core; the client on the
other is paceline (two columns, a JSON Lines sink, journal on) and, in turn, a client of `websockets` for Python that reads the
JSON and writes the same lines. Medians of rounds; the peak (VmHWM) of paceline is taken with N and with 4 N messages.

Leaves with 1 when a message is missing, paceline takes fewer than 10,000 a second, or its peak grows by more than 8 MiB.

    cargo build --release && python3 benches/stream.py [--rounds 5] [--messages 500000] [--peers target/peers-venv]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import memory
import server

LEAST = 10_000  # messages/s
GROWTH = 8 * 1024  # KiB

JOB = """
version = 1
[endpoints.tick]
input.values = [{{ symbol = "LMP" }}]
meta = ["message"]
columns = {{ seq = "$.seq", price = "$.price" }}
[endpoints.tick.websocket]
url = "ws://127.0.0.1:{port}/ticks/LMP?rate=0"
until.messages = {messages}
[sinks.out]
path = "out.jsonl"
"""

PEER = """
import asyncio, json, sys
from websockets.asyncio.client import connect
async def main(url, messages):
    with open("out.jsonl", "w") as out:
        async with connect(url, compression=None, ping_interval=None) as socket:
            for number in range(1, messages + 1):
                tick = json.loads(await socket.recv())
                out.write(json.dumps({"symbol": "LMP", "seq": tick["seq"], "price": tick["price"], "message": number}) + "\\n")
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def lines(path):
    with open(path, "rb") as out:
        return sum(block.count(b"\n") for block in iter(lambda: out.read(1 << 20), b""))


def run(command, folder, messages):
    """Messages a second, and the peak in KiB, of a client that is done when it ends."""
    start = time.monotonic()
    process = subprocess.Popen(["taskset", "-c", "0", *command], cwd=folder)
    most = 0
    while process.poll() is None:
        most = max(most, memory.high_water(process.pid))
        time.sleep(memory.LOOK)
    wall = time.monotonic() - start
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed ({process.returncode})")
    if lines(os.path.join(folder, "out.jsonl")) != messages:
        sys.exit(f"{command[0]} wrote {lines(os.path.join(folder, 'out.jsonl')):,} records, not {messages:,}")
    return messages / wall, most


def paceline(binary, port, messages):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "job.toml"), "w") as job:
            job.write(JOB.format(port=port, messages=messages))
        return run([binary, "run", "-q", "job.toml"], folder, messages)


def peer(python, port, messages):
    with tempfile.TemporaryDirectory() as folder:
        return run([python, "-c", PEER, f"ws://127.0.0.1:{port}/ticks/LMP?rate=0", str(messages)], folder, messages)


def measure(options, port):
    python = os.path.abspath(os.path.join(options.peers, "bin/python3"))
    rates = {"paceline": [], "websockets": []}
    peaks = {options.messages: 0, 4 * options.messages: 0}
    for _ in range(options.rounds):
        rate, most = paceline(options.binary, port, options.messages)
        rates["paceline"].append(rate)
        peaks[options.messages] = max(peaks[options.messages], most)
        rates["websockets"].append(peer(python, port, options.messages)[0])
    peaks[4 * options.messages] = paceline(options.binary, port, 4 * options.messages)[1]
    for name, told in rates.items():
        print(f"{name}: {statistics.median(told):,.0f} messages/s (median of {options.rounds})")
    for messages, most in peaks.items():
        print(f"{messages:,} messages: {most / 1024:.1f} MiB resident at most")
    low, high = peaks.values()
    return statistics.median(rates["paceline"]) >= LEAST and high - low <= GROWTH


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--messages", type=int, default=500_000)
    arguments.add_argument("--peers", default="target/peers-venv")
    arguments.add_argument("--binary", default=os.path.join(os.getcwd(), "target/release/paceline"))
    options = arguments.parse_args()
    options.binary = os.path.abspath(options.binary)
    port = server.free_port()
    command = ["taskset", "-c", "1", options.binary, "demo", "-q", "--port", str(port)]
    demo = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        server.wait_for(port)
        well = measure(options, port)
    finally:
        demo.terminate()
        demo.wait()
    sys.exit(not well)


if __name__ == "__main__":
    main()
