"""The outcome: which later commits solved the task, and the patch they make of the start."""

from __future__ import annotations

import subprocess
from pathlib import Path

from agent.origin.outcome import OutcomeCandidate, find_outcome
from agent.origin.patch import Outcome, outcome_patch
from agent.origin.start import StartState, find_start
from agent.session.model import Session, Turn
from tests.agent.origin.conftest import Project, edit, opened, ran, session, view, write

GREET = (
    "def greet(name):\n    return 'hello ' + name\n\n\ndef part(name):\n    return 'bye ' + name\n"
)
BETTER = GREET.replace("    return 'hello '", "    name = name.title()\n    return 'good day '")
TEST = "from a import greet\n\n\ndef test_greet():\n    assert greet('ann') == 'good day Ann'\n"


def found(
    recorded: Session, project: Project, cache: Path
) -> tuple[StartState, list[OutcomeCandidate]]:
    with opened(project, cache) as repository:
        start = find_start(recorded, repository)
        return start, find_outcome(recorded, repository, start)


def patched(project: Project, cache: Path, start: StartState, commits: list[str]) -> Outcome:
    with opened(project, cache) as repository:
        return outcome_patch(repository, start, commits)


def applied(project: Project, start: StartState, patch: bytes) -> dict[str, str]:
    """The work tree after the start state is laid out and the patch applied by git."""
    project.git("checkout", "-q", "--force", start.commit)
    for name, data in start.overlay.items():
        (project.path / name).write_bytes(data)
    subprocess.run(["git", "apply"], cwd=project.path, input=patch, check=True)
    names = [p for p in project.path.iterdir() if p.is_file()]
    return {p.name: p.read_bytes().decode() for p in names}


CALLS = [
    view("a.py", GREET),
    edit("a.py", "    return 'hello '", "    name = name.title()\n    return 'good day '", GREET),
    write("test_a.py", TEST),
]


def test_the_commit_with_the_sessions_lines_comes_first(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    project.commit({"readme.md": "words\n"}, "make the greeting friendlier some day", minutes=61)
    true = project.commit({"a.py": BETTER, "test_a.py": TEST}, "politeness", minutes=70)
    project.commit({"a.py": BETTER + "# end\n"}, "note", minutes=80)
    _, ranked = found(session(CALLS), project, cache)
    assert ranked[0].commits == [true]
    assert ranked[0].score > 0.8
    assert (ranked[0].tests, ranked[0].sources) == (["test_a.py"], ["a.py"])
    assert any("100% of the lines" in reason for reason in ranked[0].reasons)


def test_two_commits_with_other_work_between_are_one_outcome(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET, "c.py": "1\n"})
    one = project.commit({"a.py": BETTER}, "politeness", minutes=70)
    other = project.commit({"c.py": "2\n"}, "unrelated", minutes=71)
    two = project.commit({"test_a.py": TEST}, "test of politeness", minutes=72)
    start, ranked = found(session(CALLS), project, cache)
    assert ranked[0].commits == [one, two]
    outcome = patched(project, cache, start, ranked[0].commits)
    assert (outcome.method, outcome.in_between) == ("picked", [other])
    tree = applied(project, start, outcome.patch)
    assert (tree["a.py"], tree["test_a.py"], tree["c.py"]) == (BETTER, TEST, "1\n")


def test_a_rebased_outcome_is_carried_over_onto_the_start(project: Project, cache: Path) -> None:
    start_commit = project.commit({"a.py": GREET, "c.py": "1\n"})
    project.git("checkout", "-q", "-b", "topic")
    project.commit({"a.py": BETTER}, "politeness", minutes=70)
    project.git("checkout", "-q", "main")
    between = GREET.replace("'bye '", "'farewell '")
    project.commit({"a.py": between, "c.py": "2\n"}, "unrelated", minutes=65)
    project.git("cherry-pick", "topic")
    landed = project.git("rev-parse", "HEAD")
    project.git("branch", "-q", "-D", "topic")
    start, ranked = found(session(CALLS[:2]), project, cache)
    assert start.commit == start_commit
    assert ranked[0].commits == [landed]
    outcome = patched(project, cache, start, ranked[0].commits)
    assert outcome.method == "picked"
    assert applied(project, start, outcome.patch)["a.py"] == BETTER


