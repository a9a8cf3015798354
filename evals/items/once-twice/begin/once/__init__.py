"""Values that are made once."""

from .cache import Once

__all__ = ["Once"]
