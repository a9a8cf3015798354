"""The command line: python -m tally FILE."""

import argparse
from pathlib import Path

from .report import by_account, by_month, read, render


def main(arguments=None):
    """Print the totals of a file, one account or month a line."""
    parser = argparse.ArgumentParser(prog="tally", description="Totals of a CSV file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--by", choices=["account", "month"], default="account")
    options = parser.parse_args(arguments)
    with options.file.open(newline="") as lines:
        add_up = by_month if options.by == "month" else by_account
        print(render(add_up(read(lines))))


if __name__ == "__main__":
    main()
