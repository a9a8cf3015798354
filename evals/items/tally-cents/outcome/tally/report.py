"""Read bookings and add them up."""

import csv
from decimal import Decimal, InvalidOperation
from typing import NamedTuple


class Booking(NamedTuple):
    """One line of the file."""

    date: str
    account: str
    amount: Decimal


def read(lines):
    """Yield the bookings of an open CSV file; blank amounts are left out."""
    for row in csv.DictReader(lines):
        text = row["amount"].strip()
        if text:
            yield Booking(row["date"].strip(), row["account"].strip(), money(text))


def money(text):
    """An exact amount; `1,250.00` has a thousands separator, `(12.50)` is negative.

    Raises ValueError when the text is no amount.
    """
    plain = text.replace(",", "")
    if plain.startswith("(") and plain.endswith(")"):
        plain = "-" + plain[1:-1]
    try:
        return Decimal(plain)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no amount") from None


def by_account(bookings):
    """Total per account."""
    totals = {}
    for booking in bookings:
        totals[booking.account] = totals.get(booking.account, Decimal(0)) + booking.amount
    return totals


def by_month(bookings):
    """Total per month, such as 2025-01."""
    totals = {}
    for booking in bookings:
        month = booking.date[:7]
        totals[month] = totals.get(month, Decimal(0)) + booking.amount
    return totals


def render(totals):
    """One line per name, in alphabetical order, amounts with two decimals."""
    return "\n".join(f"{name:<20}{total:>12.2f}" for name, total in sorted(totals.items()))
