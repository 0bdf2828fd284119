#!/usr/bin/env python3
"""What editors make of the schema: `.ci/editors-prove.py TAPLO FOLDER TOMBI`, where
FOLDER holds the npm package @taplo/lsp.

Both linters accept every job that is shown and find the one mistake of each file in tests/editors: its line ends
with `# expect: WORDS`, and what they say of that line must match WORDS (case aside). Then each language server is
asked for completion and hover, as an editor does. Must never judge by what a linter quotes of the file: the words
stand there as well.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMA = (ROOT / "schemas/job.schema.json").as_uri()
GOOD = sorted([*ROOT.glob("jobs/*.toml"), *ROOT.glob("docs/**/*.toml")])
BROKEN = sorted(ROOT.glob("tests/editors/*.toml"))

ENVIRONMENT = {**os.environ, "NO_COLOR": "1"}

# A server that has said nothing by then never will.
ASKED_AGAIN = 500

# A job with places to ask at: `|` is the cursor, which is taken out.
COMPLETE = [
    ("a key of the job", "na|\n", "name"),
    ("a key of an endpoint", "[endpoints.a]\nconc|\n", "concurrency"),
    ("a key of a table that flows down", "[retry]\nat|\n", "attempts"),
    ("a kind of input", "[endpoints.a.input]\nra|\n", "range"),
    ("a key of a kind", "[endpoints.a.auth.oauth2]\ntok|\n", "token-url"),
]
HOVER = [
    ("a key of the job", "na|me = \"x\"\n", "Name of the job"),
    ("a key of an endpoint", "[endpoints.a]\nkeep = [\"x\"]\nconcur|rency = 3\n", "Requests in flight"),
    ("a key of a table that flows down", "[retry]\natt|empts = 3\n", "Attempts, the first included"),
    ("a kind of sink", "[sinks.a.par|quet]\npath = \"x\"\n", "Parquet files"),
]


def fail(message):
    print(message)
    sys.exit(1)


def lint(command, files):
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True, env=ENVIRONMENT)
    return done.returncode, done.stdout + done.stderr


def told(output):
    """What was said, as (file, line, words). Taplo says the words first, Tombi as well."""
    words = ""
    for line in output.splitlines():
        said = re.match(r"\s*error:\s*(.*)", line, re.IGNORECASE)
        place = re.match(r"\s*(?:┌─|at) (\S+\.toml):(\d+):\d+", line)
        if said:
            words = said[1]
        elif place:
            yield pathlib.Path(place[1]).name, int(place[2]), words


def expected(path):
    marked = [
        (number, line.split("# expect: ")[1])
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "# expect: " in line
    ]
    if len(marked) != 1:
        fail(f"{path}: one line must say what is expected of it, {len(marked)} do")
    return marked[0]


def lints(name, command):
    code, output = lint(command, GOOD)
    if code != 0:
        fail(f"{name} refuses a good job:\n{output}")
    code, output = lint(command, BROKEN)
    found = list(told(output))
    for path in BROKEN:
        number, words = expected(path)
        # Tombi says of a key that is missing in the only table of a file that the file lacks it.
        lines = {number, 1} if path.stem.startswith("missing-") else {number}
        said = [text for file, line, text in found if file == path.name and line in lines]
        if not any(re.search(words, text, re.IGNORECASE) for text in said):
            fail(f"{name} does not say {words!r} of {path.name}:{number}, but {said}\n{output}")
    print(f"{name}: {len(GOOD)} jobs accepted, {len(BROKEN)} mistakes found at their lines")


class Server:
    """A language server, spoken to over its standard streams."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, env=ENVIRONMENT
        )
        self.number = 0
        # What Taplo asks for when the editor has settings, and Tombi never.
        self.settings = {
            "schema": {"enabled": True, "associations": {r".*\.toml": SCHEMA}, "catalogs": [], "links": False}
        }

    def send(self, **message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def receive(self):
        length = None
        while (line := self.process.stdout.readline().strip()) or length is None:
            if not line and self.process.poll() is not None:
                fail(f"the language server ended with {self.process.returncode}")
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(self.process.stdout.read(length))

    def ask(self, method, params):
        self.number += 1
        self.send(id=self.number, method=method, params=params)
        while True:
            message = self.receive()
            if "method" in message and "id" in message:
                self.answer(message)
            elif message.get("id") == self.number:
                if "error" in message:
                    fail(f"{method}: {message['error']}")
                return message.get("result")

    def answer(self, message):
        wanted = message.get("params", {}).get("items") if message["method"] == "workspace/configuration" else None
        self.send(id=message["id"], result=None if wanted is None else [self.settings for _ in wanted])

    def start(self):
        root = ROOT.as_uri()
        can = {"workspace": {"configuration": True}, "textDocument": {"hover": {"contentFormat": ["markdown"]}}}
        self.ask(
            "initialize",
            {
                "processId": None,
                "rootUri": root,
                "capabilities": can,
                "workspaceFolders": [{"uri": root, "name": "paceline"}],
                "initializationOptions": {"configurationSection": "evenBetterToml"},
            },
        )
        self.send(method="initialized", params={})

    def at(self, request, text, file):
        """Opens a text and asks at its `|`."""
        before, after = text.split("|")
        # It need not exist: it stands where the schema is found beside it.
        uri = (ROOT / "jobs" / file).as_uri()
        whole = "#:schema ../schemas/job.schema.json\n" + before + after
        self.send(
            method="textDocument/didOpen",
            params={"textDocument": {"uri": uri, "languageId": "toml", "version": 1, "text": whole}},
        )
        line = before.count("\n") + 1
        place = {"line": line, "character": len(before.rsplit("\n", 1)[-1])}
        # Tombi answers several at once, and may do so before it has taken in what was opened.
        for _ in range(ASKED_AGAIN):
            if result := self.ask(request, {"textDocument": {"uri": uri}, "position": place}):
                break
        return result

    def stop(self):
        self.process.kill()
        self.process.wait()


def serves(name, command):
    server = Server(command)
    server.start()
    for number, (what, text, label) in enumerate(COMPLETE):
        result = server.at("textDocument/completion", text, f"complete-{number}.toml") or []
        items = result["items"] if isinstance(result, dict) else result
        labels = [item["label"] for item in items]
        if label not in labels:
            fail(f"{name} does not complete {what} to {label}: {labels}")
    for number, (what, text, words) in enumerate(HOVER):
        result = server.at("textDocument/hover", text, f"hover-{number}.toml")
        if words not in json.dumps(result):
            fail(f"{name} does not say {words!r} of {what}: {result}")
    server.stop()
    print(f"{name}: {len(COMPLETE)} completions and {len(HOVER)} hovers as an editor asks for them")


if __name__ == "__main__":
    taplo, taplo_lsp, tombi = sys.argv[1:]
    lints("taplo", [taplo, "lint", "--colors", "never", "--schema", SCHEMA])
    lints("tombi", [tombi, "lint", "--offline"])
    serves("taplo", ["node", str(ROOT / ".ci/taplo-lsp.mjs"), taplo_lsp])
    serves("tombi", [tombi, "lsp", "--offline"])
