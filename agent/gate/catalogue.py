"""The catalogue of the gate's checks as a page, made from what the checks say of themselves.

python -m agent.gate.catalogue > docs/gate-checks.md
"""

from __future__ import annotations

import inspect
import sys

from agent.gate.runner import CHECKS

_HEAD = """\
# The gate's checks

This page is made by `python -m agent.gate.catalogue` from the docstrings in `agent/gate/checks/`.

Each check ends as `pass`, `fail`, `error` (the container engine got in the way; tried twice),
`not-applicable` or `untried` (an earlier check failed, or the budget was spent). An environment is
accepted when every check passes or is not applicable.
"""


def page() -> str:
    """The catalogue as Markdown."""
    parts = [_HEAD]
    for check in CHECKS:
        text = inspect.getdoc(check.function) or ""
        needs = ", ".join(f"`{name}`" for name in check.after)
        notes = [
            f"Needs {needs}." if needs else "",
            "Left out of a core run." if check.deep else "",
        ]
        parts.append(
            f"## {check.name}\n\n{text}\n\n{' '.join(n for n in notes if n)}".rstrip() + "\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
