"""The images that everything rests on: Debian's slim images, and the builder's workbench.

`ensure` provides a base image under its public tag: there already, else pulled where a registry
answers, else bootstrapped from Debian's packages. `with_trust` rewrites a Dockerfile's FROM lines
for this machine, so that builds trust what the host trusts (`sandbox.trust`); it works on the text
that goes to the engine, and the Dockerfile on disk keeps naming the public image. `workbench` is
the image of the builder's sandbox: a base with the usual tools of the trade.

All of these images stay: the next run finds them and starts at once. Two processes that want the
same image make it once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Literal, Protocol

import docker
from docker.errors import DockerException, ImageNotFound
from requests.exceptions import RequestException

from sandbox import archive, build
from sandbox.bootstrap import bootstrap
from sandbox.cache import locked
from sandbox.daemon import engine_errors, open_client
from sandbox.dockerfile import rewrite_from
from sandbox.errors import BuildFailed, ImageError
from sandbox.trust import STAGING, HostTrust, read_host_trust

BOOKWORM = "debian:bookworm-slim"
"""Python 3.11, Node 18 through apt; the default."""
TRIXIE = "debian:trixie-slim"
"""Python 3.13, Node 20, Go 1.24 through apt."""
RELEASES = {BOOKWORM: "bookworm", TRIXIE: "trixie"}
"""Base images that can be bootstrapped, and Debian's name for each release."""

# What is known of these images stands in tags: labels would be inherited by finished environments.
_BOOTSTRAPPED = "kettle-bootstrap"
_TRUSTED = "kettle-base"
_WORKBENCH = "kettle-workbench"

REGISTRY_ANSWER_S = 20
"""Longest silence while pulling: a registry that is there answers in a second or two."""
BUILD_S = 1800
"""Longest time for an image of ours: the workbench takes 80 s, ten times that over a slow line."""

Say = Callable[[str], None]
Origin = Literal["registry", "bootstrapped", "local"]


class HasClient(Protocol):
    """What is needed of an engine: its Docker client."""

    @property
    def client(self) -> docker.DockerClient:
        """A client connected to the engine."""


@dataclass(frozen=True)
class BaseImage:
    """A base image that is there.

    Attributes:
        tag: the public name.
        id: the engine's name for the content, "sha256:...".
        digest: the registry's name for it, "sha256:...", to pin the image by; None if it never
            came from a registry.
        origin: "registry", "bootstrapped" by Kettle, or "local" when something else made it.
    """

    tag: str
    id: str
    digest: str | None
    origin: Origin


def ensure(engine: HasClient, tag: str = BOOKWORM, on_line: Say | None = None) -> BaseImage:
    """Provides a base image.

    Args:
        engine: the container engine.
        tag: the image's public name, maybe with a digest ("debian:bookworm-slim@sha256:...").
            Where no registry answers, the content behind the plain name stands in for the pinned.
        on_line: gets a line whenever something takes time.

    Returns:
        The image.

    Raises:
        ImageError: it is not here, no registry has it, and it cannot be bootstrapped.
    """
    say = on_line or _silence
    found = find(engine, tag)
    if found:
        return found
    name, _, digest = tag.partition("@")
    with locked("base-" + _slug(name)):
        found = find(engine, tag) or _pull(engine, tag, say)
        if found:
            return found
        if digest:
            say(f"no registry has {tag}; the image here named {name} stands in for it")
            found = find(engine, name)
            if found:
                return found
        if name not in RELEASES:
            raise ImageError(
                f"There is no image {tag} on this machine and no registry gave it. "
                f"Load it with `docker load`, or rest on one of: {', '.join(RELEASES)}"
            )
        return _bootstrap(engine, name, say)


