"""What the doctor says of a healthy machine, and of one that lacks something."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from agent.doctor import Finding, diagnose, render

HIDDEN = "pa55word-of-the-index"


@pytest.fixture(autouse=True)
def known_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    for key in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "KETTLE_HOST_TRUST"):
        monkeypatch.delenv(key, raising=False)


def named(name: str) -> Finding:
    return next(finding for finding in diagnose() if finding.name == name)


def shown(findings: list[Finding]) -> str:
    page = io.StringIO()
    Console(file=page, width=100).print(render(findings))
    return page.getvalue()


def test_a_machine_that_is_set_up_is_fine(base_image: str) -> None:
    findings = diagnose()
    assert [f.name for f in findings if not f.fine] == []
    assert {"Python", "git", "engine", "disk", "base image", "cache"} <= {f.name for f in findings}


def test_the_findings_are_json_and_a_page(base_image: str) -> None:
    findings = diagnose()
    read = json.loads(json.dumps([finding.as_dict() for finding in findings]))
    assert set(read[0]) == {"name", "state", "what", "how", "needed"}
    page = shown(findings)
    assert all(finding.name in page for finding in findings)


def test_an_engine_that_does_not_answer_is_found_and_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    engine = named("engine")
    assert engine.state == "broken"
    assert not engine.fine
    assert "DOCKER_HOST" in engine.how


def test_a_cache_that_cannot_be_written_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "file/cache"))
    cache = named("cache")
    assert (cache.state, cache.fine) == ("broken", False)
    assert "KETTLE_CACHE" in cache.how


def test_a_key_is_only_said_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named("OPENAI_API_KEY").state == "missing"
    assert named("OPENAI_API_KEY").fine
    monkeypatch.setenv("OPENAI_API_KEY", HIDDEN)
    findings = diagnose()
    assert any(f.name == "OPENAI_API_KEY" and f.state == "ok" for f in findings)
    assert HIDDEN not in shown(findings) + str(findings)


@pytest.mark.parametrize("mode", ["auto", "credentials"])
def test_credentials_in_the_hosts_settings_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("KETTLE_HOST_TRUST", mode)
    monkeypatch.setenv("PIP_INDEX_URL", f"https://reader:{HIDDEN}@127.0.0.2:9/simple")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"https://reader:{HIDDEN}@packages.invalid/")
    findings = diagnose()
    assert HIDDEN not in shown(findings) + str(findings)
    npm = next(f for f in findings if f.name == "registry (npm)")
    assert npm.state == "broken"
    assert "packages.invalid" in npm.what


def test_a_setting_that_means_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETTLE_HOST_TRUST", "sometimes")
    trust = named("host trust")
    assert trust.state == "broken"
    assert "auto, credentials, off" in trust.what
