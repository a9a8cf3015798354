"""Raw sessions, written by hand into a temporary folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.session import Session, load

LoadLines = Callable[..., Session]


@pytest.fixture
def load_lines(tmp_path: Path) -> LoadLines:
    """Writes objects as JSON lines, under a name that says nothing, and loads them."""

    def write(*lines: Any) -> Session:
        path = tmp_path / "some-file"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return load(path)

    return write


@pytest.fixture
def load_json(tmp_path: Path) -> LoadLines:
    """Writes one JSON document, under a name that says nothing, and loads it."""

    def write(document: Any) -> Session:
        path = tmp_path / "some-file"
        path.write_text(json.dumps(document, indent=1))
        return load(path)

    return write


@pytest.fixture
def load_text(tmp_path: Path) -> LoadLines:
    """Writes a text, under a name that says nothing, and loads it."""

    def write(text: str) -> Session:
        path = tmp_path / "some-file"
        path.write_text(text)
        return load(path)

    return write


@pytest.fixture
def load_folder(tmp_path: Path) -> LoadLines:
    """Writes a folder of JSON documents and texts, and loads it."""

    def write(files: dict[str, Any], name: str = "folder") -> Session:
        folder = tmp_path / name
        for file, held in files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(held if isinstance(held, str) else json.dumps(held))
        return load(folder)

    return write
