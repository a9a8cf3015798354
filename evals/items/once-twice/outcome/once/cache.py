"""A cache that makes each value when it is first asked for, whatever number of threads asks."""

import threading


class _Making:
    """A value that some thread makes now."""

    def __init__(self):
        self.done = threading.Event()
        self.maker = threading.get_ident()


class Once:
    """Values by key, made by a function.

    Threads that ask for a key while its value is made wait for it; other keys do not. When the
    making fails, its own caller gets the error, and one of those who waited tries again.

    Args:
        make: takes the key and gives the value.
    """

    def __init__(self, make):
        self._make = make
        self._values = {}
        self._making = {}
        self._lock = threading.Lock()

    def get(self, key):
        """The value of a key; made when there is none yet."""
        while True:
            with self._lock:
                if key in self._values:
                    return self._values[key]
                making = self._making.get(key)
                if making is None:
                    making = self._making[key] = _Making()
                    break
                if making.maker == threading.get_ident():
                    raise RuntimeError(f"the value of {key!r} needs itself")
            making.done.wait()
        try:
            value = self._make(key)
            with self._lock:
                if self._making.get(key) is making:
                    self._values[key] = value
            return value
        finally:
            with self._lock:
                if self._making.get(key) is making:
                    del self._making[key]
            making.done.set()

    def forget(self, key):
        """Drop a key's value, so that it is made again; one that is being made is not kept."""
        with self._lock:
            self._values.pop(key, None)
            self._making.pop(key, None)

    def __len__(self):
        return len(self._values)

    def __contains__(self, key):
        return key in self._values
