"""Environments that are wrong on purpose, and the one check that must say so."""

from __future__ import annotations

import marshal
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.agent.gate.environments import FIXED, INSTRUCTION, JUDGE, LEDGER, START

HIDDEN_TEST = """\
import unittest

import ledger


class BalanceTest(unittest.TestCase):
    def test_cents_survive_the_summing_of_many_entries(self):
        self.assertEqual(ledger.balance(["lunch 12.50", "tea 1.25"]), "13.75")
        self.assertEqual(ledger.balance(["water 0.10"] * 30), "3.00")
"""

ONE_LINE = LEDGER.replace("total += int(float(amount))", "total += round(float(amount), 2)")

SPOKEN = (
    "I will now replace the float arithmetic in balance by exact decimals and verify it by hand"
)


def bytecode_of(source: str) -> bytes:
    """What CPython 3.11 would leave behind of a source: a header with its size, and a body."""
    header = b"\xa7\x0d\x0d\x0a" + struct.pack("<III", 0, 1_700_000_000, len(source.encode()))
    return header + marshal.dumps(compile(source, "ledger.py", "exec"))


def shell(script: str) -> dict[str, bytes]:
    """A test script without the kit."""
    return {"tests/test.sh": ("#!/bin/bash\nmkdir -p /logs/verifier\n" + script).encode()}


FETCHING = b"#!/bin/bash\nset -eu\ncurl -sf https://example.invalid/fix.patch | patch -d /app -p1\n"
SOLVED = "grep -q Decimal /app/ledger.py && reward=1 || reward=0\n"


@dataclass(frozen=True)
class Bad:
    """A deliberately bad environment.

    Attributes:
        name: what is wrong with it.
        fault: the check that must fail.
        says: words that its report must hold.
        given: arguments of `environments.make`.
    """

    name: str
    fault: str
    says: str
    given: Mapping[str, Any] = field(default_factory=dict)


