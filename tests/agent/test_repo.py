"""Reading a repository's history: what it holds comes back exactly, whatever it is called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from agent.errors import RepositoryError
from agent.gitrecords import is_safe_path
from agent.repo import Repository
from tests.agent.origin.conftest import Project, opened


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_work_tree_and_a_bare_clone_of_it_read_the_same(
    project: Project, cache: Path, tmp_path: Path
) -> None:
    sha = project.commit({"a.txt": "one\n", "src/b.py": "x = 1\n"}, "first")
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", project.path, bare], check=True)
    for source in (project.path, bare):
        with Repository.open(source, cache=cache) as repository:
            assert repository.resolve("HEAD") == sha
            assert repository.resolve(sha[:10]) == sha
            assert repository.files(sha) == ["a.txt", "src/b.py"]
            assert repository.read(sha, "src/b.py") == b"x = 1\n"
            assert repository.read(sha, "src") is None


def test_new_commits_of_a_local_repository_are_seen_at_the_next_opening(
    project: Project, cache: Path
) -> None:
    project.commit({"a": "1"})
    with opened(project, cache) as repository:
        assert len(repository.commits()) == 1
    second = project.commit({"a": "2"})
    with opened(project, cache) as repository:
        assert repository.default_branch == second
        assert [c.sha for c in repository.commits(limit=1)] == [second]


def test_commit_messages_dates_and_trailers_are_read(project: Project, cache: Path) -> None:
    trailers = "Entire-Checkpoint: 0123456789ab\nCo-Authored-By: B <b@example.org>"
    body = f"Subject line\n\nWhy it was done.\n\n{trailers}"
    sha = project.commit({"a": "1"}, body, minutes=30)
    with opened(project, cache) as repository:
        commit = repository.commit(sha)
    assert commit.subject == "Subject line"
    assert ("Entire-Checkpoint", "0123456789ab") in commit.trailers
    assert (commit.authored.hour, commit.authored.minute) == (12, 30)
    assert commit.email == "author@example.org"


def test_odd_file_names_survive_trees_changes_and_archives(project: Project, cache: Path) -> None:
    odd = "new\nline.txt"
    raw = os.fsdecode(b"caf\xe9.txt")
    first = project.commit({"plain": "1", odd: "2", raw: "3", "tab\t\"quote'.md": "4"})
    second = project.commit({odd: "changed\n"})
    with opened(project, cache) as repository:
        assert set(repository.files(first)) == {"plain", odd, raw, "tab\t\"quote'.md"}
        assert [c.path for c in repository.changes([second])[second]] == [odd]
        entries = {e.path: e.data for e in repository.archive(second)}
        assert entries[odd] == b"changed\n"
        assert entries[raw] == b"3"
        patch = repository.diff(first, second, [odd])
    (project.path / odd).write_text("2")
    subprocess.run(["git", "apply"], cwd=project.path, input=patch, check=True)
    assert (project.path / odd).read_text() == "changed\n"


def test_symlinks_and_modes_come_out_of_an_archive(project: Project, cache: Path) -> None:
    os.symlink("../outside", project.path / "link")
    (project.path / "run.sh").write_text("#!/bin/sh\n")
    (project.path / "run.sh").chmod(0o755)
    sha = project.commit({})
    with opened(project, cache) as repository:
        entries = {e.path: e for e in repository.archive(sha)}
    assert entries["link"].is_symlink
    assert entries["link"].data == b"../outside"
    assert entries["run.sh"].mode == "100755"


def test_a_commit_that_is_not_there_is_named_in_the_error(project: Project, cache: Path) -> None:
    project.commit({"a": "1"})
    with opened(project, cache) as repository:
        with pytest.raises(RepositoryError, match="no commit 1234567890"):
            repository.resolve("1234567890" * 4)
        for hostile in ("--output=/tmp/x", "HEAD\nHEAD", "a..b", "", "HEAD:a", "@{u};ls"):
            with pytest.raises(RepositoryError):
                repository.resolve(hostile)


def test_a_binary_change_makes_a_patch_that_applies(project: Project, cache: Path) -> None:
    first = project.commit({"data.bin": bytes(range(256)) * 4})
    second = project.commit({"data.bin": bytes(reversed(range(256))) * 4})
    with opened(project, cache) as repository:
        patch = repository.diff(first, second)
    project.git("checkout", "-q", first)
    subprocess.run(["git", "apply"], cwd=project.path, input=patch, check=True)
    assert (project.path / "data.bin").read_bytes() == bytes(reversed(range(256))) * 4


def test_a_repositorys_attributes_and_configuration_have_no_force(
    project: Project, cache: Path, tmp_path: Path
) -> None:
    trap = tmp_path / "trapped"
    project.git("config", "diff.evil.command", f"touch {trap}; cat")
    project.git("config", "diff.evil.textconv", f"touch {trap}; cat")
    project.git("config", "filter.evil.smudge", f"touch {trap}; cat")
    project.git("config", "core.fsmonitor", f"touch {trap}")
    project.git("config", "core.hooksPath", str(tmp_path))
    project.git("config", "log.showSignature", "true")
    project.git("config", "gpg.program", f"touch {trap}")
    (project.path / ".gitattributes").write_text("* diff=evil filter=evil -text\n*.md -diff\n")
    first = project.commit({"a.md": "one\n"})
    second = project.commit({"a.md": "two\n"})
    trap.unlink(missing_ok=True)  # the test's own git may have run it
    with opened(project, cache) as repository:
        patch = repository.diff(first, second)
        list(repository.archive(second))
        repository.commits()
    assert b"+two" in patch
    assert not trap.exists()


def test_ancestry_merge_bases_and_versions(project: Project, cache: Path) -> None:
    base = project.commit({"a": "1"})
    project.git("tag", "v1.0")
    project.git("checkout", "-q", "-b", "side")
    side = project.commit({"b": "1"}, minutes=1)
    project.git("checkout", "-q", "main")
    main = project.commit({"c": "1"}, minutes=2)
    with opened(project, cache) as repository:
        assert repository.is_ancestor(base, side)
        assert not repository.is_ancestor(side, main)
        assert repository.merge_base(side, main) == base
        assert repository.version(base) == "v1.0"
        assert {c.sha for c in repository.commits([side], without=[base])} == {side}
        assert set(repository.references()) >= {"refs/heads/main", "refs/heads/side"}


def test_a_missing_or_huge_object_is_an_error_not_a_crash(project: Project, cache: Path) -> None:
    project.commit({"a": "1"})
    (project.path / "zeros").write_bytes(b"\0" * (65 * 2**20))
    sha = project.commit({})
    with opened(project, cache) as repository:
        with pytest.raises(RepositoryError, match="lacks"):
            repository.blob("f" * 40)
        huge = repository.tree(sha)["zeros"].sha
        with pytest.raises(RepositoryError, match="68157440"):
            repository.blob(huge)
        assert repository.read(sha, "a") == b"1"  # and it still answers


@pytest.mark.parametrize(
    "path", ["../x", "a/../b", "/x", ".git/config", "a/.GIT/hooks/x", "a//b", "", ".git. /x"]
)
def test_paths_that_leave_a_folder_or_enter_git_are_unsafe(path: str) -> None:
    assert not is_safe_path(path)


def test_ordinary_paths_are_safe() -> None:
    assert is_safe_path("src/.github/workflows/a.yml")
    assert is_safe_path(".gitignore")
