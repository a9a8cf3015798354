"""Errors of the meta-benchmark.

KettleError
 ├─ InputError
 │   └─ RecipeError        an item's recipe, or a file that it names, cannot be used (exit code 2)
 └─ IndexUnavailable   the package index cannot be reached (exit code 5)
"""

from __future__ import annotations

from agent.errors import InputError, KettleError


class RecipeError(InputError):
    """An item's recipe, or a file that it names, cannot be used."""


class IndexUnavailable(KettleError):
    """The package index cannot be reached or does not answer; the recipe may be fine."""
