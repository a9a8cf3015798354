"""Turn the user's own `>>>` examples into checks of the judge.

    python3 user_examples.py            (after compare_states.py, whose states it uses)

Reads the examples that the user typed in the session, evaluates them on the start state, on the
outcome's state, and on the session's own attempts that must fail (/workbench/attempts.json), each
in a child of the kit. An example whose results on the outcome are steady and differ from those on
one of the others goes into tests/examples.json, and judge.py is made to demand it; one that tells
the start from the outcome and stands in a later prompt only is added to the instruction, too. For
Python. Prints a summary; the last line is JSON.
"""

from __future__ import annotations

import ast
import json
import pathlib
import re
import shutil
import subprocess
import sys
from typing import Any

WORKBENCH = pathlib.Path("/workbench")
DRAFT = WORKBENCH / "draft"
STATES = pathlib.Path("/tmp/states")
EXAMPLES_AT_MOST = 20
LINES_AT_MOST = 30
AUTHOR = "Added by the environment's author:"

EVALUATE = """
import ast, builtins, importlib, re

def shown(value):
    if value is None or isinstance(value, (bool, int, float, str)):
        return {"value": value}
    text = repr(value)
    # An address is another one in every process.
    return {"type": type(value).__name__, **({} if " at 0x" in text else {"repr": text})}

result = []
scope = {}
for line in data:
    tree = ast.parse(line)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in scope and not hasattr(builtins, node.id):
            try:
                scope[node.id] = importlib.import_module(node.id)
            except ImportError:
                pass
    try:
        if isinstance(tree.body[0], ast.Expr):
            result.append(shown(eval(line, scope)))
        else:
            exec(line, scope)
            result.append({})
    except Exception as e:
        result.append({"raises": type(e).__name__})
"""

DEMAND = """
# The user's own examples; see examples.json.
with open("/tests/examples.json") as file:
    examples = json.load(file)
for number, example in enumerate(examples["examples"], start=1):

    @kit.check(f"the user's example {number}: {example['lines'][-1]}")
    def _(example=example):
        seen = kit.eval_python(examples["evaluate"], example["lines"], cwd=kit.checkout())
        assert seen == example["expected"], seen

"""


def blocks(text: str) -> list[list[str]]:
    """Runs of statements after `>>>`, continuation lines joined."""
    found: list[list[str]] = []
    open_ = False
    for raw in text.splitlines():
        line = re.sub(r"^[\s>]*?(?=>>> |\.\.\. )", "", raw)
        if line.startswith(">>> "):
            if not open_:
                found.append([])
            found[-1].append(line[4:].strip())
            open_ = True
        elif line.startswith("... ") and open_:
            found[-1][-1] += "\n" + line[4:].rstrip()
        elif not raw.strip():
            open_ = False
    return [block for block in found if all(parses(line) for line in block)]


def parses(line: str) -> bool:
    """Whether a statement is one that can be evaluated alone."""
    try:
        return len(ast.parse(line).body) == 1
    except (SyntaxError, ValueError):
        return False


def evaluated(kit: Any, tree: str, lines: list[str]) -> Any:
    """What the statements give on a state; None when the child gives nothing."""
    try:
        return kit.eval_python(EVALUATE, lines, cwd=kit.checkout(tree), timeout_s=10)
    except AssertionError:
        return None


def attempts() -> list[str]:
    """The session's attempts that must fail, as trees."""
    record = WORKBENCH / "attempts.json"
    known = json.loads(record.read_text())["attempts"] if record.is_file() else []
    trees = []
    for number, one in enumerate(known):
        patch = WORKBENCH / "attempts" / (one["patch"] or "none")
        tree = STATES / f"attempt-{number}"
        if one["expected"] != "fail" or not patch.is_file():
            continue
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(STATES / "start", tree, symlinks=True)
        done = subprocess.run(
            ["patch", "-p1", "--forward", "--silent", "-i", str(patch)],
            cwd=tree,
            capture_output=True,
        )
        if done.returncode == 0:
            trees.append(str(tree))
    return trees


def main() -> None:
    """Find, try, write."""
    sys.path.insert(0, str(DRAFT / "tests"))
    import kit  # type: ignore[import-not-found]

    session = json.loads((WORKBENCH / "session.json").read_text())
    said = [str(s.get("message") or "") for s in session["steps"] if s.get("source") == "user"]
    start, after, wrong = str(STATES / "start"), str(STATES / "after"), attempts()
    examples: list[dict[str, Any]] = []
    told = 0
    instruction = (DRAFT / "instruction.md").read_text()
    for text in said:
        for lines in blocks(text)[:EXAMPLES_AT_MOST]:
            lines = lines[:LINES_AT_MOST]
            expected = evaluated(kit, after, lines)
            if expected is None or {"raises": "NameError"} in expected:
                continue
            if len(examples) >= EXAMPLES_AT_MOST or expected != evaluated(kit, after, lines):
                continue
            before = evaluated(kit, start, lines)
            if before == expected and all(evaluated(kit, w, lines) == expected for w in wrong):
                continue
            examples.append({"lines": lines, "expected": expected})
            if before != expected and lines[-1] not in instruction:
                shown = "".join("    >>> " + x.replace("\n", "\n    ... ") + "\n" for x in lines)
                instruction += f"\n{AUTHOR}\nThe user later wanted this to work, too:\n\n{shown}"
                told += 1
    if examples:
        value = {"evaluate": EVALUATE, "examples": examples}
        (DRAFT / "tests" / "examples.json").write_text(json.dumps(value, indent=1) + "\n")
        judge = DRAFT / "tests" / "judge.py"
        text = judge.read_text()
        if "examples.json" not in text:
            judge.write_text(text.replace("kit.verdict()", DEMAND.lstrip() + "kit.verdict()"))
        (DRAFT / "instruction.md").write_text(instruction)
    for example in examples:
        print(f"demanded: {example['lines'][-1]}")
    print(json.dumps({"examples": len(examples), "told": told, "attempts": len(wrong)}))


main()
