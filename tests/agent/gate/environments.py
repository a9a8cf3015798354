"""Tiny environments, good ones and ones with a known fault, made fresh for each test.

The project is a ledger in one Python module. The user wants `balance` to stop losing cents; the
start state rounds every entry to whole units, the oracle does not, and adds a helper on the way.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from agent import environment
from agent.environment import Environment
from agent.start_state import pack_start_state
from agent.task_config import (
    AgentConfig,
    EnvironmentConfig,
    KettleMetadata,
    TaskConfig,
    VerifierConfig,
)
from agent.verifier import kit_files

DOCKERFILE = """\
FROM {base}
RUN install -d -o solver -g solver /app
{extra}ADD start.tar.gz /app/
WORKDIR /app
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["sleep", "infinity"]
{late}"""
BASE = "kettle-test-python:any"
"""Stands for the tests' own base image where no image is built."""

LEDGER = '''\
"""A ledger of amounts."""


def parse(line):
    """Read one entry such as `lunch 12.50`."""
    name, _, amount = line.rpartition(" ")
    return name, amount


def balance(lines):
    """The sum of all entries, as text."""
    total = 0
    for line in lines:
        name, amount = parse(line)
        total += int(float(amount))
    return f"{total:.2f}"


def names(lines):
    """Names of all entries, in order."""
    return [parse(line)[0] for line in lines]
'''

FIXED = '''\
"""A ledger of amounts."""

from decimal import Decimal


def parse(line):
    """Read one entry such as `lunch 12.50`."""
    name, _, amount = line.rpartition(" ")
    return name, amount


def _exact_amount_of(line):
    """Amount of one entry without any loss."""
    return Decimal(parse(line)[1])


def balance(lines):
    """The sum of all entries, as text."""
    total = 0
    for line in lines:
        total += _exact_amount_of(line)
    return f"{total:.2f}"


def names(lines):
    """Names of all entries, in order."""
    return [parse(line)[0] for line in lines]
'''

START = {"ledger.py": LEDGER, "README.md": "# ledger\n", "bin/run.sh": "#!/bin/sh\nexit 0\n"}

INSTRUCTION = """\
ledger.balance loses the cents: for "lunch 12.50" and "tea 1.25" it says 13.00, I want 13.75.
Please fix that, with any number of entries.
"""

JUDGE = """\
import kit

cents = [kit.rng.randrange(1, 10_000) for _ in range(8)]
lines = [f"{w} {c // 100}.{c % 100:02d}" for w, c in zip(kit.words(8), cents)]
wanted = f"{sum(cents) // 100}.{sum(cents) % 100:02d}"


@kit.check("balance keeps the cents")
def _():
    assert kit.call_python("ledger", "balance", [lines]) == wanted


@kit.check("an empty ledger is zero")
def _():
    assert kit.call_python("ledger", "balance", [[]]) == "0.00"


@kit.check("names stay as they were")
def _():
    assert kit.call_python("ledger", "names", [lines]) == [x.rpartition(" ")[0] for x in lines]


kit.verdict()
"""

SOLVE = """\
#!/bin/bash
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd /app
for change in "$here"/*.patch; do
    patch -p1 --forward --silent --no-backup-if-mismatch < "$change"
done
"""


def patch_of(before: Mapping[str, str], after: Mapping[str, str]) -> bytes:
    """A unified diff between two sets of files."""
    text = ""
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            text += "".join(
                difflib.unified_diff(
                    (old or "").splitlines(keepends=True),
                    (new or "").splitlines(keepends=True),
                    "/dev/null" if old is None else f"a/{name}",
                    "/dev/null" if new is None else f"b/{name}",
                )
            )
    return text.encode()


def make(
    root: Path,
    *,
    start: Mapping[str, str] = START,
    solution: Mapping[str, str] | None = None,
    judge: str = JUDGE,
    instruction: str = INSTRUCTION,
    docker_steps: str = "",
    late_steps: str = "",
    files: Mapping[str, bytes] | None = None,
    without: tuple[str, ...] = (),
    timeout_s: float = 60,
    kettle: bool = True,
    base: str = BASE,
) -> Environment:
    """Write an environment; by default one without a fault.

    `docker_steps` go into the Dockerfile before the start state is added, `late_steps` after it;
    `files` are written over what would be there (by path in the environment), and `without` names
    what is left out.
    """
    after = {**start, "ledger.py": FIXED} if solution is None else dict(solution)
    packed = pack_start_state(
        (path, 0o755 if path.endswith(".sh") else 0o644, text.encode())
        for path, text in start.items()
    )
    metadata = {"kettle": KettleMetadata(licence="MIT").model_dump()} if kettle else {}
    config = TaskConfig(
        metadata=metadata,
        agent=AgentConfig(timeout_sec=60, user="solver"),
        verifier=VerifierConfig(timeout_sec=timeout_s, user="root"),
        environment=EnvironmentConfig(cpus=1, memory_mb=1024, network_mode="no-network"),
    )
    content: dict[str, bytes | tuple[bytes, int]] = {
        "instruction.md": instruction.encode(),
        "environment/Dockerfile": DOCKERFILE.format(
            base=base, extra=docker_steps, late=late_steps
        ).encode(),
        "environment/start.tar.gz": packed.archive,
        "solution/solve.sh": SOLVE.encode(),
        "solution/oracle.patch": patch_of(start, after),
        **kit_files(),
        "tests/judge.py": judge.encode(),
        **(files or {}),
    }
    for name in without:
        del content[name]
    return environment.write(root, config=config, files=content)
