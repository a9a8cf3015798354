"""A moved wall clock for a container: a small library that its programs load.

A container shares the kernel's wall clock, and a time namespace moves only the monotonic ones. So
`clock.c` answers for the C library; see there for what it reaches. libfaketime, the well-kept
library for this, was tried first: told by a file, it moves the monotonic clock as well, and then
Python's waits with a time-out never end.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from sandbox.cache import cache_dir

SOURCE = Path(__file__).with_name("clock.c")
COMPILERS = ("cc", "gcc", "clang")
COMPILE_S = 60.0
"""Seconds; two hundred lines take less than one."""
OPTIONS = (
    "-shared",
    "-fPIC",
    "-O1",
    # No code of the C library is bound in, so that any newer one can load it.
    "-nostdlib",
    "-fno-builtin",
    "-fno-stack-protector",
    "-Wl,-z,now",
)


@cache
def library(offset_s: int) -> bytes | None:
    """The compiled library that moves the clock by so many seconds, or None without a compiler.

    It is kept in Kettle's cache under the digest of what it was made from.
    """
    options = [*OPTIONS, f"-DOFFSET_S={offset_s}L"]
    made_from = SOURCE.read_bytes() + " ".join(options).encode() + os.uname().machine.encode()
    kept = cache_dir() / "clock" / f"{hashlib.sha256(made_from).hexdigest()[:16]}.so"
    if kept.is_file():
        return kept.read_bytes()
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    kept.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        new = Path(folder) / "clock.so"
        try:
            subprocess.run(
                [compiler, *options, str(SOURCE), "-o", str(new)],
                check=True,
                capture_output=True,
                timeout=COMPILE_S,
            )
        except (OSError, subprocess.SubprocessError):
            # A compiler without headers, or another processor: the clock then stays as it is.
            return None
        os.replace(new, kept)
    return kept.read_bytes()
