"""Finds lines in text files."""
