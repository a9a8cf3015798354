import unittest

from pages.index import index


class IndexTest(unittest.TestCase):
    def test_sorted(self):
        self.assertLess(index(["b", "a"]).index("a.html"), index(["b", "a"]).index("b.html"))
