"""Autobahn's cases for a client that collects and never echoes, over the sans-io half of `websockets`.

    python conformance.py PORT          serves them, each at /ID; what it saw stands in the file `seen`, a JSON line each
    python conformance.py list          a JSON line for each: id, what must be taken, and how it must end

The numbers are those of https://github.com/crossbario/autobahn-testsuite (Apache-2.0), whose client cases send what these
send and judge an echo instead; sizes of 9.* are scaled down, 12.* and 13.* (compression) are not offered by the client. Each case
sends its bytes and, where they break no rule, closes with 1000. It judges what a client answers: pongs, the code of its close
frame, and that nothing follows that.
"""

import asyncio
import contextlib
import hashlib
import json
import sys

from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
CASES = {}


def frame(opcode, payload=b"", fin=True, rsv=0):
    payload = payload.encode() if isinstance(payload, str) else payload
    head = bytes([(128 if fin else 0) | rsv << 4 | opcode])
    count = len(payload)
    if count < 126:
        head += bytes([count])
    elif count < 65536:
        head += bytes([126]) + count.to_bytes(2, "big")
    else:
        head += bytes([127]) + count.to_bytes(8, "big")
    return head + payload


def digest(payload):
    return hashlib.sha256(payload).hexdigest()


def case(name, pieces, taken=(), codes=(1000,), pongs=(), close=None):
    """`pieces` are written one after the other. `codes`: those of the client's close frame that are right. `close`: a close of
    the server's own; absent: 1000 where the case is no violation."""
    fails = 1000 not in codes
    if close is None and not fails:
        close = frame(CLOSE, (1000).to_bytes(2, "big"))
    CASES[name] = {
        "pieces": list(pieces) + ([close] if close else []),
        "taken": [payload.encode() if isinstance(payload, str) else payload for payload in taken],
        "codes": list(codes),
        "pongs": [payload.encode() if isinstance(payload, str) else payload for payload in pongs],
        "fails": fails,
    }


def fails(name, pieces, taken=(), codes=(1002,), pongs=()):
    case(name, pieces, taken, codes, pongs, close=b"")


