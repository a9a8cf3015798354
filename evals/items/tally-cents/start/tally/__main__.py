"""The command line: python -m tally FILE."""

import argparse
from pathlib import Path

from .report import by_account, read, render


def main(arguments=None):
    """Print the totals of a file, one account a line."""
    parser = argparse.ArgumentParser(prog="tally", description="Totals of a CSV file.")
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    with options.file.open(newline="") as lines:
        print(render(by_account(read(lines))))


if __name__ == "__main__":
    main()