CORE: tuple[Bad, ...] = (
    Bad(
        "a step of the build fails",
        "builds",
        "does not build",
        {"docker_steps": "RUN echo preparing && false\n"},
    ),
    Bad(
        "the lock file that the Dockerfile installs was never made",
        "builds",
        "lock-python.sh",
        {"docker_steps": "COPY requirements.lock /opt/requirements.lock\n"},
    ),
    Bad(
        "the build leaves bytecode in the work tree",
        "start-state",
        "__pycache__",
        {"late_steps": "RUN python3 -m compileall -q /app\n"},
    ),
    Bad(
        "the build changes a file of the work tree",
        "start-state",
        "README.md",
        {"late_steps": "RUN echo more >> /app/README.md\n"},
    ),
    Bad(
        "the work tree belongs to root",
        "start-state",
        "0:0",
        {"late_steps": "RUN chown root:root /app\n"},
    ),
    Bad(
        "the verifier accepts everything",
        "nop-fails",
        "nothing was done",
        {
            "judge": "import kit\nkit.check('it is there', kit.work_tree().exists('ledger.py'))\n"
            "kit.verdict()\n"
        },
    ),
    Bad(
        "the verifier crashes at the start state",
        "nop-fails",
        "no verdict",
        {"judge": "open('/app/not-there').close()\n" + JUDGE},
    ),
    Bad(
        "the verifier demands what the solution does not do",
        "oracle-passes",
        "demands more",
        {
            "judge": JUDGE.replace(
                "kit.verdict()", "kit.check('French', False, 'no comma')\nkit.verdict()"
            )
        },
    ),
    Bad(
        "the patch of the solution does not apply",
        "oracle-passes",
        "cannot be applied",
        {
            "files": {
                "solution/oracle.patch": b"--- a/ledger.py\n+++ b/ledger.py\n@@ -1 +1 @@\n"
                b"-not there\n+at all\n"
            }
        },
    ),
    Bad(
        "there is no solution",
        "oracle-passes",
        "no solution/solve.sh",
        {"without": ("solution/solve.sh", "solution/oracle.patch")},
    ),
    Bad(
        "the verifier hangs at the start state",
        "nop-fails",
        "stopped at the verifier's own limit",
        {"judge": "import time\ntime.sleep(600)\n", "timeout_s": 3},
    ),
    Bad(
        "the reward is no share of one",
        "oracle-passes",
        "outside [0, 1]",
        {"files": shell(SOLVED + "echo $((reward * 100)) > /logs/verifier/reward.txt\n")},
    ),
    Bad(
        "the verifier fetches what it compares with",
        "oracle-passes",
        "tests/test.sh:3: curl -sf",
        {
            "files": shell(
                "curl -sf https://example.invalid/truth > /tmp/truth || { echo 0 >"
                " /logs/verifier/reward.txt; exit; }\n"
            )
        },
    ),
    Bad(
        "the solution is fetched",
        "oracle-passes",
        "solution/solve.sh:3: curl -sf",
        {"files": {"solution/solve.sh": FETCHING}},
    ),
    Bad(
        "the verifier installs what it needs while it grades",
        "offline",
        "pip install",
        {
            "files": shell(
                "pip install -q pytest 2>/dev/null || true\n"
                + SOLVED
                + "echo $reward > /logs/verifier/reward.txt\n"
            )
        },
    ),
    Bad(
        "the image installs whatever release is the newest",
        "pinned",
        "pip: requests",
        {"docker_steps": "RUN pip install idna==3.7 requests || true\n"},
    ),
    Bad(
        "the instruction holds a line of the solution",
        "instruction",
        "only the solution has",
        {"instruction": INSTRUCTION + "\nHint: total += _exact_amount_of(line)\n"},
    ),
    Bad(
        "the verifier calls a helper that nobody told of",
        "instruction",
        "underspecified",
        {
            "judge": JUDGE.replace(
                "kit.verdict()",
                "one = kit.call_python('ledger', '_exact_amount_of', ['a 1'])\n"
                "kit.check('its helper', one == '1')\nkit.verdict()",
            )
        },
    ),
    Bad(
        "the verifier wants a message in words that nobody told",
        "instruction",
        "underspecified",
        {
            "solution": {
                "ledger.py": FIXED.replace(
                    "    total = 0",
                    "    if lines is None:\n"
                    "        raise ValueError('this ledger holds no entries')\n    total = 0",
                )
            },
            "judge": JUDGE.replace(
                "kit.verdict()",
                "try:\n    kit.call_python('ledger', 'balance', [None])\nexcept kit.Raised as e:\n"
                "    kit.check('message', e.message == 'this ledger holds no entries')\n"
                "kit.verdict()",
            ),
        },
    ),
    Bad(
        "the instruction names a hidden test",
        "instruction",
        "test_cents_survive",
        {
            "instruction": INSTRUCTION
            + "\ntest_cents_survive_the_summing_of_many_entries must pass.\n",
            "files": {"tests/files/tests/test_balance.py": HIDDEN_TEST.encode()},
        },
    ),
    Bad("there is no instruction", "instruction", "empty", {"instruction": "\n"}),
    Bad(
        "a token lies in the tests",
        "hygiene",
        "a GitHub token",
        {"files": {"tests/notes.txt": b"token = ghp_" + b"aB3" * 12 + b"\n"}},
    ),
)

