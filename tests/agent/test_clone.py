"""Getting repositories: addresses, the cache, interruptions, and sources that cannot be had."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.clone import obtain, remote_url, update
from agent.errors import RepositoryError
from agent.repo import Repository
from tests.agent.origin.conftest import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "served" / "project")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def served(project: Project) -> Iterator[str]:
    """The address of a real git server on loopback that exports the project."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    base = project.path.parent
    arguments = [f"--base-path={base}", "--export-all", "--listen=127.0.0.1", f"--port={port}"]
    daemon = subprocess.Popen(
        ["git", "daemon", "--reuseaddr", "--verbose", *arguments],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert daemon.stderr is not None
    while b"Ready" not in (line := daemon.stderr.readline()):
        assert line, "git daemon did not start"
    drain = threading.Thread(target=daemon.stderr.read, daemon=True)
    drain.start()
    try:
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        daemon.wait()
        drain.join()
        daemon.stderr.close()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://github.com/Owner/Name", "https://github.com/Owner/Name"),
        ("https://token:secret@github.com/Owner/Name.git", "https://github.com/Owner/Name.git"),
        ("http://example.org/a/b", "https://example.org/a/b"),
        ("git@github.com:Owner/Name.git", "git@github.com:Owner/Name.git"),
        ("ssh://git@example.org:2222/a/b", "ssh://git@example.org:2222/a/b"),
    ],
)
def test_addresses_are_read_and_lose_their_credentials(text: str, url: str) -> None:
    assert remote_url(text).url == url


def test_every_spelling_of_an_address_is_one_repository() -> None:
    spellings = (
        "https://github.com/Owner/Name",
        "https://github.com/owner/name.git",
        "git@github.com:Owner/Name.git",
        "ssh://git@GitHub.com/Owner/Name/",
    )
    assert len({remote_url(text).key for text in spellings}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "ext::sh -c touch% /tmp/pwned",
        "file:///etc",
        "fd::17",
        "--upload-pack=touch /tmp/pwned",
        "-oProxyCommand=touch /tmp/pwned",
        "ssh://-oProxyCommand=touch/x/y",
        "git@-oProxyCommand=x:a/b",
        "git@host:-x/y",
        "https://host/../../etc",
        "https://host/a b",
        "https://host/a\nhttps://other/b",
        "https://host",
        "C:\\repo",
        "ftp://host/a/b",
        "",
    ],
)
def test_hostile_addresses_are_refused_before_git_sees_them(text: str, cache: Path) -> None:
    with pytest.raises(RepositoryError):
        obtain(text, cache)


def test_a_remote_repository_is_cloned_once(served: str, project: Project, cache: Path) -> None:
    sha = project.commit({"a": "1"})
    project.git("update-ref", "refs/pull/7/head", sha)
    with Repository.open(f"{served}/project", cache=cache) as repository:
        assert repository.resolve("HEAD") == sha
        assert "refs/pull/7/head" in repository.references()
        place = repository.place
    born = place.stat().st_ino
    project.commit({"a": "2"})
    with Repository.open(f"{served}/project.git/", cache=cache) as repository:
        assert repository.place.stat().st_ino == born
        assert len(repository.commits()) == 1  # nothing was fetched


def test_a_wanted_commit_is_fetched_when_the_clone_lacks_it(
    served: str, project: Project, cache: Path
) -> None:
    project.commit({"a": "1"})
    Repository.open(f"{served}/project", cache=cache).close()
    new = project.commit({"a": "2"})
    with Repository.open(f"{served}/project", cache=cache) as repository:
        assert not repository.has(new)
        assert repository.resolve(new, fetch=True) == new
        with pytest.raises(RepositoryError, match="no commit"):
            repository.resolve("ab" * 20, fetch=True)


def test_a_commit_that_was_rewritten_stays_in_the_cache(
    served: str, project: Project, cache: Path
) -> None:
    old = project.commit({"a": "1"})
    place = obtain(f"{served}/project", cache)
    project.git("commit", "-q", "--amend", "-m", "rewritten")
    update(place, f"{served}/project")
    with Repository.open(f"{served}/project", cache=cache) as repository:
        assert repository.resolve(old) == old
        assert repository.resolve("HEAD") != old


def test_a_gone_repository_is_said_to_be_gone(served: str, cache: Path) -> None:
    with pytest.raises(RepositoryError, match="gone"):
        obtain(f"{served}/nowhere", cache)
    assert not [p for p in (cache / "repositories").iterdir() if p.is_dir()]


def test_an_unreachable_host_is_said_to_be_unreachable(cache: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(RepositoryError, match="unreachable"):
            obtain(f"git://127.0.0.1:{port}/a/b", cache)


def test_an_empty_repository_is_said_to_be_empty(
    served: str, project: Project, cache: Path
) -> None:
    with pytest.raises(RepositoryError, match="empty"):
        obtain(f"{served}/project", cache)
    with pytest.raises(RepositoryError, match="empty"):
        obtain(project.path, cache)


def test_a_folder_without_a_repository_is_said_to_be_none(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(RepositoryError, match="not a git repository"):
        obtain(tmp_path / "plain", cache)
    with pytest.raises(RepositoryError, match="no repository at"):
        obtain(tmp_path / "nothing", cache)


def test_two_processes_clone_the_same_repository_at_once(
    served: str, project: Project, cache: Path
) -> None:
    sha = project.commit({f"file{n}": "x" * 1000 for n in range(200)})
    code = textwrap.dedent(
        f"""
        from pathlib import Path
        from agent.repo import Repository
        with Repository.open({f"{served}/project"!r}, cache=Path({str(cache)!r})) as repository:
            print(repository.resolve("HEAD"), len(repository.files("HEAD")))
        """
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [p.communicate()[0].split() for p in both] == [[sha, "200"]] * 3
    assert len([p for p in (cache / "repositories").iterdir() if p.is_dir()]) == 1


def test_an_interrupted_clone_leaves_nothing_half(project: Project, cache: Path) -> None:
    """A server that accepts and then says nothing; the cloning process is killed meanwhile."""
    project.commit({"a": "1"})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/project"
        code = (
            "from pathlib import Path; from agent.clone import obtain; "
            f"obtain({address!r}, Path({str(cache)!r}))"
        )
        process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        connection, _ = silent.accept()  # git is now waiting for the server
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        connection.close()
    left = [p.name for p in (cache / "repositories").iterdir() if p.is_dir()]
    assert all(".part-" in name for name in left)
    # The next clone of the same repository begins anew and clears what was left.
    with pytest.raises(RepositoryError):
        obtain(address, cache)
    assert not [p for p in (cache / "repositories").iterdir() if p.is_dir()]


def test_a_local_clone_lends_its_objects_and_none_of_its_settings(
    project: Project, cache: Path
) -> None:
    project.commit({"a": "1"})
    project.git("config", "core.pager", "touch /tmp/pwned")
    place = obtain(project.path, cache)
    assert "pager" not in (place / "config").read_text()
    assert not list(place.glob("hooks/*"))
    packs = [p for p in (place / "objects").rglob("*") if p.is_file() and p.parent.name != "info"]
    assert packs == []


def test_a_dangling_reference_does_not_spoil_a_local_clone(project: Project, cache: Path) -> None:
    sha = project.commit({"a": "1"})
    (project.path / ".git" / "refs" / "heads" / "broken").write_text("ab" * 20 + "\n")
    with Repository.open(project.path, cache=cache) as repository:
        assert [c.sha for c in repository.commits()] == [sha]
