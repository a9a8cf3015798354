"""Furnishes the builder's sandbox: the repository, the session, the evidence, aids and a first draft.

    /work/session.md       the session, as a person would read it
    /work/origin.md, .json what the origin search found
    /work/repo             the repository with its whole history, checked out at the start state
    /work/aids             small scripts that save typing; a builder may ignore them
    /work/draft            the environment's draft

Everything is plain text in the sandbox. The history comes as a bundle, so that neither hooks nor
configuration of a hostile clone come along, and the tools' own branches (session transcripts) stay
behind.
"""

from __future__ import annotations

import io
import tarfile
from importlib import resources

from agent.errors import KettleError
from agent.repo import Repository
from sandbox.container import Sandbox

DRAFT = "/work/draft"
MAX_DRAFT_TAR_BYTES = 128 * 2**20
"""Twice what a draft may hold: tar rounds each file up to 512 bytes."""
CLONE_TIMEOUT_S = 600.0
"""Seconds for the checkout inside; large repositories have a hundred thousand files."""


def furnish(
    sandbox: Sandbox,
    repository: Repository,
    *,
    start: str,
    texts: dict[str, str],
    draft: dict[str, bytes],
) -> None:
    """Put everything into a fresh sandbox.

    Args:
        start: the commit to check out.
        texts: content by name below `/work`, such as `session.md`.
        draft: the first draft's files, by path relative to the draft.

    Raises:
        KettleError: the repository does not unpack inside.
    """
    files = {f"work/{name}": text.encode() for name, text in texts.items()}
    files |= {f"work/draft/{path}": content for path, content in draft.items()}
    for aid in (resources.files("tools") / "aids").iterdir():
        if aid.name.endswith((".py", ".sh")):
            files[f"work/aids/{aid.name}"] = aid.read_bytes()
    sandbox.put_tree("/", _tar(files))
    sandbox.put("/work/history.bundle", bundle(repository))
    made = sandbox.run(
        "git config --global advice.detachedHead false"
        " && git config --global --add safe.directory '*'"
        " && git clone --quiet --no-checkout /work/history.bundle /work/repo"
        # Branches of a bundle are remote branches of its clone; they are the builder's own here.
        " && cd /work/repo && git fetch --quiet origin '+refs/*:refs/*' --update-head-ok"
        " && git remote remove origin && rm /work/history.bundle"
        f" && git checkout --quiet --detach {start} && cd /work",
        timeout_s=CLONE_TIMEOUT_S,
    )
    if made.exit_code != 0:
        raise KettleError(f"The repository does not unpack in the sandbox: {made.output[-1000:]}")


def bundle(repository: Repository) -> bytes:
    """The project's own history as a git bundle."""
    tips = [ref for ref in repository.references() if not ref.startswith("refs/pull/")]
    named = "".join(f"{ref}\n" for ref in tips)
    return repository.run("bundle", "create", "--quiet", "-", "--stdin", stdin=named.encode())


def collect_draft(sandbox: Sandbox) -> bytes:
    """The draft as it stands, as a tar of hostile data."""
    return sandbox.get_tree(DRAFT, limit_bytes=MAX_DRAFT_TAR_BYTES)


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            info.mode = 0o755 if path.endswith(".sh") else 0o644
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