LEAKS: tuple[Bad, ...] = (
    Bad(
        "the repository's git data is in the image",
        "sealed",
        "git data",
        {
            "docker_steps": "RUN mkdir -p /srv/clone/.git/objects/ab"
            " && echo ref: refs/heads/main > /srv/clone/.git/HEAD"
            " && echo 0123 > /srv/clone/.git/ORIG_HEAD\n"
        },
    ),
    Bad(
        "the solution was copied in and deleted in a later step",
        "sealed",
        "the solution",
        {
            "docker_steps": "COPY fixed.py /tmp/workbench/ledger.py\nRUN rm -r /tmp/workbench\n",
            "files": {"environment/fixed.py": FIXED.encode()},
        },
    ),
    Bad(
        "the solution lies in an archive",
        "sealed",
        "the solution",
        {
            "docker_steps": "COPY fixed.py /opt/src/ledger.py\n"
            "RUN cd /opt && tar -czf cache.tgz src && rm -r src\n",
            "files": {"environment/fixed.py": FIXED.encode()},
        },
    ),
    Bad(
        "one file of a solution that changes one line in each of two",
        "sealed",
        "the solution",
        {
            "solution": {**START, "ledger.py": ONE_LINE, "README.md": "# ledger of exact cents\n"},
            "docker_steps": "COPY fixed.py /opt/left.py\n",
            "files": {"environment/fixed.py": ONE_LINE.encode()},
        },
    ),
    Bad(
        "bytecode of the solution is left behind",
        "sealed",
        "compiled solution",
        {
            "docker_steps": "COPY left.pyc /opt/build/ledger.cpython-311.pyc\n",
            "files": {"environment/left.pyc": bytecode_of(FIXED)},
        },
    ),
    Bad(
        "a hidden test is in the image",
        "sealed",
        "hidden tests",
        {
            "docker_steps": "COPY t.py /home/solver/.cache/t.py\n",
            "files": {
                "tests/files/tests/test_balance.py": HIDDEN_TEST.encode(),
                "environment/t.py": HIDDEN_TEST.encode(),
            },
        },
    ),
    Bad(
        "a test runner's cache lists the hidden tests",
        "sealed",
        "names of hidden tests",
        {
            "docker_steps": "COPY nodeids /srv/.pytest_cache/v/cache/nodeids\n",
            "files": {
                "tests/files/tests/test_balance.py": HIDDEN_TEST.encode(),
                "environment/nodeids": b'["tests/test_balance.py::BalanceTest::'
                b'test_cents_survive_the_summing_of_many_entries"]',
            },
        },
    ),
    Bad(
        "the session lies in the image",
        "sealed",
        "session text",
        {
            "docker_steps": "COPY notes.md /opt/notes.md\n",
            "files": {
                "environment/notes.md": f"# log\n\n> {SPOKEN}.\n".encode(),
                "provenance/session.json": f'{{"turns": [{{"text": "{SPOKEN}."}}]}}'.encode(),
            },
        },
    ),
    Bad(
        "a later release of the project is installed",
        "sealed",
        "installed outside the work tree",
        {
            "start": {
                "ledger.py": LEDGER,
                "pyproject.toml": '[project]\nname = "tiny-ledger"\nversion = "1.0"\n',
            },
            "docker_steps": "COPY RECORD /opt/venv/lib/tiny_ledger-1.1.dist-info/RECORD\n",
            "files": {"environment/RECORD": b"ledger.py,sha256=abc,400\n"},
        },
    ),
    Bad(
        "the solution stands in the image's history",
        "sealed",
        "the image's history",
        {
            "docker_steps": "RUN echo 'total += _exact_amount_of(line)'"
            " 'return Decimal(parse(line)[1])' > /dev/null\n"
        },
    ),
)


LAZY_JUDGE = """\
import kit

kit.check(
    "the example of the prompt",
    kit.call_python("ledger", "balance", [["lunch 12.50", "tea 1.25"]]) == "13.75",
)
kit.verdict()
"""

DEEP: tuple[Bad, ...] = (
    Bad(
        "the verifier asks for a private name of the solution",
        "alternatives-pass",
        "private names of the oracle renamed",
        {
            "judge": JUDGE.replace(
                "kit.verdict()",
                "kit.check('helper', kit.call_python('ledger', 'balance', [[]]) == '0.00'"
                " and b'_exact_amount_of' in kit.work_tree().read('ledger.py'))\nkit.verdict()",
            )
        },
    ),
    Bad(
        "the verifier asks for a comment",
        "alternatives-pass",
        "comments gone",
        {
            "solution": {"ledger.py": FIXED.replace("    total = 0", "    # exact\n    total = 0")},
            "judge": JUDGE.replace(
                "kit.verdict()",
                "kit.check('comment', b'# exact' in kit.work_tree().read('ledger.py'))\n"
                "kit.verdict()",
            ),
        },
    ),
    Bad(
        "the verifier rewards half of the work",
        "partial-fails",
        "without change 2 of 2",
        {
            "solution": {
                "ledger.py": LEDGER.replace("int(float(amount))", "float(amount)").replace(
                    "return [parse(line)[0] for line in lines]",
                    "return [parse(line)[0].strip() for line in lines]",
                )
            },
            "judge": LAZY_JUDGE,
            "instruction": INSTRUCTION + "And names should come without blanks around them.\n",
        },
    ),
    Bad(
        "the verifier knows the example only",
        "mutants-fail",
        "go unnoticed",
        {
            "solution": {
                "ledger.py": LEDGER.replace(
                    "        total += int(float(amount))",
                    "        if amount == '':\n            raise ValueError(line)\n"
                    "        total += float(amount)",
                )
            },
            "judge": LAZY_JUDGE,
        },
    ),
)

HACKABLE = Bad(
    "the verifier believes the exit code of the graded process",
    "exploits-fail",
    "exit at import",
    {
        "files": {
            "tests/files/test_balance.py": HIDDEN_TEST.encode(),
            **shell(
                "cp /tests/files/test_balance.py /app/ && cd /app\n"
                "if timeout 10 python3 -m unittest -q test_balance; then echo 1; else echo 0; fi"
                " > /logs/verifier/reward.txt\n"
            ),
        }
    },
)
