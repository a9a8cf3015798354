"""The command as a user calls it."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TEXT = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"


class SiftTest(unittest.TestCase):
    """In a folder with two files."""

    def setUp(self):
        """Make the files."""
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)
        (self.folder / "a.txt").write_text(TEXT)
        (self.folder / "b.txt").write_text("ten\neleven\n")

    def sift(self, *arguments, given=""):
        """Exit code and standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "sift", *arguments],
            input=given, capture_output=True, text=True, cwd=self.folder,
            env={"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        return done.returncode, done.stdout

    def test_matching_lines(self):
        """In the order of the file."""
        self.assertEqual(self.sift("o", "a.txt"), (0, "one\ntwo\nfour\n"))
        self.assertEqual(self.sift("-n", "-i", "FI", "a.txt"), (0, "5:five\n"))

    def test_several_files(self):
        """Lines name their file."""
        self.assertEqual(self.sift("-n", "en", "a.txt", "b.txt"), (0, "a.txt:7:seven\nb.txt:1:ten\nb.txt:2:eleven\n"))

    def test_standard_input(self):
        """Without a file."""
        self.assertEqual(self.sift("x", given="ax\nb\n"), (0, "ax\n"))

    def test_nothing(self):
        """Exit code 1."""
        self.assertEqual(self.sift("zzz", "a.txt"), (1, ""))


if __name__ == "__main__":
    unittest.main()
