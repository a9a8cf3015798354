"""A checked draft and a repository become an environment directory.

The start state is packed from the repository by the host, `task.toml` and the provenance are
written here, and the rest is the builder's. The instruction is compared with the user's own words,
so that what was added or cut is on record.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from agent import __version__, environment
from agent.draft import Draft
from agent.environment import Environment
from agent.errors import DraftError, RepositoryError
from agent.gitcommand import GitError
from agent.gitrecords import SUBMODULE, SYMLINK
from agent.grading import WORK_TREE
from agent.repo import Repository
from agent.session.model import Session, Turn
from agent.start_state import StartState, pack_start_state
from agent.task_config import (
    SOLVER,
    AgentConfig,
    EnvironmentConfig,
    KettleMetadata,
    TaskConfig,
    TaskInfo,
    VerifierConfig,
)

MAX_DIFF_LINES = 400
"""Of the record of what the instruction adds and cuts; the texts themselves are kept whole."""


def start_tree(repository: Repository, commit: str, patch: bytes) -> str:
    """The tree of the start state: a commit with uncommitted changes laid over it.

    Args:
        repository: the repository.
        commit: the commit, whole or abbreviated.
        patch: the draft's `start.patch`; empty for none.

    Returns:
        The name of a commit or a tree.

    Raises:
        DraftError: there is no such commit, or the patch does not apply.
    """
    try:
        sha = repository.resolve(commit)
    except RepositoryError as error:
        raise DraftError(f"kettle.toml: start_commit: {error}") from error
    if not patch.strip():
        return sha
    return patched_tree(repository, sha, patch, "start.patch")


def patched_tree(repository: Repository, base: str, patch: bytes, name: str) -> str:
    """The tree that a patch makes of a commit or tree; made in an index of its own.

    Raises:
        DraftError: the patch does not apply; `name` says which one it was.
    """
    with tempfile.TemporaryDirectory(prefix="kettle-index-") as folder:
        env = {"GIT_INDEX_FILE": f"{folder}/index"}
        repository.run("read-tree", base, env=env)
        try:
            repository.run("apply", "--cached", "--whitespace=nowarn", "-", stdin=patch, env=env)
        except GitError as error:
            raise DraftError(f"{name} does not apply to {base[:12]}: {error.said}") from error
        return repository.run("write-tree", env=env).decode().strip()


def pack(repository: Repository, tree: str, session: Session) -> StartState:
    """The start state as an archive, without copies of the session.

    A file whose content the clone lacks (hosts and mirrors drop large ones) is left out and named
    in `left_out`, as everything else that is left out.
    """
    lacking: dict[str, str] = {}

    def entries() -> Iterator[tuple[str, int, bytes | str]]:
        for path, (mode, sha) in sorted(repository.tree(tree).items()):
            if mode == SUBMODULE:
                continue
            try:
                content = repository.blob(sha)
            except RepositoryError as error:
                lacking[path] = str(error)
                continue
            if mode == SYMLINK:
                yield path, 0o777, content.decode("utf-8", "surrogateescape")
            else:
                yield path, int(mode, 8) & 0o777, content

    state = pack_start_state(entries(), session_ids=[session.id] if session.id else [])
    return replace(state, left_out={**state.left_out, **lacking})


def assemble(
    draft: Draft,
    repository: Repository,
    session: Session,
    to: Path,
    *,
    name: str,
    builder_model: str,
    licence: str = "",
    provenance: dict[str, bytes] | None = None,
) -> Environment:
    """Write the environment that a draft describes.

    Args:
        draft: a draft that passed `read_draft`.
        repository: where the start state comes from.
        session: whose task it is.
        to: the directory to write; replaced when it holds an environment.
        name: the task's name, `organisation/name`.
        builder_model: who wrote the draft.
        licence: SPDX identifier of the start state; "" when unknown.
        provenance: further files below `provenance/`.

    Raises:
        DraftError: the draft names a commit that does not exist, or a patch that does not apply.
        InputError: the start state cannot be packed.
    """
    choices = draft.choices
    tree = start_tree(repository, choices.start_commit, draft.files.get("start.patch", b""))
    try:
        outcome = [repository.resolve(commit) for commit in choices.outcome_commits]
    except RepositoryError as error:
        raise DraftError(f"kettle.toml: outcome_commits: {error}") from error
    start = pack(repository, tree, session)
    remote = str(repository.source)
    config = TaskConfig(
        task=TaskInfo(name=name, description=_first_line(draft.instruction), keywords=["kettle"]),
        agent=AgentConfig(timeout_sec=choices.agent_timeout_s, user=SOLVER),
        # As the gate grades: the final tree is carried into a fresh container of the same image.
        artifacts=[WORK_TREE],
        verifier=VerifierConfig(
            timeout_sec=choices.verifier_timeout_s, user="root", environment_mode="separate"
        ),
        environment=EnvironmentConfig(
            cpus=choices.cpus, memory_mb=choices.memory_mb, network_mode="no-network"
        ),
        metadata={
            "kettle": KettleMetadata(
                repository=session.git.repository or (remote if "://" in remote else ""),
                start_commit=repository.resolve(choices.start_commit),
                outcome_commits=outcome,
                licence=licence,
                session_digest=session.digest,
                session_format=session.format,
                builder_model=builder_model,
                kettle_version=__version__,
                start_digest=start.digest,
            ).model_dump()
        },
    )
    files: dict[str, bytes | tuple[bytes, int]] = {}
    for path, content in draft.files.items():
        if path in ("kettle.toml", "start.patch"):
            path = f"provenance/draft/{path}"
        files[path] = (content, 0o755) if path in draft.executable else content
    files["environment/start.tar.gz"] = start.archive
    files["provenance/instruction.json"] = _instruction_record(session, draft.instruction)
    files["provenance/start.json"] = _json(
        {
            "files": len(start.paths),
            "sha256": start.digest,
            "left_out": start.left_out,
            "patched": bool(draft.files.get("start.patch", b"").strip()),
        }
    )
    for path, content in (provenance or {}).items():
        files[f"provenance/{path}"] = content
    return environment.write(to, config=config, files=files)


def _instruction_record(session: Session, instruction: str) -> bytes:
    """What the instruction keeps of the user's words, what it adds, and what was cut.

    `afterwards` are lines that the user wrote only when the agent did nothing any more.
    """
    acted = [number for number, turn in enumerate(session.turns) if turn.calls]
    early = session.turns[: acted[-1]] if acted else session.turns
    said, meanwhile = _lines(session.prompts), _lines(early)
    written = instruction.splitlines()
    diff = difflib.unified_diff(
        session.first_prompt.splitlines(), written, "first prompt", "instruction", lineterm="", n=1
    )
    return _json(
        {
            "first_prompt_sha256": hashlib.sha256(session.first_prompt.encode()).hexdigest(),
            "added_lines": [x for x in written if x.strip() and x.strip() not in said],
            "afterwards": [x for x in written if x.strip() in said - meanwhile],
            "injected_texts_cut": sum(len(t.injected) for t in session.turns),
            "diff": list(diff)[:MAX_DIFF_LINES],
        }
    )


def _lines(turns: Iterable[Turn]) -> set[str]:
    """Lines of what the user said in some turns."""
    return {
        line.strip() for turn in turns if turn.role == "user" for line in turn.text.splitlines()
    }


def _first_line(text: str) -> str:
    return next((line.strip()[:200] for line in text.splitlines() if line.strip()), "")


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode()
