"""Building images."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker.errors
import pytest

from sandbox import layers
from sandbox.engine import Engine
from sandbox.errors import BuildFailed
from tests.conftest import context
from tests.sandbox.conftest import wait_until

ROOT = Path(__file__).parents[2]
MARK = f"kettle-build-test-{os.getpid()}"
"""In the commands of this process's steps; others may build on the same engine."""


def steps_running(engine: Engine) -> int:
    found = engine.client.api.containers()
    return sum(MARK in str(row["Command"]) for row in found)


def exists(engine: Engine, image: str) -> bool:
    try:
        engine.client.images.get(image)
    except docker.errors.ImageNotFound:
        return False
    return True


def test_a_build_gives_an_image_and_its_log(engine: Engine, base_image: str) -> None:
    lines: list[str] = []
    dockerfile = f"FROM {base_image}\nCOPY note /note\nRUN echo {MARK} && cat /note\n"
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
        below = str(engine.client.api.inspect_image(gone.id)["Parent"])
        assert exists(engine, below)
    try:
        assert not exists(engine, gone.id)
        assert not exists(engine, below)
        assert exists(engine, kept.id)
    finally:
        engine.client.images.remove(kept.id)


def test_layers_that_are_kept_spare_the_next_run_their_steps(
    engine: Engine, base_image: str
) -> None:
    once = f"cat /proc/sys/kernel/random/uuid >/once && : {MARK} {time.time_ns()}"
    recipe = f"FROM {base_image} AS tools\nRUN {once}\n"
    recipe += f"FROM {base_image}\nRUN {once} again\nCOPY --from=tools /once /first\n"
    seen: list[list[bytes]] = []
    try:
        for _ in range(2):
            with Engine.connect() as mine:
                built = mine.build(context(recipe), keep_layers=True)
                with mine.create(built.id) as sandbox:
                    seen.append([sandbox.get("/once"), sandbox.get("/first")])
            assert not exists(engine, built.id)
        assert seen[0] == seen[1]
    finally:
        for image in engine.client.api.images(name=layers.HELD):
            if any(MARK in step["CreatedBy"] for step in engine.client.api.history(image["Id"])):
                for tag in image["RepoTags"]:
                    engine.client.api.remove_image(tag)


def test_layers_go_when_they_are_old_or_many_or_large_or_the_disk_is_full() -> None:
    now, day = 2_000_000_000, 24 * 60 * 60

    def image(number: int, days: float) -> dict[str, object]:
        tags = [f"{layers.HELD}:{number}", f"elsewhere:{number}"]
        return {"Id": str(number), "Created": now - int(days * day), "RepoTags": tags}

    fresh, old = image(1, 1), image(2, layers.KEPT_DAYS + 1)
    assert layers.outlived([fresh, old], {}, now, full=False) == ["kettle-layers:2"]
    assert len(layers.outlived([fresh, old], {}, now, full=True)) == 2
    many = [image(number, number / 100) for number in range(layers.KEPT + 1)]
    assert layers.outlived(many, {}, now, full=False) == [f"kettle-layers:{layers.KEPT}"]
    half = layers.KEPT_BYTES // 2
    three = [image(number, number / 100) for number in range(3)]
    shared = {str(n): {"below": half, f"own {n}": 1} for n in range(3)}
    assert layers.outlived(three, shared, now, full=False) == []
    apart = {str(n): {f"own {n}": half} for n in range(3)}
    assert layers.outlived(three, apart, now, full=False) == ["kettle-layers:2"]


def test_a_step_that_fails_is_an_error_with_the_log(engine: Engine, base_image: str) -> None:
    with pytest.raises(BuildFailed, match="returned a non-zero code: 3") as caught:
        engine.build(context(f"FROM {base_image}\nRUN echo {MARK} clue; exit 3\n"))
    assert f"{MARK} clue" in caught.value.log
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
    with pytest.raises(BuildFailed, match="after 3 seconds") as caught:
        engine.build(
            context(f"FROM {base_image}\nRUN echo {MARK}; sleep 1000\nRUN sleep 1000\n"),
            timeout_s=3,
        )
    assert MARK in caught.value.log
    assert wait_until(lambda: steps_running(engine) == 0)


def test_the_network_can_be_off(engine: Engine, base_image: str) -> None:
    built = engine.build(
        context(f"FROM {base_image}\nRUN echo interfaces $(ls /sys/class/net)\n"), network=False
    )
    assert "interfaces lo" in built.log.splitlines()


def test_what_a_failed_build_and_the_stages_of_another_made_goes_too(
    engine: Engine, base_image: str
) -> None:
    unique = f"RUN : {time.time_ns()}\n"
    layers: list[str] = []

    def note(line: str) -> None:
        layers.extend(re.findall(r"^ ---> ([0-9a-f]{12,64})$", line))

    with Engine.connect() as mine:
        with pytest.raises(BuildFailed):
            mine.build(context(f"FROM {base_image}\n{unique}RUN exit 1\n"), on_line=note)
        mine.build(
            context(
                f"FROM {base_image} AS one\n{unique}RUN echo x >/x\n"
                f"FROM {base_image}\nCOPY --from=one /x /x\n"
            ),
            on_line=note,
        )
    base = str(engine.client.images.get(base_image).id).removeprefix("sha256:")
    made = {layer for layer in layers if not base.startswith(layer)}
    assert len(made) >= 4
    assert not [layer for layer in made if exists(engine, layer)]


def test_a_fork_bomb_in_a_step_is_held(engine: Engine, base_image: str) -> None:
    bomb = f"RUN : {MARK}; bash -c 'b() {{ b | b & }}; b; sleep 100'"
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
        engine.build(context(f"FROM {base_image}\nRUN : {MARK}; sleep 100\n"))
    thread.join()
    assert wait_until(lambda: steps_running(engine) == 0)


def test_closing_the_engine_ends_the_build_of_another_thread(
    engine: Engine, base_image: str
) -> None:
    with ThreadPoolExecutor() as pool:
        with Engine.connect() as own:
            steps = context(f"FROM {base_image}\nRUN : {MARK}; sleep 100\nRUN touch /late\n")
            built = pool.submit(own.build, steps)
            assert wait_until(lambda: steps_running(engine) == 1)
        with pytest.raises(BuildFailed):
            built.result()
    assert wait_until(lambda: steps_running(engine) == 0)


def test_a_build_ends_with_the_program_that_was_killed(engine: Engine, base_image: str) -> None:
    program = (
        "from sandbox.engine import Engine; from tests.conftest import context;"
        "Engine.connect().build(context('FROM %s\\nRUN : %s; sleep 100\\n'))"
    )
    process = subprocess.Popen([sys.executable, "-c", program % (base_image, MARK)], cwd=ROOT)
    with process:
        assert wait_until(lambda: steps_running(engine) == 1)
        process.kill()
    assert wait_until(lambda: steps_running(engine) == 0)
