"""Kettle: raw coding-agent sessions in, verified RL environments out.

    from agent import build, check, qualify

The functions are `agent.library`'s; `docs/library.md` shows them at work. Importing this package
loads nothing else: what a name stands for is loaded when it is first asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.budget import Budget
    from agent.build import BuildResult
    from agent.errors import InputError, KettleError, ProviderError, Rejected
    from agent.gate import GateReport, GateSettings
    from agent.library import build, build_async, check, check_async, qualify, qualify_async
    from agent.qualify import Qualification
    from sandbox.errors import SandboxError

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "BuildResult",
    "GateReport",
    "GateSettings",
    "InputError",
    "KettleError",
    "ProviderError",
    "Qualification",
    "Rejected",
    "SandboxError",
    "build",
    "build_async",
    "check",
    "check_async",
    "qualify",
    "qualify_async",
]

_WHERE = {
    "agent.budget": ("Budget",),
    "agent.build": ("BuildResult",),
    "agent.errors": ("InputError", "KettleError", "ProviderError", "Rejected"),
    "agent.gate": ("GateReport", "GateSettings"),
    "agent.library": (
        *("build", "build_async", "check", "check_async"),
        *("qualify", "qualify_async"),
    ),
    "agent.qualify": ("Qualification",),
    "sandbox.errors": ("SandboxError",),
}
_HOME = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


class _Face(ModuleType):
    """Keeps `build` and `qualify` functions here, although modules have these names, too.

    Python would put a submodule in a function's place as soon as anybody imports it.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in _HOME):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
