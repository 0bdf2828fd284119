"""A server of symbols by `websockets`: who subscribes gets numbered messages, as many as there are.

    python symbols.py PORT CERTIFICATE KEY LOG COUNT PAUSE AT_ONCE

`{"subscribe": "S1", "after": 7}` is answered by messages 8 to COUNT of S1, PAUSE seconds apart, and a close with 1000. The log has a
line for each: `open CONNECTION SYMBOL AFTER`, `sent CONNECTION SYMBOL SEQ` when it was handed over, `known CONNECTION SYMBOL
SEQ` when a pong has proved that the client has read as far. Lines are whole and on their way to the disk before the next
message, so that a server that is killed has told all that it sent. A server that begins with an empty log says nothing before
AT_ONCE clients have subscribed, and then `together AT_ONCE`.
"""

import asyncio
import itertools
import json
import os
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

PORT, CERTIFICATE, KEY, LOG, COUNT, PAUSE, AT_ONCE = sys.argv[1:]
numbers = itertools.count(1)
together = asyncio.Barrier(int(AT_ONCE)) if not os.path.exists(LOG) else None
log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(*words):
    os.write(log, (" ".join(map(str, words)) + "\n").encode())


async def all_there():
    global together
    if together is not None:
        if await together.wait() == 0:
            note("together", AT_ONCE)
        together = None


async def talk(socket):
    connection = f"{os.getpid()}-{next(numbers)}"
    asked = json.loads(await socket.recv())
    symbol, after = asked["subscribe"], asked.get("after") or 0
    note("open", connection, symbol, after)
    await all_there()
    try:
        for seq in range(after + 1, int(COUNT) + 1):
            await socket.send(json.dumps({"symbol": symbol, "seq": seq, "price": seq * 1.25}))
            note("sent", connection, symbol, seq)
            if seq % 10 == 0:
                await (await socket.ping())
                note("known", connection, symbol, seq)
            await asyncio.sleep(float(PAUSE))
        await socket.close(1000)
    except ConnectionClosed as closed:
        note("closed", connection, symbol, closed.rcvd.code if closed.rcvd else 1006)


async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE, KEY)
    async with serve(talk, "127.0.0.1", int(PORT), ssl=tls) as server:
        await server.serve_forever()


asyncio.run(main())
