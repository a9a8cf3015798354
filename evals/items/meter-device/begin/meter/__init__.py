from .device import Meter

__all__ = ["Meter"]
