"""A builder without a model: a fixed recipe that works through the same terminal as any other.

It looks at what the origin search found, installs the project's dependencies as of the session's
date, runs the outcome's own tests on both states, and lets the verifier demand the tests that tell
the states apart, beside those that passed all along, and the user's own `>>>` examples where they
tell the outcome from the start or from an attempt that the user turned down. It is the floor that
every model must beat.

What it cannot do it says, in `UNFINISHED.md` of the draft: an outcome without tests, a project that
does not install, tests that need a runner it does not know, a task whose tests do not tell the
states apart.

The recipe is a generator: it yields commands and is sent their output. To answer a query it is run
again from its beginning with the outputs that the conversation holds, so it keeps no state, and an
interrupted build resumes like any other.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Generator
from typing import Any

from agent.models.base import Call, Message, Reply

Recipe = Generator[str, str, str]
"""Yields commands, is sent their outputs, returns what it says at the end of its turn."""

MAX_MISSING_MODULES = 4
"""Rounds of adding a module that the tests import and no manifest names."""
MAX_FILES_ON_A_LINE = 400
"""Test files named in one command; the rest of a huge suite is left out, and the notes say so."""
SUITE_TIMEOUT_S = 100
"""Seconds for one run of the suite: a verifier must be quick, and five runs fit into a command."""

_PROVIDES = {
    "yaml": "pyyaml",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "dotenv": "python-dotenv",
    "dateutil": "python-dateutil",
    "sklearn": "scikit-learn",
    "cv2": "opencv-python-headless",
    "attr": "attrs",
    "pkg_resources": "setuptools<81",
}
"""Packages whose name is not the module's, among those that tests often import."""


class Baseline:
    """The recipe as a `Model`."""

    name = "baseline"

    def query(self, system: str, messages: list[Message]) -> Reply:
        """The next step of the recipe; see `Model.query`."""
        outputs = [result.content for message in messages for result in message.results]
        recipe = _recipe()
        number = len(outputs)
        try:
            command = next(recipe)
            for output in outputs:
                command = recipe.send(output)
        except StopIteration as end:
            return Reply(text=str(end.value), llm_calls=0)
        return Reply(
            calls=(Call(id=f"baseline-{number}", command=command),), stop="calls", llm_calls=0
        )


def _recipe() -> Recipe:
    facts = _json_line((yield "cat /workbench/origin.json"))
    if not facts:
        return "The evidence in /workbench/origin.json cannot be read."
    tests: list[str] = facts["test_files"]
    project = facts["project"]
    if not facts["outcome"]:
        return (yield from _unfinished("no later commit looks like the outcome of this session"))
    if project["runner"] == "unknown":
        seen = "; ".join(project["reasons"])
        return (yield from _unfinished(f"the tests need a runner that it does not know ({seen})"))
    if not tests:
        return (
            yield from _unfinished(
                "the outcome changes no test that a runner would collect, and a verifier from "
                "behaviour alone needs a builder that can think"
            )
        )
    yield "cd /workbench/repo && git log --oneline -n 15 --stat --no-color -- " + _words(tests)

    if project["language"] == "python":
        installed = yield from _install_python(facts)
    else:
        installed = yield from _install_node(facts)
    if installed:
        return (yield from _unfinished(installed))

    summary: dict[str, Any] = {}
    output = ""
    extra: list[str] = []
    for _ in range(MAX_MISSING_MODULES):
        output = yield _compare(facts)
        summary = _json_line(output)
        missing = _missing_module(output)
        if summary.get("fail_to_pass") or project["language"] != "python" or not missing:
            break
        if missing in extra:
            break
        extra.append(missing)
        yield _lock_python(facts, extra)
    if late := summary.get("out_of_time"):
        return (
            yield from _unfinished(
                f"time ran out: {late}. That is with the outcome's own tests alone. Build it again "
                "with --fresh when the machine has less to do, or take a builder that can think, "
                "which may choose among the tests"
            )
        )
    if not summary:
        why = _out_of_time(output) or "they ended with: " + _last_line(output)
        return (yield from _unfinished(f"the tests could not be run on the two states: {why}"))
    if not summary["ran"]:
        return (yield from _unfinished("no test runs on the outcome's state"))
    if not summary["fail_to_pass"]:
        return (
            yield from _unfinished(
                f"none of the {summary['ran']} tests that run tells the start state from the "
                "outcome: each passes on both or fails on both"
            )
        )

    examples = 0
    if project["language"] == "python":
        told = _json_line((yield "python3 /workbench/aids/user_examples.py"))
        examples = int(told.get("examples") or 0)
    yield _notes(facts, summary, extra, examples)
    report = yield "check full"
    if re.search(r"\bgcc\b|Python\.h", report) and project["language"] == "python":
        # Some package has no wheel for this Python and is compiled while the image is built.
        yield (
            "sed -i 's/ python3-venv tini/ python3-venv tini build-essential python3-dev/' "
            "/workbench/draft/environment/Dockerfile && cat /workbench/draft/environment/Dockerfile"
        )
        report = yield "check full"
    return (
        f"Draft finished: {summary['fail_to_pass']} tests tell the states apart, "
        f"{summary['pass_to_pass']} must keep passing. "
        + ("The gate passed." if "The gate passes" in report else "The gate did not pass.")
    )


