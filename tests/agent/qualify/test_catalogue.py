"""The page of verdicts is what the code says."""

from __future__ import annotations

from pathlib import Path

from agent.qualify.catalogue import page

PAGE = Path(__file__).parents[3] / "docs" / "verdicts.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m agent.qualify.catalogue > docs/verdicts.md"
