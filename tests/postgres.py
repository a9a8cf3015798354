"""A PostgreSQL of the tests' own: an unprivileged cluster in a temporary folder, on a socket there.

It listens on no port. Where PostgreSQL is not installed, `running` says so with `Missing`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

PLACES = "/usr/lib/postgresql"
"""Where Debian keeps the server's programs, one folder a version."""


class Missing(Exception):
    """There is no PostgreSQL here."""


class Postgres:
    """A cluster that can be stopped and started again.

    Attributes:
        folder: of the socket; also the data's parent.
    """

    def __init__(self, folder: Path) -> None:
        found = _initdb()
        if found is None:
            raise Missing("PostgreSQL is not installed: apt-get install postgresql")
        self.folder = folder
        self._bin = Path(found).resolve().parent
        # PostgreSQL refuses to run as root; Debian's package makes this user.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        self._run(
            "initdb", "-E", "UTF8", "-A", "trust", "-U", "kettle", "--no-sync", "-D", self._data
        )
        self.start()

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def url(self, database: str = "postgres") -> str:
        """For SQLAlchemy."""
        return f"postgresql://kettle@/{database}?host={quote(str(self.folder))}"

    def fresh(self, name: str) -> str:
        """Make an empty database; its URL."""
        self._run("createdb", "-h", str(self.folder), "-U", "kettle", name)
        return self.url(name)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=on"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-w", "-D", self._data, "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop the server at once, connections or not."""
        self._run("pg_ctl", "-w", "-D", self._data, "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            user=self._user,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")


def installed() -> bool:
    """Whether there is a PostgreSQL to start."""
    return _initdb() is not None


def _initdb() -> str | None:
    placed = sorted(Path(PLACES).glob("*/bin/initdb"), reverse=True)
    return str(placed[0]) if placed else shutil.which("initdb")


@contextmanager
def running() -> Iterator[Postgres]:
    """A server that is gone afterwards.

    Raises:
        Missing: PostgreSQL is not installed.
    """
    # A short path: a socket's name has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="kettle-pg-") as folder:
        server = Postgres(Path(folder))
        try:
            yield server
        finally:
            server.stop()
