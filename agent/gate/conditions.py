"""The conditions under which `stable` grades the same tree again.

A repeat changes several things at once, because a sound verdict minds none of them and a repeat
costs as much as a grade. Only when a verdict changes is each thing tried alone, to name the one
that did it. Neighbours are there without asking: all repeats are graded side by side.
"""

from __future__ import annotations

from agent.gate import clock
from agent.grading import PLAIN, Conditions

CLOCK_S = 1137 * 24 * 60 * 60
"""Three years and some weeks: another year, month and day of the week, and still before 2038."""
CPU_SHARE = 0.5
"""Of the processors that the task asks for: slow enough for a race, and affordable."""
PLACE = "/run/kettle-conditions"
_PLUGIN = "kettle_reversed_order"

_REVERSED = """\
def pytest_collection_modifyitems(items):
    items.reverse()
"""

EAST = Conditions("time zone UTC+14", env={"TZ": "Pacific/Kiritimati"})
WEST = Conditions("time zone UTC-11", env={"TZ": "Pacific/Pago_Pago"})
"""Together they see another day than UTC at any hour. Neither has summer time."""
PLAIN_LOCALE = Conditions("locale C", env={"LANG": "C", "LC_ALL": "C"})
SLOW = Conditions(f"{CPU_SHARE:g} of the processors", cpu_share=CPU_SHARE)
REVERSED = Conditions(
    "tests in reversed order",
    # KIT_ORDER is for verifiers with the kit, the rest for any other that starts pytest.
    env={"KIT_ORDER": "reversed"},
    files={f"{PLACE}/{_PLUGIN}.py": _REVERSED.encode()},
    prefix=f'PYTHONPATH="{PLACE}${{PYTHONPATH:+:$PYTHONPATH}}" '
    f'PYTEST_ADDOPTS="-p {_PLUGIN} ${{PYTEST_ADDOPTS:-}}"',
)


def hash_seed(seed: int) -> Conditions:
    """Python's hashes, and so the order of sets, as a seed decides."""
    return Conditions(f"PYTHONHASHSEED={seed}", env={"PYTHONHASHSEED": str(seed)})


def later() -> Conditions | None:
    """The wall clock moved by `CLOCK_S`; None where nothing here can compile what moves it."""
    library = clock.library(CLOCK_S)
    if library is None:
        return None
    here = f"{PLACE}/clock.so"
    # Tried on one program first, because a library that cannot be loaded would hit every program.
    moved = (
        f"now=$(date +%s) && then=$(LD_PRELOAD={here} date +%s) && "
        f"[ $((then - now)) -ge {CLOCK_S} ] && echo {here} > /etc/ld.so.preload"
    )
    return Conditions(
        f"clock {CLOCK_S // 86400} days later", files={here: library}, arrange=f"{moved}"
    )


def of_repeat(number: int, seed: int) -> tuple[Conditions, ...]:
    """What is changed in one repeat.

    Args:
        number: of the repeat; the first, 0, is plain.
        seed: of the run.
    """
    if number == 0:
        return ()
    if number % 2 == 1:
        chosen = [EAST, PLAIN_LOCALE, hash_seed(seed + number), REVERSED]
        moved = later()
        return (*chosen, moved) if moved else tuple(chosen)
    return (WEST, hash_seed(seed + number), SLOW)


def together(parts: tuple[Conditions, ...]) -> Conditions:
    """Several conditions at once."""
    if not parts:
        return PLAIN
    return Conditions(
        label=", ".join(p.label for p in parts),
        env={k: v for p in parts for k, v in p.env.items()},
        cpu_share=min(p.cpu_share for p in parts),
        files={k: v for p in parts for k, v in p.files.items()},
        prefix=" ".join(p.prefix for p in parts if p.prefix),
        arrange=" && ".join(p.arrange for p in parts if p.arrange),
    )
