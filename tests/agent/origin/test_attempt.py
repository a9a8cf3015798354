"""Replaying a session's own edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.origin.attempt import Attempt, EditError, apply_hunks, replay
from agent.origin.evidence import collect
from agent.origin.start import find_start, known_paths
from agent.session.model import Edit, Session, ToolCall
from tests.agent.origin.conftest import (
    NOON,
    ROOT,
    Project,
    edit,
    opened,
    ran,
    session,
    view,
    write,
)

GREET = "def greet(name):\n    return 'hello ' + name\n"


def replayed(recorded: Session, project: Project, cache: Path) -> Attempt:
    with opened(project, cache) as repository:
        start = find_start(recorded, repository)
        known = known_paths(repository, repository.all_commits(), NOON)
        _, paths = collect(recorded, known)
        return replay(recorded, repository, start, paths)


def test_edits_in_a_row_leave_the_final_state(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET, "b.py": "1\n", "gone.py": "x\n"})
    delete = ToolCall(tool="rm", edits=[Edit(path=f"{ROOT}/gone.py", kind="delete")])
    move = ToolCall(
        tool="mv", edits=[Edit(path=f"{ROOT}/b.py", new_path=f"{ROOT}/c.py", kind="rename")]
    )
    calls = [
        edit("a.py", "hello ", "hi "),
        edit("a.py", "hi ", "hey "),
        write("new/d.py", "2\n"),
        delete,
        move,
        ran("ruff format ."),
    ]
    attempt = replayed(session(calls), project, cache)
    assert attempt.files == {
        "a.py": GREET.replace("hello", "hey").encode(),
        "new/d.py": b"2\n",
        "gone.py": None,
        "b.py": None,
        "c.py": b"1\n",
    }
    assert (attempt.applied, attempt.unapplied, attempt.writing_commands) == (5, [], 1)


def test_line_ends_of_the_file_are_kept(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET.replace("\n", "\r\n")})
    attempt = replayed(session([edit("a.py", "hello ", "hi ")]), project, cache)
    expected = GREET.replace("hello", "hi").replace("\n", "\r\n")
    assert attempt.files == {"a.py": expected.encode()}


def test_an_edit_that_does_not_apply_is_told_and_the_rest_goes_on(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET})
    failed = edit("a.py", "hello ", "never ")
    failed.failed = True
    calls = [failed, edit("a.py", "no such text", "x"), edit("a.py", "hello ", "hi ")]
    attempt = replayed(session(calls), project, cache)
    assert attempt.files == {"a.py": GREET.replace("hello", "hi").encode()}
    assert [(u.path, u.turn) for u in attempt.unapplied] == [("a.py", 1)]
    assert "not in the file" in attempt.unapplied[0].reason


def test_a_recorded_content_bridges_a_change_that_was_not_seen(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET})
    formatted = GREET.replace("'", '"')
    calls = [
        edit("a.py", "hello ", "hi ", before=GREET),
        ran("black ."),
        edit("a.py", '"hi "', '"hey "', before=formatted.replace("hello", "hi")),
    ]
    attempt = replayed(session(calls), project, cache)
    assert attempt.files == {"a.py": formatted.replace("hello", "hey").encode()}
    assert (attempt.applied, attempt.rebased) == (2, 1)


def test_uncommitted_work_is_what_edits_apply_to(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET, "b.py": "1\n"})
    dirty = GREET + "# mine\n"
    calls = [view("b.py", "1\n"), edit("a.py", "# mine", "# ours", before=dirty)]
    attempt = replayed(session(calls), project, cache)
    assert attempt.files == {"a.py": (GREET + "# ours\n").encode()}


def test_paths_outside_the_repository_are_left_alone(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    calls = [write("../../etc/cron.d/x", "evil"), write(".git/hooks/post-checkout", "evil")]
    assert replayed(session(calls), project, cache).files == {}


def test_hunks_apply_around_their_place_and_in_order() -> None:
    text = "".join(f"{n}\n" for n in range(1, 21))
    patch = "@@ -4,3 +4,3 @@\n 6\n-7\n+seven\n 8\n@@ -15,2 +15,3 @@\n 15\n+15.5\n 16\n"
    expected = text.replace("\n7\n", "\nseven\n").replace("\n15\n", "\n15\n15.5\n")
    assert apply_hunks(text, patch) == expected
    bare = "*** Update File: x\n@@ def\n 1\n-2\n+two\n@@\n-19\n+nineteen\n"
    assert apply_hunks(text, bare) == text.replace("\n2\n", "\ntwo\n").replace("19", "nineteen")
    with pytest.raises(EditError):
        apply_hunks(text, "@@ -1,1 +1,1 @@\n-no such line\n+x\n")


def test_a_new_file_made_by_a_patch_comes_out_whole(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    call = ToolCall(
        tool="apply_patch",
        edits=[Edit(path=f"{ROOT}/b.py", new="x = 1\n", kind="create")],
    )
    assert replayed(session([call]), project, cache).files == {"b.py": b"x = 1\n"}
