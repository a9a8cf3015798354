"""A cache that makes each value when it is first asked for."""


class Once:
    """Values by key, made by a function.

    Args:
        make: takes the key and gives the value.
    """

    def __init__(self, make):
        self._make = make
        self._values = {}

    def get(self, key):
        """The value of a key; made when there is none yet."""
        if key not in self._values:
            self._values[key] = self._make(key)
        return self._values[key]

    def forget(self, key):
        """Drop a key's value, so that it is made again."""
        self._values.pop(key, None)

    def __len__(self):
        return len(self._values)

    def __contains__(self, key):
        return key in self._values
