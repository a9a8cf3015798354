"""Checks of the image: it builds, and its work tree is the start state."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile

from agent.environment import DOCKERFILE
from agent.gate.reach import reach
from agent.gate.said import Said, clip, failed, listing, not_applicable, passed, untried
from agent.gate.trials import Trials
from agent.grading import WORK_TREE, CandidateFailed
from agent.start_state import SOLVER_ID
from agent.tree import Tree
from sandbox.bases import ensure, with_trust
from sandbox.cache import locked
from sandbox.dockerfile import rewrite_from
from sandbox.errors import BuildFailed, ImageError, TransferError

_FROM_FAILED = re.compile(r"^Step \d+/\d+ : FROM [^\n]*\n*[^\n]*\n*\Z", re.MULTILINE)
_NO_REGISTRY = re.compile(
    r"no such host|dial tcp|i/o timeout|connection (refused|reset)|TLS handshake|x509|proxyconnect"
    r"|deadline exceeded|Client\.Timeout|toomanyrequests|EOF$",
    re.IGNORECASE,
)
"""What the engine says when a registry was not reached, or would not talk."""
_NOT_THERE = re.compile(
    r"COPY failed: [^\n]*\bstat (?:\S*/docker-builder\d+/|/?)(?P<path>[^\n:]+): "
    r"(?:file does not exist|no such file)"
)
"""What the engine says of a file that a Dockerfile copies and that is not beside it."""
_BUILDKIT = re.compile(r"requires BuildKit|unknown (instruction|flag)", re.IGNORECASE)
_BUILDKIT_SYNTAX = re.compile(
    r"^\s*(RUN|COPY|ADD)\b[^\n]*(<<-?\s*[\"']?\w+|--(mount|network|link|chmod|exclude|parents))",
    re.IGNORECASE | re.MULTILINE,
)


def builds(trials: Trials) -> Said:
    """The image builds from `environment/` alone.

    FROM lines are answered with local base images that trust what the host trusts; the finished
    environment is not changed. A build that takes longer than `[environment] build_timeout_sec`
    has failed; a base image that no registry gives is trouble with the machine. A task that needs
    more than one container of one image (neighbours in a compose file, a verifier with an image of
    its own, a GPU, another system) is left untried, and the report says why.
    """
    environment = trials.environment
    barred = reach(environment).barred
    if barred:
        return untried("Kettle cannot grade this task", *barred)
    dockerfile = environment.read(DOCKERFILE)
    if dockerfile is None:
        wanted = str(environment.config.environment.docker_image)
        trials.image_id = ensure(trials.engine, wanted).id
        return passed(f"a prebuilt image, {wanted}")
    trials.build_context = context = build_context(trials, dockerfile)
    # Two sessions about one project, begun together, install its dependencies once.
    alike = hashlib.sha256(dockerfile).hexdigest()[:2]
    try:
        with locked(f"build-{alike}"):
            image = trials.engine.build(
                context,
                timeout_s=environment.config.environment.build_timeout_sec,
                keep=trials.settings.keep_image,
                keep_layers=True,
            )
    except BuildFailed as e:
        if _FROM_FAILED.search(e.log) and _NO_REGISTRY.search(str(e)):
            raise ImageError(
                f"A base image of environment/Dockerfile is not here, and no registry gave it: {e}."
                " Load it with `docker load`, or see what is in the way: `python -m agent doctor`."
            ) from e
        if _BUILDKIT.search(str(e)) and _BUILDKIT_SYNTAX.search(
            dockerfile.decode("utf-8", "replace")
        ):
            return _for_buildkit(trials, e)
        return failed(
            "the image does not build",
            clip(f"{e}\n{e.log}"),
            _advice(f"{e}\n{e.log}"),
        )
    except ImageError as e:
        return failed("the image does not build", str(e))
    trials.image, trials.image_id = image, image.id
    return passed(
        f"{image.size_bytes >> 20} MiB in {image.seconds:.1f} s",
        image_id=image.id,
        size_bytes=image.size_bytes,
        build_seconds=round(image.seconds, 2),
    )


def _advice(log: str) -> str:
    """What mends a build that failed."""
    missing = _NOT_THERE.search(log)
    if not missing:
        return "Correct environment/Dockerfile so that every step succeeds."
    path = missing["path"].strip("/")
    made = "Put it there, or do without it."
    if path.endswith(".lock") or path == "deps":
        # The first draft's Dockerfile is right, and waits for what only a resolver can tell.
        made = (
            "It is the locked dependencies: in a builder's sandbox /workbench/aids/lock-python.sh "
            "and lock-node.sh make them, and say how when they are run without arguments."
        )
    return f"The Dockerfile copies environment/{path}, which is not there. {made}"


def _for_buildkit(trials: Trials, error: BuildFailed) -> Said:
    summary = "environment/Dockerfile is written for BuildKit; Kettle uses the engine's own builder"
    advice = "Write it without here-documents and without options such as --mount."
    said = failed if trials.carried else untried
    return said(summary, str(error), advice)


def build_context(trials: Trials, dockerfile: bytes) -> bytes:
    """`environment/` as a tar, its Dockerfile resting on what this machine can give."""
    text = with_trust(trials.engine, dockerfile.decode("utf-8", "replace"))
    bases: list[str] = []

    def seen(image: str) -> None:
        bases.append(image)

    rewrite_from(text, seen, {})
    trials.bases = bases
    plain = trials.environment.archive("environment")
    rewritten = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(plain)) as source,
        tarfile.open(fileobj=rewritten, mode="w", format=tarfile.GNU_FORMAT) as target,
    ):
        for member in source:
            if member.name == "Dockerfile":
                member.size = len(text.encode())
                target.addfile(member, io.BytesIO(text.encode()))
            else:
                target.addfile(member, source.extractfile(member) if member.isreg() else None)
    return rewritten.getvalue()


def start_state(trials: Trials) -> Said:
    """The work tree in the image is the start state: same paths, modes and contents.

    Everything in it belongs to the solver, nothing was added by the build (bytecode, build
    folders, lock files), and nothing is missing.
    """
    packed = trials.environment.start
    if packed is None:
        return not_applicable("the task brings no packed start state")
    try:
        wanted = Tree.from_tar(packed)
    except TransferError as e:
        return failed("start.tar.gz is not a plain archive", str(e))
    try:
        found = trials.grader.base_tree()
    except CandidateFailed as e:
        return failed(f"the image has no readable {WORK_TREE}", str(e))
    extra = sorted(found.entries.keys() - wanted.entries.keys())
    missing = sorted(wanted.entries.keys() - found.entries.keys())
    different = sorted(
        path
        for path in found.entries.keys() & wanted.entries.keys()
        if not found.entries[path].same(wanted.entries[path])
    )
    owner = trials.grader.work_tree_owner()
    if owner != f"{SOLVER_ID}:{SOLVER_ID}":
        return failed(
            f"{WORK_TREE} itself belongs to {owner}",
            f"The solver can make no new file in it. Put `RUN install -d -o solver -g solver "
            f"{WORK_TREE}` before `ADD start.tar.gz {WORK_TREE}/`.",
        )
    foreign = sorted(p for p, e in found.entries.items() if (e.uid, e.gid) != (SOLVER_ID,) * 2)
    if not (extra or missing or different or foreign):
        return passed(f"{len(wanted.entries)} entries, all as packed", digest=found.digest)
    parts = [
        listing(paths, title)
        for title, paths in (
            ("In the image only:", extra),
            ("Missing in the image:", missing),
            ("With other content or mode:", different),
            (f"Not owned by {SOLVER_ID}:{SOLVER_ID}:", foreign),
        )
        if paths
    ]
    return failed(
        f"{len(extra)} extra, {len(missing)} missing, {len(different)} different, "
        f"{len(foreign)} with another owner",
        *parts,
        f"Let `ADD start.tar.gz {WORK_TREE}/` be the last step that touches {WORK_TREE}.",
        extra=extra[:200],
        missing=missing[:200],
        different=different[:200],
    )
