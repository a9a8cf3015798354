"""kettle-canary-ef6f5ca9939e0c9e: context lines as grep prints them, as the input comes."""

import kit

W = kit.words(6)


def reference(files, wanted, around, number=False, invert=False):
    """What must be printed for [(name, lines)] in which lines that hold a word match."""
    out, several = [], len(files) > 1
    for name, lines in files:
        hits = [(wanted in line) != invert for line in lines]
        last = None
        for at, line in enumerate(lines):
            if not any(hits[max(0, at - around) : at + around + 1]):
                continue
            if around and out and last != at - 1:
                out.append("--")
            mark = ":" if hits[at] else "-"
            prefix = (name + mark if several else "") + (f"{at + 1}{mark}" if number else "")
            out.append(prefix + line)
            last = at
    return out


def some_lines(count, rate):
    lines = [f"{kit.rng.choice(W[1:])} {n}" for n in range(count)]
    return [f"{line} {W[0]}" if kit.rng.random() < rate else line for line in lines]


def sift(tree, *arguments, **more):
    env = {"PYTHONPATH": tree.path}
    return kit.run([kit.python(), "-m", "sift", *arguments], cwd=tree, folder="judge", env=env, **more)


def compare(files, around, *options, number=False, invert=False, spelling=("-C", "{}")):
    tree = kit.checkout()
    for name, lines in files:
        tree.write(f"judge/{name}", "".join(line + "\n" for line in lines))
    arguments = [part.format(around) for part in spelling] + list(options)
    arguments += ["-n"] * number + ["-v"] * invert
    run = sift(tree, *arguments, W[0], *(name for name, _ in files))
    expected = reference(files, W[0], around, number, invert)
    assert run.out.splitlines() == expected, (arguments, run.out[:600], expected[:20])
    assert run.code == (0 if expected else 1) and run.err == "", run.tail


@kit.check("one file, all widths and densities, with and without numbers")
def _():
    for rate in (0.05, 0.2, 0.6):
        for around in (1, 2, 5):
            compare([("a.log", some_lines(40, rate))], around, number=around != 2)


@kit.check("both spellings, and a match in the first and last line")
def _():
    lines = [f"{W[0]} x", *some_lines(9, 0), f"y {W[0]}"]
    for spelling in (("-C", "{}"), ("-C{}",), ("--context", "{}"), ("--context={}",)):
        compare([("a.log", lines)], 2, number=True, spelling=spelling)
    compare([("a.log", lines)], 50, number=True)


@kit.check("contexts that touch run together, others are apart")
def _():
    for gap in range(1, 6):
        lines = [W[0], *[f"{n}" for n in range(gap)], W[0]]
        compare([("a.log", lines)], 2, number=True)


@kit.check("several files: names and numbers are marked, files are apart")
def _():
    files = [("a.log", some_lines(20, 0.2)), ("b.log", some_lines(5, 0)), ("c.log", some_lines(20, 0.3))]
    compare(files, 1)
    compare(files, 1, number=True)
    compare([("a.log", [W[1], W[0]]), ("b.log", [W[0], W[2]])], 1, number=True)


@kit.check("together with -v and -i")
def _():
    compare([("a.log", some_lines(30, 0.8))], 1, number=True, invert=True)
    tree = kit.checkout()
    tree.write("judge/x", "")
    run = sift(tree, "-i", "-C", "1", W[0].upper(), stdin=f"a\n{W[0]}\nb\nc\n")
    assert run.out == f"a\n{W[0]}\nb\n" and run.code == 0, run.tail


@kit.check("without -C, and with 0, nothing is different")
def _():
    lines = some_lines(30, 0.3)
    compare([("a.log", lines)], 0, number=True)
    tree = kit.checkout()
    tree.write("judge/a.log", "".join(line + "\n" for line in lines))
    run = sift(tree, "-n", W[0], "a.log")
    assert run.out.splitlines() == reference([("a.log", lines)], W[0], 0, True), run.tail
    run = sift(tree, "-C", "2", W[3] + W[4], "a.log")
    assert (run.code, run.out) == (1, ""), run.tail
    run = sift(tree, "-C", "1", W[0], "a.log", "gone.log")
    assert run.code == 2 and "gone.log" in run.err, run.tail
    assert sift(tree, "-C", "x", W[0], "a.log").code == 2


@kit.check("lines are printed while the input still comes")
def _():
    # A pipe that stays open: what was found by then must have been written.
    tree = kit.checkout()
    tree.write("judge/feed.py", f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-u", "-m", "sift", "-C", "1", {W[0]!r}],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
for line in ("before", {W[0]!r}, "after", "then", "more"):
    child.stdin.write((line + "\\n").encode())
child.stdin.flush()
got = [child.stdout.readline().decode().strip() for _ in range(3)]
print(got, flush=True)
child.kill()
""")
    env = {"PYTHONPATH": tree.path, "PYTHONUNBUFFERED": "1"}
    run = kit.run([kit.python(), "feed.py"], cwd=tree, folder="judge", env=env, timeout_s=15)
    assert run.out.strip() == str(["before", W[0], "after"]), run.tail


kit.verdict()