def test_the_same_change_on_two_branches_counts_once(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET, "c.py": "1\n"})
    project.git("checkout", "-q", "-b", "topic")
    first = project.commit({"a.py": BETTER}, "politeness", minutes=70)
    project.git("checkout", "-q", "main")
    project.commit({"c.py": "2\n"}, "unrelated", minutes=75)
    second = project.commit({"a.py": BETTER}, "politeness (#7)", minutes=90)
    _, ranked = found(session(CALLS[:2]), project, cache)
    assert ranked[0].commits == [first]
    assert ranked[0].same_as == [second]
    assert second not in [sha for other in ranked[1:] for sha in other.commits]


def test_an_outcome_that_does_not_apply_falls_back_and_says_so(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET, "c.py": "1\n"})
    project.commit({"a.py": GREET.replace("hello", "HELLO"), "c.py": "2\n"}, "shout", minutes=65)
    final = GREET.replace("hello", "HELLO").replace("    return 'HELLO '", "    return 'Hi! '")
    last = project.commit({"a.py": final}, "greet", minutes=70)
    recorded = session([view("a.py", GREET), edit("a.py", "'hello '", "'Hi! '", GREET)])
    start, _ = found(recorded, project, cache)
    outcome = patched(project, cache, start, [last])
    assert outcome.method == "restricted"
    assert "does not apply" in outcome.notes[0]
    tree = applied(project, start, outcome.patch)
    assert (tree["a.py"], tree["c.py"]) == (final, "1\n")


def test_the_patch_applies_on_uncommitted_work(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET, "notes.txt": "old\n"})
    done = project.commit({"a.py": BETTER, "notes.txt": "new\n"}, "politeness", minutes=70)
    recorded = session([view("notes.txt", "half new\n"), *CALLS[:2]])
    start, ranked = found(recorded, project, cache)
    assert start.overlay == {"notes.txt": b"half new\n"}
    assert ranked[0].commits == [done]
    outcome = patched(project, cache, start, [done])
    assert outcome.method == "range"
    assert applied(project, start, outcome.patch)["notes.txt"] == "new\n"


def test_a_commit_that_the_session_made_is_its_outcome_and_later_tasks_are_not(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET})
    own = project.commit({"a.py": BETTER}, "politeness", minutes=62)
    later = project.commit({"b.py": "second task\n" * 3}, "another", minutes=64)
    more = [
        Turn(role="user", text="now something else"),
        Turn(
            role="agent",
            calls=[
                write("b.py", "second task\n" * 3),
                ran("git commit -am another", f"[main {later[:7]}] another\n"),
            ],
        ),
    ]
    calls = [*CALLS[:2], ran("git commit -am x", f"[main {own[:7]}] politeness\n")]
    _, ranked = found(session(calls, more=more), project, cache)
    assert ranked[0].commits == [own]
    assert "printed it" in ranked[0].reasons[0]


def test_a_commit_that_brings_the_transcript_is_the_outcome_of_a_bare_export(
    project: Project, cache: Path
) -> None:
    prompt = "There are errors in the greeting module, please look at the log and fix them"
    project.commit({"a.py": GREET})
    project.commit({"b.py": "1\n"}, "fix errors in the greeting log", minutes=62)
    true = project.commit(
        {"a.py": BETTER, ".specstory/history/x.md": f"_**User**_\n\n{prompt}\n"},
        "update",
        minutes=70,
    )
    _, ranked = found(session([], prompt=prompt), project, cache)
    assert ranked[0].commits == [true]
    assert any("transcript .specstory/history/x.md" in reason for reason in ranked[0].reasons)


def test_a_session_without_later_commits_has_no_outcome(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET})
    _, ranked = found(session(CALLS), project, cache)
    assert ranked == []


def test_commits_of_other_things_score_low(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET, "c.py": "1\n"})
    project.commit({"c.py": "2\n"}, "bump version", minutes=70)
    _, ranked = found(session(CALLS), project, cache)
    assert ranked[0].score < 0.3


def test_a_file_whose_name_holds_a_newline_goes_through(project: Project, cache: Path) -> None:
    odd = "two\nlines.txt"
    project.commit({"a.py": GREET, odd: "1\n", "c.py": "1\n"})
    project.commit({"c.py": "2\n"}, "unrelated", minutes=69)
    done = project.commit({"a.py": BETTER, odd: "2\n"}, "politeness", minutes=70)
    start, ranked = found(session(CALLS[:2]), project, cache)
    assert ranked[0].commits == [done]
    outcome = patched(project, cache, start, [done])
    assert outcome.files == ["a.py", odd]
    assert applied(project, start, outcome.patch)[odd] == "2\n"
