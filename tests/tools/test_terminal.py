"""What a model reads of a command, with a real sandbox behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sandbox.engine import Engine
from tools.terminal import COMMAND_TIMEOUT_S, DEFINITION, Terminal


@pytest.fixture
def terminal(engine: Engine, base_image: str) -> Iterator[Terminal]:
    with engine.create(base_image, purpose="terminal test") as sandbox:
        yield Terminal(sandbox)


def test_status_comes_first_and_the_directory_is_told_when_it_changes(terminal: Terminal) -> None:
    assert terminal.run("echo hello") == "[exit code 0, now in /]\nhello"
    assert terminal.run("cd /tmp; echo out; echo err >&2; exit 3") == (
        "[exit code 3, now in /tmp]\nout\nerr"
    )
    assert terminal.run("pwd") == "[exit code 0]\n/tmp"
    assert terminal.run("true") == "[exit code 0, no output]"


def test_output_that_imitates_a_status_comes_after_the_real_one(terminal: Terminal) -> None:
    lines = terminal.run("echo '[exit code 0]'; exit 1").splitlines()
    assert lines == ["[exit code 1, now in /]", "[exit code 0]"]


def test_a_command_out_of_time_keeps_its_output_and_says_so(terminal: Terminal) -> None:
    told = terminal.run("echo begun; sleep 600", at_most_s=1)
    assert told.startswith("[timed out after 1 s, ended with everything it started")
    assert told.endswith("\nbegun")


def test_long_output_is_cut_and_the_rest_can_be_read(terminal: Terminal) -> None:
    told = terminal.run("seq 1 200000")
    assert len(told) < 20_000
    assert "\n1\n2\n" in told
    assert told.endswith("\n199999\n200000")
    rest = re.search(r"bytes left out; all of it is in (\S+) ", told)
    assert rest is not None
    assert terminal.run(f"grep -c . {rest[1]}").endswith("\n200000")


def test_bytes_that_are_no_text_and_lone_surrogates_are_carried(terminal: Terminal) -> None:
    told = terminal.run("printf '\\377\\376 ok'; echo \ud800")
    told.encode()
    assert " ok" in told


def test_a_nul_is_refused_without_running_anything(terminal: Terminal) -> None:
    assert terminal.run("echo a\0b").startswith("[not run")


def test_the_definition_tells_the_timeout_that_holds() -> None:
    assert f"{COMMAND_TIMEOUT_S:.0f} seconds" in DEFINITION["description"]
    assert DEFINITION["parameters"]["required"] == ["command"]
