"""Finds rows that say the same thing twice."""

from .find import Group, find, summary

__all__ = ["Group", "find", "summary"]
