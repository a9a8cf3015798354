"""A certificate authority of the tests' own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def make_authority(folder: Path, name: str = "Kettle test authority") -> Path:
    """Makes one in an empty folder; it can also prove to be the host of its name.

    Returns:
        A PEM file with its private key and its certificate.
    """
    if shutil.which("openssl") is None:
        pytest.skip("making a certificate authority needs the openssl program")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name.replace(' ', '-')}",
         "-keyout", folder / "key", "-out", folder / "crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_bytes((folder / "key").read_bytes() + (folder / "crt").read_bytes())
    return both
