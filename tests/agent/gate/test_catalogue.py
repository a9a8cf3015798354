from __future__ import annotations

from pathlib import Path

from agent.gate import CHECKS
from agent.gate.catalogue import page

PAGE = Path(__file__).parents[3] / "docs" / "gate-checks.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m agent.gate.catalogue > docs/gate-checks.md"


def test_every_check_explains_itself() -> None:
    for check in CHECKS:
        assert f"## {check.name}\n\n" in page()
        assert len(check.function.__doc__ or "") > 80
