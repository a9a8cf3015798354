"""The check of what the solver is told, and of what the verifier demands beyond it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

from agent.gate.demands import TRACE, untold
from agent.gate.isolation import ISOLATED, isolation
from agent.gate.outcome import names_of_tests
from agent.gate.said import Said, failed, listing, passed
from agent.gate.trace import Traced, trace
from agent.gate.trials import Trials, Unready
from agent.grading import NOP, ORACLE
from agent.tree import Tree

MIN_WORDS = 3
"""Fewer words are no task."""
MIN_COMMIT_CHARS = 7
"""git's shortest abbreviation in common use."""
QUOTED_CHARS = 160
MAX_TRACED = 200
"""Checks that the report's details keep."""


def instruction(trials: Trials) -> Said:
    """The instruction is the user's words, gives nothing away, and tells all that is demanded.

    It holds no line that the oracle adds, no identifier that only the oracle has and the user did
    not type, no name or file of a hidden test, and no outcome commit. What the builder added to
    the user's words is listed from the provenance; without provenance only the text is looked at.
    Names and texts that the tests demand, that the oracle introduces, and that neither the
    instruction nor the start state holds are listed as underspecified. The builder traces one in
    `provenance/trace.md`, by a heading with it above a quotation (`> `) of the instruction; a
    quotation that does not stand there counts for nothing. A verifier that is `isolated` may leave
    none untraced; of an existing suite (`in-process`) they are listed, because parts of it that
    nobody asked for may name them.

    Every check that the verifier names is traced as well: to the start state, where it holds
    already, to a quotation, or to words that its name shares with the instruction. One that shares
    none is listed for a person. What the user wrote only when all work was done tells how it came
    out, so a line of that is a leak.
    """
    environment = trials.environment
    text = environment.instruction
    words = re.findall(r"\w+", text)
    if len(words) < MIN_WORDS:
        return failed("the instruction is empty", "instruction.md holds the user's own words.")
    leaks: list[str] = []
    outcome = trials.outcome
    start = trials.start or Tree()
    record = environment.read("provenance/instruction.json")
    added = _recorded(record, "added_lines")
    # What the user typed is no leak, whatever it is: lines that the builder added are judged.
    judged = text if added is None else "\n".join(added)
    typed = "\n".join(line for line in text.splitlines() if line not in (added or ()))
    lines = {line.strip(" \t>`*-") for line in judged.splitlines()}
    if outcome is not None:
        leaks += [
            f"a line that only the solution has: {mark[:QUOTED_CHARS]}"
            for mark in outcome.marks
            if any(mark in line for line in lines)
        ]
        leaks += [
            f"an identifier that only the solution has: {name}"
            for name in outcome.names
            if added is not None
            and (word := re.compile(rf"\b{re.escape(name)}\b")).search(judged)
            and not word.search(typed)
        ]
    leaks += _hidden_tests(trials, judged, start)
    leaks += [
        f"a line that the user wrote only when the work was done: {line[:QUOTED_CHARS]}"
        for line in _recorded(record, "afterwards") or []
        if line.strip() and line.strip() in map(str.strip, text.splitlines())
    ]
    kettle = environment.kettle
    for commit in kettle.outcome_commits if kettle else []:
        if len(commit) >= MIN_COMMIT_CHARS and commit[:MIN_COMMIT_CHARS] in text:
            leaks.append(f"the outcome's commit {commit[:12]}")
    marks = "" if added is None else listing(added, "Lines that the user did not write so:")
    if leaks:
        return failed(
            "the instruction gives the solution away",
            listing(leaks, "It holds:"),
            "Say what the user wanted, in the user's words; leave out how it was done.",
            marks,
            leaks=leaks[:100],
        )
    found = {} if outcome is None else untold(environment, outcome, start)
    demanded = [f"{word[:QUOTED_CHARS]!r} (in {path})" for word, path in found.items()]
    gaps = listing(demanded, "The tests demand, and nobody told the solver:") if demanded else ""
    if demanded and isolation(environment) == ISOLATED:
        return failed(
            f"underspecified: {len(demanded)} demands cannot be traced to the instruction",
            gaps,
            "Say it in the instruction, demand less, or trace it in "
            f"{TRACE}: a heading with the word, below it `> ` and the instruction's own words.",
            marks,
            underspecified=demanded[:100],
        )
    checks = _traced_checks(trials)
    summary = f"{len(words)} words; no provenance says which are the user's"
    if added is not None:
        summary = f"{len(words)} words, {len(added)} lines added to the user's"
    if demanded:
        summary += f"; underspecified: {len(demanded)}"
    untraced = [c.check for c in checks if c.by == "nothing"]
    if untraced:
        summary += f"; {len(untraced)} of {len(checks)} checks are for a person to trace"
    return passed(
        summary,
        gaps,
        listing(untraced, "Checks that share no word with the instruction:") if untraced else "",
        marks,
        added=added,
        underspecified=demanded[:100],
        checks=[asdict(c) | {"words": list(c.words)} for c in checks[:MAX_TRACED]],
    )


def _traced_checks(trials: Trials) -> list[Traced]:
    try:
        if not trials.core_works:
            return []
        return trace(trials.environment, trials.grade(NOP), trials.grade(ORACLE))
    except Unready:
        return []  # nothing is graded in this run


def _recorded(record: bytes | None, what: str) -> list[str] | None:
    if record is None:
        return None
    try:
        said = json.loads(record)
        lines = said[what]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return [str(line) for line in lines] if isinstance(lines, list) else None


def _hidden_tests(trials: Trials, text: str, start: Tree) -> list[str]:
    known = b"\0".join(data for path, data in start.files() if "test" in path.lower())
    found = []
    for path, data in trials.environment.files("tests"):
        name = path.rsplit("/", 1)[-1]
        if name in ("kit.py", "suites.py", "test.sh", "judge.py"):
            continue
        inside = path.split("tests/files/", 1)[-1]
        if inside not in start.entries and len(name) > 8 and name in text:
            found.append(f"the name of a hidden test file: {name}")
        found += [
            f"the name of a hidden test: {test}"
            for test in sorted(names_of_tests(data))
            if test in text and test.encode() not in known
        ]
    return found
