"""kettle-canary-fbc1c9e35e5341a3: one line and 2 for a bad file, silence and 1 for a missing key, --default."""

import json

import kit

A, B, C, D, V = kit.words(5)
PORT = kit.rng.randint(1024, 60000)
FILES = {
    f"{A}.json": json.dumps({"name": B, "server": {"port": PORT, "hosts": [C, D]}, "none": None,
                             "zero": 0, "off": False, "empty": "", "list": []}),
    f"{B}.json": json.dumps({"extends": f"{A}.json", "name": D, "own": {"x": 1}}),
    "bad.json": '{ "a": 1,, }',
    "lone.json": json.dumps({"extends": f"{C}.json", "a": 1}),
    "deep.json": json.dumps({"extends": "sub/mid.json"}),
    "sub/mid.json": json.dumps({"extends": "low.json", "mid": V}),
    "sub/low.json": json.dumps({"low": PORT}),
    "odd.json": json.dumps({"extends": "bad.json"}),
}


def confget(*arguments):
    tree = kit.checkout()
    for name, text in FILES.items():
        tree.write(f"judge/{name}", text)
    return kit.run(["node", "../bin/confget.js", *arguments], cwd=tree, folder="judge")


def prints(arguments, lines):
    run = confget(*arguments)
    assert (run.code, run.out.splitlines(), run.err) == (0, lines, ""), run.tail


def trouble(arguments, name):
    run = confget(*arguments)
    assert run.code == 2 and run.out == "", run.tail
    lines = run.err.splitlines()
    assert len(lines) == 1 and name in lines[0], run.tail
    assert "    at " not in run.err and "undefined" not in run.err, run.tail
    return lines[0]


def silent(arguments):
    run = confget(*arguments)
    assert (run.code, run.out, run.err) == (1, "", ""), run.tail


@kit.check("values come as before")
def _():
    prints([f"{B}.json", "name", "server.port", "server.hosts.1", "own"],
           [D, str(PORT), D, '{"x":1}'])
    prints([f"{A}.json", "zero", "off", "server.hosts", "list"],
           ["0", "false", json.dumps([C, D], separators=(",", ":")), "[]"])
    prints(["deep.json", "mid", "low"], [V, str(PORT)])


@kit.check("an empty text is there, and is printed")
def _():
    run = confget(f"{A}.json", "empty", "zero")
    assert (run.code, run.out, run.err) == (0, "\n0\n", ""), run.tail


@kit.check("a missing or broken file is one line that names it, and exit code 2")
def _():
    trouble([f"{V}.json", "name"], f"{V}.json")
    trouble(["bad.json", "a"], "bad.json")
    trouble(["--default", "x", f"{V}.json", "name"], f"{V}.json")


@kit.check("what is named in extends is named when it cannot be read")
def _():
    said = trouble(["lone.json", "a"], f"{C}.json")
    assert "lone.json" not in said.replace(f"{C}.json", ""), said
    trouble(["odd.json", "a"], "bad.json")


@kit.check("a missing key prints nothing at all and exits with 1")
def _():
    silent([f"{A}.json", V])
    silent([f"{B}.json", f"server.{V}"])
    silent([f"{A}.json", f"{V}.{C}.{D}"])
    silent([f"{A}.json", f"none.{V}"])
    silent([f"{A}.json", "name", V])
    silent([f"{A}.json", V, "name"])
    silent([f"{A}.json", "server.hosts.7"])


@kit.check("--default stands in for every missing key, and for nothing else")
def _():
    prints(["--default", V, f"{A}.json", "nope", "name", "server.nope.more"], [V, B, V])
    prints(["--default", V, f"{A}.json", "zero", "off", "empty"], ["0", "false", ""])
    prints(["--default", "-1", f"{A}.json", "nope"], ["-1"])
    run = confget("--default", "", f"{A}.json", "nope")
    assert (run.code, run.out) == (0, "\n"), run.tail


kit.verdict()
