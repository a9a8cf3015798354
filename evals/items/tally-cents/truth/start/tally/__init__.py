"""Totals of a CSV file of bookings."""

from .report import Booking, by_account, by_month, read, render

__all__ = ["Booking", "by_account", "by_month", "read", "render"]
