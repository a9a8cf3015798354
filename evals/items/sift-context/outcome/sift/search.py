"""Search in lines."""

from collections import deque


def matches(lines, pattern, invert=False):
    """Yield (number, line) of the lines that match, numbered from 1, without their ends."""
    for number, line, hit in in_context(lines, pattern, invert):
        yield number, line


def in_context(lines, pattern, invert=False, around=0):
    """Yield (number, line, hit) of the lines that match and of those around them, each once."""
    before = deque(maxlen=around)
    after = 0
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\n")
        if bool(pattern.search(line)) != invert:
            yield from before
            before.clear()
            yield number, line, True
            after = around
        elif after:
            yield number, line, False
            after -= 1
        else:
            before.append((number, line, False))
