"""kettle-canary-608428b17f6a6033: failed and timed-out tasks give back their lane, once."""

import json

import kit

HEAD = """
import { Queue, TimeoutError } from "./src/index.js";
import fs from "node:fs";
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const told = {};
const tell = () => fs.writeFileSync(Number(process.env.KIT_VALUE_FD), JSON.stringify(told));
"""


def play(body, timeout_s=15):
    """Run lines of JavaScript beside the project; what they put into told comes back."""
    tree = kit.checkout()
    tree.write("judge.mjs", HEAD + body + "\ntell();\nprocess.exit(0);\n")
    run = kit.run(["node", "judge.mjs"], cwd=tree, timeout_s=timeout_s)
    assert run.value, run.tail
    return json.loads(run.value)


WORD = kit.words(1)[0]
LANES = kit.rng.randint(2, 4)
FAILING = LANES + kit.rng.randint(1, 3)


@kit.check("after failures of every kind the rest still runs")
def _():
    told = play(f"""
const queue = new Queue({{ concurrency: {LANES} }});
const all = [];
for (let i = 0; i < {FAILING}; i++) {{
  all.push(queue.add(i % 2 ? () => {{ throw new Error("{WORD}" + i); }}
                           : async () => {{ await sleep(1); throw new Error("{WORD}" + i); }}));
}}
for (let i = 0; i < 5; i++) all.push(queue.add(async () => {{ await sleep(1); return i; }}));
const ends = await Promise.race([Promise.allSettled(all), sleep(2500)]);
told.ends = ends && ends.map((end) => end.status === "fulfilled" ? end.value : end.reason.message);
await Promise.race([queue.onIdle().then(() => {{ told.idle = true; }}), sleep(1000)]);
told.running = queue.running; told.size = queue.size;
""")
    expected = [f"{WORD}{i}" for i in range(FAILING)] + list(range(5))
    assert told == {"ends": expected, "idle": True, "running": 0, "size": 0}, told


@kit.check("onIdle that waits already comes back when the last task fails")
def _():
    told = play("""
const queue = new Queue({ concurrency: 2 });
queue.add(async () => { await sleep(20); throw new Error("late"); }).catch(() => {});
queue.add(async () => sleep(5));
const idle = queue.onIdle().then(() => { told.idle = true; told.running = queue.running; });
await Promise.race([idle, sleep(1500)]);
""")
    assert told == {"idle": True, "running": 0}, told


@kit.check("a timed-out task gives its lane to the next while it still hangs")
def _():
    told = play("""
const queue = new Queue({ concurrency: 1, timeout: 40 });
const never = queue.add(() => new Promise(() => {}));
const next = queue.add(async () => "next");
told.error = await never.then(() => "none", (error) => [error instanceof TimeoutError, error.name]);
told.next = await Promise.race([next, sleep(1500)]);
await Promise.race([queue.onIdle().then(() => { told.idle = true; }), sleep(1000)]);
told.running = queue.running;
""")
    assert told["error"] == [True, "TimeoutError"], told
    assert (told["next"], told.get("idle"), told["running"]) == ("next", True, 0), told


LIMITS_MS = (60, 300, 1500)
"""Timeouts of the queue, one after the other while the machine is too slow for the one before."""


@kit.check("tasks that end or fail after their timeout free no second lane")
def _():
    for limit in LIMITS_MS:
        told = play(f"""
process.on("unhandledRejection", () => {{ told.unhandled = true; }});
const queue = new Queue({{ concurrency: {LANES}, timeout: {limit} }});
const releases = [];
for (let i = 0; i < {LANES}; i++) {{
  queue.add(() => new Promise((resolve, reject) => releases.push(i % 2 ? resolve : reject)))
    .catch((error) => {{ told.timeouts = (told.timeouts || 0) + (error.name === "TimeoutError"); }});
}}
let now = 0, begun = 0, quick = 0;
told.most = 0;
told.least = 0;
const rest = [];
for (let i = 0; i < {LANES} * 3; i++) {{
  rest.push(queue.add(async () => {{
    const from = performance.now();
    begun += 1;
    now += 1; told.most = Math.max(told.most, now);
    if (i === 0) await sleep(10);
    if (i === 0) releases.forEach((release) => release(new Error("too late")));
    told.least = Math.min(told.least, queue.running);
    await sleep(15);
    now -= 1;
    quick += performance.now() - from < {limit} * 0.8;
  }}));
}}
await Promise.race([Promise.allSettled(rest), sleep({limit} + 2500)]);
await Promise.race([queue.onIdle(), sleep(1000)]);
await sleep(20);
told.running = queue.running; told.size = queue.size;
told.late = quick < begun;
""")
        # A short task that a slow machine held beyond the timeout gives its lane back, rightly,
        # while it still runs: such a run shows nothing.
        if not told.pop("late"):
            break
    expected = {
        "timeouts": LANES, "most": LANES, "least": 0, "running": 0, "size": 0,
    }
    assert told == expected, (told, expected)


@kit.check("priorities, results and limits stay")
def _():
    told = play("""
const queue = new Queue({ concurrency: 1 });
const order = [];
const gate = queue.add(async () => { await sleep(10); return 1; });
const add = (name, priority) => queue.add(() => { order.push(name); return name; }, { priority });
const rest = [add("a", 0), add("b", 5), add("c", 0), add("d", 5)];
told.waiting = [queue.size, queue.running];
told.first = await gate;
told.rest = await Promise.all(rest);
told.order = order;
try { new Queue({ concurrency: 0 }); } catch (error) { told.refused = error.name; }
const quick = new Queue({ timeout: 5000 });
told.quick = await quick.add(async () => "done");
const patient = new Queue();
told.patient = await patient.add(async () => { await sleep(60); return "still"; });
""")
    assert told == {
        "waiting": [4, 1], "first": 1, "rest": ["a", "b", "c", "d"], "order": ["b", "d", "a", "c"],
        "refused": "RangeError", "quick": "done", "patient": "still",
    }, told


@kit.check("a quick task leaves no timer that keeps the process alive")
def _():
    tree = kit.checkout()
    tree.write(
        "judge.mjs",
        'import { Queue } from "./src/index.js";\n'
        "const queue = new Queue({ timeout: 60000 });\nawait queue.add(async () => 1);\n"
        'console.log("end");\n',
    )
    run = kit.run(["node", "judge.mjs"], cwd=tree, timeout_s=10)
    assert run.code == 0 and run.out.strip() == "end", run.tail


kit.verdict()
