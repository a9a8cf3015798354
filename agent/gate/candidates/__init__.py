"""Candidates made from the oracle without a model: wrong ones, right ones, and cheats."""
