"""The gate's report as one self-contained HTML page.

What the page shows comes from an environment and its containers, so all of it is escaped, control
characters are made visible, and the page forbids scripts and every request to elsewhere.
"""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound

from agent.environment import Environment
from agent.gate.model import Check, CheckVerdict, GateReport

MAX_DIFF_LINES = 400
"""Shown of one diff; longer ones are cut, because a browser must lay the page out."""
MAX_LINE_CHARS = 500
"""Highlighted of one line; longer ones are data, and shown up to here."""
LIGHT, DARK = "default", "github-dark"
"""Pygments' styles for the two colour schemes."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
_DIFF_BEGIN = re.compile(r"^(--- |diff --git |@@ -\d)", re.MULTILINE)
_DIFF_NAME = re.compile(r"^(?:---|\+\+\+) (?:[ab]/)?([^\t\n]+)")
_ORDER = [
    CheckVerdict.FAIL,
    CheckVerdict.ERROR,
    CheckVerdict.UNTRIED,
    CheckVerdict.PASS,
    CheckVerdict.NOT_APPLICABLE,
]
"""What needs a look comes first."""
_UNSEEN = ("Cc", "Cf", "Cs", "Co")
"""Unicode's categories of control, format, surrogate and private characters."""
_MARKS = {
    CheckVerdict.PASS: "✓",
    CheckVerdict.FAIL: "✗",
    CheckVerdict.ERROR: "!",
    CheckVerdict.NOT_APPLICABLE: "–",
    CheckVerdict.UNTRIED: "…",
}


@dataclass(frozen=True)
class Line:
    """A line of a diff: `add`, `del`, `hunk`, `file` or ``, its sign, and its highlighted text."""

    kind: str
    sign: str
    code: Markup


@dataclass(frozen=True)
class Tried:
    """One candidate, or one of several repeats, and how it went."""

    what: str
    verdict: str
    seconds: float


def as_html(
    report: GateReport, environment: Environment, explain: dict[str, str] | None = None
) -> str:
    """The page.

    Args:
        report: what the gate said.
        environment: what it said it of.
        explain: what each check proves, by its name; None takes it from the checks' docstrings.
    """
    templates = Templates(
        loader=PackageLoader("agent", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"shown": shown, "paragraph": paragraph, "diff": diff}
    longest = max([c.seconds for c in report.checks], default=0.0) or 1.0
    task = environment.config.task
    page = templates.get_template("gate.html").render(
        name=(task.name if task and task.name else environment.root.name),
        report=report,
        instruction=environment.instruction,
        kettle=environment.kettle,
        counts=_counts(report),
        ordered=sorted(report.checks, key=lambda c: _ORDER.index(c.verdict)),
        explain=_explanations() if explain is None else explain,
        marks={str(k): v for k, v in _MARKS.items()},
        longest=longest,
        tried=tried,
        survivors=survivors,
        styles=_styles(),
    )
    return page if page.endswith("\n") else page + "\n"


def shown(text: object) -> str:
    """A text as it may be shown: without terminal colours, with control characters made visible.

    Among these are the ones that turn the direction of writing, by which code can look other than
    it is.
    """
    plain = _ANSI.sub("", str(text)).replace("\r\n", "\n")
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in _UNSEEN else f"⟨{ord(c):x}⟩"
        for c in plain
    )


def paragraph(text: str) -> list[tuple[str, Any]]:
    """A paragraph of evidence in parts: (`text`, str) and (`diff`, lines)."""
    begin = _DIFF_BEGIN.search(text)
    if begin is None:
        return [("text", shown(text))]
    head = text[: begin.start()].strip("\n")
    return ([("text", shown(head))] if head else []) + [("diff", diff(text[begin.start() :]))]


def diff(text: str) -> list[Line]:
    """A unified diff, line by line, highlighted by the language that its file names tell."""
    lines: list[Line] = []
    lexer: Lexer = TextLexer()
    given = text.split("\n")
    for raw in given[:MAX_DIFF_LINES]:
        line = shown(raw)[:MAX_LINE_CHARS]
        if named := _DIFF_NAME.match(line):
            lexer = _lexer(named.group(1)) if named.group(1) != "/dev/null" else lexer
            lines.append(Line("file", "", escape(line)))
        elif line.startswith("@@"):
            lines.append(Line("hunk", "", escape(line)))
        elif line[:1] in ("+", "-", " "):
            kind = {"+": "add", "-": "del", " ": ""}[line[0]]
            lines.append(Line(kind, line[0], _code(line[1:], lexer)))
        else:
            lines.append(Line("file" if line.startswith("diff ") else "", "", escape(line)))
    while lines and not lines[-1].code:
        lines.pop()
    if len(given) > MAX_DIFF_LINES:
        lines.append(Line("hunk", "", escape(f"… {len(given) - MAX_DIFF_LINES} lines more")))
    return lines


def tried(check: Check) -> list[Tried]:
    """What a check tried, as far as its details tell."""
    found: list[Tried] = []
    listed = check.details.get("tried")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict):
            found.append(
                Tried(
                    str(one.get("what", "")),
                    str(one.get("verdict", "")),
                    _number(one.get("seconds")),
                )
            )
    by_name = check.details.get("seconds")
    for name, seconds in by_name.items() if isinstance(by_name, dict) else []:
        for number, one in enumerate(seconds if isinstance(seconds, list) else [], start=1):
            found.append(Tried(f"{name}, number {number}", "", _number(one)))
    return found


def survivors(check: Check) -> list[dict[str, str]]:
    """Candidates that should have been noticed: id, what, diff and argument of each."""
    listed = check.details.get("survivors")
    return [
        {key: str(one.get(key, "")) for key in ("id", "what", "diff", "argument")}
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    ]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _counts(report: GateReport) -> list[tuple[str, int]]:
    verdicts = [str(c.verdict) for c in report.checks]
    return [(str(v), verdicts.count(str(v))) for v in CheckVerdict if str(v) in verdicts]


def _explanations() -> dict[str, str]:
    # Not at the top: the runner knows every check, and the checks know their own report.
    from agent.gate.runner import CHECKS

    return {c.name: _first_paragraph(c.function) for c in CHECKS}


def _first_paragraph(function: Callable[..., object]) -> str:
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


def _lexer(name: str) -> Lexer:
    try:
        return get_lexer_for_filename(name.strip(), stripnl=False)
    except ClassNotFound:
        return TextLexer(stripnl=False)


def _code(line: str, lexer: Lexer) -> Markup:
    html = highlight(line, lexer, HtmlFormatter(nowrap=True))
    return Markup(html.rstrip("\n"))  # noqa: S704 (the formatter has escaped it)


def _styles() -> Markup:
    """The highlighting's colours in both schemes."""

    def rules(style: str) -> Iterator[str]:
        formatter: Any = HtmlFormatter(style=style)
        for line in formatter.get_style_defs(".code").splitlines():
            if line.startswith(".code .") and "{" in line:
                yield line

    dark = "\n".join(rules(DARK))
    light = "\n".join(rules(LIGHT))
    text = f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}"
    return Markup(text)  # noqa: S704 (Pygments' own)
