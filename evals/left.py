"""What a builder left, read as hostile data and laid out for scoring.

Of a builder's folder only three things count: `environment/`, `tests/` and `instruction.md`, and of
its `task.toml` two numbers and the variables, each bounded. Everything else that grading rests on
(start state, oracle, session, users, limits, network) comes from the item's truth or from constants
here, so nothing that a builder claims can change what it is measured by.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

from agent.environment import DOCKERFILE, Environment
from agent.errors import InputError
from agent.session import Session
from agent.session.atif import to_atif
from agent.task_config import (
    SOLVER,
    AgentConfig,
    EnvironmentConfig,
    KettleMetadata,
    TaskConfig,
    VerifierConfig,
)

MAX_LEFT_BYTES = 512 << 20
"""Of all files that a builder left; a draft may hold 64 MiB and a start state a few hundred."""
MAX_LEFT_FILES = 50_000
CPUS = 2.0
MEMORY_MB = 4_096
"""What every graded container gets, whatever the environment asks for: builders are compared on
equal machines."""


class Inadmissible(Exception):
    """What a builder left is no environment; the message says why."""


def admit(
    left: Path | None,
    into: Path,
    session: Session,
    *,
    build_s: float,
    verify_s: float,
    disk_mb: int,
) -> Environment:
    """Copy what counts of a builder's environment into a clean one.

    Args:
        left: the builder's task directory; None when it left none.
        into: folder to fill; it is empty and nobody else's.
        session: the item's own, by which copies of it in the image are known.
        build_s: longest time for the image, in seconds.
        verify_s: longest time for one run of the verifier, in seconds.
        disk_mb: what one run of the verifier may write, in MiB.

    Raises:
        Inadmissible: there is nothing, or it is not a task directory, or it holds what no
            environment may hold.
    """
    if left is None:
        raise Inadmissible("the builder left no environment")
    _bounded(left)
    try:
        environment = Environment.load(left)
        parts = {name: environment.archive(name) for name in ("environment", "tests")}
        dockerfile = environment.read(DOCKERFILE)
    except (InputError, OSError, ValueError) as error:
        raise Inadmissible(str(error)) from error
    if dockerfile is None:
        raise Inadmissible(f"there is no {DOCKERFILE}")
    for name, archive in parts.items():
        _unpack(archive, into / name)
    (into / "instruction.md").write_text(environment.instruction, "utf-8")
    config = environment.config
    (into / "task.toml").write_text(
        TaskConfig(
            agent=AgentConfig(user=SOLVER, timeout_sec=verify_s),
            verifier=VerifierConfig(
                user="root",
                timeout_sec=_within(config.verifier.timeout_sec, verify_s),
                env=config.verifier.env,
            ),
            environment=EnvironmentConfig(
                build_timeout_sec=build_s,
                cpus=CPUS,
                memory_mb=MEMORY_MB,
                storage_mb=disk_mb,
                network_mode="no-network",
                env=config.environment.env,
            ),
            metadata={"kettle": KettleMetadata(builder_model="scored").model_dump()},
        ).dump(),
        "utf-8",
    )
    document = json.dumps(to_atif(session).to_json_dict(), ensure_ascii=False)
    (into / "provenance").mkdir()
    (into / "provenance" / "session.json").write_bytes(document.encode("utf-8", "replace"))
    try:
        return Environment.load(into)
    except InputError as error:
        raise Inadmissible(str(error)) from error


def _within(asked: float, limit: float) -> float:
    # A limit of nothing, or of NaN, is no limit that a verifier could mean.
    return min(asked, limit) if asked > 0 else limit


def _bounded(left: Path) -> None:
    """Refuse what is too large to be looked at, before anything of it is read."""
    if left.is_symlink() or not left.is_dir():
        raise Inadmissible("the builder left no folder")
    total = count = 0
    for folder, folders, files in os.walk(left, followlinks=False):
        for name in (*files, *folders):
            count += 1
            status = os.lstat(os.path.join(folder, name))
            total += status.st_size
            if total > MAX_LEFT_BYTES or count > MAX_LEFT_FILES:
                raise Inadmissible(
                    f"it is larger than {MAX_LEFT_BYTES >> 20} MiB or {MAX_LEFT_FILES} files"
                )


def _unpack(archive: bytes, to: Path) -> None:
    """Write an archive that `Environment.archive` made: its links point inside, and no member lies
    below a link."""
    to.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            path = to / member.name
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif member.issym():
                path.symlink_to(member.linkname)
            else:
                content = tar.extractfile(member)
                path.write_bytes(content.read() if content else b"")
                path.chmod(member.mode & 0o777)
