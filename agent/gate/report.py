"""The gate's report, for the builder's model, for people, and for the record."""

from __future__ import annotations

import hashlib

from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent.environment import Environment
from agent.gate.model import CheckVerdict, GateReport
from agent.gate.page import as_html, shown
from agent.gate.said import clip

BUILDER_CHARS = 6000
"""The report that a model reads: enough for every failed check, little enough to read each time."""
MIN_EVIDENCE_CHARS = 400
"""However many checks fail, each shows this much of its evidence."""
RECORD = "gate.json"
PAGE = "gate.html"

_COLOURS = {
    CheckVerdict.PASS: "green",
    CheckVerdict.FAIL: "bold red",
    CheckVerdict.ERROR: "magenta",
    CheckVerdict.NOT_APPLICABLE: "dim",
    CheckVerdict.UNTRIED: "yellow",
}


_TELLING = (CheckVerdict.FAIL, CheckVerdict.ERROR, CheckVerdict.UNTRIED)
"""Verdicts whose evidence a person needs."""


def as_text(report: GateReport) -> str:
    """The report as the builder's model reads it: what failed, why, and what to do."""
    lines = [f"The gate {'passes' if report.passed else 'does not pass'} this environment."]
    for check in report.checks:
        lines.append(f"  {check.verdict:<15} {check.name:<18} {check.summary}")
    if report.reused:
        lines.append(f"{report.reused} grades are from an earlier run: nothing graded has changed.")
    if report.passed and report.isolation != "isolated":
        lines.append(
            "The verifier is in-process: graded code runs in reach of its verdict. Checks written "
            "with kit.run or kit.call_python would be isolated."
        )
    telling = [c for c in report.checks if c.verdict in _TELLING and c.evidence]
    if telling:
        room = max(MIN_EVIDENCE_CHARS, (BUILDER_CHARS - len("\n".join(lines))) // len(telling))
        for check in telling:
            lines += ["", f"{check.name}: {check.summary}"]
            if check.verdict is CheckVerdict.ERROR:
                lines.append("(Trouble with the machine, not with your environment.)")
            lines.append(_within(check.evidence, room))
    return "\n".join(lines).rstrip() + "\n"


def as_table(report: GateReport) -> RenderableType:
    """The report as a table for a terminal, with the evidence of what did not pass."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("check", style="bold", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what was seen")
    table.add_column("s", justify="right")
    parts: list[RenderableType] = [table]
    for check in report.checks:
        colour = _COLOURS[check.verdict]
        table.add_row(
            check.name,
            Text(check.verdict, style=colour),
            Text(shown(check.summary)),
            f"{check.seconds:.1f}",
        )
        if check.verdict in _TELLING and check.evidence:
            parts += [Text(f"\n{check.name}", style=colour), *_paragraphs(check.evidence)]
    if report.without:
        parts += [Text("\nGraded without", style="bold"), *_paragraphs(report.without)]
    if report.passed:
        closing, style = "passes", "bold green"
    elif report.undecided:
        closing, style = (
            "is not judged: nothing failed, but not everything was tried",
            "bold yellow",
        )
    else:
        closing, style = "does not pass", "bold red"
    parts.append(
        Text(f"\nThe environment {closing} ({report.isolation}, {report.seconds:.1f} s)", style)
    )
    return Group(*parts)


def write_report(environment: Environment, report: GateReport) -> None:
    """Record the report in the environment's provenance and its digest in `task.toml`.

    Beside the record lies the same as a page for people.
    """
    data = (report.model_dump_json(indent=1) + "\n").encode()
    environment.write_provenance(RECORD, data)
    environment.write_provenance(PAGE, as_html(report, environment).encode())
    if environment.kettle is not None:
        environment.update_metadata({"gate_digest": hashlib.sha256(data).hexdigest()})


def is_proven(environment: Environment) -> bool:
    """Whether the report that lies in an environment is about what it holds now, and passed."""
    try:
        report = GateReport.model_validate_json(environment.read(f"provenance/{RECORD}") or b"")
    except ValidationError:
        return False
    return report.passed and report.environment_digest == environment.digest


def _within(paragraphs: list[str], room: int) -> str:
    """The first paragraphs, whole, as far as there is room, and the last: it says what to do."""
    *earlier, last = paragraphs
    last = clip(last, room)
    shown: list[str] = []
    left = room - len(last)
    for paragraph in earlier:
        if shown and len(paragraph) > left:
            shown.append(f"[… {len(earlier) - len(shown)} more left out …]")
            break
        shown.append(clip(paragraph, max(left, MIN_EVIDENCE_CHARS)))
        left -= len(shown[-1])
    return "\n".join([*shown, last])


def _paragraphs(texts: list[str]) -> list[RenderableType]:
    # Outputs of containers: what is no text must not reach the terminal.
    return [Padding(Text(shown(text)), (0, 0, 0, 2)) for text in texts]
