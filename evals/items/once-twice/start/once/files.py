"""Once for files."""

from pathlib import Path

from .cache import Once

texts = Once(lambda path: Path(path).read_text(encoding="utf-8"))
"""The text of files by path."""
