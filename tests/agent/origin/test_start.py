"""The start state: the commit whose contents the session saw, and what lay over it."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from agent.errors import RepositoryError
from agent.origin.start import find_start
from agent.repo import Repository
from agent.session.model import GitFacts, Turn
from tests.agent.origin.conftest import NOON, Project, edit, opened, ran, session, view, write

GREET = "def greet(name):\n    return 'hello ' + name\n"


def test_of_the_commits_that_fit_equally_the_latest_before_the_session_is_the_start(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": "x = 0\n", "b.py": "y = 0\n"}, minutes=0)
    project.commit({"a.py": GREET}, minutes=10)
    true = project.commit({"other.txt": "not seen\n"}, minutes=20)
    project.commit({"other.txt": "after the session\n"}, minutes=90)
    with opened(project, cache) as repository:
        found = find_start(session([view("a.py", GREET), view("b.py", "y = 0\n")]), repository)
    assert (found.commit, found.method, found.fit, found.observed) == (true, "contents", 1.0, 2)
    assert not found.overlay


def test_a_stale_checkout_is_found_by_its_contents(project: Project, cache: Path) -> None:
    true = project.commit({"a.py": GREET, "b.py": "1\n"}, minutes=0)
    for minutes in range(1, 30):
        project.commit({"a.py": f"{GREET}# {minutes}\n"}, minutes=minutes)
    with opened(project, cache) as repository:
        found = find_start(session([view("a.py", GREET)]), repository)
    assert found.commit == true


def test_contents_on_a_branch_that_was_never_merged_are_found(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": "old\n"}, minutes=0)
    project.git("checkout", "-q", "-b", "topic")
    true = project.commit({"a.py": GREET}, minutes=10)
    project.git("checkout", "-q", "main")
    project.commit({"b.py": "1\n"}, minutes=20)
    with opened(project, cache) as repository:
        found = find_start(session([view("a.py", GREET)]), repository)
    assert found.commit == true


def test_the_sessions_branch_decides_between_equals(project: Project, cache: Path) -> None:
    base = project.commit({"a.py": GREET}, minutes=0)
    project.git("checkout", "-q", "-b", "topic")
    project.commit({"b.py": "1\n"}, minutes=10)
    facts = GitFacts(branch="main")
    with opened(project, cache) as repository:
        found = find_start(session([view("a.py", GREET)], git=facts), repository)
    assert found.commit == base
    assert any("branch 'main'" in reason for reason in found.reasons)


def test_line_ends_and_a_missing_last_one_do_not_count(project: Project, cache: Path) -> None:
    project.commit({"a.py": "nothing\n"}, minutes=0)
    true = project.commit({"a.py": GREET.replace("\n", "\r\n")}, minutes=10)
    project.commit({"a.py": "something\n"}, minutes=20)
    with opened(project, cache) as repository:
        found = find_start(session([view("a.py", GREET.rstrip("\n"))]), repository)
    assert (found.commit, found.fit, found.overlay) == (true, 1.0, {})


def test_parts_search_hits_and_old_texts_are_evidence_too(project: Project, cache: Path) -> None:
    body = "".join(f"line number {n}\n" for n in range(1, 60))
    project.commit({"a.txt": body, "b.py": "value = compute(1)\n", "c.py": "keep = 'old'\n"})
    true = project.commit(
        {
            "a.txt": body.replace("number 31", "number thirty-one"),
            "b.py": "value = compute(2)\n",
            "c.py": "keep = 'an older thing'\n",
        },
        minutes=10,
    )
    project.commit({"a.txt": "x\n", "b.py": "x\n", "c.py": "x\n"}, minutes=20)
    seen = [
        view("a.txt", "line number 30\nline number thirty-one\n", start=30, whole=False),
        ran("grep -rn compute .", "./b.py:1:value = compute(2)\n"),
        edit("c.py", "'an older thing'", "'new'"),
    ]
    with opened(project, cache) as repository:
        found = find_start(session(seen), repository)
    assert (found.commit, found.fit, found.observed) == (true, 1.0, 3)


def test_reading_commands_show_contents(project: Project, cache: Path) -> None:
    project.commit({"a.py": "one\n", "b.py": "first line\nsecond line\nthird line\n"})
    true = project.commit({"a.py": GREET, "b.py": "first line\nsecond line!\nthird line\n"})
    project.commit({"a.py": "two\n", "b.py": "other\n"}, minutes=5)
    seen = [ran("cat a.py", GREET), ran("sed -n '2,3p' b.py", "second line!\nthird line\n")]
    with opened(project, cache) as repository:
        found = find_start(session(seen), repository)
    assert (found.commit, found.fit) == (true, 1.0)


def test_what_the_session_wrote_itself_is_no_evidence(project: Project, cache: Path) -> None:
    true = project.commit({"a.py": GREET, "b.py": "1\n"}, minutes=0)
    changed = GREET.replace("hello", "hi")
    project.commit({"a.py": changed}, minutes=90)
    seen = [edit("a.py", "hello", "hi", before=GREET), view("a.py", changed)]
    with opened(project, cache) as repository:
        found = find_start(session(seen), repository)
    assert (found.commit, found.fit, found.overlay) == (true, 1.0, {})


def test_uncommitted_work_is_laid_over_the_commit(project: Project, cache: Path) -> None:
    true = project.commit(
        {"a.py": GREET.replace("\n", "\r\n"), "b.py": "1\n", ".gitignore": "*.log\n"}
    )
    dirty = GREET + "# to do\n"
    seen = [
        view("a.py", dirty),
        view("b.py", "1\n"),
        view("notes/plan.md", "a plan\n"),
        view("run.log", "ignored\n"),
        view("../other/x.py", "elsewhere\n"),
    ]
    with opened(project, cache) as repository:
        found = find_start(session(seen), repository)
    assert found.commit == true
    assert found.overlay == {
        "a.py": dirty.replace("\n", "\r\n").encode(),
        "notes/plan.md": b"a plan\n",
    }
    assert sorted(found.recovered) == ["a.py", "notes/plan.md"]
    assert found.fit == 0.5


def test_a_difference_seen_in_part_makes_a_file_unknown(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET, "b.py": "some words that are here\n"})
    seen = [
        view("a.py", GREET),
        view("b.py", "other words that are there\n", whole=False),
        ran("git status --short", " M c.py\n M b.py\n"),
    ]
    with opened(project, cache) as repository:
        found = find_start(session(seen), repository)
    assert found.unknown == ["b.py", "c.py"]
    assert not found.overlay


def test_files_changed_by_commands_of_the_session_are_not_laid_over(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET, "b.py": "1\n"})
    more = [
        Turn(role="user", text="and now the rest"),
        Turn(role="agent", calls=[view("b.py", "formatted = 1\n")]),
    ]
    seen = [view("a.py", GREET), ran("ruff format .")]
    with opened(project, cache) as repository:
        found = find_start(session(seen, more=more), repository)
    assert (found.overlay, found.unknown) == ({}, [])


def test_a_recorded_commit_is_taken_and_its_fit_is_told(project: Project, cache: Path) -> None:
    first = project.commit({"a.py": GREET, "b.py": "1\n"}, minutes=0)
    project.commit({"a.py": "other\n"}, minutes=10)
    facts = GitFacts(commit=first[:9])
    calls = [view("a.py", "other\n"), view("b.py", "1\n")]
    with opened(project, cache) as repository:
        found = find_start(session(calls, git=facts), repository)
    assert (found.commit, found.method, found.fit) == (first, "recorded", 0.5)


def test_a_recorded_commit_that_the_history_lacks_is_replaced_by_the_best_fit(
    project: Project, cache: Path
) -> None:
    true = project.commit({"a.py": GREET})
    project.commit({"a.py": "x\n"}, minutes=10)
    facts = GitFacts(commit="0123456789" * 4)
    with opened(project, cache) as repository:
        found = find_start(session([view("a.py", GREET)], git=facts), repository)
    assert (found.commit, found.method) == (true, "contents")
    assert "not in the history" in found.reasons[0]


def test_a_commit_made_beside_the_running_session_is_not_its_start(
    project: Project, cache: Path
) -> None:
    true = project.commit({"a.py": GREET}, minutes=59)
    sibling = project.commit({"b.py": "by another session\n"}, minutes=61)
    calls = [view("a.py", GREET), ran("git log --oneline -3", f"{sibling[:7]} work\n")]
    facts = GitFacts(commit=sibling[:7])
    with opened(project, cache) as repository:
        found = find_start(session(calls, git=facts), repository)
    assert found.commit == true


def test_a_pull_between_the_tools_start_and_the_first_prompt_is_seen(
    project: Project, cache: Path
) -> None:
    recorded = project.commit({"a.py": "old\n"}, minutes=50)
    true = project.commit({"a.py": GREET}, minutes=55)
    begun = session([view("a.py", GREET)], git=GitFacts(commit=recorded))
    begun = begun.model_copy(update={"started": NOON + timedelta(minutes=52)})
    with opened(project, cache) as repository:
        assert find_start(begun, repository).commit == true


def test_a_rebased_history_whose_dates_are_later_is_still_found(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": "old\n"}, minutes=0)
    true = project.commit({"a.py": GREET}, minutes=10, committed=600)
    project.commit({"a.py": "later\n"}, minutes=100, committed=601)
    with opened(project, cache) as repository:
        found = find_start(session([view("a.py", GREET)]), repository)
    assert found.commit == true


def test_commits_with_dates_in_the_future_are_believed_only_for_their_contents(
    project: Project, cache: Path
) -> None:
    true = project.commit({"a.py": GREET, "b.py": "1\n"}, minutes=5000)
    project.commit({"a.py": "x\n", "b.py": "2\n"}, minutes=6000)
    with opened(project, cache) as repository:
        found = find_start(session([view("a.py", GREET)]), repository)
    assert found.commit == true


def test_without_contents_the_time_decides_and_says_so(project: Project, cache: Path) -> None:
    project.commit({"a.py": "1\n"}, minutes=0)
    true = project.commit({"a.py": "2\n"}, minutes=50)
    project.commit({"a.py": "3\n"}, minutes=70)
    with opened(project, cache) as repository:
        found = find_start(session([]), repository)
    assert (found.commit, found.method, found.observed) == (true, "time", 0)


def test_local_times_without_a_zone_are_read_in_the_committers_zone(
    project: Project, cache: Path
) -> None:
    true = project.commit({"a.py": "1\n"}, minutes=0)
    for minutes in (100, 110):
        stamp = (NOON + timedelta(minutes=minutes + 120)).strftime("%Y-%m-%dT%H:%M:%S+02:00")
        (project.path / "a.py").write_text(f"{minutes}\n")
        project.git("commit", "-qam", "x", f"--date={stamp}", at=NOON + timedelta(minutes=minutes))
    # Three hours after noon on the wall is one hour after noon in UTC, before both commits.
    read_as_utc = session([], minutes=180).model_copy(update={"local_time": True})
    with opened(project, cache) as repository:
        assert find_start(read_as_utc, repository).commit == true


def test_a_commit_that_carries_the_transcript_is_not_the_start(
    project: Project, cache: Path
) -> None:
    prompt = "Please teach the greeting to say good evening after six o'clock"
    true = project.commit({"a.py": GREET}, minutes=0)
    project.commit({"a.py": "x\n", ".specstory/history/one.md": f"_**User**_\n\n{prompt}\n"})
    with opened(project, cache) as repository:
        assert find_start(session([], prompt=prompt), repository).commit == true


def test_windows_paths_and_a_missing_cwd_are_understood(project: Project, cache: Path) -> None:
    true = project.commit({"src/app/a.py": GREET, "b.py": "1\n"}, minutes=0)
    project.commit({"src/app/a.py": "x\n"}, minutes=10)
    call = view("a.py", GREET)
    call.views[0].path = "C:\\Users\\Somebody\\work\\src\\app\\a.py"
    recorded = session([call]).model_copy(update={"cwd": None})
    with opened(project, cache) as repository:
        found = find_start(recorded, repository)
    assert (found.commit, found.fit) == (true, 1.0)


def test_redacted_words_do_not_spoil_the_fit(project: Project, cache: Path) -> None:
    true = project.commit({"a.py": "TOKEN = 'abc'\nname = 'x'\n"}, minutes=0)
    project.commit({"a.py": "TOKEN = 'abc'\nname = 'y'\n"}, minutes=10)
    seen = view("a.py", "TOKEN = 'REDACTED'\nname = 'x'\n")
    with opened(project, cache) as repository:
        found = find_start(session([seen]), repository)
    assert (found.commit, found.fit, found.overlay) == (true, 1.0, {})


def test_hostile_paths_in_a_session_reach_nothing(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    paths = ["../../etc/passwd", "/etc/passwd", "a\nb", ".git/hooks/pre-commit", "a\0b", "..", ""]
    calls = [write(path, "evil\n") for path in paths]
    for path in paths:
        seen = view("a.py", "evil\n")
        seen.views[0].path = path
        calls.append(seen)
    with opened(project, cache) as repository:
        found = find_start(session(calls), repository)
    assert found.overlay == {}


def test_a_history_of_50000_commits_is_searched_in_seconds(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "long.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    base = int(NOON.timestamp()) - 50_000 * 60
    lines = []
    for n in range(50_000):
        text = f"version {n // 400}\n"
        lines.append(
            f"commit refs/heads/main\ncommitter A <a@example.org> {base + n * 60} +0000\n"
            f"data 1\nx\nM 100644 inline src/deep/a.py\ndata {len(text)}\n{text}\n"
            f"M 100644 inline n.txt\ndata {len(str(n))}\n{n}\n"
        )
    feed = "".join(lines).encode()
    subprocess.run(["git", "fast-import", "--quiet"], cwd=path, input=feed, check=True)
    with Repository.open(path, cache=cache) as repository:
        found = find_start(session([view("src/deep/a.py", "version 116\n")]), repository)
        # The latest commit with that content: 117 * 400 - 1, counted from the oldest.
        wanted = repository.run("rev-parse", f"HEAD~{50_000 - 117 * 400}").decode().strip()
    assert (found.commit, found.fit) == (wanted, 1.0)


def test_an_unborn_history_is_an_error(project: Project, cache: Path) -> None:
    with pytest.raises(RepositoryError, match="empty"), opened(project, cache) as repository:
        find_start(session([]), repository)
