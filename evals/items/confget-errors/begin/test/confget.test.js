import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../bin/confget.js", import.meta.url));
const FILES = {
  "base.json": '{ "name": "base", "server": { "port": 80, "hosts": ["a", "b"] } }',
  "app.json": '{ "extends": "base.json", "name": "app", "debug": false }',
};

async function folder(files = FILES) {
  const place = await mkdtemp(join(tmpdir(), "confget-"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(place, name), text);
  return place;
}

async function confget(cwd, ...argv) {
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, [CLI, ...argv], { cwd })) };
  } catch (error) {
    return { code: error.code, stdout: error.stdout, stderr: error.stderr };
  }
}

test("prints values, one a line", async () => {
  const done = await confget(await folder(), "app.json", "name", "server.port", "server.hosts.1");
  assert.deepEqual(done, { code: 0, stdout: "app\n80\nb\n", stderr: "" });
});

test("prints what is no text as JSON", async () => {
  const done = await confget(await folder(), "app.json", "debug", "server.hosts");
  assert.equal(done.stdout, 'false\n["a","b"]\n');
});
