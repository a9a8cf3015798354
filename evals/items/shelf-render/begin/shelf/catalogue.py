"""The books on a shelf."""

import csv
import io
import json
from pathlib import Path


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
        """The catalogue as text: `table` or `csv`."""
        if form == "table":
            if not self.books:
                return "(no books)\n"
            widths = [5, 6, 4]
            rows = []
            for book in self.books:
                row = [book["title"], book["author"], str(book.get("year") or "")]
                rows.append(row)
                for i, cell in enumerate(row):
                    widths[i] = max(widths[i], len(cell))
            out = []
            for row in [["title", "author", "year"], ["-" * w for w in widths], *rows]:
                line = ""
                for i, cell in enumerate(row):
                    if i == 2 and cell.isdigit():
                        line += cell.rjust(widths[i])
                    else:
                        line += cell.ljust(widths[i])
                    line += "  "
                out.append(line.rstrip() + "\n")
            return "".join(out)
        elif form == "csv":
            buffer = io.StringIO()
            writer = csv.writer(buffer, lineterminator="\n")
            writer.writerow(["title", "author", "year", "tags"])
            for book in self.books:
                tags = ";".join(sorted(book.get("tags") or []))
                writer.writerow([book["title"], book["author"], book.get("year") or "", tags])
            return buffer.getvalue()
        else:
            raise ValueError("unknown form: " + form)
