"""The items that come with Kettle: real releases, honest sessions, sealed truths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent.briefing import wish
from agent.session import Session, load
from agent.session.model import FileView
from evals.errors import IndexUnavailable
from evals.formula import instruction_fidelity
from evals.item import ITEMS, find
from evals.recipe import MaterialisedRepository, materialise

NAMES = sorted(path.parent.name for path in ITEMS.glob("*/recipe.toml"))
ACCEPTED = [item.name for item in find() if item.truth.verdict == "accept"]
SMALLEST = "pathspec-none"
WITHOUT_CONTENTS = ("mini_swe_agent",)
"""Tools whose sessions show files and edits in commands alone."""
ROOT = Path(__file__).parents[2]


def truth(name: str) -> dict[str, Any]:
    return tomllib.loads((ITEMS / name / "truth.toml").read_text())


def session(name: str) -> Session:
    (path,) = (ITEMS / name).glob("session*")
    return load(path)


def show(repository: Path, commit: str, path: str) -> str:
    command = ["git", "-C", str(repository), "cat-file", "blob", f"{commit}:{path}"]
    return subprocess.run(command, check=True, capture_output=True).stdout.decode()


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MaterialisedRepository]:
    """Every item's repository, from the real index (or what was downloaded before)."""
    folder = tmp_path_factory.mktemp("items")
    try:
        return {name: materialise(ITEMS / name, folder / name) for name in NAMES}
    except IndexUnavailable as error:
        pytest.skip(f"the package index cannot be reached: {error}")


def test_the_smallest_item_comes_from_the_real_index(tmp_path: Path) -> None:
    try:
        made = materialise(ITEMS / SMALLEST, tmp_path / "repo", cache=tmp_path / "cache")
    except IndexUnavailable as error:
        pytest.skip(f"the package index cannot be reached: {error}")
    assert made.commits["0.12.0"] == truth(SMALLEST)["start"]
    assert len(list((tmp_path / "cache").rglob("*.tar.gz"))) == len(made.commits)


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_truth_fits_the_repository(
    name: str, repositories: dict[str, MaterialisedRepository]
) -> None:
    made, sealed = repositories[name], truth(name)
    order = list(made.commits.values())
    start = order.index(sealed["start"])
    assert [order.index(commit) for commit in sealed["outcome"]] == list(
        range(start + 1, start + 1 + len(sealed["outcome"]))
    ), "the outcome follows the start at once"
    for test in sealed["fail_to_pass"]:
        path, *parts = test.split("::")
        assert parts[-1].split("[")[0] in show(made.path, sealed["outcome"][-1], path)


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_start_tree_is_the_start_commit_with_the_uncommitted_edits(
    name: str, repositories: dict[str, MaterialisedRepository], tmp_path: Path
) -> None:
    environment = os.environ | {"GIT_INDEX_FILE": str(tmp_path / "index")}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(repositories[name].path), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return done.stdout.strip()

    git("read-tree", truth(name)["start"])
    overlay = ITEMS / name / "truth" / "start"
    for path in overlay.rglob("*.*"):
        blob = git("hash-object", "-w", str(path))
        git("update-index", "--cacheinfo", f"100644,{blob},{path.relative_to(overlay)}")
    assert git("write-tree") == truth(name)["start_tree"]


@pytest.mark.parametrize("name", NAMES)
def test_the_session_is_read_without_a_gap(name: str) -> None:
    read = session(name)
    assert read.unknown == {}
    assert read.damaged == []
    if name in ACCEPTED:
        assert any(call.edits or call.command for call in read.calls())
    assert "<system-reminder>" not in read.first_prompt
    assert "environment_details" not in read.first_prompt


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_session_lies_between_start_and_outcome(name: str) -> None:
    recipe = tomllib.loads((ITEMS / name / "recipe.toml").read_text())
    steps = [*recipe.get("release", []), *recipe.get("state", [])]
    dates = {step["commit"]: step["date"] for step in steps}
    read, sealed = session(name), truth(name)
    assert read.started is not None
    assert read.ended is not None
    assert dates[sealed["start"]] < read.started <= read.ended < dates[sealed["outcome"][0]]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_the_session_read_first_is_the_start_state(
    name: str, repositories: dict[str, MaterialisedRepository]
) -> None:
    made, sealed = repositories[name], truth(name)
    command = ["git", "-C", str(made.path), "ls-tree", "-r", "--name-only", sealed["start"]]
    files = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")

    def start(path: str) -> tuple[str, str]:
        """A path of the session as the repository has it, and its text at the start."""
        (file,) = (file for file in files if file and ("/" + path).endswith("/" + file))
        dirty = ITEMS / name / "truth" / "start" / file
        text = dirty.read_text() if dirty.exists() else show(made.path, sealed["start"], file)
        return file, text

    edited: set[str] = set()
    made_by_session: set[str] = set()
    compared = 0
    for call in session(name).calls():
        for view in call.views:
            file, text = start(view.path)
            if file not in edited:
                assert_seen(view, text)
                compared += 1
        for edit in call.edits:
            if edit.path in made_by_session or edit.kind == "create":
                made_by_session.add(edit.path)
                continue
            file, text = start(edit.path)
            if file not in edited and edit.old is not None:
                assert edit.old in text
                compared += 1
            edited.add(file)
    if session(name).format not in WITHOUT_CONTENTS:
        assert compared


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_first_draft_tells_all_that_the_user_asked_for(name: str) -> None:
    told, sealed = wish(session(name)), truth(name)
    intents = [intent["marks"] for intent in sealed["intent"]]
    kept, why = instruction_fidelity(told, intents, sealed.get("leaks", []))
    assert kept == 1, why
    assert told.startswith(session(name).first_prompt.strip())


def assert_seen(view: FileView, text: str) -> None:
    seen = view.text.rstrip("\n").splitlines()
    first = view.start_line - 1
    assert seen == text.splitlines()[first : first + len(seen)], view.path


def test_the_command_puts_session_and_repository_and_keeps_the_truth(
    repositories: dict[str, MaterialisedRepository], tmp_path: Path
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "evals", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    to = tmp_path / "demo"
    for _ in range(2):
        done = run("materialise", SMALLEST, "--to", str(to), "--json")
        assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["commits"] == repositories[SMALLEST].commits
    assert {path.name for path in to.iterdir()} == {"repository", Path(told["session"]).name}
    assert load(Path(told["session"])).digest == session(SMALLEST).digest
    assert not list(to.rglob("truth*"))

    unknown = run("materialise", "no-such-item", "--to", str(to))
    assert unknown.returncode == 2
    assert "no item 'no-such-item'" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    assert run("materialise").returncode == 2
    assert run("no-such-command").returncode == 2
    listed = run("items")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == NAMES
