"""Runs the benches, all or the named ones; the exit code says whether all targets are met."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.bench


def main(wanted: list[str]) -> int:
    """Runs benches one after the other: side by side they would measure each other."""
    known = {module.name for module in pkgutil.iter_modules(tests.bench.__path__)}
    if strange := set(wanted) - known:
        print(f"no such bench: {', '.join(sorted(strange))}", file=sys.stderr)
        return 2
    met = True
    for module in pkgutil.iter_modules(tests.bench.__path__):
        if module.name.startswith("_") or (wanted and module.name not in wanted):
            continue
        bench = importlib.import_module(f"tests.bench.{module.name}")
        if not hasattr(bench, "main"):
            continue
        if why := "" if wanted else getattr(bench, "ONLY_NAMED", ""):
            print(f"{module.name}: not run, {why}; python -m tests.bench {module.name}")
            continue
        met &= bench.main()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
