"""The command line: python -m sift PATTERN [FILE...]."""

import argparse
import re
import sys

from .search import in_context


def parser():
    """What the command line takes."""
    made = argparse.ArgumentParser(prog="sift", description="Print lines that match.")
    made.add_argument("pattern", help="a regular expression")
    made.add_argument("files", nargs="*", help="standard input when none is named")
    made.add_argument("-i", "--ignore-case", action="store_true")
    made.add_argument("-n", "--line-number", action="store_true")
    made.add_argument("-v", "--invert", action="store_true", help="lines that do not match")
    made.add_argument("-C", "--context", type=_count, default=0, metavar="N", help="N lines around")
    return made


def _count(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def main(arguments=None):
    """Print matching lines; 0 when there are some, 1 when there are none, 2 for trouble."""
    options = parser().parse_args(arguments)
    try:
        pattern = re.compile(options.pattern, re.IGNORECASE if options.ignore_case else 0)
    except re.error as error:
        print(f"sift: {options.pattern}: {error}", file=sys.stderr)
        return 2
    found = trouble = shown = False
    for name in options.files or ["-"]:
        try:
            lines = sys.stdin if name == "-" else open(name, encoding="utf-8")
        except OSError as error:
            print(f"sift: {name}: {error.strerror}", file=sys.stderr)
            trouble = True
            continue
        with lines:
            last = None
            for number, line, hit in in_context(lines, pattern, options.invert, options.context):
                if options.context and shown and number - 1 != last:
                    print("--")
                mark = ":" if hit else "-"
                prefix = f"{name}{mark}" if len(options.files) > 1 else ""
                prefix += f"{number}{mark}" if options.line_number else ""
                print(prefix + line)
                last, shown = number, True
                found = found or hit
    return 2 if trouble else 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
