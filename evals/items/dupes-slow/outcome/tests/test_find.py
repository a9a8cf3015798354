"""Groups of rows."""

import unittest

from dupes import find, summary

ROWS = [
    {"name": "Ada", "city": "London"},
    {"name": "Bob", "city": "Leeds"},
    {"name": " ada ", "city": "LONDON"},
    {"name": "Cy", "city": "Leeds"},
]


class FindTest(unittest.TestCase):
    """Small lists."""

    def test_text_is_compared_loosely(self):
        """Case and blanks do not matter, and the first row gives the values."""
        (group,) = find(ROWS, ["name", "city"])
        self.assertEqual(group.values, ["Ada", "London"])
        self.assertEqual(group.rows, [ROWS[0], ROWS[2]])

    def test_order(self):
        """Groups come in the order of their first rows."""
        self.assertEqual([g.values for g in find(ROWS, ["city"])], [["London"], ["Leeds"]])

    def test_values_of_any_kind(self):
        """Lists and numbers are compared as they are."""
        rows = [{"tags": ["a", "b"]}, {"tags": ["b"]}, {"tags": ["a", "b"]}, {"tags": 1}, {"tags": 1.0}]
        self.assertEqual([len(g.rows) for g in find(rows, ["tags"])], [2, 2])

    def test_many_rows(self):
        """Fifty thousand different rows are no matter of minutes."""
        rows = [{"n": str(n)} for n in range(50000)] + [{"n": "7"}, {"n": "3"}]
        self.assertEqual([g.values for g in find(rows, ["n"])], [["3"], ["7"]])

    def test_many_rows_with_lists_among_them(self):
        """A list or an object in a column does not slow down the others."""
        rows = [{"n": n} for n in range(50000)] + [{"n": [1]}, {"n": {"a": []}}, {"n": [1]}]
        self.assertEqual([g.values for g in find(rows, ["n"])], [[[1]]])

    def test_summary(self):
        """What is printed."""
        self.assertEqual(summary(find(ROWS, ["city"])), "2 x London\n2 x Leeds")


if __name__ == "__main__":
    unittest.main()
