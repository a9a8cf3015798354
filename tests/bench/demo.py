"""How long the demo takes with warm base images and downloads, and where the time goes.

Run alone: `python -m tests.bench.demo`.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from agent.build import BuildSettings, build_session
from evals.recipe import materialise

ITEM = Path(__file__).parents[2] / "evals" / "items" / "parse-hyphens"
TARGET_S = 120.0


def main() -> bool:
    """Print the whole and each phase; True when the target is met."""
    with tempfile.TemporaryDirectory(prefix="kettle-bench-") as folder:
        began = time.monotonic()
        repository = materialise(ITEM, Path(folder) / "repository")
        recipe = time.monotonic() - began
        result = build_session(
            ITEM / "session.jsonl",
            BuildSettings(repo=str(repository.path), model="baseline", out=Path(folder) / "out"),
        )
        whole = time.monotonic() - began
    met = result.status == "accepted" and whole <= TARGET_S
    verdict = "ok" if met else "miss"
    print(f"demo, from recipe to environment: {whole:.1f} s (at most {TARGET_S:.0f} s) {verdict}")
    print(f"  recipe {recipe:.1f} s")
    for name, seconds in sorted(result.phases.items(), key=lambda item: -item[1]):
        print(f"  {name} {seconds:.1f} s")
    if result.report:
        for check in sorted(result.report.checks, key=lambda c: -c.seconds)[:5]:
            print(f"    gate: {check.name} {check.seconds:.1f} s")
    return met


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
