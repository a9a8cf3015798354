"""An environment appears whole or not at all, in a folder and in an object store."""

from __future__ import annotations

import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import InputError
from agent.queue import artefacts
from agent.queue.artefacts import ObjectStore, open_store


@pytest.fixture(params=["folder", "objects"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "store")
    return f"memory://{uuid.uuid4().hex}/store"


def environment(folder: Path, text: str = "x") -> Path:
    (folder / "tests").mkdir(parents=True)
    (folder / "task.toml").write_text("")
    (folder / "tests" / "test.sh").write_text(text)
    (folder / "tests" / "test.sh").chmod(0o755)
    return folder


def test_published_and_taken_away(url: str, tmp_path: Path) -> None:
    store = open_store(url)
    assert store.names() == []
    location = store.publish(environment(tmp_path / "made"), "voice-1")
    assert store.names() == ["voice-1"]
    store.publish(environment(tmp_path / "again", "y"), "voice-1")
    assert store.names() == ["voice-1"]
    assert artefacts.remove(location)
    assert store.names() == []
    assert not artefacts.remove(location)


def test_an_environment_that_is_replaced_is_never_missing(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    made = environment(tmp_path / "made")
    script = Path(store.publish(made, "voice-1")) / "tests" / "test.sh"
    gaps, over = [], threading.Event()

    def look() -> None:
        while not over.is_set():
            if not script.exists():
                gaps.append(time.monotonic())

    watching = threading.Thread(target=look)
    watching.start()
    try:
        for number in range(300):
            (made / "tests" / "test.sh").write_text(str(number))
            store.publish(made, "voice-1")
    finally:
        over.set()
        watching.join()
    assert script.read_text() == "299"
    assert not gaps
    assert [place.name for place in (tmp_path / "store").iterdir()] == ["voice-1"]


def test_an_object_store_gives_back_what_was_published(tmp_path: Path) -> None:
    store = ObjectStore(f"memory://{uuid.uuid4().hex}")
    store.publish(environment(tmp_path / "made", "hello"), "voice-1")
    back = store.fetch("voice-1", tmp_path / "back")
    assert (back / "tests" / "test.sh").read_text() == "hello"
    assert (back / "tests" / "test.sh").stat().st_mode & 0o777 == 0o755
    with pytest.raises(InputError, match="no environment"):
        store.fetch("voice-2", tmp_path / "none")


def test_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "store" / "voice-1").mkdir(parents=True)
    with pytest.raises(InputError, match="in the way"):
        open_store(str(tmp_path / "store")).publish(environment(tmp_path / "made"), "voice-1")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system can only be mounted by root with CAP_SYS_ADMIN")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_publishes_nothing_and_leaves_nothing(small: Path, tmp_path: Path) -> None:
    made = environment(tmp_path / "made", "x" * 2**20)
    store = open_store(str(small / "store"))
    with pytest.raises(OSError, match="space"):
        store.publish(made, "voice-1")
    assert list((small / "store").iterdir()) == []
    assert (made / "tests" / "test.sh").stat().st_size == 2**20, "nothing is lost"


def test_an_unknown_kind_of_store_is_a_users_mistake() -> None:
    with pytest.raises(InputError, match="cannot be used"):
        open_store("nosuch://bucket/x")
