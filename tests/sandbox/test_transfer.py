"""Files into and out of a container, and archives that nobody vouches for."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable

import pytest

from sandbox import archive
from sandbox.container import Sandbox
from sandbox.errors import TransferError

MIB = 1 << 20


def pack(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def entry(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info, data


def test_a_file_goes_in_and_comes_out(box: Sandbox) -> None:
    data = bytes(range(256)) * 1000
    box.put("/srv/new/dir/file", data, mode=0o640, owner="solver")
    assert box.get("/srv/new/dir/file") == data
    assert box.run("stat -c '%U:%G %a' /srv/new/dir/file /srv/new/dir").output == (
        "solver:solver 640\nroot:root 755\n"
    )


def test_a_put_goes_through_linked_directories(box: Sandbox) -> None:
    box.run("mkdir -p /srv/real && ln -sfn /srv/real /srv/linked")
    box.put("/srv/linked/file", b"x")
    assert box.run("cat /srv/real/file; test -L /srv/linked").output == "x"


def test_a_put_replaces_a_link_instead_of_following_it(box: Sandbox) -> None:
    box.run("echo old >/srv/target; ln -sf /srv/target /srv/pointer")
    box.put("/srv/pointer", b"new")
    assert box.run("cat /srv/target /srv/pointer").output == "old\nnew"


@pytest.mark.parametrize(
    ("make", "path"),
    [
        ("true", "/srv/missing"),
        ("mkdir -p /srv/dir", "/srv/dir"),
        ("ln -sf /etc/passwd /srv/link", "/srv/link"),
        ("mkfifo /srv/fifo || true", "/srv/fifo"),
        ("head -c 3000000 /dev/zero >/srv/large", "/srv/large"),
        ("truncate -s 100G /srv/sparse || truncate -s 9G /srv/sparse", "/srv/sparse"),
        ("true", "/dev/null"),
        ("true", "relative"),
        ("true", "/nul\0byte"),
    ],
)
def test_what_is_no_small_file_is_refused(box: Sandbox, make: str, path: str) -> None:
    box.run(make)
    with pytest.raises(TransferError):
        box.get(path, limit_bytes=MIB)


def test_a_put_below_a_file_is_refused(box: Sandbox) -> None:
    with pytest.raises(TransferError):
        box.put("/etc/passwd/x", b"")


def test_an_owner_who_does_not_exist_is_refused(box: Sandbox) -> None:
    with pytest.raises(TransferError, match="no user nobody-here"):
        box.put("/srv/x", b"", owner="nobody-here")


def test_a_tree_goes_from_one_container_to_another_place(box: Sandbox) -> None:
    box.run(
        "rm -rf /srv/tree /srv/copy; mkdir -p /srv/tree/a/b && cd /srv/tree && echo 1 >a/one &&"
        "echo 2 >a/b/two && chmod +x a/one && ln -s ../a/one a/link && ln a/one a/hard &&"
        "touch 'with space' $'new\\nline' ü && mkdir empty"
    )
    tree = box.get_tree("/srv/tree")
    names = {member.path for member in archive.read(tree)}
    assert {"a", "a/one", "a/b/two", "a/link", "a/hard", "with space", "ü", "empty"} <= names
    assert "new\nline" in names
    box.put_tree("/srv/copy", gzip.compress(tree), owner="solver")
    assert box.run("diff -r /srv/tree /srv/copy && readlink /srv/copy/a/link").output == (
        "../a/one\n"
    )
    assert box.run("find /srv/copy ! -user solver | wc -l").output == "0\n"
    assert box.run("test -x /srv/copy/a/one && test -d /srv/copy/empty").exit_code == 0


def test_a_tree_keeps_its_owners_unless_told(box: Sandbox) -> None:
    info, data = entry("mine", b"x")
    info.uid = info.gid = 1000
    box.put_tree("/srv/owned", pack((info, data)))
    assert box.run("stat -c %U /srv/owned /srv/owned/mine").output == "root\nsolver\n"


def test_a_tree_that_is_too_large_is_refused(box: Sandbox) -> None:
    box.run("mkdir -p /srv/much; head -c 20000000 /dev/zero >/srv/much/file")
    with pytest.raises(TransferError, match="larger"):
        box.get_tree("/srv/much", limit_bytes=MIB)


@pytest.mark.parametrize("path", ["/srv/none", "/etc/passwd"])
def test_what_is_no_directory_has_no_tree(box: Sandbox, path: str) -> None:
    with pytest.raises(TransferError):
        box.get_tree(path)


def bomb() -> bytes:
    return gzip.compress(bytes(64 * MIB))


@pytest.mark.parametrize(
    "hostile",
    [
        lambda: pack(entry("/etc/cron.d/x", b"x")),
        lambda: pack(entry("../../etc/x", b"x")),
        lambda: pack(entry("a/../../x", b"x")),
        lambda: pack(entry("disk", kind=tarfile.BLKTYPE)),
        lambda: pack(entry("tty", kind=tarfile.CHRTYPE)),
        lambda: pack(entry("pipe", kind=tarfile.FIFOTYPE)),
        lambda: pack(entry("d", kind=tarfile.SYMTYPE, link="/etc"), entry("d/x", b"x")),
        lambda: pack(entry("h", kind=tarfile.LNKTYPE, link="/etc/passwd")),
        lambda: pack(entry("h", kind=tarfile.LNKTYPE, link="nothing")),
        lambda: pack(entry("f", b"1"), entry("f", b"2")),
        lambda: pack(entry("f", b"1"), entry("./f/", kind=tarfile.SYMTYPE, link="/etc")),
        lambda: pack(entry("f", b"1"), entry("f/below", b"2")),
        lambda: pack(*[entry(f"big{n}", bytes(MIB)) for n in range(5)]),
        lambda: pack(entry("x" * 5000, b"")),
        lambda: pack(entry("f", b"12345" * 1000))[:2000],
        lambda: gzip.compress(pack(entry("f", b"1")))[:-12],
        bomb,
        lambda: b"not an archive at all" * 100,
    ],
)
def test_a_hostile_archive_is_refused(hostile: Callable[[], bytes]) -> None:
    with pytest.raises(TransferError):
        archive.read(hostile(), limit_bytes=4 * MIB)


def test_many_links_to_one_file_count_as_many_files() -> None:
    links = [entry(f"l{n}", kind=tarfile.LNKTYPE, link="f") for n in range(10)]
    with pytest.raises(TransferError, match="more than"):
        archive.read(pack(entry("f", bytes(MIB)), *links), limit_bytes=4 * MIB)


def test_too_many_members_are_refused() -> None:
    with pytest.raises(TransferError, match="more than 5 members"):
        archive.read(pack(*[entry(f"f{n}") for n in range(6)]), members=5)


def test_a_hostile_archive_does_not_reach_a_container(box: Sandbox) -> None:
    with pytest.raises(TransferError):
        box.put_tree("/srv/x", pack(entry("../../../srv/escaped", b"x")))
    assert box.run("ls /srv/escaped").exit_code != 0


def test_an_archive_gives_no_special_rights(box: Sandbox) -> None:
    box.put_tree("/srv/suid", pack(entry("prog", b"x", mode=0o6755)))
    assert box.run("stat -c %a /srv/suid/prog").output == "755\n"
