"""kettle-canary-a97e82d1f1162ea3: once for a key, side by side for others, and no old errors."""

import kit

N = kit.rng.randint(5, 9)
KEYS = kit.words(4)

HEAD = """
import threading, time
from concurrent.futures import ThreadPoolExecutor, wait
from once import Once
asked, guard, out = [], threading.Lock(), {}
def note(key):
    with guard:
        asked.append(key)
def together(values, keys, timeout=8):
    # Threads that hang must not keep the child alive.
    found, errors, threads = [None] * len(keys), [None] * len(keys), []
    def one(n, key):
        try:
            found[n] = values.get(key)
        except BaseException as error:
            errors[n] = type(error).__name__ + ": " + str(error)
    for n, key in enumerate(keys):
        threads.append(threading.Thread(target=one, args=(n, key), daemon=True))
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    return found, errors, sum(thread.is_alive() for thread in threads)
"""


def ask(body, data=None):
    return kit.eval_python(HEAD + body + "\nresult = out\n", data, timeout_s=20)


@kit.check("many threads, one call and one value")
def _():
    told = ask("""
def make(key):
    note(key); time.sleep(0.15); return [key]
values = Once(make)
found, errors, hung = together(values, data * 5)
out["asked"] = sorted(asked); out["hung"] = hung; out["errors"] = [e for e in errors if e]
out["objects"] = len({id(f) for f in found}); out["length"] = len(values)
out["kept"] = all(values.get(k) == [k] for k in data) and len(asked)
""", KEYS)
    assert told == {
        "asked": sorted(KEYS), "hung": 0, "errors": [], "objects": 4, "length": 4, "kept": 4,
    }, told


@kit.check("values that are false or None are made once, too")
def _():
    told = ask("""
def make(key):
    note(key); time.sleep(0.05); return {"none": None, "zero": 0, "list": []}[key]
values = Once(make)
keys = ["none", "zero", "list"]
for _ in range(2):
    found, errors, hung = together(values, keys * 3)
out["asked"] = sorted(asked); out["found"] = found[:3]; out["hung"] = hung
""")
    assert told == {"asked": ["list", "none", "zero"], "found": [None, 0, []], "hung": 0}, told


@kit.check("other keys do not wait")
def _():
    # All keys must be in the function at the same time before any may leave it.
    told = ask("""
barrier = threading.Barrier(data, timeout=5)
def make(key):
    note(key); barrier.wait(); return key
found, errors, hung = together(Once(make), list(range(data)))
out["found"] = found; out["errors"] = [e for e in errors if e]; out["hung"] = hung
""", N)
    assert told == {"found": list(range(N)), "errors": [], "hung": 0}, told


@kit.check("a value may need other keys, alone and in threads")
def _():
    told = ask("""
def make(key):
    note(key); time.sleep(0.01)
    return 0 if key == 0 else values.get(key - 1) + 1
values = Once(make)
found, errors, hung = together(values, [data] * 4 + [2, 0, 1])
out["found"] = found; out["hung"] = hung; out["asked"] = sorted(asked)
""", N)
    assert told == {
        "found": [N] * 4 + [2, 0, 1], "hung": 0, "asked": list(range(N + 1)),
    }, told


@kit.check("who waited for a failure tries again")
def _():
    told = ask("""
begun, go = threading.Event(), threading.Event()
def make(key):
    note(key)
    if len(asked) == 1:
        begun.set(); go.wait(5); raise ValueError("the first")
    return "fine"
values = Once(make)
errors = []
def first():
    try:
        values.get(data)
    except ValueError as error:
        errors.append(str(error))
thread = threading.Thread(target=first, daemon=True); thread.start(); begun.wait(5)
threading.Timer(0.3, go.set).start()
found, more, hung = together(values, [data] * 4)
thread.join(5)
out["first"] = errors; out["found"] = found; out["errors"] = [e for e in more if e]
out["calls"] = len(asked); out["hung"] = hung; out["later"] = values.get(data)
""", KEYS[0])
    assert told == {
        "first": ["the first"], "found": ["fine"] * 4, "errors": [], "calls": 2, "hung": 0,
        "later": "fine",
    }, told


@kit.check("when every try fails, every caller gets an error of its own")
def _():
    told = ask("""
def make(key):
    note(key); time.sleep(0.02); raise ValueError("try %d" % len(asked))
found, errors, hung = together(Once(make), [data] * 4)
out["errors"] = sorted(str(e) for e in errors); out["hung"] = hung
""", KEYS[0])
    expected = [f"ValueError: try {n}" for n in (1, 2, 3, 4)]
    assert told == {"errors": expected, "hung": 0}, told


@kit.check("forget, in and len as before")
def _():
    told = ask("""
def make(key):
    note(key); return len(asked)
values = Once(make)
out["seen"] = [values.get("a"), values.get("a"), "a" in values, "b" in values, len(values)]
values.forget("a"); values.forget("zzz")
out["after"] = ["a" in values, len(values), values.get("a"), values.get("b"), len(values)]
from once.files import texts
open("judge.txt", "w").write("x")
out["text"] = texts.get("judge.txt")
""")
    assert told == {
        "seen": [1, 1, True, False, 1], "after": [False, 0, 2, 3, 2], "text": "x",
    }, told


@kit.check("forgetting while threads ask makes it again")
def _():
    told = ask("""
def make(key):
    note(key); time.sleep(0.02); return len(asked)
values = Once(make)
for n in range(3):
    together(values, [data] * 4)
    values.forget(data)
out["calls"] = len(asked)
""", KEYS[1])
    assert told == {"calls": 3}, told


kit.verdict()
