"""What a catalogue looks like."""

import unittest

from shelf import Catalogue, render

BOOKS = [
    {"title": "Emma", "author": "Jane Austen", "year": 1815, "tags": ["novel", "classic"]},
    {"title": "Untitled", "author": "Anon", "year": None, "tags": []},
]


class RenderTest(unittest.TestCase):
    """The forms."""

    def test_table(self):
        """Columns are as wide as they must be."""
        text = Catalogue(BOOKS).render()
        self.assertEqual(text.splitlines()[0], "title     author       year")
        self.assertEqual(text.splitlines()[2], "Emma      Jane Austen  1815")

    def test_csv(self):
        """Tags are sorted."""
        self.assertIn("Emma,Jane Austen,1815,classic;novel\n", Catalogue(BOOKS).render("csv"))

    def test_bib(self):
        """Without a year the key says nd."""
        self.assertIn("@book{anonnd,", Catalogue(BOOKS).render("bib"))

    def test_forms_take_any_books(self):
        """No catalogue is needed, and the catalogue says the same."""
        for name in ("table", "csv", "bib"):
            form = getattr(render, name)
            self.assertEqual(form(iter(BOOKS)), Catalogue(BOOKS).render(name))
        self.assertEqual(render.table([]), "(no books)\n")

    def test_unknown(self):
        """Another form is an error."""
        with self.assertRaises(ValueError):
            Catalogue(BOOKS).render("xml")


if __name__ == "__main__":
    unittest.main()
