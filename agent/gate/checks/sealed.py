"""The check that the image does not hold its own solution, in any layer and in any form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent.environment import session_copy
from agent.gate import layers
from agent.gate.layers import LayerFile
from agent.gate.marks import Marks
from agent.gate.said import Said, failed, listing, passed
from agent.gate.trials import Trials

_GIT_NAMES = re.compile(
    r"(^|/)(ORIG_HEAD|FETCH_HEAD|MERGE_HEAD|packed-refs)$"
    r"|(^|/)objects/([0-9a-f]{2}/[0-9a-f]{38}|pack/pack-[0-9a-f]+\.(pack|idx))$"
    r"|(^|/)\.git/(HEAD|index|config|logs/.+|refs/.+)$|(^|/)\.git$|\.bundle$"
)
_COMPILED = re.compile(r"\.(pyc|pyo|so|pyd|class|o|a|wasm|map|node|jsc|min\.js|tsbuildinfo)$")
_TEST_CACHE = re.compile(
    r"(^|/)(\.pytest_cache/|\.hypothesis/|\.jest-cache|\.vitest|\.nyc_output|htmlcov/|\.coverage$)"
)
_SYSTEM = re.compile(r"^/(usr/(lib|share|include|bin|sbin)|var/lib/(dpkg|apt)|etc|lib|bin|sbin)/")
"""Where Debian's packages put their files; no project's code comes there by itself."""

SEARCHED = (
    "git data, lines and names of the solution, hidden tests, session texts, caches, bytecode"
)


@dataclass(frozen=True)
class Finding:
    """Something in the image that a solver could use."""

    kind: str
    path: str
    why: str
    layer: int


Probe = Callable[[LayerFile, Marks], "Finding | None"]


def sealed(trials: Trials) -> Said:
    """The image holds neither the solution nor the hidden tests nor the session, in any layer.

    Every layer above the base image is searched, files that a later step deletes included, and
    archives are opened one level deep. Looked for are: git objects and refs; lines that only the
    oracle has (two in one file make a copy, see `agent.gate.outcome`); compiled forms of the
    outcome, known by the names they hold and by the source size that bytecode records; the hidden
    tests' files, lines and names, test runners' caches among them; texts and ids of the session
    and copies of it by name; and another release of the project in site-packages, node_modules or
    a download cache. The commands in the image's history are searched like files.
    """
    marks = Marks.of(trials)
    findings: list[Finding] = []
    searched = partly = 0
    for file in layers.added_files(trials.engine.client, trials.image_id, trials.bases):
        for inner in layers.expanded(file):
            searched += 1
            partly += not inner.whole
            findings += _probe(inner, marks)
    commands = layers.history(trials.engine.client, trials.image_id)
    for number, command in enumerate(commands):
        file = LayerFile(number, "the image's history", command.encode())
        findings += [f for p in (_solution, _session_text) if (f := p(file, marks))]
        if re.search(r"\bgit\s+(clone|fetch|pull)\b", command):
            why = f"a step clones a repository: {command[:160]}"
            findings.append(Finding("git", file.path, why, number))
    details = {"files_searched": searched, "partly": partly, "marks": len(marks.solution)}
    if not findings:
        known = f"{len(marks.solution)} marks of the solution"
        return passed(f"{searched} files in all layers, {known}, nothing found", **details)
    kinds: dict[str, list[str]] = {}
    for f in findings:
        kinds.setdefault(f.kind, []).append(f"{f.path}: {f.why}")
    return failed(
        "the image holds " + ", ".join(f"{k} ({len(v)})" for k, v in kinds.items()),
        *(listing(v, f"{k}:") for k, v in kinds.items()),
        "What one step of the Dockerfile adds and a later one deletes is still in the image: "
        "add and delete in one step, or better do not add it.",
        findings=[f.__dict__ for f in findings[:200]],
        **details,
    )


def _probe(file: LayerFile, marks: Marks) -> Iterator[Finding]:
    for probe in PROBES:
        finding = probe(file, marks)
        if finding is not None:
            yield finding
            return


def _git(file: LayerFile, marks: Marks) -> Finding | None:
    if _SYSTEM.match(file.path):
        return None
    if _GIT_NAMES.search(file.path) or (file.data[:4] == b"PACK" and file.data[4:8] < b"\0\0\0\4"):
        return Finding("git data", file.path, "objects or refs of a repository", file.layer)
    return None


def _solution(file: LayerFile, marks: Marks) -> Finding | None:
    seen = marks.solution_in(file.data)
    if not seen:
        return None
    why = f"{len(seen)} lines that only the solution has, such as: {seen[0][:120]}"
    return Finding("the solution", file.path, why, file.layer)


def _bytecode(file: LayerFile, marks: Marks) -> Finding | None:
    if not _COMPILED.search(file.path) or _SYSTEM.match(file.path):
        return None
    why = marks.compiled(file.path, file.data)
    return Finding("compiled solution", file.path, why, file.layer) if why else None


def _hidden_tests(file: LayerFile, marks: Marks) -> Finding | None:
    why = marks.hidden_test_in(file.path, file.data, cache=bool(_TEST_CACHE.search(file.path)))
    return Finding("hidden tests", file.path, why, file.layer) if why else None


def _session_text(file: LayerFile, marks: Marks) -> Finding | None:
    why = marks.session_in(file.data)
    return Finding("session text", file.path, why, file.layer) if why else None


def _session_name(file: LayerFile, marks: Marks) -> Finding | None:
    why = session_copy(file.path.lstrip("/"))
    if why is None or _SYSTEM.match(file.path) or "node_modules/" in file.path:
        return None
    return Finding("session copy", file.path, why, file.layer)


def _other_release(file: LayerFile, marks: Marks) -> Finding | None:
    why = marks.other_release(file.path, file.data)
    return Finding("the project itself", file.path, why, file.layer) if why else None


PROBES: tuple[Probe, ...] = (
    _git,
    _solution,
    _bytecode,
    _hidden_tests,
    _session_text,
    _session_name,
    _other_release,
)
"""In the order in which they explain best; a file counts once."""
