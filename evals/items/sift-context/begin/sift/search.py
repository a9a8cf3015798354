"""Search in lines."""


def matches(lines, pattern):
    """Yield (number, line) of the lines that match, numbered from 1, without their ends."""
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\n")
        if pattern.search(line):
            yield number, line
