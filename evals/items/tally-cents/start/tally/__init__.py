"""Totals of a CSV file of bookings."""

from .report import Booking, by_account, read, render

__all__ = ["Booking", "by_account", "read", "render"]
