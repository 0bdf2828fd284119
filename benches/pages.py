#!/usr/bin/env python3
"""How much sooner a walk of known length is over when its pages go out together.

A server of its own answers every page after 20 ms. paceline walks 5,000 pages with a concurrency of 50, and 250 of
them with a concurrency of 1, from which the time of all 5,000 is extrapolated; prints the ratio. Every item must
stand once in the output, else it fails.

    cargo build --release && python3 benches/pages.py [--pages 5000] [--concurrency 50] [--program target/release/paceline]
"""

import argparse
import asyncio
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

DELAY = 0.020
ITEMS = 10
ALONE = 250
AIM = 40

JOB = """
[endpoints.list]
url = "http://127.0.0.1:{port}/list"
input.range = {{ from = 1, to = 1 }}
rows = "$.items[*]"
concurrency = {concurrency}
keep = []
meta = []
columns.id = "$.id"
paginate.page-number = {{ total-pages = "$.pages", max-pages = {most} }}
[sinks.out]
path = "out.csv"
on-existing = "replace"
"""


def reply(page, pages):
    first = (page - 1) * ITEMS
    body = json.dumps({"items": [{"id": first + n} for n in range(ITEMS)], "pages": pages}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve(reader, writer, pages):
    try:
        while True:
            request = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
            await asyncio.sleep(DELAY)
            writer.write(reply(int(request.rsplit(b"=", 1)[1]), pages))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def start(pages):
    """Starts the server on a thread of its own; its port."""
    ready, port = threading.Event(), []

    async def run():
        server = await asyncio.start_server(lambda r, w: serve(r, w, pages), "127.0.0.1", 0)
        port.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    ready.wait()
    return port[0]


def walk(program, port, pages, concurrency):
    """Seconds that a walk of so many pages takes."""
    with tempfile.TemporaryDirectory() as folder:
        job = pathlib.Path(folder, "job.toml")
        job.write_text(JOB.format(port=port, concurrency=concurrency, most=pages))
        begin = time.perf_counter()
        done = subprocess.run([program, "run", str(job), "-q"], cwd=folder, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begin
        if done.returncode != 0:
            sys.exit(done.stderr)
        lines = pathlib.Path(folder, "out.csv").read_text().split("\n")
        if sorted(map(int, lines[1:-1])) != list(range(pages * ITEMS)):
            sys.exit(f"items are lost or doubled: {len(lines) - 2} of {pages * ITEMS}")
        return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--program", default="target/release/paceline")
    words = parser.parse_args()
    program = str(pathlib.Path(words.program).resolve())
    port = start(words.pages)
    together = walk(program, port, words.pages, words.concurrency)
    alone = walk(program, port, ALONE, 1) / ALONE * words.pages
    print(f"{words.pages} pages: {together:.2f} s with {words.concurrency} at once, {alone:.1f} s one after the other "
          f"(from {ALONE}); {alone / together:.1f} times faster")
    sys.exit(alone / together < AIM)


if __name__ == "__main__":
    main()
