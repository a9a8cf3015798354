"""kettle-canary-4525df8d6e9086d3: exact sums, two decimals, the bank's way of writing amounts."""

from decimal import Decimal

import kit

SOURCE = """
import tally
def told(totals):
    return {name: [type(total).__name__, str(total)] for name, total in totals.items()}
rows = list(tally.read(data["lines"]))
result = {
    "account": told(tally.by_account(rows)),
    "month": told(tally.by_month(rows)),
    "report": tally.render(tally.by_account(rows)),
}
"""

HEAD = "date,account,amount"


def ask(*rows):
    return kit.eval_python(SOURCE, {"lines": [HEAD, *rows]})


def sums(rows, key):
    """What exact sums are, from (date, account, text, cents)."""
    totals = {}
    for row in rows:
        totals[key(row)] = totals.get(key(row), Decimal(0)) + Decimal(row[3]) / 100
    return totals


def exact(told, expected):
    same_names = told.keys() == expected.keys()
    return same_names and all(
        kind == "Decimal" and Decimal(text) == expected[name]
        for name, (kind, text) in told.items()
    )


def written(cents):
    """An amount as the bank writes it."""
    text = f"{abs(cents) // 100:,}.{abs(cents) % 100:02}"
    return f"({text})" if cents < 0 else text


NAMES = kit.words(4)
ROWS = []
for number in range(60):
    cents = kit.rng.choice([kit.rng.randint(1, 99), kit.rng.randint(-250000, 250000), 10, 20, -30])
    date = f"2025-{kit.rng.randint(1, 4):02}-{kit.rng.randint(1, 28):02}"
    ROWS.append((date, kit.rng.choice(NAMES), written(cents), cents))
LINES = [f'{d},{a},"{t}"' for d, a, t, _ in ROWS]


@kit.check("0.10 and 0.20 make Decimal 0.30, per account and per month")
def _():
    told = ask("2025-01-01,a,0.10", "2025-01-02,a,0.20")
    assert exact(told["account"], {"a": Decimal("0.3")}), told
    assert exact(told["month"], {"2025-01": Decimal("0.3")}), told


@kit.check("sums of what the bank writes are exact")
def _():
    told = ask(*LINES)
    assert exact(told["account"], sums(ROWS, lambda row: row[1])), told["account"]
    assert exact(told["month"], sums(ROWS, lambda row: row[0][:7])), told["month"]


@kit.check("parentheses mean minus, with a separator too")
def _():
    told = ask('2025-01-01,b,"1,250.00"', "2025-01-01,b,(12.50)", '2025-01-02,c,"(1,000,000.01)"')
    assert Decimal(told["account"]["b"][1]) == Decimal("1237.50"), told
    assert Decimal(told["account"]["c"][1]) == Decimal("-1000000.01"), told


@kit.check("the report has two decimals on every line")
def _():
    told = ask("2025-01-01,rent,800", "2025-01-01,food,17.25", "2025-01-01,food,24.25")
    assert [line.split() for line in told["report"].splitlines()] == [
        ["food", "41.50"],
        ["rent", "800.00"],
    ], told["report"]


@kit.check("what is no number stays a ValueError")
def _():
    for text in ("lots", "1.2.3", "(lots)", "12 EUR"):
        try:
            ask("2025-01-01,a,1.00", f"2025-01-01,a,{text}")
        except kit.Raised as error:
            assert error.kind == "ValueError", f"{text}: {error.kind}"
        else:
            raise AssertionError(f"{text!r} was read")


@kit.check("blank amounts are left out")
def _():
    told = ask("2025-01-01,a,", "2025-01-01,b,2.00")["account"]
    assert told.keys() == {"b"} and float(told["b"][1]) == 2, told


@kit.check("the command line prints both reports, --by month included")
def _():
    tree = kit.checkout()
    tree.write("bank.csv", "\n".join([HEAD, *LINES]) + "\n")
    for by, key in (("account", lambda row: row[1]), ("month", lambda row: row[0][:7])):
        run = kit.run([kit.python(), "-m", "tally", "bank.csv", "--by", by], cwd=tree)
        expected = [[n, f"{t:.2f}"] for n, t in sorted(sums(ROWS, key).items())]
        assert [line.split() for line in run.out.splitlines()] == expected, run.tail


kit.verdict()
