"""A tiny item of our own: `shout` forgets the exclamation mark. It builds in seconds."""

from __future__ import annotations

import json
from pathlib import Path

from evals import recipe
from evals.history import git
from evals.item import Item, load
from tests.agent.projects import FIXED, START, TEST, claude_code

CANARY = "kettle-canary-0123456789abcdef"

_RECIPE = """\
project = "{project}"
licence = "MIT"
author = "Dana"
address = "dana@example.invalid"

[[state]]
version = "start"
folder = "begin"
message = "Begin"
date = 2025-03-01T10:00:00Z
{start}
[[state]]
version = "fixed"
folder = "outcome"
message = "Shout with an exclamation mark"
date = 2025-03-01T12:00:00Z
{outcome}
"""
_TRUTH = """\
canary = "{canary}"
verdict = "accept"
language = "python"
kind = "bug"
start = "{start}"
start_tree = "{tree}"
outcome = ["{outcome}"]
fail_to_pass = ["test_voice.py::test_mark"]
leaks = ["concatenat"]

[[intent]]
text = "shout ends with an exclamation mark"
marks = ["HEY!"]
"""
_REJECTED = """\
canary = "{canary}"
verdict = "reject"
language = "python"
reasons = ["trivial"]
why = "one character"
"""
_JUDGE = f"""\
# {CANARY}
import kit

word = kit.words(1)[0]
kit.check("shouts", kit.call_python("voice", "shout", [word]) == word.upper() + "!")
kit.verdict()
"""
_RIGHT = {
    "exclaims by formatting": "f'{text.upper()}!'",
    "joined": "''.join((text.upper(), '!'))",
    "old style": "'%s!' % text.upper()",
}
_WRONG = {
    "the mark alone": "text + '!'",
    "parrots the one example": "'HEY!' if text == 'hey' else text.upper()",
    "another mark": "text.upper() + '?'",
    "two marks": "text.upper() + '!!'",
    "lower case": "text.lower() + '!'",
}


def make(folder: Path, *, verdict: str = "accept", project: str = "voice") -> Item:
    """Write the item into a new folder named after the project."""
    item = folder / project
    for state, code in (("begin", START), ("outcome", FIXED)):
        (item / state).mkdir(parents=True)
        (item / state / "voice.py").write_text(code)
    (item / "begin" / "pyproject.toml").write_text('[project]\nname = "voice"\nversion = "1"\n')
    (item / "begin" / "LICENSE").write_text("SPDX-License-Identifier: MIT\n")
    (item / "outcome" / "test_voice.py").write_text(TEST)
    lines = claude_code(Path("/home/dana/voice"))
    (item / "session.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (item / "recipe.toml").write_text(_RECIPE.format(project=project, start="", outcome=""))
    made = recipe.materialise(item, folder / f".{project}-scratch")
    start, outcome = made.commits.values()
    (item / "recipe.toml").write_text(
        _RECIPE.format(
            project=project, start=f'commit = "{start}"', outcome=f'commit = "{outcome}"'
        )
    )
    if verdict == "reject":
        (item / "truth.toml").write_text(_REJECTED.format(canary=CANARY))
        return load(item)
    tree = git(made.path, "rev-parse", f"{start}^{{tree}}").strip()
    (item / "truth.toml").write_text(
        _TRUTH.format(canary=CANARY, start=start, tree=tree, outcome=outcome)
    )
    solutions = [f'canary = "{CANARY}"\n']
    for kind, texts in (("right", _RIGHT), ("wrong", _WRONG)):
        for name, text in texts.items():
            solutions.append(
                f'[[{kind}]]\nname = "{name}"\nwhy = "says so"\n[[{kind}.edit]]\n'
                f'file = "voice.py"\nfind = "text.upper()"\nreplace = """{text}"""\n'
            )
    (item / "truth" / "verifier").mkdir(parents=True)
    (item / "truth" / "bank.toml").write_text("\n".join(solutions))
    (item / "truth" / "verifier" / "judge.py").write_text(_JUDGE)
    return load(item)
