"""One module per raw format.

A module here is a format as soon as it has three names: `NAME` (a word for `Session.format`),
`matches(raw) -> bool` and `load(raw) -> Session`. It recognises its format from content alone,
and `matches` never raises. A module with `FALLBACK = True` is asked only when no other matches.
Adding a format is adding a file.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Protocol

from agent.session.model import Session
from agent.session.raw import Raw


class Format(Protocol):
    """What a format module offers."""

    NAME: str

    def matches(self, raw: Raw) -> bool:
        """True when this module can read what lies there."""
        ...

    def load(self, raw: Raw) -> Session:
        """Read it; called only after `matches` said yes."""
        ...


@cache
def modules() -> tuple[ModuleType, ...]:
    """Every format module, by name, fallbacks last."""
    found = [
        importlib.import_module(f"{__name__}.{info.name}")
        for info in pkgutil.iter_modules(__path__)
    ]
    formats = [module for module in found if hasattr(module, "matches")]
    return tuple(sorted(formats, key=lambda m: (getattr(m, "FALLBACK", False), m.NAME)))
