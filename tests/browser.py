"""A real browser for tests: Debian's Chromium, installed by the first test that needs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sandbox.cache import locked
from sandbox.install import SetupError, apt_install

LOAD_S = 120
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # A page measures another one that lies beside it.
    "--allow-file-access-from-files",
)


def chromium() -> str:
    """The browser's program; "" where it cannot be installed."""
    with locked("chromium"):
        if not shutil.which("chromium"):
            try:
                apt_install(["chromium"])
            except SetupError:
                return ""
    return shutil.which("chromium") or ""


class Browser:
    """Opens files, each in a fresh profile."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._number = 0

    def dom(self, page: Path) -> str:
        """The document after it was loaded, scripts of ours included, as HTML."""
        return self._run("--dump-dom", page)

    def picture(self, page: Path, to: Path, *, width: int, height: int = 1200) -> bytes:
        """What the page looks like, as a PNG."""
        self._run(f"--window-size={width},{height}", page, f"--screenshot={to}")
        return to.read_bytes()

    def _run(self, option: str, page: Path, *more: str) -> str:
        self._number += 1
        profile = f"--user-data-dir={self._folder / str(self._number)}"
        done = subprocess.run(
            [self._program, *FLAGS, profile, option, *more, page.resolve().as_uri()],
            capture_output=True,
            text=True,
            timeout=LOAD_S,
            check=True,
        )
        return done.stdout
