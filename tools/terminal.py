"""The one tool: a terminal in the sandbox.

`DEFINITION` is what a model is told; `Terminal.run` runs one command and renders what came back as
the model reads it: a status line that is always ours and always first, then the output, which is
the sandbox's word and not to be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

COMMAND_TIMEOUT_S = 600.0
"""Ten minutes: an install or a test suite fits, a hung server does not eat the build."""

SHORTEST_TIMEOUT_S = 1.0
"""What a command gets at least, however little of the time budget is left."""

WORTH_TELLING_S = 5.0
"""From here on, how long a command took is worth the model's tokens."""

NAME = "terminal"

DEFINITION: Mapping[str, Any] = {
    "name": NAME,
    "description": (
        "Run a command in a bash shell in the sandbox and get its exit code and output (stdout and "
        "stderr together). Every call starts a fresh shell; the working directory carries over, "
        "variables do not. Nobody can answer a prompt: commands must run unattended. A command "
        f"that takes longer than {COMMAND_TIMEOUT_S:.0f} seconds is ended with everything it "
        "started; use `timeout` for a shorter limit, and redirect the output of a background job. "
        "Long output is cut in the middle; the file that holds all of it is named."
    ),
    "parameters": {
        "type": "object",
        "properties": {
            "command": {"type": "string", "description": "The command, as typed into bash."}
        },
        "required": ["command"],
        "additionalProperties": False,
    },
}
"""Name, description and JSON schema, as every provider's format wraps them."""


class Result(Protocol):
    """What `sandbox.container.CommandResult` offers."""

    @property
    def exit_code(self) -> int | None:
        """None when the command ran out of time."""

    @property
    def output(self) -> str:
        """Head and tail of stdout and stderr."""

    @property
    def timed_out(self) -> bool:
        """Whether the command was ended at its timeout."""

    @property
    def seconds(self) -> float:
        """How long it ran."""

    @property
    def cwd(self) -> str:
        """Where the next command starts."""


class Shell(Protocol):
    """What the terminal needs of `sandbox.container.Sandbox`."""

    def run(self, command: str, *, timeout_s: float) -> Result:
        """Run a command in a fresh shell."""


class Terminal:
    """The tool, bound to one sandbox."""

    def __init__(self, shell: Shell, *, timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        """Bind the tool.

        Args:
            shell: the sandbox.
            timeout_s: seconds after which a command is ended.
        """
        self.definition = DEFINITION
        self._shell = shell
        self._timeout_s = timeout_s
        self._cwd: str | None = None

    def run(self, command: str, *, at_most_s: float | None = None) -> str:
        """Run one command and render what came back.

        Args:
            command: what to run.
            at_most_s: seconds left in the budget; None means no limit but the tool's own.

        Raises:
            sandbox.errors.SandboxError: the sandbox failed, not the command.
        """
        if "\0" in command:
            return "[not run: the command holds a NUL character, which bash cannot read]"
        limit = self._timeout_s
        if at_most_s is not None:
            limit = max(SHORTEST_TIMEOUT_S, min(limit, at_most_s))
        result = self._shell.run(encodable(command), timeout_s=limit)
        status = [
            f"timed out after {limit:.0f} s, ended with everything it started"
            if result.timed_out
            else f"exit code {result.exit_code}"
        ]
        if result.seconds >= WORTH_TELLING_S and not result.timed_out:
            status.append(f"{result.seconds:.0f} s")
        if result.cwd != self._cwd:
            status.append(f"now in {encodable(result.cwd)}")
            self._cwd = result.cwd
        if not result.output:
            status.append("no output")
        return f"[{', '.join(status)}]\n{encodable(result.output)}".rstrip("\n")


def encodable(text: str) -> str:
    """`text` without lone surrogates, which neither JSON bodies nor processes can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")
