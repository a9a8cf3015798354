import unittest

from pages.page import render


class PageTest(unittest.TestCase):
    def test_escapes(self):
        self.assertEqual(render("a<b", "x"), "<h1>a&lt;b</h1><p>x</p>")
