import tempfile
import unittest
from pathlib import Path

from jot import main


class JotTest(unittest.TestCase):
    def test_notes_are_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "n"
            main(["--file", str(file), "buy", "milk"])
            self.assertIn("buy milk", file.read_text())
