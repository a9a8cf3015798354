"""Kettle: raw coding-agent sessions in, verified RL environments out."""

__version__ = "0.1.0"
