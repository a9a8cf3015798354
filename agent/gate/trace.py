"""Where each check of a verifier comes from: what the start state does already, or what was said.

A check that holds on the untouched start state demands what is there. Each of the others is looked
for in the instruction: by the builder's quotation in `provenance/trace.md`, else by the words of
its name. Shared words show where to look and prove nothing, so no check is failed for lacking them:
what is left over is listed, for a person to read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from agent.environment import Environment
from agent.gate.candidates.trial import failed_checks
from agent.gate.demands import quoted
from agent.grading import Grade

Source = Literal["start state", "quotation", "words", "nothing"]

MIN_WORD_CHARS = 4
"""Shorter words stand in any instruction."""
MIN_COMMON = 0.6
"""Of the longer of two words: `entry` and `entries` are one, `round` and `rouble` are not."""
_KIT_OK = re.compile(r"^ok   (.{1,300})$", re.MULTILINE)
_SUITE = re.compile(
    r": (?:the suite runs to its end|canaries have|values differ|demanded \(|kept )"
)
"""Checks of a whole suite: its own tests are named one by one."""
_EMPTY = re.compile(
    "tests?|testing|should|with|when|that|this|from|have|does|will|into|than|then|cases?|checks?|"
    "values?|returns?|works?|correct(?:ly)?|after|before|each|also|only|given|python|unit"
)
"""Words of test names that tell nothing."""


@dataclass(frozen=True)
class Traced:
    """A check of the verifier and what it rests on.

    Attributes:
        check: as the verifier calls it.
        by: what it was traced to.
        words: of the instruction, which its name shares.
    """

    check: str
    by: Source
    words: tuple[str, ...] = ()


def trace(environment: Environment, nop: Grade, oracle: Grade) -> list[Traced]:
    """Every check that a verifier named, each with where it comes from.

    Args:
        environment: gives the instruction and the builder's quotations.
        nop: the grade of the untouched start state.
        oracle: the grade of the solution, where every check holds. Checks that neither output
            names are not known.
    """
    held, hold = _KIT_OK.findall(nop.log), _KIT_OK.findall(oracle.log)
    new = [name for name in hold if name not in held]
    # Of a suite the tests count; the kit's own lines hold reasons beside the names.
    new += [t for t in failed_checks(nop.log) if not any(t.startswith(name) for name in hold)]
    said = set(_words(environment.instruction))
    by_builder = quoted(environment)
    found = [Traced(name, "start state") for name in held if not _SUITE.search(name)]
    for name in (n for n in new if not _SUITE.search(n)):
        shared = tuple(w for w in _words(_own_name(name)) if any(_alike(w, s) for s in said))
        if name in by_builder or _own_name(name) in by_builder:
            found.append(Traced(name, "quotation"))
        else:
            found.append(Traced(name, "words" if shared else "nothing", shared))
    return found


def _own_name(check: str) -> str:
    """A test's own name, without its file and its class."""
    return re.split(r"::|\.py\b|\s[(>]", check)[-1] or check


def _words(text: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    words = re.findall(r"[^\W\d_]+", apart.lower())
    return list(
        dict.fromkeys(w for w in words if len(w) >= MIN_WORD_CHARS and not _EMPTY.fullmatch(w))
    )


def _alike(one: str, other: str) -> bool:
    common = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )
    return common >= MIN_WORD_CHARS and common >= MIN_COMMON * max(len(one), len(other))
