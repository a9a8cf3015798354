"""Notes in a file, one a line."""

import argparse
from datetime import date
from pathlib import Path


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="jot")
    parser.add_argument("words", nargs="*", help="a note; without one all notes are shown")
    parser.add_argument("--file", type=Path, default=Path.home() / "notes.txt")
    given = parser.parse_args(arguments)
    if given.words:
        with given.file.open("a") as notes:
            notes.write(f"{date.today()} {' '.join(given.words)}\n")
    elif given.file.exists():
        print(given.file.read_text(), end="")


if __name__ == "__main__":
    main()
