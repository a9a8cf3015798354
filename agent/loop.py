"""The agent loop: ask the model, run its commands, tell it what came back, until it is done.

A reply without a command is a submission. What ends a run is an exception: `Submitted` within,
`BudgetSpent` and `ProviderError` for the caller. Everything said is in the trajectory before the
next thing happens, so a run may die at any moment and be taken up again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import prompts
from agent.budget import Budget, BudgetSpent, Spending
from agent.errors import ProviderError
from agent.models.base import Call, Model, Reply
from agent.trajectory import Trajectory
from tools.terminal import Terminal

IDLE_SUBMISSIONS = 2
"""Submissions in a row that the gate judges: after the second without a command in between, the
model has nothing to add. The second is let through, because a check may rightly be doubted."""

UNPRICED = (
    "No price is known for {model}: the budget in dollars cannot hold it back. "
    "Limit tokens or turns instead."
)


class Submitted(Exception):
    """A submission was accepted."""


@dataclass(frozen=True)
class QueryStarted:
    """The model is being asked for turn number `turn`."""

    turn: int


@dataclass(frozen=True)
class QueryFinished:
    """The model answered; `spending` is the live account, not a copy."""

    turn: int
    reply: Reply
    spending: Spending


@dataclass(frozen=True)
class CommandStarted:
    """A command begins to run."""

    turn: int
    command: str


@dataclass(frozen=True)
class CommandFinished:
    """A command came back; `output` is what the model reads."""

    turn: int
    command: str
    output: str


@dataclass(frozen=True)
class SubmissionStarted:
    """The draft is being judged for the `number`th time."""

    number: int


@dataclass(frozen=True)
class SubmissionFinished:
    """The draft was judged; `report` is None when it was accepted."""

    number: int
    report: str | None


@dataclass(frozen=True)
class Notice:
    """Something the user should know, in one sentence."""

    text: str


Event = (
    QueryStarted
    | QueryFinished
    | CommandStarted
    | CommandFinished
    | SubmissionStarted
    | SubmissionFinished
    | Notice
)


def run(
    model: Model,
    terminal: Terminal,
    *,
    system: str,
    first: str,
    budget: Budget,
    trajectory: Trajectory,
    submit: Callable[[], str | None],
    on_event: Callable[[Event], None] = lambda _: None,
) -> None:
    """Drive a model until a submission of it is accepted.

    A trajectory that already holds a conversation is taken up where it stopped: `system` and
    `first` stay as they were recorded, and the commands that never came back are run. The caller
    has run `trajectory.commands` in the new sandbox before.

    Args:
        model: answers.
        terminal: runs the model's commands.
        system: the system prompt.
        first: the first user message.
        budget: limits, earlier runs of the same trajectory included.
        trajectory: takes everything down; saved after every turn and at every end.
        submit: judges the draft; returns None to accept it, else the report the model reads next.
        on_event: told what happens.

    Raises:
        BudgetSpent: a limit is reached, or the model submits again and again without any change.
        ProviderError: the provider failed for good, or the model declined to go on.
        sandbox.errors.SandboxError: the sandbox failed.
    """
    if trajectory.accepted:
        return
    loop = _Loop(model, terminal, budget, trajectory, submit, on_event)
    try:
        if trajectory.resumed:
            loop.execute(trajectory.outstanding)
            trajectory.say(prompts.render("resumed"))
        else:
            trajectory.begin(system, first)
        while True:
            loop.step()
            trajectory.save()
    except Submitted:
        return
    finally:
        trajectory.save()


@dataclass
class _Loop:
    """The parts of one run; `idle` counts submissions since the last command."""

    model: Model
    terminal: Terminal
    budget: Budget
    trajectory: Trajectory
    submit: Callable[[], str | None]
    on_event: Callable[[Event], None]
    idle: int = 0
    warned: bool = False

    def step(self) -> None:
        """One turn: a query, and what its reply asks for."""
        reply = self.query()
        if reply.stop == "refusal":
            raise ProviderError(
                f"{self.model.name} declined to go on: {reply.text or 'it gave no reason'}. "
                "What it made so far is kept; another model can take the build up."
            )
        if reply.stop == "length":
            self.trajectory.say(prompts.render("cut"))
        elif reply.calls:
            self.execute(reply.calls)
        else:
            self.judge()

    def query(self) -> Reply:
        """Ask for the next reply, if the budget allows it."""
        spending = self.trajectory.spending
        self.budget.check(spending)
        turn = spending.turns + 1
        self.on_event(QueryStarted(turn))
        reply = self.model.query(self.trajectory.system, self.trajectory.messages)
        self.trajectory.reply(reply, self.model.name)
        self.on_event(QueryFinished(turn, reply, spending))
        if self.budget.dollars is not None and spending.unpriced and not self.warned:
            self.warned = True
            self.on_event(Notice(UNPRICED.format(model=self.model.name)))
        return reply

    def execute(self, calls: tuple[Call, ...]) -> None:
        """Run the reply's commands in order."""
        self.idle = 0
        turn = self.trajectory.spending.turns
        for call in calls:
            if call.error:
                self.trajectory.result(call, call.error)
                continue
            self.on_event(CommandStarted(turn, call.command))
            left = self.budget.seconds_left(self.trajectory.spending)
            output = self.terminal.run(call.command, at_most_s=left)
            self.trajectory.result(call, output)
            self.on_event(CommandFinished(turn, call.command, output))

    def judge(self) -> None:
        """Have the draft judged; end the run if it is accepted."""
        if self.idle >= IDLE_SUBMISSIONS:
            raise BudgetSpent("submissions without a change", self.idle, IDLE_SUBMISSIONS)
        self.idle += 1
        number = self.trajectory.spending.submissions + 1
        self.on_event(SubmissionStarted(number))
        report = self.submit()
        self.trajectory.submission(report)
        self.on_event(SubmissionFinished(number, report))
        if report is None:
            raise Submitted
