"""A recipe becomes the repository it describes, the same everywhere, or is refused."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from evals.archive import MAX_UNPACKED_BYTES
from evals.errors import IndexUnavailable, RecipeError
from evals.recipe import MaterialisedRepository, materialise
from tests.evals.conftest import RECIPE, Index, sdist

WriteItem = Callable[..., Path]

START = sdist(
    ("kettledrum-1.0/PKG-INFO", b"Metadata-Version: 2.1\n"),
    ("kettledrum-1.0/kettledrum.egg-info/SOURCES.txt", b"setup.py\n"),
    ("kettledrum-1.0/drum.py", b"def hit():\n    return 'boom'\n"),
    ("kettledrum-1.0/tools/beat", b"#!/bin/sh\n", 0o755),
)
OUTCOME = sdist(
    ("kettledrum-1.1/drum.py", b"def hit():\n    return 'BOOM'\n"),
    ("kettledrum-1.1/tests/test_drum.py", b"def test_hit():\n    pass\n"),
)


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_each_release_is_one_commit_with_its_files(
    index: Index, write_item: WriteItem, tmp_path: Path
) -> None:
    item = write_item({"1.0": START, "1.1": OUTCOME})
    made = materialise(item, tmp_path / "repo", cache=tmp_path / "c", settings=index.settings)

    start, outcome = made.commits.values()
    assert list(made.commits) == ["1.0", "1.1"]
    assert git(made.path, "rev-parse", "HEAD").strip() == outcome
    assert git(made.path, "ls-tree", "-r", "--name-only", start).split() == [
        "drum.py",
        "tools/beat",
    ], "the top folder and the packager's metadata are left out"
    assert git(made.path, "ls-tree", start, "tools/").startswith("100755")
    assert git(made.path, "ls-tree", "-r", "--name-only", outcome).split() == [
        "drum.py",
        "tests/test_drum.py",
    ], "what a later release dropped is gone"
    assert (made.path / "drum.py").read_text() == "def hit():\n    return 'BOOM'\n"
    assert git(made.path, "status", "--short") == ""
    assert git(made.path, "log", "--format=%an %ae %cI %s").splitlines() == [
        "Release Importer releases@example.invalid 2024-01-02T12:00:00+00:00 Release 1.1",
        "Release Importer releases@example.invalid 2024-01-01T12:00:00+00:00 Release 1.0",
    ]


def test_commit_ids_do_not_depend_on_the_users_git(
    index: Index, write_item: WriteItem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attributes = sdist(
        ("kettledrum-1.0/.gitattributes", b"* text eol=crlf filter=shout ident\n"),
        ("kettledrum-1.0/.gitignore", b"*.py\n"),
        ("kettledrum-1.0/drum.py", b"$Id$\r\nx = 1\n"),
    )
    item = write_item({"1.0": attributes})

    def make(name: str) -> MaterialisedRepository:
        return materialise(item, tmp_path / name, cache=tmp_path / "c", settings=index.settings)

    plain = make("plain")
    config = tmp_path / "gitconfig"
    config.write_text(
        "[core]\n\tautocrlf = true\n[user]\n\tname = Someone Else\n[commit]\n\tgpgsign = true\n"
        f'[filter "shout"]\n\tclean = tr a-z A-Z\n\tsmudge = touch {tmp_path}/ran; cat\n'
        f"[init]\n\tdefaultBranch = other\n\ttemplateDir = {tmp_path}\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    odd = make("odd")
    monkeypatch.delenv("GIT_DIR")

    assert odd.commits == plain.commits
    command = ["git", "-C", str(odd.path), "cat-file", "blob", "HEAD:drum.py"]
    assert subprocess.run(command, capture_output=True).stdout == b"$Id$\r\nx = 1\n"
    assert not (tmp_path / "ran").exists()


def test_a_second_run_keeps_the_repository_and_needs_no_network(
    index: Index, write_item: WriteItem, tmp_path: Path
) -> None:
    item, cache = write_item({"1.0": START, "1.1": OUTCOME}), tmp_path / "c"
    first = materialise(item, tmp_path / "a", cache=cache, settings=index.settings)
    write_item({"1.0": START, "1.1": OUTCOME}, commits=first.commits)
    index.stop()

    assert materialise(item, tmp_path / "a", cache=cache, settings=index.settings) == first
    again = materialise(item, tmp_path / "b", cache=cache, settings=index.settings)
    assert again.commits == first.commits


def test_a_folder_with_something_else_is_left_alone(
    index: Index, write_item: WriteItem, tmp_path: Path
) -> None:
    item, cache = write_item({"1.0": START}), tmp_path / "c"
    made = materialise(item, tmp_path / "repo", cache=cache, settings=index.settings)
    write_item({"1.0": START}, commits=made.commits)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    (made.path / "drum.py").write_text("edited")

    for place in (mine, made.path):
        with pytest.raises(RecipeError, match="holds something else"):
            materialise(item, place, cache=cache, settings=index.settings)
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert (made.path / "drum.py").read_text() == "edited"


def test_an_unexpected_commit_id_is_refused(
    index: Index, write_item: WriteItem, tmp_path: Path
) -> None:
    item = write_item({"1.0": START}, commits={"1.0": "0" * 40})
    with pytest.raises(RecipeError, match=r"1\.0 became [0-9a-f]{40}, not 0000"):
        materialise(item, tmp_path / "repo", cache=tmp_path / "c", settings=index.settings)
    assert not (tmp_path / "repo").exists()


def test_a_file_with_another_hash_is_refused_and_not_kept(
    index: Index, write_item: WriteItem, tmp_path: Path
) -> None:
    item = write_item({"1.0": START}, sha256="ab" * 32)
    with pytest.raises(RecipeError, match=r"SHA-256 [0-9a-f]{64}, but the recipe expects abab"):
        materialise(item, tmp_path / "repo", cache=tmp_path / "c", settings=index.settings)
    assert not (tmp_path / "repo").exists()
    assert not [path for path in (tmp_path / "c").rglob("*") if path.is_file()]


def test_a_damaged_cache_is_fetched_again(
    index: Index, write_item: WriteItem, tmp_path: Path
) -> None:
    item, cache = write_item({"1.0": START}), tmp_path / "c"
    first = materialise(item, tmp_path / "a", cache=cache, settings=index.settings)
    (cached,) = (path for path in cache.rglob("*.tar.gz"))
    cached.write_bytes(sdist(("kettledrum-1.0/drum.py", b"import evil\n")))
    again = materialise(item, tmp_path / "b", cache=cache, settings=index.settings)
    assert again.commits == first.commits


def test_a_file_that_is_gone_says_where_to_put_it(
    index: Index, write_item: WriteItem, tmp_path: Path
) -> None:
    item, cache = write_item({"1.0": START}), tmp_path / "c"
    del index.files["kettledrum"]["kettledrum-1.0.tar.gz"]
    with pytest.raises(RecipeError, match="not on the package index any more") as gone:
        materialise(item, tmp_path / "repo", cache=cache, settings=index.settings)
    place = Path(str(gone.value).rpartition("put it at ")[2].removesuffix("."))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(START)
    made = materialise(item, tmp_path / "repo", cache=cache, settings=index.settings)
    assert list(made.commits) == ["1.0"]


@pytest.mark.parametrize("status", [None, 403, 503])
def test_an_index_that_does_not_answer_is_no_fault_of_the_recipe(
    index: Index, write_item: WriteItem, tmp_path: Path, status: int | None
) -> None:
    item = write_item({"1.0": START})
    index.status = status
    if status is None:
        index.stop()
    with pytest.raises(IndexUnavailable, match="could not be used") as told:
        materialise(item, tmp_path / "repo", cache=tmp_path / "c", settings=index.settings)
    assert str(status or "ConnectionError") in str(told.value)


HOSTILE = {
    "absolute path": member("/etc/cron.d/kettle"),
    "climbs out": member("kettledrum-1.0/../../evil.py"),
    "climbs at once": member("../evil.py"),
    "symlink out": member("kettledrum-1.0/out", tarfile.SYMTYPE, "/etc"),
    "symlink inside": member("kettledrum-1.0/in", tarfile.SYMTYPE, "drum.py"),
    "hard link": member("kettledrum-1.0/hard", tarfile.LNKTYPE, "/etc/passwd"),
    "device": member("kettledrum-1.0/sda", tarfile.BLKTYPE),
    "pipe": member("kettledrum-1.0/pipe", tarfile.FIFOTYPE),
    "git hook": member("kettledrum-1.0/.git/hooks/post-checkout"),
    "git folder in capitals": member("kettledrum-1.0/sub/.GIT/config"),
    "newline": member("kettledrum-1.0/a\nM 100644 inline b"),
    "backslash": member("kettledrum-1.0/..\\..\\evil.py"),
    "two folders at the top": member("other/file"),
    "nothing": member("kettledrum-1.0", tarfile.DIRTYPE),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_member_refuses_the_whole_archive(
    index: Index, write_item: WriteItem, tmp_path: Path, name: str
) -> None:
    drum = () if name == "nothing" else (("kettledrum-1.0/drum.py", b"x = 1\n"),)
    item = write_item({"1.0": sdist(*drum, HOSTILE[name])})
    with pytest.raises(RecipeError, match=r"kettledrum-1\.0\.tar\.gz"):
        materialise(item, tmp_path / "repo", cache=tmp_path / "c", settings=index.settings)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"item", "c"}


def test_an_archive_that_unpacks_to_too_much_is_refused(
    index: Index, write_item: WriteItem, tmp_path: Path
) -> None:
    bomb = sdist(("kettledrum-1.0/zeros", bytes(MAX_UNPACKED_BYTES + 1)))
    with pytest.raises(RecipeError, match="unpacks to more than"):
        materialise(
            write_item({"1.0": bomb}),
            tmp_path / "repo",
            cache=tmp_path / "c",
            settings=index.settings,
        )


@pytest.mark.parametrize("content", [b"", b"not a tar", START[: len(START) // 2]])
def test_a_damaged_archive_is_refused(
    index: Index, write_item: WriteItem, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(RecipeError, match=r"cannot be read as a \.tar\.gz"):
        materialise(
            write_item({"1.0": content}),
            tmp_path / "repo",
            cache=tmp_path / "c",
            settings=index.settings,
        )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "project"),
        (RECIPE, "names no commits"),
        ("project = [", "not valid TOML"),
        (RECIPE.replace("kettledrum", "../evil"), "project"),
        (RECIPE.replace("Importer", "Importer\\ncommitter x"), "author"),
        (RECIPE + "[[release]]\nversion='1'\nfile='../a.tar.gz'\nsha256='x'\n", "release.0"),
        (RECIPE + "surprise = 1\n", "surprise"),
    ],
)
def test_a_wrong_recipe_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(RecipeError, match=complaint):
        materialise(tmp_path, tmp_path / "repo")


def test_our_own_files_make_commits_without_an_index(tmp_path: Path) -> None:
    for folder, files in {"start": {"a.js": "1", "b.js": "2"}, "later": {"a.js": "3"}}.items():
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    (tmp_path / "recipe.toml").write_text(
        RECIPE
        + '[[state]]\nversion="start"\nfolder="start"\nmessage="Begin"\ndate=2025-01-01T00:00:00Z\n'
        '[[state]]\nversion="later"\nfolder="later"\nmessage="Go on"\ndate=2025-01-02T00:00:00Z\n'
        'deleted=["b.js"]\n'
    )
    made = materialise(tmp_path, tmp_path / "repo")
    assert git(made.path, "show", f"{made.commits['start']}:a.js") == "1"
    assert git(made.path, "ls-tree", "-r", "--name-only", "HEAD").split() == ["a.js"]
    assert git(made.path, "log", "--format=%s").splitlines() == ["Go on", "Begin"]
