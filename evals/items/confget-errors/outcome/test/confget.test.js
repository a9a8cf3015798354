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

for (const [name, files, file, said] of [
  ["a missing file", {}, "none.json", /^confget: none\.json: .+\n$/],
  ["broken JSON", { "bad.json": '{ "a": ' }, "bad.json", /^confget: bad\.json: .+\n$/],
  ["a missing base", { "a.json": '{ "extends": "b.json" }' }, "a.json", /^confget: b\.json: .+\n$/],
  ["a circle", { "a.json": '{ "extends": "a.json" }' }, "a.json", /^confget: a\.json: .+\n$/],
]) {
  test(`${name} is one line on stderr and exit code 2`, async () => {
    const done = await confget(await folder(files), file, "a");
    assert.match(done.stderr, said);
    assert.deepEqual([done.code, done.stdout], [2, ""]);
  });
}

test("a missing key prints nothing and ends with 1", async () => {
  for (const key of ["nope", "server.nope", "name.nope.more", "debug.x", "toString"]) {
    const done = await confget(await folder(), "app.json", "name", key);
    assert.deepEqual(done, { code: 1, stdout: "", stderr: "" });
  }
});

test("--default stands in for missing keys", async () => {
  const done = await confget(await folder(), "--default", "-", "app.json", "nope", "debug");
  assert.deepEqual(done, { code: 0, stdout: "-\nfalse\n", stderr: "" });
});

test("a command line without a key shows how it is used", async () => {
  const done = await confget(await folder(), "app.json");
  assert.equal(done.code, 2);
  assert.match(done.stderr, /^usage: confget/);
});