def _install_python(facts: dict[str, Any]) -> Generator[str, str, str]:
    output = yield _lock_python(facts, [])
    if "installed into" not in output:
        return "the project's dependencies do not install: " + _why(output)
    if "project: installed" not in output:
        # Without its own metadata a project still runs from its tree.
        yield (
            "sed -i '/^# The project is installed in place/,/rm -rf .app .tmp.start/d' "
            "/workbench/draft/environment/Dockerfile && cat /workbench/draft/environment/Dockerfile"
        )
    return ""


def _install_node(facts: dict[str, Any]) -> Generator[str, str, str]:
    output = yield str(facts["lock"])
    found = re.search(r"^install: (.+)$", output, re.MULTILINE)
    if not found:
        return "the project's dependencies do not install: " + _why(output)
    resolved = re.search(r"^resolved: (.+)$", output, re.MULTILINE)
    facts["resolved"] = resolved[1] if resolved else ""
    line = f"s#^RUN cd /opt/deps && .* && rm -rf#RUN cd /opt/deps \\&\\& {found[1]} \\&\\& rm -rf#"
    yield (
        f"sed -i {shlex.quote(line)} "
        "/workbench/draft/environment/Dockerfile && cat /workbench/draft/environment/Dockerfile"
    )
    return ""


def _lock_python(facts: dict[str, Any], extra: list[str]) -> str:
    return f"{facts['lock']} {_words(extra)}".rstrip()


def _compare(facts: dict[str, Any]) -> str:
    neighbours = [f for f in facts["neighbours"] if f not in facts["test_files"]]
    command = (
        "python3 /workbench/aids/compare_states.py"
        f" --runner {facts['project']['runner']} --timeout {SUITE_TIMEOUT_S}"
    )
    if neighbours:
        command += f" --neighbours {_words(neighbours)}"
    return f"{command} --tests {_words(facts['test_files'])}"


def _notes(facts: dict[str, Any], summary: dict[str, Any], extra: list[str], examples: int) -> str:
    lines = [
        "# How this environment was made",
        "",
        "By Kettle's `baseline`: a fixed recipe, no model, no judgement.",
        "",
        f"- Start state: {facts['start']} (fit {facts['fit']}, {facts['method']}).",
        f"- Outcome: {', '.join(facts['outcome'])}.",
        f"- Dependencies: {facts.get('resolved') or 'as of ' + facts['date']}"
        + (f"; added because tests import them: {', '.join(extra)}." if extra else "."),
        f"- Verifier: the outcome's own tests. {summary['fail_to_pass']} of them fail at the start "
        f"state and must pass; {summary['pass_to_pass']} passed already and must still pass; "
        f"{summary['unreliable']} were left out because their result varied.",
        f"- Of the user's own examples {examples} are demanded, with the outcome's results.",
        "- Doubts: the tests share a process with the graded code, and they may demand names or "
        "texts that only the landed solution has. A builder that can think should rewrite them "
        "against behaviour.",
    ]
    text = "\n".join(lines)
    return (
        "mkdir -p /workbench/draft/provenance && "
        f"cat > /workbench/draft/provenance/archaeology.md <<'END-OF-NOTES'\n{text}\nEND-OF-NOTES"
    )


def _unfinished(why: str) -> Generator[str, str, str]:
    text = f"The baseline recipe cannot build this environment: {why}."
    yield f"cat > /workbench/draft/UNFINISHED.md <<'END-OF-REASON'\n{text}\nEND-OF-REASON"
    return text


def _json_line(output: str) -> dict[str, Any]:
    """The last line of an output that is a JSON object; {} when there is none."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
    return {}


def _missing_module(output: str) -> str:
    """The package that provides a module which the tests' run missed; "" when none is named."""
    found = re.search(r"No module named '([A-Za-z_]\w*)", output)
    if found:
        return _PROVIDES.get(found[1], found[1].replace("_", "-"))
    if "unrecognized arguments: --cov" in output:
        return "pytest-cov"
    if "async def functions are not natively supported" in output:
        return "pytest-asyncio"
    if "fixture 'mocker' not found" in output:
        return "pytest-mock"
    return ""


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no output"


def _out_of_time(output: str) -> str:
    """What to say of a command that the terminal ended; "" for one that ended by itself."""
    limit = re.match(r"\[timed out after (\d+) s", output)
    if not limit:
        return ""
    return (
        f"time ran out: it took more than {limit[1]} s, which is all that a command may take here. "
        "Build it again with --fresh when the machine has less to do"
    )


def _why(output: str) -> str:
    return _out_of_time(output) or _last_line(output)


def _words(values: list[str]) -> str:
    return " ".join(shlex.quote(value) for value in values[:MAX_FILES_ON_A_LINE])
