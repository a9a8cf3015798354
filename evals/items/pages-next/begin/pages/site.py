"""A folder of texts to a folder of pages."""

from pathlib import Path

from .page import render


def build(source, target):
    for path in sorted(Path(source).glob("*.txt")):
        page = Path(target) / (path.stem + ".html")
        page.write_text(render(path.stem, path.read_text()))
