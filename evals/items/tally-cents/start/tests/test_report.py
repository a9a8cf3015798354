"""Reading, adding up and printing."""

import unittest

from tally import by_account, read, render

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


if __name__ == "__main__":
    unittest.main()
