"""The check that nothing needs the network once base image and package layers exist."""

from __future__ import annotations

import re

from agent.gate.said import Said, failed, listing, passed
from agent.gate.trials import Trials
from sandbox.errors import BuildFailed

_DOWNLOADS = re.compile(
    r"\b(pip3?|uv|poetry|pdm|pipx)\s+(pip\s+)?(install|add|sync|download)\b"
    r"|\b(npm|pnpm|yarn|bun)\s+(i|ci|install|add|x|dlx)\b"
    r"|\b(npx|bunx|uvx)\s+(?!--no-install|--offline|--no\b)\S"
    r"|\b(curl|wget)\s+(-\S+\s+)*['\"]?(https?|ftp):"
    r"|\b(apt|apt-get|apk|dnf|yum)\s+(-\S+\s+)*(install|update|add)\b"
    r"|\bgit\s+(clone|fetch|pull)\b|\bgo\s+(get|install)\b|\bcargo\s+(fetch|install)\b"
    r"|\b(gem|bundle)\s+install\b"
)
_LOCAL = re.compile(
    r"--(no-index|offline|find-links|no-install|no-deps\s+-?e?\s*[./])|127\.0\.0\.1|localhost"
)
_SHELL = re.compile(r"\.(sh|bash)$")


def offline(trials: Trials) -> Said:
    """Solving and grading work with the network off, and nothing is downloaded meanwhile.

    Nop and oracle are graded without a network; test and solve scripts are searched for commands
    that download; the image builds again from its layers with the network off; and for an
    environment of Kettle's `[environment] network_mode` is `no-network`, because a solver with a
    network can look the outcome up.
    """
    problems: list[str] = []
    commands = downloads(trials)
    if commands:
        problems.append(listing(commands, "Commands that download while solving or grading:"))
    if trials.environment.kettle and (
        trials.environment.config.environment.network_mode != "no-network"
    ):
        problems.append('task.toml does not say [environment] network_mode = "no-network".')
    if trials.online_grader is not None:
        problems.append("The oracle earns its reward only with the network on.")
    if trials.build_context and trials.image is not None:
        try:
            trials.engine.build(trials.build_context, network=False)
        except BuildFailed as e:
            problems.append(
                f"Built again with the network off, the image fails: {e}\n{e.log[-800:]}"
            )
    if problems:
        return failed(
            "the network is needed",
            *problems,
            "Install what the verifier needs in environment/Dockerfile; the tests find it there.",
            commands=commands,
        )
    return passed("built again, solved and graded without a network")


def downloads(trials: Trials) -> list[str]:
    """Commands of the task's test and solve scripts that download, with their places."""
    found: list[str] = []
    for folder in ("tests", "solution"):
        for name, data in trials.environment.files(folder):
            if not _SHELL.search(name):
                continue
            text = data.decode("utf-8", "replace").replace("\\\n", "  ")
            for number, line in enumerate(text.splitlines(), start=1):
                code = re.sub(r"(^|\s)#.*", "", line)
                if _DOWNLOADS.search(code) and not _LOCAL.search(code):
                    found.append(f"{name}:{number}: {line.strip()[:200]}")
    return found
