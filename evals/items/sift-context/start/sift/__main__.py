"""The command line: python -m sift PATTERN [FILE...]."""

import argparse
import re
import sys

from .search import matches


def parser():
    """What the command line takes."""
    made = argparse.ArgumentParser(prog="sift", description="Print lines that match.")
    made.add_argument("pattern", help="a regular expression")
    made.add_argument("files", nargs="*", help="standard input when none is named")
    made.add_argument("-i", "--ignore-case", action="store_true")
    made.add_argument("-n", "--line-number", action="store_true")
    made.add_argument("-v", "--invert", action="store_true", help="lines that do not match")
    return made


def main(arguments=None):
    """Print matching lines; 0 when there are some, 1 when there are none, 2 for trouble."""
    options = parser().parse_args(arguments)
    try:
        pattern = re.compile(options.pattern, re.IGNORECASE if options.ignore_case else 0)
    except re.error as error:
        print(f"sift: {options.pattern}: {error}", file=sys.stderr)
        return 2
    found = trouble = False
    for name in options.files or ["-"]:
        try:
            lines = sys.stdin if name == "-" else open(name, encoding="utf-8")
        except OSError as error:
            print(f"sift: {name}: {error.strerror}", file=sys.stderr)
            trouble = True
            continue
        with lines:
            for number, line in matches(lines, pattern, options.invert):
                found = True
                prefix = f"{name}:" if len(options.files) > 1 else ""
                prefix += f"{number}:" if options.line_number else ""
                print(prefix + line)
    return 2 if trouble else 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
