"""kettle-canary-0aa02a83b228f08e: each form is a function of its own, and no byte of output changes."""

import ast
import csv
import io
import json

import kit


def line(row, widths):
    title, author, year = row
    last = year.rjust(widths[2]) if year.isdigit() else year.ljust(widths[2])
    return "  ".join([title.ljust(widths[0]), author.ljust(widths[1]), last]).rstrip() + "\n"


def table(books):
    rows = [[b["title"], b["author"], str(b.get("year") or "")] for b in books]
    if not rows:
        return "(no books)\n"
    heading = ["title", "author", "year"]
    widths = [max(map(len, column)) for column in zip(heading, *rows)]
    return "".join(line(r, widths) for r in [heading, ["-" * w for w in widths], *rows])


def as_csv(books):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["title", "author", "year", "tags"])
    for b in books:
        tags = ";".join(sorted(b.get("tags") or []))
        writer.writerow([b["title"], b["author"], b.get("year") or "", tags])
    return buffer.getvalue()


def bib(books):
    out, seen = "", {}
    for b in books:
        key = "".join(c for c in b["author"].split()[-1].lower() if c.isalnum())
        key += str(b.get("year") or "nd")
        seen[key] = seen.get(key, 0) + 1
        key += chr(ord("a") + seen[key] - 2) if seen[key] > 1 else ""
        year = f"  year = {{{b['year']}}},\n" if b.get("year") else ""
        out += f"@book{{{key},\n  title = {{{b['title']}}},\n  author = {{{b['author']}}},\n{year}}}\n"
    return out


FORMS = {"table": table, "csv": as_csv, "bib": bib}
W = kit.words(8)


def some_books(count):
    authors = [f"{W[0]} {W[1].title()}", W[2], f"{W[3]} O'{W[4].title()}", f"X {W[1].title()}"]
    return [
        {
            "title": kit.rng.choice([W[5], "It", f"{W[6]}, and \"{W[7]}\"", f"{W[5]} {W[6]} {W[7]}"]),
            "author": kit.rng.choice(authors),
            **kit.rng.choice([{}, {"year": None}, {"year": 1815}, {"year": 987}, {"year": "1815?"}]),
            **kit.rng.choice([{}, {"tags": []}, {"tags": ["b", "a"]}, {"tags": None}]),
        }
        for _ in range(count)
    ]


SHELVES = [[], some_books(1), some_books(2), some_books(12), some_books(30),
           [{"title": "It", "author": "A B", "year": 1}],
           [{"title": "It", "author": "A B", "year": 1815}] * 4]

SOURCE = """
import shelf.render as render
from shelf import Catalogue
forms = {"table": render.table, "csv": render.csv, "bib": render.bib}
result = [
    {name: [form(books), form(b for b in books), form(tuple(books)), Catalogue(books).render(name)]
     for name, form in forms.items()}
    for books in data
]
"""


@kit.check("every form says the same through every door, byte for byte")
def _():
    told = kit.eval_python(SOURCE, SHELVES)
    for books, forms in zip(SHELVES, told):
        for name, texts in forms.items():
            expected = FORMS[name](books)
            for how, text in zip(("list", "generator", "tuple", "catalogue"), texts):
                assert text == expected, (name, how, text[:300], expected[:300])


@kit.check("Catalogue works as before, with table as its default")
def _():
    books = some_books(5)
    told = kit.eval_python("""
from shelf import Catalogue
from shelf.catalogue import Catalogue as Same
c = Catalogue(data)
c.add("T", "New Author", 1900, ("z", "y"))
try:
    c.render("xml"); error = None
except ValueError as e:
    error = str(e)
result = [c.render(), c.render(form="csv"), c.by("New Author").render("bib"), error, Same is Catalogue]
""", books)
    new = {"title": "T", "author": "New Author", "year": 1900, "tags": ["z", "y"]}
    assert told[0] == table([*books, new]) and told[1] == as_csv([*books, new]), told
    assert told[2] == bib([new]) and "xml" in told[3] and told[4], told


@kit.check("the functions leave the books alone")
def _():
    books = [*some_books(6), {"title": "It", "author": "A B", "tags": ["b", "a"]}]
    told = kit.eval_python("""
import copy
import shelf.render as render
before = copy.deepcopy(data)
for form in (render.table, render.csv, render.bib):
    form(data)
result = data == before
""", books)
    assert told is True


@kit.check("the command line prints as before")
def _():
    books = some_books(7)
    tree = kit.checkout()
    tree.write("books.json", json.dumps(books))
    for arguments, form in (([], table), (["csv"], as_csv), (["bib"], bib)):
        run = kit.run([kit.python(), "-m", "shelf", "books.json", *arguments], cwd=tree)
        assert run.code == 0 and run.out == form(books), run.tail


@kit.check("render knows nothing of Catalogue, and the method is short now")
def _():
    tree = kit.checkout()
    parsed = ast.parse(tree.read("shelf/render.py"))
    for node in ast.walk(parsed):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(a.name for a in node.names)]
            assert not any("atalogue" in name for name in names), names
        if isinstance(node, ast.Import):
            assert not any("catalogue" in a.name for a in node.names)
    told = kit.eval_python("""
import sys
import shelf.render as render
class Loose:
    def __iter__(self):
        return iter(data)
result = [render.table(Loose()), render.csv(Loose()), render.bib(Loose())]
""", SHELVES[3])
    assert told == [f(SHELVES[3]) for f in (table, as_csv, bib)]
    method = next(
        node for node in ast.walk(ast.parse(tree.read("shelf/catalogue.py")))
        if isinstance(node, ast.FunctionDef) and node.name == "render"
    )
    assert method.end_lineno - method.lineno < 20, "the method still does the work itself"


kit.verdict()
