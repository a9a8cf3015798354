"""A prompt and the code that fills it must not drift apart."""

from __future__ import annotations

import pytest

from prompts import render


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(ValueError, match="session_date"):
        render("builder")


def test_a_value_that_the_prompt_does_not_use_is_an_error() -> None:
    with pytest.raises(ValueError, match="colour"):
        render("builder", session_date="2025-01-01", colour="red")


def test_values_are_put_in_as_they_are() -> None:
    hostile = "{{ 7 * 7 }} {% include 'cut' %} <b>"
    assert hostile in render("report", report=hostile, left="3 turns")
