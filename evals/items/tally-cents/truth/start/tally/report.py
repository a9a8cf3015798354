"""Read bookings and add them up."""

import csv
from typing import NamedTuple


class Booking(NamedTuple):
    """One line of the file."""

    date: str
    account: str
    amount: float


def read(lines):
    """Yield the bookings of an open CSV file; blank amounts are left out."""
    for row in csv.DictReader(lines):
        text = row["amount"].strip()
        if text:
            yield Booking(row["date"].strip(), row["account"].strip(), float(text))


def by_account(bookings):
    """Total per account."""
    totals = {}
    for booking in bookings:
        totals[booking.account] = totals.get(booking.account, 0) + booking.amount
    return totals


def by_month(bookings):
    """Total per month, such as 2025-01."""
    totals = {}
    for booking in bookings:
        month = booking.date[:7]
        totals[month] = totals.get(month, 0) + booking.amount
    return totals


def render(totals):
    """One line per name, in alphabetical order."""
    return "\n".join(f"{name:<20}{total:>12}" for name, total in sorted(totals.items()))
