"""Building images."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import docker.errors
import pytest

from sandbox.engine import Engine
from sandbox.errors import BuildFailed
from tests.conftest import context
from tests.sandbox.conftest import wait_until

ROOT = Path(__file__).parents[2]


def steps_running(engine: Engine) -> int:
    found = engine.client.api.containers()
    return sum("kettle-build-test" in str(row["Command"]) for row in found)


def exists(engine: Engine, image: str) -> bool:
    try:
        engine.client.images.get(image)
    except docker.errors.ImageNotFound:
        return False
    return True


def test_a_build_gives_an_image_and_its_log(engine: Engine, base_image: str) -> None:
    lines: list[str] = []
    dockerfile = f"FROM {base_image}\nCOPY note /note\nRUN echo kettle-build-test && cat /note\n"
    built = engine.build(context(dockerfile, note="hello there"), on_line=lines.append)
    assert "hello there" in lines
    assert "hello there" in built.log
    assert built.size_bytes > 0
    assert built.seconds > 0
    with engine.create(built.id) as sandbox:
        assert sandbox.get("/note") == b"hello there"


def test_an_image_goes_with_its_engine_and_a_kept_one_stays(
    engine: Engine, base_image: str
) -> None:
    unique = str(time.time_ns())
    with Engine.connect() as mine:
        gone = mine.build(context(f"FROM {base_image}\nENV A={unique}\nENV B=1\n"))
        mine.create(gone.id)
        kept = mine.build(context(f"FROM {base_image}\nENV K={unique}\n"), keep=True)
        again = mine.build(context(f"FROM {base_image}\nENV K={unique}\n"), keep=True)
        assert again.id == kept.id
        dangling = {image["Id"] for image in engine.client.api.images(all=True)}
    try:
        assert not exists(engine, gone.id)
        assert exists(engine, kept.id)
        after = {image["Id"] for image in engine.client.api.images(all=True)}
        # The layers below went with it.
        assert len(dangling - after) >= 2
    finally:
        engine.client.images.remove(kept.id)


def test_a_step_that_fails_is_an_error_with_the_log(engine: Engine, base_image: str) -> None:
    with pytest.raises(BuildFailed, match="returned a non-zero code: 3") as caught:
        engine.build(context(f"FROM {base_image}\nRUN echo kettle-build-test clue; exit 3\n"))
    assert "kettle-build-test clue" in caught.value.log
    assert wait_until(lambda: steps_running(engine) == 0)


@pytest.mark.parametrize(
    "packed", [b"", b"not a tar" * 500, context("FORM nothing\n"), context("FROM no-such:img\n")]
)
def test_what_cannot_be_built_is_an_error(engine: Engine, packed: bytes) -> None:
    with pytest.raises(BuildFailed):
        engine.build(packed)


def test_the_log_is_bounded(engine: Engine, base_image: str) -> None:
    built = engine.build(
        context(f"FROM {base_image}\nRUN seq 1 200000; head -c 3000000 /dev/zero | tr '\\0' x\n")
    )
    assert len(built.log) < 1_000_000
    assert "xxx" in built.log


def test_a_build_has_its_time(engine: Engine, base_image: str) -> None:
    began = time.monotonic()
    with pytest.raises(BuildFailed, match="after 1 seconds") as caught:
        engine.build(
            context(f"FROM {base_image}\nRUN echo kettle-build-test; sleep 100\nRUN sleep 100\n"),
            timeout_s=1,
        )
    assert time.monotonic() - began < 15
    assert "kettle-build-test" in caught.value.log
    assert wait_until(lambda: steps_running(engine) == 0)


def test_the_network_can_be_off(engine: Engine, base_image: str) -> None:
    built = engine.build(
        context(f"FROM {base_image}\nRUN echo interfaces $(ls /sys/class/net)\n"), network=False
    )
    assert "interfaces lo" in built.log.splitlines()


def test_what_a_failed_build_and_the_stages_of_another_made_goes_too(
    engine: Engine, base_image: str
) -> None:
    before = {image["Id"] for image in engine.client.api.images(all=True)}
    unique = f"RUN : {time.time_ns()}\n"
    with Engine.connect() as mine:
        with pytest.raises(BuildFailed):
            mine.build(context(f"FROM {base_image}\n{unique}RUN exit 1\n"))
        mine.build(
            context(
                f"FROM {base_image} AS one\n{unique}RUN echo x >/x\n"
                f"FROM {base_image}\nCOPY --from=one /x /x\n"
            )
        )
    after = engine.client.api.images(all=True)
    mine_left = [i for i in after if i["Id"] not in before and not i["RepoTags"]]
    made = {engine.client.api.history(i["Id"])[0]["CreatedBy"] for i in mine_left}
    assert not any(unique.split()[-1] in command or "/x" in command for command in made)
    assert engine.client.images.get(base_image)


def test_a_fork_bomb_in_a_step_is_held(engine: Engine, base_image: str) -> None:
    bomb = "RUN : kettle-build-test; bash -c 'b() { b | b & }; b; sleep 100'"
    with pytest.raises(BuildFailed):
        engine.build(context(f"FROM {base_image}\n{bomb}\n"), timeout_s=2)
    assert wait_until(lambda: steps_running(engine) == 0)


def test_a_step_has_a_memory_limit(engine: Engine, base_image: str) -> None:
    built = engine.build(
        context(
            f"FROM {base_image}\nRUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
            " /sys/fs/cgroup/memory.max 2>/dev/null || true\n"
        )
    )
    assert str(4 << 30) in built.log.splitlines()


def test_an_interrupt_ends_the_build(engine: Engine, base_image: str) -> None:
    def interrupt() -> None:
        wait_until(lambda: steps_running(engine) == 1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        engine.build(context(f"FROM {base_image}\nRUN : kettle-build-test; sleep 100\n"))
    thread.join()
    assert wait_until(lambda: steps_running(engine) == 0)


def test_a_build_ends_with_the_program_that_was_killed(engine: Engine, base_image: str) -> None:
    program = (
        "from sandbox.engine import Engine; from tests.conftest import context;"
        "Engine.connect().build(context('FROM %s\\nRUN : kettle-build-test; sleep 100\\n'))"
    )
    process = subprocess.Popen([sys.executable, "-c", program % base_image], cwd=ROOT)
    with process:
        assert wait_until(lambda: steps_running(engine) == 1)
        process.kill()
    assert wait_until(lambda: steps_running(engine) == 0)
