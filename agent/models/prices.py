"""What a query costs, by the price list of the `genai-prices` package (list prices, offline).

An unknown model has no price: None, never zero, because a budget in dollars must not mistake
ignorance for a bargain.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import genai_prices

from agent.models.base import Usage

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 (never bound)
"""A server on the user's own machine charges nothing that a price list could know."""


def priced(usage: Usage, model: str, base_url: str) -> Usage:
    """`usage` with its price in USD filled in, or None where the list has no such model.

    Args:
        usage: tokens, the cached ones included in `input_tokens`.
        model: the provider's name of the model.
        base_url: where the query went; decides whose price list counts.
    """
    if urlsplit(base_url).hostname in LOCAL_HOSTS:
        return usage
    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        price = genai_prices.calc_price(tokens, model, provider_api_url=base_url)
    except (LookupError, ValueError):
        # A gateway under its own host name: the model's maker is the best guess at the price.
        try:
            price = genai_prices.calc_price(tokens, model)
        except (LookupError, ValueError):
            return usage
    return replace(usage, dollars=float(price.total_price))
