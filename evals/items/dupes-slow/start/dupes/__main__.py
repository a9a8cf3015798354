"""The command line: python -m dupes FILE COLUMN..."""

import argparse
import csv
from pathlib import Path

from .find import find, summary


def main(arguments=None):
    """Print one line per group of rows that agree in the named columns."""
    parser = argparse.ArgumentParser(prog="dupes")
    parser.add_argument("file", type=Path)
    parser.add_argument("columns", nargs="+")
    options = parser.parse_args(arguments)
    with options.file.open(newline="") as lines:
        print(summary(find(csv.DictReader(lines), options.columns)))


if __name__ == "__main__":
    main()
