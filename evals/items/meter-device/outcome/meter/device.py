"""The maker's driver. It ships with the device and cannot be downloaded."""

import ctypes

_driver = ctypes.WinDLL(r"C:\Program Files\Flowmatic\fmdrv64.dll")


class Meter:
    def __init__(self, port):
        self.handle = _driver.FmOpen(port)

    def flow(self):
        value = ctypes.c_double()
        for attempt in range(3):
            code = _driver.FmRead(self.handle, ctypes.byref(value))
            if code != 0x17:
                break
            _driver.FmReset(self.handle, 1)
        if code:
            raise OSError(f"the meter says {code:#x}")
        return value.value
