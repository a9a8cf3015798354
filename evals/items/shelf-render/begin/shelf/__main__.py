"""The command line: python -m shelf FILE [FORM]."""

import sys

from .catalogue import Catalogue


def main(arguments):
    """Print a catalogue."""
    path, *form = arguments
    sys.stdout.write(Catalogue.load(path).render(*form))


if __name__ == "__main__":
    main(sys.argv[1:])
