"""Commands in a container without Python: the same results, only slower."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.errors import SandboxLost


@pytest.fixture(scope="module")
def plain(engine: Engine, bare_image: str) -> Iterator[Sandbox]:
    with engine.create(bare_image, purpose="test") as sandbox:
        sandbox.run("useradd -m -u 1000 solver")
        yield sandbox


def test_results_are_the_same(plain: Sandbox) -> None:
    result = plain.run("cd /usr; echo out; echo err >&2; exit 3")
    assert (result.exit_code, result.output, result.cwd) == (3, "out\nerr\n", "/usr")
    assert plain.run("pwd").output == "/usr\n"
    assert plain.run("pwd", cwd="/etc").output == "/etc\n"
    assert plain.run("echo ran", cwd="/no/where").exit_code == 1
    assert plain.run("kill -9 $$").exit_code == 137
    assert plain.run('cat; printf %s "$A"', env={"A": "x y"}).output == "x y"


def test_a_command_as_another_user(plain: Sandbox) -> None:
    result = plain.run("id -un; echo $HOME; touch /root/x", user="solver")
    assert result.output.startswith("solver\n/home/solver\n")
    assert result.exit_code != 0


def test_long_and_binary_output(plain: Sandbox) -> None:
    result = plain.run("seq 1 1000000")
    assert result.output_bytes == 6_888_896
    assert len(result.output.encode()) <= 10_000
    assert result.output.startswith("1\n2\n")
    assert result.output.endswith("1000000\n")
    assert plain.run(f"wc -c <{result.spool}").output == "6888896\n"
    assert plain.run(r"printf 'a\377b'").output == "a�b"


def test_a_timeout_keeps_output_and_ends_the_tree(plain: Sandbox) -> None:
    result = plain.run("echo before; setsid sleep 4321 & sleep 60", timeout_s=1)
    assert result.timed_out
    assert result.output == "before\n"
    # There is no pgrep here.
    assert "4321" not in plain.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").output.replace(
        "cat /proc", ""
    )


def test_a_background_job_does_not_delay_its_command(plain: Sandbox) -> None:
    assert plain.run("sleep 5432 & echo soon", timeout_s=20).output == "soon\n"


def test_a_container_that_ends_is_an_error(engine: Engine, bare_image: str) -> None:
    with engine.create(bare_image) as sandbox:
        sandbox.run("true")
        with pytest.raises(SandboxLost):
            sandbox.run("kill -9 -1; sleep 60", timeout_s=20)


def test_files_go_in_and_out(plain: Sandbox) -> None:
    plain.put("/srv/x", b"data", owner="solver")
    assert plain.get("/srv/x") == b"data"
    assert plain.run("stat -c %U /srv/x").output == "solver\n"
