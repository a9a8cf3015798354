"""Runs the benches, all or the named ones; the exit code says whether all targets are met."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.bench


def main(wanted: list[str]) -> int:
    """Runs benches one after the other: side by side they would measure each other."""
    met = True
    for module in pkgutil.iter_modules(tests.bench.__path__):
        if module.name.startswith("_") or (wanted and module.name not in wanted):
            continue
        bench = getattr(importlib.import_module(f"tests.bench.{module.name}"), "main", None)
        if bench is not None:
            met &= bench()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
