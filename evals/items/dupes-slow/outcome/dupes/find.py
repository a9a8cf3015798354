"""Group rows that agree."""

from typing import NamedTuple


class Group(NamedTuple):
    """Rows that agree in the columns asked for."""

    values: list
    """The values they agree in, as in the first of them."""
    rows: list
    """The rows, in the order in which they came."""


def find(rows, columns):
    """Groups of two rows or more, in the order of their first rows.

    Text is compared without regard to case and to blanks around it. Values may be anything that
    can be compared: a column of a JSON file may hold lists and objects.
    """
    groups = {}
    others = []
    order = []
    for row in rows:
        values = [row[column] for column in columns]
        key = tuple(plain(value) for value in values)
        try:
            group = groups.setdefault(key, Group(values, []))
        except TypeError:
            group = _slowly(others, key, values)
        group.rows.append(row)
        if len(group.rows) == 1:
            order.append(group)
    return [group for group in order if len(group.rows) > 1]


def _slowly(others, key, values):
    """The group of a key that cannot be hashed: it holds a list or an object."""
    for other, group in others:
        if other == key:
            return group
    others.append((key, Group(values, [])))
    return others[-1][1]


def plain(value):
    """A value as it is compared."""
    return value.strip().casefold() if isinstance(value, str) else value


def summary(groups):
    """One line per group: how many rows, and what they agree in."""
    return "\n".join(f"{len(group.rows)} x {', '.join(map(str, group.values))}" for group in groups)
