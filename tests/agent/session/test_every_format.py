"""Every format is recognised by content, exports valid ATIF, and bears what happens to files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import atif
import pytest

from agent.errors import SessionError
from agent.session import Session, formats, load
from agent.session.atif import to_atif
from agent.session.raw import Raw
from tests.agent.session.samples import CLAUDE, SAMPLES, dumped

CUTS = 12
"""Places at which a file is torn."""
ODD: tuple[Any, ...] = (None, [], {}, "x", -1, [[None]], {"text": 1}, True)
HOSTILE_NAME = "-rf $(id);`id`\n'\"<b>\u202e\x1b[31m..jsonl"

every_format = pytest.mark.parametrize("name", sorted(SAMPLES))


def test_each_format_has_a_sample() -> None:
    assert {module.NAME for module in formats.modules()} == SAMPLES.keys()


@every_format
def test_it_is_recognised_and_exported(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    session = load(sample.write(tmp_path / HOSTILE_NAME))
    assert session.format == (sample.reads_as or name)
    assert session.prompts
    assert not session.damaged
    exported = json.dumps(to_atif(session).to_json_dict())
    assert len(atif.Trajectory.model_validate_json(exported).steps) == len(session.turns)


@every_format
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings(name: str, encoding: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    plain = load(sample.write(tmp_path / "plain"))
    other = load(sample.write(tmp_path / "other", sample.held().encode(encoding)))
    assert [t.text for t in other.turns] == [t.text for t in plain.turns]


@every_format
def test_torn_and_overwritten(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    held = sample.held().encode()
    for cut in range(CUTS):
        at = len(held) * cut // CUTS
        bears(sample.write(tmp_path / "s", held[:at]))
        bears(sample.write(tmp_path / "s", held[at:]))
        bears(sample.write(tmp_path / "s", held[:at] + b"\0\xff\xfe\x9d" * 40 + held[at + 160 :]))
        bears(sample.write(tmp_path / "s", held[:at] + b"\0" * len(held[at:])))


@every_format
def test_odd_values_anywhere(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    lines = json.loads(json.dumps(sample.lines))
    for turn, (holder, key) in enumerate(list(places(lines))):
        right = holder[key]
        for shift in range(3):
            holder[key] = ODD[(turn + shift * 3) % len(ODD)]
            bears(sample.write(tmp_path / "s", dumped(lines)))
        if isinstance(holder, dict):
            del holder[key]
            bears(sample.write(tmp_path / "s", dumped(lines)))
        holder[key] = right


@every_format
def test_two_tools_in_one_file(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    other = SAMPLES["codex" if name in ("claude_code", "entire") else "claude_code"].held()
    told = bears(sample.write(tmp_path / "s", sample.held() + other))
    # Text around a transcript is text; records of two tools must not become one conversation.
    assert sample.text or told is None or not {"Fix it."} < {t.text for t in told.prompts}


@pytest.mark.parametrize("name", sorted(n for n, s in SAMPLES.items() if not s.reads_as))
def test_a_file_that_grows_while_it_is_read(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    path = sample.write(tmp_path / "s")
    before = load(path)
    raw = Raw(path)
    held = raw.open(sample.name) if raw.is_folder else raw.file
    assert held is not None
    with held.path.open("a") as stream:
        stream.write(sample.text or dumped([CLAUDE[0], *sample.lines]))
    module = next(m for m in formats.modules() if name == m.NAME)
    assert module.matches(raw)
    session = module.load(raw)
    assert [t.text for t in session.turns] == [t.text for t in before.turns]
    assert session.digest == before.digest


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value, as what holds it and its key or index there."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def bears(path: Path) -> Session | None:
    """The session, or None when it was refused with a message; anything else is a failure."""
    try:
        session = load(path)
    except SessionError:
        return None
    to_atif(session)
    return session