def sliced(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def fragments(opcode, payload, size):
    parts = sliced(payload, size) or [b""]
    return [frame(opcode if n == 0 else CONT, part, n == len(parts) - 1) for n, part in enumerate(parts)]


def sizes():
    for group, (opcode, byte) in {1: (TEXT, b"*"), 2: (BINARY, b"\xfe")}.items():
        for number, size in enumerate([0, 125, 126, 127, 128, 65535, 65536], 1):
            case(f"1.{group}.{number}", [frame(opcode, byte * size)], [byte * size])
        case(f"1.{group}.8", sliced(frame(opcode, byte * 65536), 997), [byte * 65536])


def pings():
    case("2.1", [frame(PING)], pongs=[b""])
    case("2.2", [frame(PING, "Hello, world!")], pongs=["Hello, world!"])
    case("2.3", [frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")], pongs=[b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"])
    case("2.4", [frame(PING, b"\xfe" * 125)], pongs=[b"\xfe" * 125])
    fails("2.5", [frame(PING, b"\xfe" * 126)])
    case("2.6", [bytes([byte]) for byte in frame(PING, b"\xfe" * 125)], pongs=[b"\xfe" * 125])
    case("2.7", [frame(PONG)])
    case("2.8", [frame(PONG, "unsolicited pong payload")])
    case("2.9", [frame(PONG, "unsolicited pong payload"), frame(PING, "ping payload")], pongs=["ping payload"])
    many = [f"payload-{n}" for n in range(10)]
    case("2.10", [frame(PING, text) for text in many], pongs=many)
    case("2.11", [bytes([byte]) for text in many for byte in frame(PING, text)], pongs=many)


def reserved():
    hello = frame(TEXT, "Hello, world!")
    fails("3.1", [frame(TEXT, "Hello, world!", rsv=4)])
    fails("3.2", [hello, frame(TEXT, "Hello, world!", rsv=2), frame(PING)], ["Hello, world!"])
    fails("3.3", [hello, frame(TEXT, "Hello, world!", rsv=3), frame(PING)], ["Hello, world!"])
    fails("3.4", [hello + frame(TEXT, "Hello, world!", rsv=1) + frame(PING)], ["Hello, world!"])
    fails("3.5", [frame(BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", rsv=5)])
    fails("3.6", [frame(PING, "Hello, world!", rsv=6)])
    fails("3.7", [frame(CLOSE, (1000).to_bytes(2, "big"), rsv=7)])


def opcodes():
    hello = frame(TEXT, "Hello, world!")
    for group, kinds in {1: range(3, 8), 2: range(11, 16)}.items():
        first, second, *rest = kinds
        fails(f"4.{group}.1", [frame(first)])
        fails(f"4.{group}.2", [frame(second, "reserved opcode payload")])
        for number, kind in enumerate(rest, 3):
            payload = "" if number % 2 else "reserved opcode payload"
            fails(f"4.{group}.{number}", [hello, frame(kind, payload), frame(PING)], ["Hello, world!"])


def fragmented():
    one, two, both = frame(TEXT, "fragment1", False), frame(CONT, "fragment2"), "fragment1fragment2"
    fails("5.1", [frame(PING, "fragment1", False), two])
    fails("5.2", [frame(PONG, "fragment1", False), two])
    case("5.3", [one, two], [both])
    case("5.4", [one + two], [both])
    case("5.5", [bytes([byte]) for byte in one + two], [both])
    for number, join in {6: lambda parts: parts, 7: lambda parts: [b"".join(parts)]}.items():
        case(f"5.{number}", join([one, frame(PING, "ping"), two]), [both], pongs=["ping"])
    case("5.8", [bytes([byte]) for byte in one + frame(PING, "ping") + two], [both], pongs=["ping"])
    stray = [frame(CONT, "non-continuation payload"), frame(TEXT, "Hello, world!")]
    open_stray = [frame(CONT, "non-continuation payload", False), frame(TEXT, "Hello, world!")]
    for number, parts in {9: stray, 10: [b"".join(stray)], 12: open_stray, 13: [b"".join(open_stray)]}.items():
        fails(f"5.{number}", parts)
    fails("5.11", [bytes([byte]) for byte in b"".join(stray)])
    fails("5.14", [bytes([byte]) for byte in b"".join(open_stray)])
    fails("5.15", [one, two, frame(CONT, "fragment3", False), frame(TEXT, "fragment4")], [both])
    again = [frame(CONT, "fragment1", False), frame(TEXT, "fragment2", False), frame(CONT, "fragment3")]
    fails("5.16", again * 2)
    fails("5.17", [frame(CONT, "fragment1"), frame(TEXT, "fragment2", False), frame(CONT, "fragment3")] * 2)
    fails("5.18", [one, frame(TEXT, "fragment2")])
    parts = [f"fragment{n}" for n in range(1, 6)]
    frames = [frame(TEXT if n == 0 else CONT, text, n == 4) for n, text in enumerate(parts)]
    case("5.19", frames[:2] + [frame(PING, "pongme 1!")] + frames[2:4] + [frame(PING, "pongme 2!")] + frames[4:],
         ["".join(parts)], pongs=["pongme 1!", "pongme 2!"])
    case("5.20", [b"".join(frames[:2] + [frame(PING, "pongme 1!")] + frames[2:])], ["".join(parts)], pongs=["pongme 1!"])


# Texts of Markus Kuhn's stress test, as Autobahn's 6.4 to 6.23 take them: hex, and whether it is UTF-8.
UTF8 = {
    "6.5.1": ("cebae1bdb9cf83cebcceb5", True), "6.5.2": ("cebae1bdb9cf83cebcceb5f0908d88", True),
    "6.6.1": ("ce", False), "6.6.2": ("ceba", True), "6.6.3": ("cebae1", False), "6.6.4": ("cebae1bd", False),
    "6.6.5": ("cebae1bdb9", True), "6.6.6": ("cebae1bdb9cf", False), "6.6.7": ("cebae1bdb9cf83", True),
    "6.6.8": ("cebae1bdb9cf83ce", False), "6.6.9": ("cebae1bdb9cf83cebc", True), "6.6.10": ("cebae1bdb9cf83cebcce", False),
    "6.6.11": ("cebae1bdb9cf83cebcceb5", True),
    "6.7.1": ("00", True), "6.7.2": ("c280", True), "6.7.3": ("e0a080", True), "6.7.4": ("f0908080", True),
    "6.8.1": ("f888808080", False), "6.8.2": ("fc8480808080", False),
    "6.9.1": ("7f", True), "6.9.2": ("dfbf", True), "6.9.3": ("efbfbf", True), "6.9.4": ("f48fbfbf", True),
    "6.10.1": ("f7bfbfbf", False), "6.10.2": ("fbbfbfbfbf", False), "6.10.3": ("fdbfbfbfbfbf", False),
    "6.11.1": ("ed9fbf", True), "6.11.2": ("ee8080", True), "6.11.3": ("efbfbd", True), "6.11.4": ("f48fbfbf", True),
    "6.11.5": ("f4908080", False),
    "6.12.1": ("80", False), "6.12.2": ("bf", False), "6.12.3": ("80bf", False), "6.12.4": ("80bf80", False),
    "6.12.5": ("80bf80bf", False), "6.12.6": ("80bf80bf80", False), "6.12.7": ("80bf80bf80bf", False),
    "6.12.8": ("".join(f"{byte:02x}" for byte in range(0x80, 0xbf)), False),
    "6.13.1": ("".join(f"{byte:02x}20" for byte in range(0xc0, 0xe0)), False),
    "6.13.2": ("".join(f"{byte:02x}20" for byte in range(0xe0, 0xf0)), False),
    "6.13.3": ("".join(f"{byte:02x}20" for byte in range(0xf0, 0xf8)), False),
    "6.13.4": ("".join(f"{byte:02x}20" for byte in range(0xf8, 0xfc)), False), "6.13.5": ("fc20fd20", False),
    "6.14.1": ("c0", False), "6.14.2": ("e080", False), "6.14.3": ("f08080", False), "6.14.4": ("f8808080", False),
    "6.14.5": ("fc80808080", False), "6.14.6": ("df", False), "6.14.7": ("efbf", False), "6.14.8": ("f7bfbf", False),
    "6.14.9": ("fbbfbfbf", False), "6.14.10": ("fdbfbfbfbf", False),
    "6.15.1": ("c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf", False),
    "6.16.1": ("fe", False), "6.16.2": ("ff", False), "6.16.3": ("fefeffff", False),
    "6.17.1": ("c0af", False), "6.17.2": ("e080af", False), "6.17.3": ("f08080af", False), "6.17.4": ("f8808080af", False),
    "6.17.5": ("fc80808080af", False),
    "6.18.1": ("c1bf", False), "6.18.2": ("e09fbf", False), "6.18.3": ("f08fbfbf", False), "6.18.4": ("f887bfbfbf", False),
    "6.18.5": ("fc83bfbfbfbf", False),
    "6.19.1": ("c080", False), "6.19.2": ("e08080", False), "6.19.3": ("f0808080", False), "6.19.4": ("f880808080", False),
    "6.19.5": ("fc8080808080", False),
    "6.20.1": ("eda080", False), "6.20.2": ("edadbf", False), "6.20.3": ("edae80", False), "6.20.4": ("edafbf", False),
    "6.20.5": ("edb080", False), "6.20.6": ("edbe80", False), "6.20.7": ("edbfbf", False),
    "6.21.1": ("eda080edb080", False), "6.21.2": ("eda080edbfbf", False), "6.21.3": ("edadbfedb080", False),
    "6.21.4": ("edadbfedbfbf", False), "6.21.5": ("edae80edb080", False), "6.21.6": ("edae80edbfbf", False),
    "6.21.7": ("edafbfedb080", False), "6.21.8": ("edafbfedbfbf", False),
    "6.22.1": ("efbfbe", True), "6.22.2": ("efbfbf", True), "6.22.3": ("f09fbfbe", True), "6.22.4": ("f09fbfbf", True),
    "6.22.33": ("f48fbfbe", True), "6.22.34": ("f48fbfbf", True),
    "6.23.1": ("efbfb9", True), "6.23.2": ("efbfba", True), "6.23.3": ("efbfbb", True), "6.23.4": ("efbfbc", True),
    "6.23.5": ("efbfbd", True), "6.23.6": ("efbfbe", True), "6.23.7": ("efbfbf", True),
}
GREEK = "Hello-µ@ßöäüàá-UTF-8!!"


def utf8():
    good, bad = bytes.fromhex("cebae1bdb9cf83cebcceb5"), bytes.fromhex("cebae1bdb9cf83cebcceb5eda080656469746564")
    case("6.1.1", [frame(TEXT)], [b""])
    case("6.1.2", [frame(TEXT, fin=False), frame(CONT, fin=False), frame(CONT)], [b""])
    case("6.1.3", [frame(TEXT, fin=False), frame(CONT, "middle frame payload", False), frame(CONT)], ["middle frame payload"])
    case("6.2.1", [frame(TEXT, GREEK)], [GREEK])
    half = len(GREEK.encode()) // 2
    case("6.2.2", fragments(TEXT, GREEK.encode(), half + 1), [GREEK])
    case("6.2.3", fragments(TEXT, GREEK.encode(), 1), [GREEK])
    case("6.2.4", fragments(TEXT, good, 1), [good])
    fails("6.3.1", [frame(TEXT, bad)], codes=(1007,))
    fails("6.3.2", fragments(TEXT, bad, 1), codes=(1007,))
    # 6.4: whether it fails before the end is not asked: that it fails is.
    late = bytes.fromhex("cebae1bdb9cf83cebcceb5f4908080656469746564")
    fails("6.4.1", fragments(TEXT, late, 11), codes=(1007,))
    fails("6.4.2", fragments(TEXT, late, 12), codes=(1007,))
    fails("6.4.3", sliced(frame(TEXT, late), 13), codes=(1007,))
    fails("6.4.4", sliced(frame(TEXT, late), 14), codes=(1007,))
    for name, (text, fine) in UTF8.items():
        payload = bytes.fromhex(text)
        case(name, [frame(TEXT, payload)], [payload]) if fine else fails(name, [frame(TEXT, payload)], codes=(1007,))


def closes():
    def code(number, reason=b""):
        return frame(CLOSE, number.to_bytes(2, "big") + reason)

    hello = frame(TEXT, "Hello World!")
    case("7.1.1", [hello], ["Hello World!"])
    # A server that goes on behind its goodbye may be reset by a client that has said its own, and so never read that.
    lost = {"codes": (1000, -1), "close": b""}
    case("7.1.2", [code(1000), code(1000)], **lost)
    case("7.1.3", [code(1000), frame(PING)], **lost)
    case("7.1.4", [code(1000), hello], **lost)
    case("7.1.5", [frame(TEXT, "fragment1", False), code(1000), frame(CONT, "fragment2")], **lost)
    case("7.1.6", [frame(TEXT, "BAsd7&jh23" * 26 * 1024), hello, code(1000), frame(PING)],
         ["BAsd7&jh23" * 26 * 1024, "Hello World!"], **lost)
    case("7.3.1", [], codes=(1000, None), close=frame(CLOSE))
    fails("7.3.2", [frame(CLOSE, "a")])
    case("7.3.3", [], close=code(1000))
    case("7.3.4", [], close=code(1000, b"Hello World!"))
    case("7.3.5", [], close=code(1000, b"*" * 123))
    fails("7.3.6", [code(1000, b"*" * 124)])
    fails("7.5.1", [code(1000, bytes.fromhex("cebae1bdb9cf83cebcceb5eda080656469746564"))], codes=(1007, 1002))
    # A client echoes the code; the run then ends the row by its own table, which is asked elsewhere.
    for number, value in enumerate([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999], 1):
        case(f"7.7.{number}", [], codes=(value,), close=code(value))
        CASES[f"7.7.{number}"]["fails"] = value != 1000
    for number, value in enumerate([0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999], 1):
        fails(f"7.9.{number}", [code(value)])
    # 7.13: outside of every range; a client may do as it likes, and must do something.
    for number, value in enumerate([5000, 65535], 1):
        fails(f"7.13.{number}", [code(value)], codes=(1002, value))


def limits():
    for group, (opcode, byte) in {1: (TEXT, b"*"), 2: (BINARY, b"\xfe")}.items():
        for number, size in enumerate([64, 256, 1024, 4096], 1):
            case(f"9.{group}.{number}", [frame(opcode, byte * size * 1024)], [byte * size * 1024])
    for group, (opcode, byte) in {3: (TEXT, b"*"), 4: (BINARY, b"\xfe")}.items():
        for number, size in enumerate([64, 256, 1024, 4096, 16384, 65536, 262144, 1048576], 1):
            case(f"9.{group}.{number}", fragments(opcode, byte * 1048576, size), [byte * 1048576])
    for group, (opcode, byte) in {5: (TEXT, b"*"), 6: (BINARY, b"\xfe")}.items():
        for number, size in enumerate([64, 128, 256, 512, 1024, 2048], 1):
            case(f"9.{group}.{number}", sliced(frame(opcode, byte * 131072), size), [byte * 131072])
    for group, (opcode, byte) in {7: (TEXT, b"*"), 8: (BINARY, b"\xfe")}.items():
        for number, size in enumerate([0, 16, 64, 256, 1024, 4096], 1):
            case(f"9.{group}.{number}", [frame(opcode, byte * size)] * 200, [byte * size] * 200)
    # Autobahn's 10.1.1 is about a client that sends in pieces of 1300 bytes; one that only listens is sent them.
    case("10.1.1", fragments(TEXT, b"*" * 65536, 1300), [b"*" * 65536])


# What stands between the cases of a run, so that a client that watches for outages sees none.
case("fine", [frame(TEXT, "fine")], ["fine"])
for group in (sizes, pings, reserved, opcodes, fragmented, utf8, closes, limits):
    group()


async def opened(protocol, reader, writer):
    """The case that is asked for."""
    while True:
        data = await reader.read(65536)
        if not data:
            raise ConnectionError("nobody asks")
        protocol.receive_data(data)
        for event in protocol.events_received():
            response = protocol.accept(event)
            protocol.send_response(response)
            writer.write(b"".join(protocol.data_to_send()))
            return event.path.rsplit("/", 1)[-1]


async def more(reader):
    """What comes next; nothing behind an end or a reset."""
    try:
        return await reader.read(65536)
    except ConnectionError:
        return b""


async def listen(protocol, reader, writer):
    """Pongs, the code of the close frame (None: a frame without one, -1: no frame), and what was against the rules."""
    seen = {"pongs": [], "code": -1, "faults": []}
    while data := await more(reader):
        protocol.receive_data(data)
        for event in protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if seen["code"] != -1:
                seen["faults"].append(f"behind the close frame: {event.opcode}")
            if event.opcode == Opcode.PONG:
                seen["pongs"].append(event.data.hex())
            elif event.opcode == Opcode.CLOSE:
                seen["code"] = int.from_bytes(event.data[:2], "big") if event.data else None
            else:
                seen["faults"].append(f"a frame that nobody asked for: {event.opcode}")
        protocol.data_to_send()
        if seen["code"] != -1 and writer.can_write_eof():
            # A server hangs up first, when both have said goodbye (RFC 6455, section 7.1.1).
            with contextlib.suppress(OSError):
                writer.write_eof()
    if isinstance(protocol.parser_exc, ProtocolError):
        seen["faults"].append(str(protocol.parser_exc))
    return seen


async def serve(reader, writer):
    protocol = ServerProtocol(max_size=None)
    try:
        name = await opened(protocol, reader, writer)
        listening = asyncio.create_task(listen(protocol, reader, writer))
        try:
            for piece in CASES[name]["pieces"]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except (ConnectionError, RuntimeError):
            pass  # The client may have had enough, and the writer may be closed for that.
        seen = await listening
        with open("seen", "a") as file:
            file.write(json.dumps({"id": name, **seen}) + "\n")
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(port):
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if sys.argv[1] == "list":
    for name, told in CASES.items():
        taken = [digest(payload) for payload in told["taken"]]
        pongs = [payload.hex() for payload in told["pongs"]]
        print(json.dumps({"id": name, "taken": taken, "codes": told["codes"], "pongs": pongs, "fails": told["fails"]}))
else:
    asyncio.run(main(int(sys.argv[1])))
