"""Reading, adding up and printing."""

import contextlib
import io
import tempfile
import unittest
from decimal import Decimal
from pathlib import Path

from tally import by_account, by_month, read, render
from tally.__main__ import main

BOOKINGS = """\
date,account,amount
2025-01-03,rent,800
2025-01-07,food,17.25
2025-01-21,food,24.25
2025-02-03,rent,
"""


class ReportTest(unittest.TestCase):
    """What the user sees for a small file."""

    def test_totals_per_account(self):
        """Amounts of one account are added, blank ones are left out."""
        totals = by_account(read(BOOKINGS.splitlines()))
        self.assertEqual(totals, {"rent": 800, "food": 41.5})

    def test_lines_are_sorted_by_name(self):
        """The report is in alphabetical order."""
        names = [line.split()[0] for line in render({"b": 2, "a": 1}).splitlines()]
        self.assertEqual(names, ["a", "b"])

    def test_an_amount_that_is_no_number_is_an_error(self):
        """Nothing is guessed."""
        with self.assertRaises(ValueError):
            list(read(["date,account,amount", "2025-01-03,rent,lots"]))

    def test_cents_add_up_exactly(self):
        """Ten cents and twenty cents are thirty cents, per account and per month."""
        bookings = list(read(["date,account,amount", "2025-01-03,a,0.1", "2025-01-04,a,0.2"]))
        self.assertEqual(by_account(bookings), {"a": Decimal("0.30")})
        self.assertEqual(by_month(bookings), {"2025-01": Decimal("0.30")})

    def test_thousands_and_negative_amounts(self):
        """Amounts as the bank writes them."""
        rows = ['2025-01-03,a,"1,250.00"', "2025-02-04,a,(12.50)", '2025-02-05,b,"(1,000.00)"']
        bookings = list(read(["date,account,amount", *rows]))
        self.assertEqual(by_account(bookings), {"a": Decimal("1237.50"), "b": Decimal(-1000)})
        self.assertEqual(by_month(bookings)["2025-02"], Decimal("-1012.50"))

    def test_nonsense_is_still_an_error(self):
        """Neither words nor empty parentheses are amounts."""
        for text in ("lots", "()", "(lots)"):
            with self.subTest(text), self.assertRaises(ValueError):
                list(read(["date,account,amount", f"2025-01-03,rent,{text}"]))

    def test_two_decimals_are_printed(self):
        """The report has cents, whatever the file had."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "bookings.csv"
            file.write_text(BOOKINGS)
            for by, expected in (("account", ["41.50", "800.00"]), ("month", ["841.50"])):
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    main([str(file), "--by", by])
                self.assertEqual([x.split()[1] for x in out.getvalue().splitlines()], expected)


if __name__ == "__main__":
    unittest.main()
