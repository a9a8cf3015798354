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
    groups = []
    for row in rows:
        values = [row[column] for column in columns]
        for group in groups:
            if same(group.values, values):
                group.rows.append(row)
                break
        else:
            groups.append(Group(values, [row]))
    return [group for group in groups if len(group.rows) > 1]


def same(these, those):
    """True when two lists of values agree."""
    return [plain(value) for value in these] == [plain(value) for value in those]


def plain(value):
    """A value as it is compared."""
    return value.strip().casefold() if isinstance(value, str) else value


def summary(groups):
    """One line per group: how many rows, and what they agree in."""
    return "\n".join(f"{len(group.rows)} x {', '.join(map(str, group.values))}" for group in groups)