def trusted_base(
    engine: HasClient, tag: str, on_line: Say | None = None, trust: HostTrust | None = None
) -> str:
    """Gives the image to build on here in place of a public one.

    Args:
        engine: the container engine.
        tag: the public image.
        on_line: gets a line whenever something takes time.
        trust: what to trust; None means what this host trusts.

    Returns:
        A tag: the public one if this host is nothing special, else that of a local image.

    Raises:
        ImageError: the public image cannot be had, or nothing can be run in it.
    """
    trust = read_host_trust() if trust is None else trust
    base = ensure(engine, tag, on_line)
    if trust.empty:
        return base.tag
    derived = _trusted_tag(base, trust)
    context = partial(_trust_context, engine, base.id, trust)
    _build_once(engine, derived, context, on_line, network=False)
    return derived


def with_trust(
    engine: HasClient, dockerfile: str, on_line: Say | None = None, trust: HostTrust | None = None
) -> str:
    """Rewrites a Dockerfile so that it builds on this machine as it would anywhere.

    Every stage that rests on an image from outside rests on the same image with the host's trust
    in it; the variables that some programs need besides are declared as build arguments, which
    leave no trace in the finished image. Stages on images that cannot be had stay as they are.

    Args:
        engine: the container engine.
        dockerfile: the text of a Dockerfile.
        on_line: gets a line whenever something takes time.
        trust: what to trust; None means what this host trusts.

    Returns:
        The text to send to the engine instead.
    """
    trust = read_host_trust() if trust is None else trust
    say = on_line or _silence
    known: dict[str, str | None] = {}

    def replacement(image: str) -> str | None:
        if image not in known:
            try:
                known[image] = trusted_base(engine, image, say, trust)
            except ImageError as error:
                say(f"{image} is used as it is: {str(error).splitlines()[0]}")
                known[image] = None
        return known[image]

    with engine_errors("ask the engine about itself"):
        version = engine.client.version()
    platform = f"{version.get('Os', 'linux')}/{version.get('Arch', 'amd64')}"
    return rewrite_from(dockerfile, replacement, trust.build_environment, platform)


def workbench(engine: HasClient, base_tag: str = BOOKWORM, on_line: Say | None = None) -> str:
    """Provides the image of the builder's sandbox on a base image.

    Args:
        engine: the container engine.
        base_tag: the public base image.
        on_line: gets a line whenever something takes time.

    Returns:
        The tag of the image. The first call on a machine takes a minute or two.

    Raises:
        ImageError: the base cannot be had, or the build fails.
    """
    trust = read_host_trust()
    base = ensure(engine, base_tag, on_line)
    recipe = _workbench_recipe()
    tag = _workbench_tag(base, recipe, trust)

    def context() -> bytes:
        lasting = "".join(f"ENV {k}={v}\n" for k, v in sorted(trust.build_environment.items()))
        trusted = trusted_base(engine, base_tag, on_line, trust)
        text = recipe.replace("FROM base\n", f"FROM {trusted}\n{lasting}")
        return archive.pack({"Dockerfile": text.encode()})

    _build_once(engine, tag, context, on_line, network=True)
    return tag


def find_workbench(engine: HasClient, base_tag: str = BOOKWORM) -> str | None:
    """Gives the tag that `workbench` would give, if that image is there already."""
    base = find(engine, base_tag)
    if base is None:
        return None
    tag = _workbench_tag(base, _workbench_recipe(), read_host_trust())
    return tag if find(engine, tag) else None


def any_workbench(engine: HasClient) -> str:
    """Gives a workbench on whatever base: one that is there already, else the default one.

    Raises:
        ImageError: there is none and it cannot be made.
    """
    here = (find_workbench(engine, tag) for tag in RELEASES)
    return next(filter(None, here), None) or workbench(engine)


def find(engine: HasClient, tag: str) -> BaseImage | None:
    """Looks for an image that is there already.

    Raises:
        EngineUnavailable: the engine cannot tell.
    """
    with engine_errors(f"look for the image {tag}"):
        try:
            image = engine.client.images.get(tag)
        except ImageNotFound:
            return None
    digests = [str(d).partition("@")[2] for d in image.attrs.get("RepoDigests") or ()]
    asked = tag.partition("@")[2]
    digest = asked if asked in digests else next(iter(digests), None)
    ours = any(name.startswith(_BOOTSTRAPPED + ":") for name in image.tags)
    here: Origin = "bootstrapped" if ours else "local"
    return BaseImage(tag, str(image.id), digest, "registry" if digest else here)


