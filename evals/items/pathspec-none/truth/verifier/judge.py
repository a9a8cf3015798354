"""kettle-canary-4ec52a84196a4aa1: match_file answers True or False; the check functions keep their None."""

import kit

SOURCE = """
import pathspec
from pathspec import PathSpec, GitIgnoreSpec, util
from pathspec.patterns import GitWildMatchPattern
out = []
for lines, files in data:
    per = []
    for spec in (PathSpec.from_lines("gitwildmatch", lines), GitIgnoreSpec.from_lines(lines)):
        for file in files:
            check = spec.check_file(file)
            (many,) = spec.check_files([file])
            match = spec.match_file(file)
            per.append([
                type(match).__name__, match, check.include, check.index, many.include, many.index,
                sorted(spec.match_files([file])), sorted(spec.match_files([file], negate=True)),
                list(util.check_match_file(enumerate(spec.patterns), file)),
                spec._match_file(enumerate(spec.patterns), file)[0],
            ])
    out.append(per)
result = out
"""
WORDS = kit.words(3)
A, B, C = WORDS


def ask(*jobs):
    return kit.eval_python(SOURCE, list(jobs))


CASES = [f"{A}.txt", f"{B}/{C}.txt", f"{B}/{A}.bin", f"{C}.bin", f"{C}/{A}/x.md"]
LINES = ["# a comment", "", "*.txt", f"!{B}/"]
EXPECTED = [(True, 2), (False, 3), (False, 3), (None, None), (None, None)]
GIT = [(True, 2), (True, 2), (False, 3), (None, None), (None, None)]
"""Of GitIgnoreSpec: a pattern for the file itself wins over one for its folder."""


@kit.check("match_file gives True or False, nothing else")
def _():
    (told,) = ask([LINES, CASES])
    for row, (include, _) in zip(told, EXPECTED + GIT):
        assert row[0] == "bool" and row[1] is bool(include), row


@kit.check("no pattern at all is False, too")
def _():
    told = ask([[], [f"{A}.txt"]], [["# nothing"], [f"{A}.txt"]])
    assert all(row[:2] == ["bool", False] for rows in told for row in rows), told


@kit.check("check_file and check_files tell no pattern from a negated one")
def _():
    (told,) = ask([[line for line in LINES if line and line[0] != "#"], CASES])
    expected = [(i, None if n is None else n - 2) for i, n in EXPECTED + GIT]
    for row, (include, index) in zip(told, expected):
        assert [row[2], row[3]] == [include, index], row
        assert [row[4], row[5]] == [include, index], row


@kit.check("check_match_file stays as it was")
def _():
    (told,) = ask([["*.txt", f"!{B}/"], CASES])
    for row, (include, index) in zip(told[:5], EXPECTED):
        assert row[8] == [include, None if index is None else index - 2], row


@kit.check("match_files is unchanged, negated or not")
def _():
    (told,) = ask([["*.txt", f"!{B}/"], CASES])
    for file, row, (include, _) in zip(CASES * 2, told, EXPECTED + GIT):
        assert row[6] == ([file] if include else []), row
        assert row[7] == ([] if include else [file]), row


@kit.check("what overrides _match_file is still asked")
def _():
    told = kit.eval_python("""
from pathspec import PathSpec
class Mine(PathSpec):
    def _match_file(self, patterns, file):
        return (None, None) if file.startswith("n") else (file.startswith("y"), 7)
spec = Mine([])
result = [[spec.match_file(name), spec.check_file(name).include] for name in data]
""", ["n", "y", "x"])
    assert told == [[False, None], [True, True], [False, False]], told


@kit.check("util.match_file and the file system walk are unchanged")
def _():
    tree = kit.checkout()
    tree.write(f"judge/{A}.txt", "")
    tree.write(f"judge/{B}/{C}.txt", "")
    tree.write(f"judge/{C}.bin", "")
    told = kit.eval_python("""
from pathspec import PathSpec
spec = PathSpec.from_lines("gitwildmatch", data)
result = [sorted(spec.match_tree_files("judge")),
          {check.file: [check.include, check.index] for check in spec.check_tree_files("judge")}]
""", ["*.txt", f"!{B}/"], cwd=tree)
    assert told[0] == [f"{A}.txt"], told
    assert told[1] == {
        f"{A}.txt": [True, 0], f"{B}/{C}.txt": [False, 1], f"{C}.bin": [None, None],
    }, told


kit.verdict()
