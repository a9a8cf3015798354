"""The books on a shelf."""

import json
from pathlib import Path

from . import render


class Catalogue:
    """Books, in the order in which they were added."""

    def __init__(self, books=()):
        self.books = [dict(book) for book in books]

    @classmethod
    def load(cls, path):
        """Read a catalogue from a JSON file."""
        return cls(json.loads(Path(path).read_text(encoding="utf-8")))

    def add(self, title, author, year=None, tags=()):
        """Add a book."""
        self.books.append({"title": title, "author": author, "year": year, "tags": list(tags)})

    def by(self, author):
        """A catalogue of one author's books."""
        return Catalogue(book for book in self.books if book["author"] == author)

    def render(self, form="table"):
        """The catalogue as text: one of the names in `render.FORMS`."""
        if form not in render.FORMS:
            raise ValueError("unknown form: " + form)
        return render.FORMS[form](self.books)
