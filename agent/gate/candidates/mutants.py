"""Mutants of the lines that the oracle changed, in Python, JavaScript and TypeScript.

The operators are the sufficient set of Offutt, Lee, Rothermel, Untch and Zapf ("An experimental
determination of sufficient mutant operators", ACM TOSEM 5(2), 1996) as far as these languages have
them: arithmetic (AOR), relational (ROR) and logical (LCR) operators replaced, signs dropped and
conditions negated (UOI); with constants replaced, statements deleted (SDL; Deng, Offutt and Li,
"Empirical evaluation of the statement deletion mutation operator", ICST 2013), and `break` and
`continue` exchanged. Each mutant changes one place of the source text, so that everything else
stays as it was written.

Mutation libraries do not fit. cosmic-ray's operators are the nearest, but they come with a work
queue, a database and a web client as dependencies, find a place by the number of its occurrence and
not by its line, and lack statement deletion; mutmut puts all mutants of a module into one file with
a switch, which a verifier would see; neither knows JavaScript.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterator

from agent.gate.candidates.edit import Edit
from agent.gate.candidates.partial import Wrong, diff_of, is_code
from agent.gate.candidates.python_mutants import python_differs, python_edits
from agent.gate.candidates.script import is_script
from agent.gate.candidates.script_mutants import script_differs, script_edits
from agent.gate.outcome import Outcome
from agent.gate.syntax import Unparsed
from agent.grading import variant

MAX_SOURCE_BYTES = 1 << 20
"""Larger sources are generated."""
LANGUAGES = "Python, JavaScript or TypeScript"


def mutants(outcome: Outcome, *, limit: int, seed: int) -> list[Wrong]:
    """A sample of mutants, spread over files and lines.

    Args:
        outcome: what the oracle changes.
        limit: at most so many.
        seed: decides the sample.
    """
    found: dict[tuple[str, int], list[Wrong]] = {}
    for path, (before, after) in outcome.changed.items():
        if after is None or not _known(path):
            continue
        for edit, content in _mutated(path, before or b"", after):
            name = f"{path}:{edit.line} {edit.what}"
            wrong = Wrong(variant(name, {path: content}), name, diff_of(path, after, content))
            found.setdefault((path, edit.line), []).append(wrong)
    chance = random.Random(seed)  # noqa: S311 (a sample that can be repeated)
    lines = [found[key] for key in sorted(found)]
    for group in lines:
        chance.shuffle(group)
    chance.shuffle(lines)
    # Round after round one mutant of each line, so that no line takes all the places.
    rounds = max((len(group) for group in lines), default=0)
    spread = [group[n] for n in range(rounds) for group in lines if n < len(group)]
    return spread[:limit]


def can_mutate(outcome: Outcome) -> bool:
    """True when the oracle changes code in a language whose operators are known."""
    return any(_known(p) and after is not None for p, (_, after) in outcome.changed.items())


def _known(path: str) -> bool:
    return is_code(path) and (path.endswith(".py") or is_script(path))


def _mutated(path: str, before: bytes, after: bytes) -> Iterator[tuple[Edit, bytes]]:
    if len(after) > MAX_SOURCE_BYTES:
        return
    old, new = before.splitlines(), after.splitlines()
    touched: set[int] = set()
    for tag, _, _, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag in ("insert", "replace"):
            touched.update(range(j1 + 1, j2 + 1))
    edits = python_edits(after) if path.endswith(".py") else script_edits(path, after)
    try:
        for edit in edits:
            if edit.line not in touched:
                continue
            content = after[: edit.start] + edit.text.encode() + after[edit.end :]
            differs = (
                python_differs(after, content)
                if path.endswith(".py")
                else script_differs(path, after, content)
            )
            if differs:
                yield edit, content
    except Unparsed:
        return
