"""Books as text. Each form takes books, in any iterable, and knows of no catalogue."""

import csv as csv_module
import io


def table(books):
    """Aligned columns for people."""
    rows = [[b["title"], b["author"], str(b.get("year") or "")] for b in books]
    if not rows:
        return "(no books)\n"
    heading = ["title", "author", "year"]
    widths = [max(map(len, column)) for column in zip(heading, *rows)]
    lines = [heading, ["-" * width for width in widths], *rows]
    return "".join(_line(row, widths) for row in lines)


def _line(row, widths):
    title, author, year = row
    last = year.rjust(widths[2]) if year.isdigit() else year.ljust(widths[2])
    return "  ".join([title.ljust(widths[0]), author.ljust(widths[1]), last]).rstrip() + "\n"


def csv(books):
    """Comma-separated values for other programs."""
    buffer = io.StringIO()
    writer = csv_module.writer(buffer, lineterminator="\n")
    writer.writerow(["title", "author", "year", "tags"])
    for book in books:
        tags = ";".join(sorted(book.get("tags") or []))
        writer.writerow([book["title"], book["author"], book.get("year") or "", tags])
    return buffer.getvalue()


def bib(books):
    """BibTeX; keys that would be the same get a letter."""
    seen = {}
    return "".join(_entry(book, seen) for book in books)


def _entry(book, seen):
    name = "".join(c for c in book["author"].split()[-1].lower() if c.isalnum())
    key = name + str(book.get("year") or "nd")
    seen[key] = seen.get(key, 0) + 1
    if seen[key] > 1:
        key += chr(ord("a") + seen[key] - 2)
    lines = ["@book{" + key + ",", "  title = {" + book["title"] + "},"]
    lines.append("  author = {" + book["author"] + "},")
    if book.get("year"):
        lines.append("  year = {" + str(book["year"]) + "},")
    return "\n".join([*lines, "}"]) + "\n"


FORMS = {"table": table, "csv": csv, "bib": bib}
"""By the name that `Catalogue.render` and the command line take."""
