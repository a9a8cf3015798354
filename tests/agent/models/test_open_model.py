"""Models by name, and which one is used when none was named."""

from __future__ import annotations

import pytest

from agent.errors import InputError
from agent.models import default_model_spec, open_model
from agent.models.base import Usage
from agent.models.prices import priced


def test_without_a_key_no_model_is_asked_and_it_says_so() -> None:
    spec, reason = default_model_spec({})
    assert spec == "baseline"
    assert "ANTHROPIC_API_KEY" in reason
    assert open_model(spec).name == "baseline"


@pytest.mark.parametrize(
    ("environ", "starts"),
    [
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic:claude-"),
        ({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}, "anthropic:claude-"),
        ({"OPENAI_API_KEY": "k"}, "openai:gpt-"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}, "baseline"),
        ({"ANTHROPIC_API_KEY": ""}, "baseline"),
    ],
)
def test_a_key_chooses_its_vendors_model(environ: dict[str, str], starts: str) -> None:
    spec, reason = default_model_spec(environ)
    assert spec.startswith(starts)
    assert reason


@pytest.mark.parametrize("spec", ["", "gpt-5", "openai:", "anthropic", "replay:", "baseline:x"])
def test_a_name_that_is_none_lists_the_forms(spec: str) -> None:
    with pytest.raises(InputError, match="anthropic:<model>"):
        open_model(spec)


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("no-such-model", "https://api.openai.com/v1/"),
        ("no-such-model", "https://gateway.example/v1/"),
        ("gpt-4o", "http://127.0.0.1:8000/v1/"),
    ],
)
def test_an_unknown_price_is_none_and_not_zero(model: str, url: str) -> None:
    assert priced(Usage(input_tokens=10, output_tokens=1), model, url).dollars is None


def test_the_default_models_have_a_price() -> None:
    for environ in ({"ANTHROPIC_API_KEY": "k"}, {"OPENAI_API_KEY": "k"}):
        model = default_model_spec(environ)[0].partition(":")[2]
        usage = priced(Usage(input_tokens=10, output_tokens=1), model, "https://gateway.example/")
        assert usage.dollars is not None
