"""The reference environment of an item: its true start state and its own verifier.

The audit grades the bank in it, and an exported task may judge by it. The image holds an
interpreter and the project's files, nothing else, unless the truth brings a Dockerfile.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent import __version__, environment, scaffold
from agent.environment import Environment, pack_start_state
from agent.project import Project
from agent.session import load
from agent.task_config import (
    SOLVER,
    AgentConfig,
    EnvironmentConfig,
    KettleMetadata,
    TaskConfig,
    TaskInfo,
    VerifierConfig,
)
from agent.verifier import kit_files
from evals.item import DOCKERFILE, Item, States

VERIFIER_SECONDS = 120
"""For one run of a reference verifier: most take one or two seconds, a tree that hangs under
attack takes as long as the kit waits for it."""
_PACKAGES = {"python": (), "javascript": ("nodejs",)}
"""Debian packages beside Python, which the judge itself needs."""


def write(
    item: Item, states: States, to: Path, *, provenance: Mapping[str, bytes] | None = None
) -> Environment:
    """Write an item's reference environment.

    Args:
        item: an accept item.
        states: its trees.
        to: the folder to make or to replace.
        provenance: files for the folder of that name, by path in it.

    Raises:
        InputError: something else is in the way.
    """
    session = load(item.session)
    truth = item.truth
    start = pack_start_state(
        ((f.path, 0o755 if f.executable else 0o644, f.data) for f in states.start.values()),
        session_ids=[session.id] if session.id else [],
    )
    config = TaskConfig(
        task=TaskInfo(name=f"kettle/{item.name}", keywords=["kettle", "reference"]),
        agent=AgentConfig(user=SOLVER),
        verifier=VerifierConfig(timeout_sec=VERIFIER_SECONDS, user="root"),
        environment=EnvironmentConfig(cpus=2, memory_mb=2048, network_mode="no-network"),
        metadata={
            "kettle": KettleMetadata(
                start_commit=truth.start or "",
                outcome_commits=list(truth.outcome),
                licence=item.recipe.licence,
                session_digest=session.digest,
                session_format=session.format,
                builder_model="reference",
                kettle_version=__version__,
                start_digest=start.digest,
            ).model_dump()
        },
    )
    files: dict[str, bytes | tuple[bytes, int]] = {
        "instruction.md": session.first_prompt.encode(),
        "environment/Dockerfile": _dockerfile(item),
        "environment/start.tar.gz": start.archive,
    }
    files |= kit_files()
    files |= {f"tests/{name}": data for name, data in item.verifier.items()}
    files |= {f"provenance/{name}": data for name, data in (provenance or {}).items()}
    return environment.write(to, config=config, files=files)


def _dockerfile(item: Item) -> bytes:
    own = item.folder / DOCKERFILE
    if own.is_file():
        return own.read_bytes()
    text = scaffold.dockerfile(Project(language="other"), packages=_PACKAGES[item.truth.language])
    return text.encode()
