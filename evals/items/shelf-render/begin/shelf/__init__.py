"""A shelf of books."""

from .catalogue import Catalogue

__all__ = ["Catalogue"]
