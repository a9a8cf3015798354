"""The index, certificates and limits are pip's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.errors import IndexUnavailable
from evals.index import PipSettings, obtain
from tests.evals.conftest import Index, sdist


def test_pips_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://one.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://two.example/simple file:///srv/simple")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "7")
    monkeypatch.setenv("PIP_CERT", "/etc/ssl/own.pem")
    settings = PipSettings.read()
    assert settings.indexes == ("https://one.example/simple", "https://two.example/simple")
    assert settings.timeout_s == 7
    assert settings.certificates == "/etc/ssl/own.pem"


def test_pips_configuration_file_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://file.example/simple\ntimeout = 9\nretries = 1\n"
        "trusted-host =\n    a.example\n    b.example\n[download]\ntimeout = 11\n"
    )
    for name in ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "PIP_TIMEOUT", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    settings = PipSettings.read()
    assert settings.indexes[0] == "https://file.example/simple"
    assert settings.timeout_s == 11, "the command's own section wins over the global one"
    assert settings.retries == 1
    assert settings.trusted_hosts == ("a.example", "b.example")


def test_no_index_asks_nobody() -> None:
    listing = "global.no-index='true'\nglobal.index-url='https://one.example/simple'\n"
    assert PipSettings.parse(listing).indexes == ()


def test_a_second_index_is_asked_when_the_first_has_no_such_project(
    index: Index, tmp_path: Path
) -> None:
    content = sdist(("kettledrum-1.0/a", b"1"))
    digest = index.put("kettledrum", "kettledrum-1.0.tar.gz", content)
    first = index.url.replace("/simple/", "/empty/")
    settings = PipSettings(indexes=(first, index.url), timeout_s=5, retries=0)
    got = obtain("kettledrum", "kettledrum-1.0.tar.gz", digest, tmp_path, settings)
    assert got.read_bytes() == content
    assert index.asked[0].startswith("/empty/")


def test_a_password_in_the_address_is_never_shown(tmp_path: Path) -> None:
    settings = PipSettings(
        indexes=("http://dana:hunter2@127.0.0.1:9/simple/",), timeout_s=5, retries=0
    )
    with pytest.raises(IndexUnavailable) as told:
        obtain("kettledrum", "kettledrum-1.0.tar.gz", "0" * 64, tmp_path, settings)
    assert "127.0.0.1:9" in str(told.value)
    assert "hunter2" not in str(told.value)
    assert "dana" not in str(told.value)