def _workbench_recipe() -> str:
    return resources.files("sandbox").joinpath("workbench.Dockerfile").read_text("utf-8")


def _workbench_tag(base: BaseImage, recipe: str, trust: HostTrust) -> str:
    return f"{_WORKBENCH}:{_slug(base.tag)}-{_short_digest(recipe, base.id, trust.digest)}"


def _pull(engine: HasClient, tag: str, say: Say) -> BaseImage | None:
    say(f"asking the registry for {tag}")
    name, _, digest = tag.partition("@")
    # A colon before the last slash belongs to the registry's port.
    versioned = ":" in name.rpartition("/")[2]
    repository, _, version = name.rpartition(":") if versioned else (name, "", "latest")
    with closing(open_client(REGISTRY_ANSWER_S)) as client:
        try:
            stream = client.api.pull(repository, tag=digest or version, stream=True, decode=True)
            for event in stream:
                if "error" in event:
                    return None
        except (DockerException, RequestException):
            # Whatever the reason, trying again would only make everybody wait again.
            return None
    return find(engine, tag)


def _bootstrap(engine: HasClient, tag: str, say: Say) -> BaseImage:
    # A base of this machine's own making may trust what the machine trusts, so that plain
    # `docker build` works with it too. Credentials are the exception: they stay in images that
    # only Kettle builds on.
    trust = read_host_trust(credentials=False)
    root = bootstrap(RELEASES[tag], trust, say)
    version = _slug(tag)
    images = engine.client.images
    with engine_errors(f"make the image {tag}"):
        engine.client.api.import_image_from_data(
            root, repository=_BOOTSTRAPPED, tag=version, changes=['CMD ["bash"]']
        )
        made = images.get(f"{_BOOTSTRAPPED}:{version}")
        if not trust.empty:
            context = _trust_context(engine, str(made.id), trust)
            _build(f"{_BOOTSTRAPPED}:{version}", context, network=False)
            made = images.get(f"{_BOOTSTRAPPED}:{version}")
        base = BaseImage(tag, str(made.id), None, "bootstrapped")
        for name in (tag, *([] if trust.empty else [_trusted_tag(base, trust)])):
            repository, _, version = name.partition(":")
            made.tag(repository, version)
    return base


def _trusted_tag(base: BaseImage, trust: HostTrust) -> str:
    return f"{_TRUSTED}:{_slug(base.tag)}-{_short_digest(trust.digest, base.id)}"


def _trust_context(engine: HasClient, base_id: str, trust: HostTrust) -> bytes:
    user = engine.client.images.get(base_id).attrs["Config"].get("User")
    lines = ["ADD trust.tar /", f"RUN sh {STAGING}/apply"]
    if user:
        lines = ["USER root", *lines, f"USER {user}"]
    return trust.context("\n".join([f"FROM {base_id}", *lines]) + "\n")


def _build_once(
    engine: HasClient,
    tag: str,
    context: Callable[[], bytes],
    on_line: Say | None,
    *,
    network: bool,
) -> None:
    if find(engine, tag):
        return
    packed = context()
    with locked("image-" + _slug(tag)):
        if not find(engine, tag):
            (on_line or _silence)(f"building the local image {tag}")
            _build(tag, packed, network=network)


def _build(tag: str, context: bytes, *, network: bool) -> None:
    try:
        build.run(
            context,
            tag=tag,
            network="default" if network else "none",
            timeout_s=BUILD_S,
            on_line=None,
            labels={},
        )
    except BuildFailed as error:
        raise BuildFailed(f"The local image {tag} cannot be made. {error}", error.log) from error


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name.partition("@")[0])


def _short_digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _silence(_: str) -> None:
    pass
