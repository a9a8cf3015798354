"""What a verifier did to the root that it ran in is gone before the next candidate comes."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from evals.exported.plainbuild import Pristine, Root


def listing(root: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of all that lies in a folder, but for what is made anew each time."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] == "app":
            continue
        mode = path.lstat().st_mode
        content = os.readlink(path).encode() if path.is_symlink() else b""
        found[name] = (mode, path.read_bytes() if stat.S_ISREG(mode) else content)
    return found


def rewritten_with_its_old_time(root: Path) -> None:
    tool = root / "usr/bin/tool"
    before = tool.stat()
    tool.write_bytes(b"cheats".ljust(before.st_size))
    os.utime(tool, ns=(before.st_atime_ns, before.st_mtime_ns))


def folder_becomes_a_link_out(root: Path) -> None:
    shutil.rmtree(root / "usr/bin")
    (root / "usr/bin").symlink_to(root.parent / "outside")


def file_becomes_a_folder(root: Path) -> None:
    (root / "usr/bin/tool").unlink()
    (root / "usr/bin/tool/deep").mkdir(parents=True)


def notes_left(root: Path) -> None:
    (root / "var/mind").mkdir()
    (root / "var/mind/turn").write_text("1")


def everything_removed(root: Path) -> None:
    shutil.rmtree(root / "usr")
    shutil.rmtree(root / "var")


def modes_opened(root: Path) -> None:
    (root / "usr/bin").chmod(0o777)
    (root / "usr/bin/tool").chmod(0o777)


def link_turned(root: Path) -> None:
    (root / "usr/python").unlink()
    (root / "usr/python").symlink_to("/var/mind")


@pytest.mark.parametrize(
    "deed",
    [
        rewritten_with_its_old_time,
        folder_becomes_a_link_out,
        file_becomes_a_folder,
        notes_left,
        everything_removed,
        modes_opened,
        link_turned,
    ],
)
def test_every_change_is_undone_each_time(deed: Callable[[Path], None], tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "usr/bin", root / "var", root / "app", outside):
        folder.mkdir(parents=True)
    (root / "usr/bin/tool").write_text("does its work")
    (root / "usr/bin/tool").chmod(0o755)
    (root / "usr/python").symlink_to("bin/tool")
    (root / "app/project.py").write_text("the caller's")
    before = listing(root)
    built = Pristine(Root(str(root)), without=["app"])
    for _ in range(2):
        deed(root)
        assert listing(root) != before
        (root / "app/project.py").write_text("another candidate's")
        built.restore()
        assert listing(root) == before
        assert (root / "app/project.py").read_text() == "another candidate's"
        assert not list(outside.iterdir())
