"""Furnishes the builder's sandbox: repository, session, evidence, aids and a first draft.

    /workbench/session.md   the session, as a person would read it
    /workbench/origin.md    what the origin search found; origin.json says it to scripts
    /workbench/repo         the repository with its whole history, at the start state
    /workbench/aids         small scripts that save typing; a builder may ignore them
    /workbench/draft        the environment's draft

Everything is plain text in the sandbox. The history comes as a pack and a list of references, so
that neither hooks nor configuration of a hostile clone come along, and the tools' own branches
(session transcripts) stay behind. A clone that lacks some large files is taken as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from agent.errors import KettleError
from agent.repo import Repository
from sandbox import archive
from sandbox.container import Sandbox

DRAFT = "/workbench/draft"
MAX_DRAFT_TAR_BYTES = 128 * 2**20
"""Twice what a draft may hold: tar rounds each file up to 512 bytes."""
CLONE_TIMEOUT_S = 600.0
"""Seconds for the checkout inside; large repositories have a hundred thousand files."""


def furnish(
    sandbox: Sandbox,
    repository: Repository,
    *,
    start: str,
    outcome: Sequence[str],
    texts: dict[str, str],
    draft: dict[str, bytes],
) -> None:
    """Put everything into a fresh sandbox.

    Args:
        sandbox: a fresh sandbox of the workbench image.
        repository: whose history the builder gets.
        start: the commit to check out.
        outcome: commits that may have solved the task; perhaps on no branch that is left.
        texts: content by name below `/workbench`, such as `session.md`.
        draft: the first draft's files, by path relative to the draft.

    Raises:
        KettleError: the repository does not unpack inside.
    """
    files = {f"workbench/{name}": text.encode() for name, text in texts.items()}
    files |= {f"workbench/draft/{path}": content for path, content in draft.items()}
    for aid in (resources.files("tools") / "aids").iterdir():
        if aid.name.endswith((".py", ".sh")):
            files[f"workbench/aids/{aid.name}"] = aid.read_bytes()
    sandbox.put_tree("/", archive.pack(files))
    pack, references = history(repository, [start, *outcome])
    sandbox.put("/workbench/history.pack", pack)
    sandbox.put("/workbench/references", references)
    made = sandbox.run(
        "git config --global advice.detachedHead false"
        " && git config --global --add safe.directory '*'"
        " && git init --quiet --initial-branch=kettle /workbench/repo && cd /workbench/repo"
        " && git index-pack --stdin < /workbench/history.pack > /dev/null"
        " && git update-ref --stdin < /workbench/references"
        f" && git checkout --quiet --detach {start}"
        " && rm /workbench/history.pack /workbench/references && cd /workbench",
        timeout_s=CLONE_TIMEOUT_S,
    )
    if made.exit_code != 0:
        raise KettleError(f"The repository does not unpack in the sandbox: {made.output[-1000:]}")


def history(repository: Repository, wanted: Sequence[str]) -> tuple[bytes, bytes]:
    """The project's own history: a pack, and references in the form of `git update-ref --stdin`."""
    tips = {f"refs/kettle/{commit}": commit for commit in wanted}
    tips |= {r: c for r, c in repository.references().items() if not r.startswith("refs/pull/")}
    tips |= {"refs/heads/default": tip} if (tip := repository.default_branch) else {}
    named = "".join(f"{commit}\n" for commit in sorted(set(tips.values())))
    pack = repository.run(
        *("pack-objects", "--revs", "--stdout", "--quiet", "--delta-base-offset"),
        "--missing=allow-any",
        stdin=named.encode(),
    )
    references = "".join(f"create {ref} {commit}\n" for ref, commit in sorted(tips.items()))
    return pack, references.encode()


def collect_draft(sandbox: Sandbox) -> bytes:
    """The draft as it stands, as a tar of hostile data."""
    return sandbox.get_tree(DRAFT, limit_bytes=MAX_DRAFT_TAR_BYTES)
