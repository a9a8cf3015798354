"""The check that the image does not hold its own solution, in any layer and in any form."""

from __future__ import annotations

from agent.gate import layers
from agent.gate.marks import Marks
from agent.gate.said import Said, failed, listing, passed
from agent.gate.search import search, search_commands
from agent.gate.trials import Trials


def sealed(trials: Trials) -> Said:
    """The image holds neither the solution nor the hidden tests nor the session, in any layer.

    Every layer above the base image is searched, files that a later step deletes included;
    archives and compressed files are known by their bytes and opened three levels deep. Looked for
    are: git objects, refs and bundles, and the outcome's commit; lines that only the oracle has
    (two in one file make a copy, and one in a file that is just as the oracle leaves it, see
    `agent.gate.outcome`); compiled forms of the outcome
    (bytecode, bundles, source maps, build folders), known by the names they hold and by the source
    size that bytecode records; the hidden tests' files, names and lines, test runners' caches and
    bytecode among them; texts and ids of the session and copies of it by name; and another release
    of the project in site-packages, node_modules or a download cache. (A release in node_modules
    that is not newer than the start state and that holds not one line or name of the solution is
    no leak: test runners depend on some of the projects that they test, see `agent.gate.release`.)
    The commands in the image's
    history and its configuration are searched like files, with what they carry in base64. Lines and
    names that packages from elsewhere hold, too, count for nothing (see `agent.gate.search`).
    """
    marks = Marks.of(trials)
    client = trials.engine.client
    done = search(lambda: layers.added_files(client, trials.image_id, trials.bases), marks)
    findings = done.findings + search_commands(layers.history(client, trials.image_id), marks)
    details = {
        "files_searched": done.files,
        "partly": done.partly,
        "marks": len(marks.solution),
    }
    if not findings:
        known = f"{len(marks.solution)} marks of the solution"
        return passed(f"{done.files} files in all layers, {known}, nothing found", **details)
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
