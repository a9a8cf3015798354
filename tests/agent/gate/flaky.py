"""Environments whose verdict depends on the day or the machine, and what must be named."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.agent.gate.bad import Bad, shell
from tests.agent.gate.environments import JUDGE


def judge(check: str) -> dict[str, str]:
    """The good judge with one check more."""
    return {"judge": JUDGE.replace("kit.verdict()", f"{check}\nkit.verdict()")}


ORDERED = """\
import unittest

import ledger


class OrderTest(unittest.TestCase):
    seen = []

    def test_a_writes(self):
        self.seen.append(ledger.balance(["tea 1.25"]))

    def test_b_reads(self):
        self.assertEqual(self.seen, ["1.25"])
"""

LUCK = Bad(
    "the verdict is luck",
    "stable",
    "different verdicts under the same conditions",
    {
        "files": shell(
            "grep -q Decimal /app/ledger.py && reward=1 || reward=0\n"
            'echo "{\\"reward\\": $reward, \\"n\\": $RANDOM}" > /logs/verifier/reward.json\n'
        )
    },
)

FLAKY: tuple[Bad, ...] = (
    LUCK,
    Bad(
        "it holds this year only",
        "stable",
        "days later",
        judge(
            "kit.check('the year', kit.run(['date', '+%Y']).out.strip() in "
            f"('{datetime.now(UTC).year}', '{datetime.now(UTC).year + 1}'))"
        ),
    ),
    Bad(
        "it holds in one time zone",
        "stable",
        "time zone UTC+14",
        judge("kit.check('noon', kit.run(['date', '-d', '@0', '+%H']).out.strip() == '00')"),
    ),
    Bad(
        "it holds in one locale",
        "stable",
        "locale C",
        judge("kit.check('é', kit.run(['bash', '-c', 'x=é; echo ${#x}']).out.strip() == '1')"),
    ),
    Bad(
        "it holds for most hash seeds",
        "stable",
        "PYTHONHASHSEED=1",
        judge(
            # The seed itself stands for an order of a set that only this seed gives.
            "kit.check('seed', kit.eval_python("
            "'import os; result = os.environ.get(\"PYTHONHASHSEED\")') != '1')"
        ),
    ),
    Bad(
        "one test needs another before it",
        "stable",
        "tests in reversed order",
        {
            "judge": 'import kit\nkit.hidden_tests("unittest", files=["test_order.py"],\n'
            '    fail_to_pass=["test_order.OrderTest.test_b_reads"])\nkit.verdict()\n',
            "files": {"tests/files/test_order.py": ORDERED.encode()},
        },
    ),
    Bad(
        "it wants a whole processor",
        "stable",
        "of the processors",
        judge(
            "quota = kit.run(['sh', '-c', 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us '\n"
            "    '/sys/fs/cgroup/cpu.max 2>/dev/null']).out.split()\n"
            "kit.check('a whole processor', int(quota[0]) >= 100_000)"
        ),
    ),
)
