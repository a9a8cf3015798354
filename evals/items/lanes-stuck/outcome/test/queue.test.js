import assert from "node:assert/strict";
import test from "node:test";

import { Queue, TimeoutError } from "../src/index.js";

/** A promise and the functions that settle it. */
function deferred() {
  const out = {};
  out.promise = new Promise((resolve, reject) => Object.assign(out, { resolve, reject }));
  return out;
}

test("gives back what the task returns", async () => {
  const queue = new Queue();
  assert.equal(await queue.add(async () => 42), 42);
  assert.equal(await queue.add(() => "plain"), "plain");
});

test("runs at most as many as it has lanes", async () => {
  const queue = new Queue({ concurrency: 2 });
  const gates = [deferred(), deferred(), deferred()];
  const done = gates.map((gate) => queue.add(() => gate.promise));
  assert.equal(queue.running, 2);
  assert.equal(queue.size, 1);
  gates[0].resolve();
  await done[0];
  await new Promise(setImmediate);
  assert.equal(queue.running, 2);
  assert.equal(queue.size, 0);
  gates[1].resolve();
  gates[2].resolve();
  await queue.onIdle();
  assert.equal(queue.running, 0);
});

test("a higher priority goes first", async () => {
  const queue = new Queue();
  const order = [];
  const gate = deferred();
  queue.add(() => gate.promise);
  queue.add(async () => order.push("low"));
  queue.add(async () => order.push("high"), { priority: 5 });
  queue.add(async () => order.push("low too"));
  gate.resolve();
  await queue.onIdle();
  assert.deepEqual(order, ["high", "low", "low too"]);
});

test("is idle from the start", async () => {
  await new Queue().onIdle();
});

test("a failing task rejects its own promise", async () => {
  const queue = new Queue({ concurrency: 2 });
  await assert.rejects(queue.add(async () => { throw new Error("nope"); }), /nope/);
});

test("a task that takes too long rejects", async () => {
  const queue = new Queue({ timeout: 10 });
  const gate = deferred();
  await assert.rejects(queue.add(() => gate.promise), TimeoutError);
  gate.resolve();
});

test("refuses a concurrency that makes no sense", () => {
  for (const concurrency of [0, -1, 1.5, "2"]) {
    assert.throws(() => new Queue({ concurrency }), RangeError);
  }
});

test("goes on after tasks that failed", async () => {
  const queue = new Queue({ concurrency: 2 });
  const results = await Promise.allSettled([
    queue.add(async () => { throw new Error("one"); }),
    queue.add(() => { throw new Error("two"); }),
    queue.add(async () => "three"),
    queue.add(async () => "four"),
  ]);
  assert.deepEqual(results.map((result) => result.value ?? result.reason.message), [
    "one", "two", "three", "four",
  ]);
  assert.equal(queue.running, 0);
});

test("is idle after the last task failed", async () => {
  const queue = new Queue();
  queue.add(async () => { throw new Error("nope"); }).catch(() => {});
  await queue.onIdle();
  assert.equal(queue.running, 0);
});

test("a task that takes too long gives its lane back at once", async () => {
  const queue = new Queue({ timeout: 10 });
  const gate = deferred();
  const slow = queue.add(() => gate.promise);
  const next = queue.add(async () => "next");
  await assert.rejects(slow, TimeoutError);
  assert.equal(await next, "next");
  gate.resolve();
});

test("a late end frees no second lane", async () => {
  const queue = new Queue({ concurrency: 1, timeout: 10 });
  const late = deferred();
  await assert.rejects(queue.add(() => late.promise), TimeoutError);
  const gates = [deferred(), deferred()];
  let most = 0;
  let now = 0;
  const rest = gates.map((gate) => queue.add(async () => {
    most = Math.max(most, now += 1);
    await gate.promise;
    now -= 1;
  }));
  late.resolve();
  await new Promise(setImmediate);
  gates.forEach((gate) => gate.resolve());
  await Promise.all(rest);
  assert.equal(most, 1);
  assert.equal(queue.running, 0);
});

test("a late failure is nobody's problem", async () => {
  const queue = new Queue({ timeout: 10 });
  const late = deferred();
  await assert.rejects(queue.add(() => late.promise), TimeoutError);
  late.reject(new Error("too late"));
  await new Promise(setImmediate);
  assert.equal(await queue.add(async () => "fine"), "fine");
});
