"""The verifier kit: files that every environment's `tests/` begins with.

`kit.py`, `suites.py` and `test.sh` are data to Kettle: they are copied into environments and run
there, never imported here.
"""

from __future__ import annotations

from importlib import resources

KIT_FILES = ("kit.py", "suites.py", "test.sh")


def kit_files() -> dict[str, bytes]:
    """The kit's files by path in an environment (`tests/kit.py`, …)."""
    folder = resources.files(__name__)
    return {f"tests/{name}": (folder / name).read_bytes() for name in KIT_FILES}
