// Taplo's language server over standard streams: what Even Better TOML runs inside VS Code, from the same package.
// `node taplo-lsp.mjs FOLDER` where FOLDER holds node_modules. Must never answer anything itself.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { isAbsolute } from "node:path";

const require = createRequire(`${process.argv[2]}/`);
const { TaploLsp } = require("@taplo/lsp");

const environment = {
    now: () => new Date(),
    envVar: (name) => process.env[name],
    envVars: () => Object.entries(process.env),
    stdErrAtty: () => false,
    stdin: process.stdin,
    stdout: process.stderr,
    stderr: process.stderr,
    glob: () => [],
    readFile,
    writeFile,
    urlToFilePath: (url) => decodeURIComponent(new URL(url).pathname),
    isAbsolute,
    cwd: () => process.cwd(),
    findConfigFile: () => undefined,
};

const server = await TaploLsp.initialize(environment, {
    onMessage(message) {
        const body = Buffer.from(JSON.stringify(message));
        process.stdout.write(`Content-Length: ${body.length}\r\n\r\n`);
        process.stdout.write(body);
    },
});

let received = Buffer.alloc(0);
process.stdin.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
        const end = received.indexOf("\r\n\r\n");
        const length = end < 0 ? NaN : Number(/content-length: (\d+)/i.exec(received.subarray(0, end).toString())?.[1]);
        if (!(received.length >= end + 4 + length)) return;
        const body = received.subarray(end + 4, end + 4 + length);
        received = received.subarray(end + 4 + length);
        server.send(JSON.parse(body.toString()));
    }
});
process.stdin.on("end", () => process.exit(0));
