"""kettle-canary-48115de07963ade0: large tables in seconds, and the same groups as ever."""

import json

import kit

N = kit.rng.randint(40000, 50000)
WORDS = kit.words(6)

SOURCE = """
import dupes
rows = data["rows"]
if data.get("many"):
    rows = [{"name": f"{data['word']}{n}", "city": data["cities"][n % 5]} for n in range(data["many"])] + rows
found = dupes.find(iter(rows) if data.get("once") else rows, data["columns"])
result = {"groups": [[list(g.values), list(g.rows)] for g in found], "text": dupes.summary(found)}
"""


def plain(value):
    return value.strip().casefold() if isinstance(value, str) else value


def reference(rows, columns):
    """The slow way that the start state has."""
    groups = []
    for row in rows:
        values = [row[c] for c in columns]
        for group in groups:
            if [plain(v) for v in group[0]] == [plain(v) for v in values]:
                group[1].append(row)
                break
        else:
            groups.append([values, [row]])
    return [g for g in groups if len(g[1]) > 1]


def ask(rows, columns, timeout_s=30, **more):
    job = {"rows": rows, "columns": columns, **more}
    return kit.eval_python(SOURCE, job, timeout_s=timeout_s)


def agrees(rows, columns, **more):
    told = ask(rows, columns, **more)
    expected = reference(rows, columns)
    assert told["groups"] == expected, (told["groups"][:4], expected[:4])
    lines = [f"{len(r)} x {', '.join(map(str, v))}" for v, r in expected]
    assert told["text"] == "\n".join(lines), told["text"][:300]


@kit.check("tens of thousands of different rows take seconds")
def _():
    # The start state needs an hour for these.
    rows = [
        {"name": f" {WORDS[0]}17".upper(), "city": WORDS[2].title() + " "},
        {"name": f"{WORDS[0]}3", "city": WORDS[3]},
        {"name": f"{WORDS[0]}3 ", "city": WORDS[3].upper()},
    ]
    told = ask(
        rows, ["name", "city"], timeout_s=20, many=N, word=WORDS[0],
        cities=[WORDS[0], WORDS[1], WORDS[2], WORDS[3], WORDS[4]],
    )
    assert [v for v, _ in told["groups"]] == [
        [f"{WORDS[0]}3", WORDS[3]], [f"{WORDS[0]}17", WORDS[2]],
    ], told["groups"]
    assert [len(r) for _, r in told["groups"]] == [3, 2], told["groups"]


@kit.check("many rows in few groups take seconds, too")
def _():
    told = ask([], ["city"], timeout_s=20, many=N, word="x", cities=WORDS[:5])
    assert [v for v, _ in told["groups"]] == [[w] for w in WORDS[:5]], told["text"][:300]
    assert sum(len(r) for _, r in told["groups"]) == N


@kit.check("random small tables give the groups of before")
def _():
    for _ in range(8):
        pool = ["Ada", " ada", "ADA ", "b", 1, 1.0, True, "1", 0, False, None, "", " ", "None"]
        rows = [
            {"a": kit.rng.choice(pool), "b": kit.rng.choice(pool), "n": n} for n in range(60)
        ]
        agrees(rows, ["a", "b"])
        agrees(rows, ["b"])


@kit.check("lists and objects are compared by what they hold")
def _():
    w = WORDS[0]
    pool = [
        [1], [1.0], "[1]", ["a", "b"], ["b", "a"], ["A", "b"], {"zip": w, "street": "Ring"},
        {"street": "Ring", "zip": w}, {"street": "Ring"}, [], {}, [[1], {"x": [2]}],
        [[1], {"x": [2.0]}], "{}", ["a b"], {"k": None}, [None],
    ]
    for _ in range(4):
        rows = [{"a": kit.rng.choice(pool), "n": n} for n in range(70)]
        agrees(rows, ["a"])
    agrees([{"a": v} for v in pool + pool], ["a"])


@kit.check("rows may come from a generator, and are the same rows")
def _():
    told = ask([{"a": "x", "n": n} for n in range(3)], ["a"], once=True)
    assert told["groups"] == [[["x"], [{"a": "x", "n": n} for n in range(3)]]], told


@kit.check("values and rows stay lists, and a missing column stays an error")
def _():
    told = kit.eval_python("""
import dupes
(group,) = dupes.find([{"a": 1}, {"a": 1}], ["a"])
result = [type(group).__name__, type(group.values).__name__, type(group.rows).__name__]
""")
    assert told == ["Group", "list", "list"], told
    try:
        ask([{"a": 1}], ["b"])
    except kit.Raised as error:
        assert error.kind == "KeyError", error
    else:
        raise AssertionError("a missing column was passed over")


@kit.check("the command line works")
def _():
    tree = kit.checkout()
    tree.write("t.csv", "name,city\n" + "".join(f"{w},{WORDS[5]}\n" for w in WORDS) + f"{WORDS[1].upper()},x\n")
    run = kit.run([kit.python(), "-m", "dupes", "t.csv", "name"], cwd=tree)
    assert run.code == 0 and run.out == f"2 x {WORDS[1]}\n", run.tail


kit.verdict()
