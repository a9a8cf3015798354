"""Base images and the host's trust, against the real engine."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import bases
from sandbox.engine import Engine
from sandbox.errors import BuildFailed, ImageError
from sandbox.trust import HostTrust, read_host_trust
from tests.sandbox.authority import make_authority
from tests.sandbox.registry import OneImage, digest, registry

# Trust that no other process has, so that nobody else wants the images that rest on it.
HIDDEN = f"pa55word-{os.getpid()}"
TIMEOUT = str(os.getpid())
INDEX = f"https://reader:{HIDDEN}@packages.example.org/simple"
NOTHING = HostTrust()
TRUSTS_IT = "RUN openssl verify -CApath /etc/ssl/certs /ca.crt\n"
"""Asks the system's own list, as every program does that brings none."""


def trust_of(tmp_path: Path, **variables: str) -> HostTrust:
    return read_host_trust(variables, root=tmp_path / "root", home=tmp_path / "home")


def context(dockerfile: str, **files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in {"Dockerfile": dockerfile.encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_authority(tmp_path_factory.mktemp("ca"))


MADE: set[str] = set()
"""Local bases that the tests' own trust made."""


@pytest.fixture(scope="module", autouse=True)
def leave_no_images(engine: Engine) -> Iterator[None]:
    yield
    for tag in MADE:
        engine.client.images.remove(tag, force=True)


def with_trust(
    engine: Engine, text: str, *, trust: HostTrust, said: Callable[[str], None] | None = None
) -> str:
    rewritten = bases.with_trust(engine, text, said, trust)
    MADE.update(re.findall(r"kettle-base:\S+", rewritten))
    return rewritten


def test_a_base_that_is_there_is_used_as_it_is(engine: Engine) -> None:
    said: list[str] = []
    first = bases.ensure(engine, bases.BOOKWORM)
    assert bases.ensure(engine, bases.BOOKWORM, said.append) == first
    assert said == []


def test_an_image_that_nobody_has_is_an_error_that_says_what_to_do(engine: Engine) -> None:
    with pytest.raises(ImageError, match="docker load"):
        bases.ensure(engine, "kettle-test-no-such-image:1")


@pytest.fixture
def pulled(engine: Engine) -> Iterator[str]:
    """The name of an image that only a registry has, once."""
    with registry(OneImage()) as address:
        yield f"{address}/kettle-test"
    for image in engine.client.images.list(f"{address}/kettle-test"):
        # A build on it that broke off leaves the layers that it had made.
        for made in engine.client.api.images(all=True):
            if made["ParentId"] == image.id:
                engine.client.images.remove(made["Id"])
        engine.client.images.remove(image.id, force=True)


def test_an_image_is_pulled_where_a_registry_answers(engine: Engine, pulled: str) -> None:
    image = bases.ensure(engine, f"{pulled}:1")
    assert image.origin == "registry"
    assert image.digest == digest(OneImage().manifest)


def test_a_pinned_image_is_pulled_by_its_digest(engine: Engine, pulled: str) -> None:
    pinned = f"{pulled}:1@{digest(OneImage().manifest)}"
    assert bases.ensure(engine, pinned).digest == digest(OneImage().manifest)
    assert bases.ensure(engine, pinned).tag == pinned


def test_an_image_in_which_nothing_runs_is_used_as_it_is(
    engine: Engine, pulled: str, tmp_path: Path
) -> None:
    text = f"FROM {pulled}:1\nRUN true\n"
    assert with_trust(engine, text, trust=trust_of(tmp_path, PIP_TIMEOUT=TIMEOUT)) == text


def test_the_image_here_stands_in_for_a_pinned_one_that_no_registry_has(engine: Engine) -> None:
    said: list[str] = []
    pinned = f"{bases.BOOKWORM}@sha256:{'0' * 64}"
    assert bases.ensure(engine, pinned, said.append).tag == bases.BOOKWORM
    assert any("stands in" in line for line in said)


def test_a_dockerfile_on_an_image_that_nobody_has_stays_as_it_is(
    engine: Engine, tmp_path: Path
) -> None:
    text = "FROM kettle-test-no-such-image:1\nRUN true\n"
    said: list[str] = []
    trust = trust_of(tmp_path, PIP_TIMEOUT=TIMEOUT)
    assert with_trust(engine, text, said=said.append, trust=trust) == text
    assert any("used as it is" in line for line in said)


def test_a_private_authority_is_trusted_inside_a_build(
    engine: Engine, tmp_path: Path, authority: Path
) -> None:
    certificate = (authority.parent / "crt").read_bytes()
    text = f"FROM {bases.BOOKWORM}\nADD ca.crt /\n{TRUSTS_IT}"
    trust = trust_of(tmp_path, SSL_CERT_FILE=str(authority))

    with pytest.raises(BuildFailed):
        engine.build(context(text, **{"ca.crt": certificate}), network=False)

    rewritten = with_trust(engine, text, trust=trust)
    engine.build(context(rewritten, **{"ca.crt": certificate}), network=False)


def test_the_finished_environment_says_nothing_of_the_hosts_trust(
    engine: Engine, tmp_path: Path, authority: Path
) -> None:
    text = f'FROM {bases.BOOKWORM} AS one\nRUN true\nFROM one\nCMD ["sleep", "1"]\n'
    proxied = trust_of(tmp_path, SSL_CERT_FILE=str(authority), http_proxy="http://p.example:1")
    configs = []
    for trust in (NOTHING, proxied):
        built = engine.build(context(with_trust(engine, text, trust=trust)), network=False)
        config = engine.client.images.get(built.id).attrs["Config"]
        # The engine's own labels have times in them.
        configs.append([config["Env"], config["User"], config["Cmd"], sorted(config["Labels"])])
    assert configs[0] == configs[1]


def test_build_steps_see_the_variables_that_some_programs_need(
    engine: Engine, tmp_path: Path, authority: Path
) -> None:
    trust = trust_of(tmp_path, SSL_CERT_FILE=str(authority))
    text = (
        f'FROM {bases.BOOKWORM}\nRUN test -s "$SSL_CERT_FILE" && test -s "$NODE_EXTRA_CA_CERTS"\n'
    )
    engine.build(context(with_trust(engine, text, trust=trust)), network=False)


def test_no_credentials_in_history_labels_or_log(engine: Engine, tmp_path: Path) -> None:
    trust = trust_of(tmp_path, KETTLE_HOST_TRUST="credentials", PIP_INDEX_URL=INDEX)
    said: list[str] = []
    text = f"FROM {bases.BOOKWORM}\nRUN grep -q {HIDDEN[:8]} /etc/pip.conf\n"
    rewritten = with_trust(engine, text, said=said.append, trust=trust)
    built = engine.build(context(rewritten), network=False, on_line=said.append)
    image = engine.client.images.get(built.id)
    assert HIDDEN not in json.dumps(image.history()) + json.dumps(image.attrs)
    assert HIDDEN not in rewritten + built.log + "".join(said)


def test_a_mirror_replaces_debians_archive_in_the_sources(engine: Engine, tmp_path: Path) -> None:
    sources = tmp_path / "root/etc/apt/sources.list"
    sources.parent.mkdir(parents=True)
    sources.write_text(f"deb https://m{TIMEOUT}.example/debian bookworm main\n")
    addresses = "apt-get update --print-uris"
    text = (
        f"FROM {bases.BOOKWORM}\n"
        f"RUN {addresses} | grep -q https://m{TIMEOUT}.example/debian/dists/bookworm/\n"
        f"RUN ! {addresses} | grep -q debian.org/debian/\n"
    )
    engine.build(context(with_trust(engine, text, trust=trust_of(tmp_path))), network=False)


def test_an_image_with_a_user_of_its_own_keeps_it(engine: Engine, tmp_path: Path) -> None:
    text = f"FROM {bases.BOOKWORM}\nUSER 1234\n"
    tag = f"kettle-test-user:{os.getpid()}"
    engine.build(context(text), tag=tag, network=False)
    trusted = bases.trusted_base(engine, tag, trust=trust_of(tmp_path, PIP_TIMEOUT=TIMEOUT))
    image = engine.client.images.get(trusted)
    assert trusted != tag
    assert image.attrs["Config"]["User"] == "1234"
    engine.client.images.remove(trusted, force=True)


def test_two_processes_that_want_the_same_image_make_it_once(
    engine: Engine, tmp_path: Path
) -> None:
    program = (
        "import docker, sys, types\n"
        "from sandbox import bases\n"
        "engine = types.SimpleNamespace(client=docker.from_env())\n"
        "print(bases.trusted_base(engine, bases.BOOKWORM, lambda s: print(s, file=sys.stderr)))\n"
    )
    variables = {
        "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd()),
        "PIP_TIMEOUT": TIMEOUT,
    }  # fmt: skip
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    ended = [process.communicate(timeout=120) for process in running]
    assert ended[0][0] == ended[1][0] != ""
    MADE.add(ended[0][0].strip())
    assert "".join(said for _, said in ended).count("building") == 1


def test_the_workbench_has_the_tools_of_the_trade(engine: Engine, workbench: str) -> None:
    assert bases.workbench(engine) == workbench == bases.find_workbench(engine)
    with engine.create(workbench) as sandbox:
        tools = "git python3 pip3 gcc make node npm rg jq curl patch unzip xz ps file tini uv bash"
        found = sandbox.run(f"command -v {tools} | wc -l; python3 -m venv /tmp/v && echo venv")
    assert found.output.split() == [str(len(tools.split())), "venv"]
