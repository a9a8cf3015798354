"""What of a user's words becomes the instruction: those of the task that the outcome solved."""

from __future__ import annotations

import pytest

from agent.briefing import wish
from agent.session.model import Edit, Session, ToolCall, Turn
from tests.agent.origin.conftest import ROOT, edit, ran, session

PLAN = "/home/somebody/.claude/plans/next.md"
MORE = "at the top of the page, keep the address visible"
COMMIT = "git add -A && git commit -m 'Say hello'"


def with_later(*before: Turn, path: str = f"{ROOT}/page.py") -> Session:
    """A session with one more wish after some turns, which an edit answers."""
    asked = Turn(role="user", text=MORE)
    answered = Turn(role="agent", calls=[ToolCall(tool="Edit", edits=[Edit(path=path, new="x")])])
    return session([edit("a.py", "hello ", "hi ")], more=[*before, asked, answered])


def test_a_later_wish_of_the_same_task_is_part_of_the_instruction() -> None:
    assert MORE in wish(with_later())


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (COMMIT, "[main 0123abc] Say hello\n 1 file changed"),
        (f"rtk {COMMIT}", "ok ✓ 1 file changed, 1 insertion(+)\nok ✓"),
        ("git commit -q -m 'Say hello' && git log -1 --oneline", "0123abc Say hello"),
        ("git -C /srv/x commit -aqm 'Say hello'", ""),
    ],
)
def test_what_is_wished_after_the_work_was_committed_is_another_task(
    command: str, output: str
) -> None:
    committed = Turn(role="agent", calls=[ran(command, output)])
    assert MORE not in wish(with_later(committed))


@pytest.mark.parametrize(
    ("command", "output", "exit_code"),
    [
        (COMMIT, "nothing to commit, working tree clean", 1),
        (f"rtk {COMMIT}", "ok ✓ 1 file changed\nFAILED: git commit\nhusky - script failed", 0),
        ("git commit -q -m 'Say hello'", "husky - script failed", 1),
        ("git log --grep commit -q", "0123abc Say hello", 0),
    ],
)
def test_a_commit_that_failed_ends_no_task(command: str, output: str, exit_code: int) -> None:
    tried = Turn(role="agent", calls=[ran(command, output, exit_code=exit_code)])
    assert MORE in wish(with_later(tried))


def test_a_wish_that_only_led_to_a_plan_is_no_part_of_the_work() -> None:
    assert MORE not in wish(with_later(path=PLAN))
