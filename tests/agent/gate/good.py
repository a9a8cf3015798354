"""Environments without a fault, each of another kind: the gate must raise nothing on them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.agent.gate.bad import HIDDEN_TEST
from tests.agent.gate.environments import FIXED, INSTRUCTION, JUDGE, LEDGER, START


@dataclass(frozen=True)
class Good:
    """An environment without a fault.

    Attributes:
        name: what is special about it.
        given: arguments of `environments.make`.
        deep: whether it stands the cheats, too; a suite in the graded code's process cannot.
    """

    name: str
    given: Mapping[str, Any] = field(default_factory=dict)
    deep: bool = True


SHELL = "#!/bin/bash\n# Prints the sum of whole numbers, one a line.\nhead -n 1\n"
SUMMED = (
    "#!/bin/bash\n# Prints the sum of whole numbers, one a line.\n"
    'total=0\nwhile read -r n; do total=$((total + n)); done\necho "$total"\n'
)
SHELL_JUDGE = """\
import kit

numbers = [kit.rng.randrange(1, 1000) for _ in range(6)]


@kit.check("the sum of all lines")
def _():
    lines = "".join(f"{n}\\n" for n in numbers)
    assert kit.run(["bash", "sum.sh"], stdin=lines).out.strip() == str(sum(numbers))


@kit.check("nothing adds up to zero")
def _():
    assert kit.run(["bash", "sum.sh"], stdin="").out.strip() == "0"


kit.verdict()
"""

DATED = LEDGER + (
    '\n\ndef stamp(now=None):\n    """The year of a moment; of this one if none is given."""\n'
    "    return 1970\n"
)
STAMPED = LEDGER.replace(
    '"""A ledger of amounts."""\n', '"""A ledger of amounts."""\n\nimport time\n'
) + (
    '\n\ndef stamp(now=None):\n    """The year of a moment; of this one if none is given."""\n'
    "    return time.gmtime(time.time() if now is None else now).tm_year\n"
)
STAMP_JUDGE = """\
import time

import kit


@kit.check("a given moment")
def _():
    assert kit.call_python("ledger", "stamp", [86400 * 366 * 40]) == 2010


@kit.check("this moment")
def _():
    before = time.gmtime().tm_year
    assert kit.call_python("ledger", "stamp", []) in (before, time.gmtime().tm_year)


kit.verdict()
"""

SPLIT = {
    **START,
    "ledger.py": FIXED.replace(
        "from decimal import Decimal\n", "from amounts import exact\n"
    ).replace("Decimal(parse(line)[1])", "exact(parse(line)[1])"),
    "amounts.py": '"""Amounts without loss."""\n\nfrom decimal import Decimal\n\n\n'
    "def exact(text):\n    return Decimal(text)\n",
}

GOOD: tuple[Good, ...] = (
    Good("a judge with the kit"),
    Good("a solution in two files, one of them new", {"solution": SPLIT}),
    Good(
        "a shell script",
        {
            "start": {"sum.sh": SHELL, "README.md": "# sum\n"},
            "solution": {"sum.sh": SUMMED, "README.md": "# sum\n"},
            "judge": SHELL_JUDGE,
            "instruction": "sum.sh prints the first line only. It should print the sum of all.\n",
        },
    ),
    Good(
        "the work has to do with time",
        {
            "start": {**START, "ledger.py": DATED},
            "solution": {**START, "ledger.py": STAMPED},
            "judge": STAMP_JUDGE,
            "instruction": "ledger.stamp always says 1970. It should say the year (UTC) of the "
            "moment that it is given in seconds, or of this moment.\n",
        },
    ),
    Good(
        "a line of the builder's repeats a name that the user typed",
        {
            "instruction": INSTRUCTION + "A helper _exact_amount_of would be nice.\n\n"
            "`_exact_amount_of` is to stand in ledger.py.\n",
            "files": {
                "provenance/instruction.json": json.dumps(
                    {"added_lines": ["`_exact_amount_of` is to stand in ledger.py."]}
                ).encode()
            },
        },
    ),
    Good(
        "a loud and slow judge",
        {"judge": "import time\nprint('x' * 100_000)\ntime.sleep(1)\n" + JUDGE},
    ),
    Good(
        "a hidden suite of the project",
        {
            "judge": "import kit\n"
            'kit.hidden_tests("unittest", files=["tests/test_balance.py"], fail_to_pass=[\n'
            '    "test_balance.BalanceTest.test_cents_survive_the_summing_of_many_entries"])\n'
            "kit.verdict()\n",
            "files": {"tests/files/tests/test_balance.py": HIDDEN_TEST.encode()},
        },
        deep=False,
    ),
    Good(
        "a task of somebody else's, solved outside of a work tree",
        {
            "kettle": False,
            "files": {
                "tests/test.sh": b"#!/bin/bash\n[ -e /srv/x ] && r=1 || r=0\n"
                b"echo $r > /logs/verifier/reward.txt\n",
                "solution/solve.sh": b"#!/bin/bash\necho done > /srv/x\n",
            },
            "docker_steps": "RUN chmod 777 /srv\n",
        },
        deep=False,
    ),
    Good(
        "a task of somebody else's with several rewards and a compose file",
        {
            "kettle": False,
            "files": {
                "environment/docker-compose.yaml": b"services:\n  main:\n    init: true\n",
                "tests/test.sh": b"#!/bin/bash\ngrep -q Decimal /app/ledger.py && r=1 || r=0\n"
                b'echo "{\\"reward\\": $r, \\"speed\\": 3.5}" > /logs/verifier/reward.json\n',
            },
        },
        deep=False,
    ),
)
