"""Items as Harbor tasks of their own: a solver makes an environment, the sealed truth judges it.

So any Harbor agent can be measured on building environments, and trained on it. A container cannot
start containers, so the verifier builds the environment's file tree in a copied root and grades in
a chroot (`evals.exported`). `docs/evals.md` says what is weaker there than in Kettle's own scoring.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined

from agent import environment
from agent.environment import Environment
from agent.task_config import AgentConfig, EnvironmentConfig, TaskConfig, TaskInfo, VerifierConfig
from agent.verifier import kit_files
from evals import bank, recipe, reference
from evals.builders import CODES
from evals.history import BRANCH, git
from evals.item import Item, States, states
from evals.scoring import landed
from prompts import render

SOLVE_SECONDS = 2 * 60 * 60
"""For the solver; builders take ten minutes to an hour."""
GRADE_SECONDS = 60 * 60
"""For the verifier: the image's steps and some forty candidates, one after the other."""
SOLVER = "builder"
"""An ordinary user, so that the machine on which the verifier works is as the task made it."""
_SOLVE = """\
#!/bin/sh
# The reference: what the item's own truth makes of it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cp -R "$here/environment/." /task/environment/
"""


@dataclass(frozen=True)
class Exported:
    """A task that was written.

    Attributes:
        item: the item's name.
        path: the task directory.
    """

    item: str
    path: Path


def export(item: Item, to: Path) -> Exported:
    """Write an item as a Harbor task, sealed truth and reference solution included.

    Args:
        item: any item.
        to: folder of the tasks; the item's own folder in it is replaced.

    Raises:
        RecipeError: the item's parts do not fit together.
        IndexUnavailable: its repository cannot be had.
        InputError: something else is in the way.
    """
    trees = states(item) if item.truth.verdict == "accept" else None
    files: dict[str, bytes | tuple[bytes, int]] = {
        "instruction.md": render(
            "build-task", session=item.session.name, reasons=", ".join(CODES)
        ).encode(),
        "tests/test.sh": b"#!/bin/sh\nexec /usr/bin/python3 -I -B /tests/grade.py\n",
        "tests/grade.py": _source("exported/grade.py"),
        "tests/plainbuild.py": _source("exported/plainbuild.py"),
        "tests/formula.py": _source("formula.py"),
        "solution/solve.sh": _SOLVE.encode(),
        "environment/Dockerfile": _dockerfile(item),
    }
    files |= {f"environment/kit/{Path(n).name}": data for n, data in kit_files().items()}
    session = (
        [p for p in sorted(item.session.rglob("*")) if p.is_file()]
        if item.session.is_dir()
        else [item.session]
    )
    files |= {f"environment/{p.relative_to(item.folder)}": p.read_bytes() for p in session}
    with tempfile.TemporaryDirectory(prefix="kettle-export-") as folder:
        scratch = Path(folder)
        made = recipe.materialise(item.folder, scratch / "repository")
        bundle = scratch / "repository.bundle"
        git(made.path, "bundle", "create", "--quiet", str(bundle), "HEAD", BRANCH)
        files["environment/repository.bundle"] = bundle.read_bytes()
        if trees is None:
            refusal = f"{item.truth.reasons[0]}: {item.truth.why}\n"
            files["solution/environment/REJECT.md"] = refusal.encode()
            truth: dict[str, Any] = {"verdict": "reject", "reasons": list(item.truth.reasons)}
        else:
            own = reference.write(item, trees, scratch / "reference")
            for part in ("environment", "tests"):
                files |= {f"solution/environment/{n}": data for n, data in own.files(part)}
            kept = "\n".join([own.instruction, *(i.text for i in item.truth.intent)])
            files["solution/environment/instruction.md"] = kept.encode()
            truth = _truth(item, trees, own)
    files["tests/truth.json.gz"] = gzip.compress(json.dumps(truth).encode(), mtime=0)
    config = TaskConfig(
        task=TaskInfo(
            name=f"kettle-builds/{item.name}",
            description="Turn a recorded coding-agent session into a verified environment.",
            keywords=["kettle", "environment building", item.truth.language],
        ),
        agent=AgentConfig(timeout_sec=SOLVE_SECONDS, user=SOLVER),
        verifier=VerifierConfig(timeout_sec=GRADE_SECONDS, user="root"),
        environment=EnvironmentConfig(cpus=2, memory_mb=4_096, network_mode="public"),
    )
    path = to / item.name
    environment.write(path, config=config, files=files)
    return Exported(item.name, path)


def _truth(item: Item, trees: States, own: Environment) -> dict[str, Any]:
    start = bank.as_tree(trees.start)
    candidates: dict[str, list[dict[str, Any]]] = {}
    for known in bank.known(item, trees, own, start):
        if known.candidate.script:
            continue  # a cheat made of commands needs a container of its own
        candidates.setdefault(known.role, []).append(
            {
                "name": known.name,
                "changes": {path: _text(data) for path, data in known.candidate.changes.items()},
                "links": dict(known.candidate.links),
            }
        )
    outcome = landed(start, bank.as_tree(trees.gold))
    copies = {data for _, data in outcome.changed.values() if data is not None}
    return {
        "verdict": "accept",
        "start": {path: [f.executable, _text(f.data)] for path, f in trees.start.items()},
        "marks": list(outcome.marks),
        "solved": sorted(hashlib.sha256(data).hexdigest() for data in copies),
        "intents": [list(intent.marks) for intent in item.truth.intent],
        "leaks": list(item.truth.leaks),
        "candidates": candidates,
    }


def _dockerfile(item: Item) -> bytes:
    # A Dockerfile, not HTML.
    templates = Templates(  # noqa: S701
        loader=PackageLoader("evals"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    text = templates.get_template("export.Dockerfile").render(session=item.session.name)
    return text.encode()


def _source(name: str) -> bytes:
    return (resources.files("evals") / name).read_bytes()


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
