"""What a session makes of its own attempts."""

from __future__ import annotations

from pathlib import Path

from agent.origin.expectation import Attempts, as_files, find_attempts
from agent.origin.start import find_start
from agent.session.model import Session, Turn
from tests.agent.origin.conftest import Project, edit, opened, ran, session

GREET = "def greet(name):\n    return 'hello ' + name\n"
WRONG = GREET.replace("hello ", "helo ")
RIGHT = GREET.replace("hello ", "hi ")


def said(text: str) -> Turn:
    return Turn(role="user", text=text)


def did(*calls: object) -> Turn:
    return Turn(role="agent", text="done", calls=list(calls))  # type: ignore[arg-type]


def found(
    recorded: Session, project: Project, cache: Path, outcome: str | None = None
) -> tuple[Attempts, dict[str, bytes]]:
    with opened(project, cache) as repository:
        start = find_start(recorded, repository)
        return find_attempts(recorded, repository, start, outcome)


def test_what_the_user_complained_of_must_fail_and_what_made_them_content_must_pass(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET})
    more = [
        said("almost! it says helo now"),
        did(edit("a.py", "helo ", "hi "), ran("python -m pytest -q", "3 passed")),
        said("perfect, thanks"),
    ]
    recorded = session([edit("a.py", "hello ", "helo ")], more=more)
    record, patches = found(recorded, project, cache)
    assert [(a.name, a.expected) for a in record.attempts] == [
        ("before turn 2", "fail"),
        ("last", "pass"),
    ]
    assert "almost! it says helo now" in record.attempts[0].reasons[0]
    assert b"+    return 'helo ' + name" in patches["before-turn-2.patch"]
    assert b"+    return 'hi ' + name" in patches["last.patch"]


def test_an_outcome_that_is_what_the_session_left_must_pass(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    outcome = project.commit({"a.py": RIGHT}, minutes=90)
    record, _ = found(session([edit("a.py", "hello ", "hi ")]), project, cache, outcome)
    assert [(a.name, a.expected) for a in record.attempts] == [("last", "pass")]


def test_nothing_is_expected_where_nothing_tells(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    outcome = project.commit({"a.py": RIGHT}, minutes=90)
    unlike = session([edit("a.py", "hello ", "helo ")])
    happy = session([edit("a.py", "hello ", "helo ")], more=[said("great, thanks")])
    for recorded in (unlike, happy):
        record, _ = found(recorded, project, cache, outcome)
        assert [a.expected for a in record.attempts] == ["unknown"]


def test_content_with_a_part_of_the_work_proves_nothing(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    made = [edit("a.py", "hello ", "helo "), ran("pytest -q", "3 passed")]
    partly = said("works in the pool. can't look into the rest today")
    record, _ = found(session(made, more=[partly]), project, cache)
    assert [a.expected for a in record.attempts] == ["unknown"]


def test_a_failing_last_test_run_is_told_to_the_builder_and_proves_nothing(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET})
    made = [edit("a.py", "hello ", "helo "), ran("pytest -q", "1 failed", exit_code=1)]
    record, _ = found(session(made, more=[said("great, thanks")]), project, cache)
    assert [a.expected for a in record.attempts] == ["unknown"]
    assert any("the last test run ends with exit code 1" in r for r in record.attempts[0].reasons)


def test_a_complaint_that_ended_the_session_makes_its_last_state_wrong(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET})
    recorded = session([edit("a.py", "hello ", "helo ")], more=[said("still broken, I give up")])
    record, _ = found(recorded, project, cache)
    assert [(a.name, a.expected) for a in record.attempts] == [("last", "fail")]


def test_a_replay_with_gaps_proves_nothing(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    calls = [edit("a.py", "hello ", "helo "), edit("a.py", "no such text", "x")]
    record, _ = found(session(calls, more=[said("still broken")]), project, cache)
    assert [a.expected for a in record.attempts] == ["unknown"]
    assert "could not be replayed, in a.py" in record.attempts[0].doubts[0]


def test_the_record_holds_no_secret_and_no_name(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    token = "ghp_" + "aB3" * 12
    calls = [edit("a.py", "'hello '", f"'{token} /home/somebody/x '")]
    recorded = session(calls, more=[said(f"still broken with {token}")])
    files = as_files(*found(recorded, project, cache))
    assert set(files) == {"attempts.json", "attempts/last.patch"}
    assert all(token.encode() not in data for data in files.values())
    assert b"/home/somebody" not in files["attempts/last.patch"]


def test_a_session_without_edits_has_no_attempt(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    record, patches = found(session([ran("ls")]), project, cache)
    assert (record.attempts, patches) == ([], {})
    assert "no edit" in record.note
