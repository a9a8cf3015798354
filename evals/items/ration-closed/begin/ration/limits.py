"""Limits by name."""

from .bucket import Bucket


def limits(table, clock):
    """Buckets of a table {name: (rate, burst)}."""
    return {name: Bucket(rate, burst, clock) for name, (rate, burst) in table.items()}
