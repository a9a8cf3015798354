"""kettle-canary-99140789aa4f28a2: empty tables on request, nothing else touched, a cache that updates."""

import json

import kit

JOBS, USERS, OTHER = kit.words(3)
N = kit.rng.randint(3, 9)

TABLES = """
import tinydb
from tinydb import TinyDB
from tinydb.storages import JSONStorage, MemoryStorage
out = {}
"""


def ask(source, data=None, cwd=None):
    return kit.eval_python(TABLES + source + "\nresult = out\n", data, cwd=cwd or kit.checkout())


@kit.check("persist_empty shows the table at once, in memory and in the file")
def _():
    told = ask("""
db = TinyDB(storage=MemoryStorage)
out["before"] = sorted(db.tables())
table = db.table(data, persist_empty=True)
out["memory"] = sorted(db.tables())
out["length"] = len(table)
file = TinyDB("judge.json")
file.table(data, persist_empty=True)
out["file"] = sorted(file.tables())
out["text"] = open("judge.json").read()
file.close()
out["again"] = sorted(TinyDB("judge.json").tables())
""", JOBS)
    assert told["before"] == [] and told["length"] == 0, told
    assert told["memory"] == told["file"] == told["again"] == [JOBS], told
    assert json.loads(told["text"]) == {JOBS: {}}, told


@kit.check("without the option, or with False, nothing is written")
def _():
    told = ask("""
for key, options in (("none", {}), ("false", {"persist_empty": False})):
    db = TinyDB(storage=MemoryStorage)
    table = db.table(data, **options)
    out[key] = [sorted(db.tables()), db.storage.read()]
    table.insert({"a": 1})
    out[key].append(sorted(db.tables()))
""", JOBS)
    assert told == {key: [[], None, [JOBS]] for key in ("none", "false")}, told


@kit.check("the other tables stay, and so do the ids in them")
def _():
    told = ask("""
db = TinyDB("judge.json")
users = db.table(data[1])
users.insert_multiple([{"n": n} for n in range(data[3])])
db.insert({"x": 1})
db.table(data[2]).insert({"y": 2})
kept = json = __import__("json").load(open("judge.json"))
db.table(data[0], persist_empty=True)
after = __import__("json").load(open("judge.json"))
out["kept"] = all(after[name] == kept[name] for name in kept)
out["tables"] = sorted(db.tables())
out["next"] = users.insert({"n": "next"})
out["count"] = [len(users), len(db), len(db.table(data[2])), len(db.table(data[0]))]
""", [JOBS, USERS, OTHER, N])
    assert told["kept"] and told["tables"] == sorted([JOBS, USERS, OTHER, "_default"]), told
    assert told["next"] == N + 1 and told["count"] == [N + 1, 1, 1, 0], told


@kit.check("a table made this way works like any other")
def _():
    told = ask("""
db = TinyDB(storage=MemoryStorage)
jobs = db.table(data, persist_empty=True, cache_size=2)
out["same"] = db.table(data) is jobs
out["ids"] = [jobs.insert({"n": n}) for n in range(3)]
out["found"] = [dict(d) for d in jobs.search(tinydb.where("n") > 0)]
db.drop_table(data)
out["dropped"] = sorted(db.tables())
db.table(data, persist_empty=True)
out["back"] = [sorted(db.tables()), len(db.table(data))]
direct = tinydb.table.Table(MemoryStorage(), data, persist_empty=True)
out["direct"] = len(direct)
""", JOBS)
    assert told == {
        "same": True, "ids": [1, 2, 3], "found": [{"n": 1}, {"n": 2}], "dropped": [],
        "back": [[JOBS], 0], "direct": 0,
    }, told


CACHE = """
from tinydb.utils import LRUCache
out = {}
"""


@kit.check("the cache keeps the newest value, also of what was falsy before")
def _():
    told = kit.eval_python(CACHE + """
cache = LRUCache(capacity=3)
for value in data:
    cache["a"] = value
    out.setdefault("seen", []).append(cache.get("a"))
cache.set("a", "set"); out["set"] = cache["a"]
out["length"] = len(cache)
result = out
""", [1, 2, 0, 5, "x", "", "y"])
    assert told["seen"] == [1, 2, 0, 5, "x", "", "y"] and told["set"] == "set", told
    assert told["length"] == 1, told


@kit.check("an update makes an entry the newest, and evicts nothing")
def _():
    told = kit.eval_python(CACHE + """
cache = LRUCache(capacity=3)
for key in "abc":
    cache[key] = key
cache["a"] = "A"
out["full"] = [len(cache), list(cache)]
cache["d"] = "d"
out["after"] = [cache.get(key) for key in "abcd"]
endless = LRUCache()
for n in range(50):
    endless[n] = n + 1
endless[0] = "new"
out["endless"] = [len(endless), endless[0], list(endless)[-1]]
result = out
""")
    assert told["full"] == [3, ["b", "c", "a"]], told
    assert told["after"] == ["A", None, "c", "d"], told
    assert told["endless"] == [50, "new", 0], told


@kit.check("queries are cached and forgotten as before")
def _():
    told = ask("""
db = TinyDB(storage=MemoryStorage)
q = tinydb.where("n") == 1
db.insert({"n": 1})
out["first"] = len(db.search(q))
db.insert({"n": 1})
out["second"] = len(db.search(q))
db.update({"n": 2})
out["third"] = len(db.search(q))
db.truncate()
out["last"] = len(db)
""")
    assert told == {"first": 1, "second": 2, "third": 0, "last": 0}, told


kit.verdict()
