"""What git printed in a session tells which commit was checked out and what was not committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.origin.start import StartState, find_start
from agent.session.model import GitFacts, Session, ToolCall
from tests.agent.origin.conftest import ROOT, Project, opened, ran, session, view

GREET = "def greet(name):\n    return 'hello ' + name\n"
LONG = "".join(f"line {number}\n" for number in range(1, 41))


def start(project: Project, cache: Path, calls: list[ToolCall], **more: object) -> StartState:
    with opened(project, cache) as repository:
        return find_start(session(calls, **more), repository)  # type: ignore[arg-type]


@pytest.fixture
def line(project: Project) -> list[str]:
    """Six commits in a row, ten minutes apart, that the contents seen cannot tell apart."""
    return [
        project.commit(
            {"a.py": GREET, "n.txt": f"{number}\n"}, f"step {number}", minutes=number * 9
        )
        for number in range(6)
    ]


PRINTED = {
    "log": ("git log --oneline -3", "{sha:.8} step 2\n"),
    "behind other commands": (
        f"cd {ROOT} && git fetch -q && echo '== now' && git log --oneline -1 && git status",
        "== now\n{sha:.8} step 2\nOn branch main\n",
    ),
    "decorated": ("git log --all --graph", "* 0123456 x\n* {sha:.9} (HEAD -> main) step 2\n"),
    "rev-parse": ("git rev-parse --short HEAD", "{sha:.7}\n"),
    "branch": ("git branch -vv", "  old 0123456 x\n* main {sha:.8} [origin/main] step 2\n"),
    "worktrees": ("git worktree list", "/home/x/y 0123456 [y]\n" + ROOT + "  {sha:.8} [main]\n"),
    "stash": (
        "git stash",
        "Saved working directory and index state WIP on main: {sha:.8} step 2\n",
    ),
    "pull": ("git pull", "From x\nUpdating {sha:.8}..0123456\nFast-forward\n"),
    "switch": ("git switch other", "Previous HEAD position was {sha:.8} step 2\n"),
}


@pytest.mark.parametrize("which", PRINTED)
def test_git_names_the_commit(project: Project, cache: Path, line: list[str], which: str) -> None:
    command, output = PRINTED[which]
    found = start(project, cache, [view("a.py", GREET), ran(command, output.format(sha=line[2]))])
    assert (found.commit, found.method) == (line[2], "git")
    assert "git" in found.reasons[0]


def test_the_sessions_own_commit_stands_on_the_start(
    project: Project, cache: Path, line: list[str]
) -> None:
    project.git("checkout", "-q", "-b", "topic", line[3])
    own = project.commit({"a.py": "new\n"}, minutes=70)
    calls = [
        ran("git checkout -b topic"),
        ran("git commit -am x", f"[topic {own[:7]}] x\n 1 file\n"),
    ]
    assert start(project, cache, calls).commit == line[3]


@pytest.mark.parametrize(
    ("status", "behind"),
    [
        ("## main...origin/main [behind 2]\n M x\n", 2),
        ("## main...origin/main\n", 0),
        ("On branch main\nYour branch is behind 'origin/main' by 3 commits, and can be\n", 3),
        ("On branch main\nYour branch is up to date with 'origin/main'.\n", 0),
    ],
)
def test_a_distance_from_what_was_fetched_leads_to_the_commit(
    project: Project, cache: Path, line: list[str], status: str, behind: int
) -> None:
    fetched = f"From github.com:x/y\n   0123456..{line[4][:7]}  main -> origin/main\n"
    found = start(project, cache, [ran("git fetch && git status -sb", fetched + status)])
    assert found.commit == line[4 - behind]


@pytest.mark.parametrize(
    "calls",
    [
        [ran("git checkout other"), ran("git log -1 --oneline", "{sha:.8} x\n")],
        [ran("cd /elsewhere && git log -1 --oneline", "{sha:.8} x\n")],
        [ran("git -C ../other log -1 --oneline", "{sha:.8} x\n")],
        [ran("git log --oneline -3 -- a.py", "{sha:.8} x\n")],
        [ran("cat notes && git log --oneline -1", "{sha:.8} a note\n0123456 x\n")],
        [ran("git status -sb", "## main...origin/main [ahead 1, behind 2]\n")],
        [ran("git log -1 --oneline", "ffffffff x\n")],
    ],
    ids=[
        "moved",
        "elsewhere",
        "other tree",
        "of a file",
        "not git's",
        "diverged",
        "not in history",
    ],
)
def test_what_git_says_of_something_else_is_not_taken(
    project: Project, cache: Path, line: list[str], calls: list[ToolCall]
) -> None:
    for call in calls:
        assert call.command is not None
        call.command.output = call.command.output.format(sha=line[1])
    found = start(project, cache, calls)
    assert (found.commit, found.method) == (line[-1], "time")


def test_names_of_committed_contents_tell_the_commit(project: Project, cache: Path) -> None:
    project.commit({"a.py": "1\n", "b.py": "x\n"}, minutes=0)
    true = project.commit({"a.py": "2\n"}, minutes=10)
    name = project.git("rev-parse", f"{true}:a.py")
    project.commit({"a.py": "3\n"}, minutes=20)
    printed = (
        f"diff --git a/a.py b/a.py\nindex {name[:7]}..abcdef0 100644\n--- a/a.py\n+++ b/a.py\n"
    )
    found = start(project, cache, [ran("git diff", f"{printed}@@ -1 +1 @@\n-2\n+two\n")])
    assert (found.commit, found.unknown) == (true, [])


def dirty(project: Project) -> tuple[str, str, str]:
    """A commit, uncommitted work on it, and what `git diff` prints of that."""
    true = project.commit({"a.py": LONG, "b.py": "x\n"})
    work = LONG.replace("line 7\n", "line seven\nand more\n").replace("line 30\n", "")
    (project.path / "a.py").write_text(work)
    return true, work, project.git("diff")


def test_uncommitted_work_that_git_printed_is_recovered_whole(
    project: Project, cache: Path
) -> None:
    true, work, printed = dirty(project)
    project.git("checkout", "-q", "--", ".")
    found = start(project, cache, [ran("git diff", printed + "\n")])
    assert (found.commit, found.overlay) == (true, {"a.py": work.encode()})
    assert (found.recovered, found.uncommitted) == (["a.py"], "1 uncommitted file: 1 recovered")


def test_secrets_in_uncommitted_work_do_not_leave_but_public_values_stay(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET, "who.txt": "bob@shop.de\n"})
    work = GREET + "KEY = 'ghp_" + "a1B2" * 9 + "'\nWHO = 'bob@shop.de'\n"
    found = start(project, cache, [view("a.py", work)])
    text = found.overlay["a.py"].decode()
    assert text == GREET + "KEY = 'REDACTED_GITHUB_TOKEN_1'\nWHO = 'bob@shop.de'\n"
    assert (found.recovered, found.guessed) == ([], ["a.py"])


def test_a_difference_that_was_cut_is_not_taken_for_the_work(project: Project, cache: Path) -> None:
    _, _, printed = dirty(project)
    cut = printed[: printed.rindex("@@ -")]
    for calls in (
        [ran("git diff", cut)],
        [ran("ruff format ."), ran("git diff", printed)],
        [ran("git diff main~3", printed)],
    ):
        assert start(project, cache, calls).overlay == {}


def test_parts_that_lie_against_one_another_make_a_guess(project: Project, cache: Path) -> None:
    project.commit({"a.py": LONG})
    work = ("new\n" + LONG).splitlines(keepends=True)
    parts = [
        view("a.py", "".join(work[:15]), whole=False),
        view("a.py", "".join(work[10:30]), 11, whole=False),
    ]
    found = start(project, cache, parts)
    assert (found.overlay, found.guessed) == ({"a.py": "".join(work).encode()}, ["a.py"])
    gap = [parts[0], view("a.py", "".join(work[20:30]), 21, whole=False)]
    found = start(project, cache, gap)
    assert (found.overlay, found.unknown) == ({}, ["a.py"])
    assert found.uncommitted == "1 uncommitted file: 1 unknown"


def test_a_branch_that_was_deleted_is_found_by_its_merge(project: Project, cache: Path) -> None:
    project.commit({"a.py": GREET}, minutes=0)
    project.git("checkout", "-q", "-b", "topic")
    true = project.commit({"b.py": "1\n"}, minutes=10)
    project.git("checkout", "-q", "main")
    project.commit({"c.py": "1\n"}, minutes=20)
    project.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7 from ann/topic", "topic")
    project.git("branch", "-q", "-D", "topic")
    found = start(project, cache, [view("a.py", GREET)], git=GitFacts(branch="topic"))
    assert found.commit == true


def test_a_branch_that_was_deleted_is_found_by_its_commits_words(
    project: Project, cache: Path
) -> None:
    project.commit({"a.py": GREET}, minutes=0)
    project.git("checkout", "-q", "-b", "pull-7")
    true = project.commit({"b.py": "1\n"}, "feat: polite greetings for guests", minutes=10)
    project.git("checkout", "-q", "main")
    project.commit({"c.py": "1\n"}, minutes=20)
    facts = GitFacts(branch="feat/polite-guest-greeting")
    assert start(project, cache, [view("a.py", GREET)], git=facts).commit == true


def test_commands_that_never_end_take_no_time(project: Project, cache: Path) -> None:
    true = project.commit({"a.py": GREET})
    nasty = [
        "git " * 5000,
        "'\"" * 9000,
        "cd a && " * 2400,
        "git -C x " * 2000,
        "git log " + "-1 " * 6000,
    ]
    calls = [ran(text, "## a...b" * 20_000 + "\n* " * 20_000) for text in nasty]
    assert isinstance(session(calls), Session)
    assert start(project, cache, calls).commit == true
