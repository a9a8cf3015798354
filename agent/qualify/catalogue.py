"""The catalogue of verdicts and reasons as a page, made from the closed list.

python -m agent.qualify.catalogue > docs/verdicts.md
"""

from __future__ import annotations

import inspect
import sys

from agent.qualify import panel, verdict
from agent.qualify.reasons import MEANINGS

_HEAD = """\
# Verdicts and their reasons

This page is made by `python -m agent.qualify.catalogue` from the list in
`agent/qualify/reasons.py`.

`python -m agent qualify SESSION…` says *accept*, *reject* or *needs-a-person*, and why. {decide}

Each reason has one of the codes below and cites what shows it: turns by their index and place in
the raw file, commits, files in commits. `confidence` lies in [0, 1]. So does `worth`: how much the
agent struggled (the user corrected it, commands failed in a row, files were worked over, changes
were taken back) and how much of its files a person wrote anew by the outcome; a task that a strong
agent stumbled over teaches more than one that it did at once.

`build` starts with the same judgement from evidence and stops on *reject*; `--anyway` goes on.
"""


def page() -> str:
    """The catalogue as Markdown."""
    decide = (inspect.getdoc(verdict) or "").partition("\n\n")[2].partition("\n\n")[0]
    parts = [_HEAD.format(decide=decide.replace("\n", " "))]
    for code, meaning in MEANINGS.items():
        fixed = " *Verified by Kettle itself: no model can lift it.*" if meaning.fixed else ""
        parts.append(f"## {code}\n\n{meaning.text}{fixed}\n")
    rules = (inspect.getdoc(panel) or "").partition("\n\n")[2]
    parts.append(f"## What a model may change\n\n{rules}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
