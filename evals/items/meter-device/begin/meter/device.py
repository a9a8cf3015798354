"""The maker's driver. It ships with the device and cannot be downloaded."""

import ctypes

_driver = ctypes.WinDLL(r"C:\Program Files\Flowmatic\fmdrv64.dll")


class Meter:
    def __init__(self, port):
        self.handle = _driver.FmOpen(port)

    def flow(self):
        value = ctypes.c_double()
        _driver.FmRead(self.handle, ctypes.byref(value))
        return value.value
