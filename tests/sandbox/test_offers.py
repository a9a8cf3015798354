"""Programs in the container whose output the host writes."""

from __future__ import annotations

import time

import pytest

from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.errors import SandboxError


def test_an_offered_program_prints_what_the_host_says(fresh: Sandbox) -> None:
    said = iter(["one\n", "two ü\n", "x" * 100_000 + "\n"])
    fresh.offer("check", lambda: next(said))
    result = fresh.run("check && check </dev/null && check | wc -c")
    assert result.output == "one\ntwo ü\n100001\n"


def test_a_user_without_rights_may_ask(fresh: Sandbox) -> None:
    fresh.offer("check", lambda: "fine\n")
    result = fresh.run("check; cd /tmp; env -i /usr/local/bin/check", user="solver")
    assert result.output == "fine\nfine\n"


def test_the_clock_stands_still_while_the_host_thinks(fresh: Sandbox) -> None:
    def slowly() -> str:
        time.sleep(2.5)  # This is the answer's own time, not a wait for something.
        return "done\n"

    fresh.offer("check", slowly)
    result = fresh.run("check; check; echo after", timeout_s=2)
    assert result.output == "done\ndone\nafter\n"
    assert result.seconds < 2
    assert fresh.run("check; sleep 60", timeout_s=1).timed_out


def test_one_call_at_a_time_is_answered(fresh: Sandbox) -> None:
    def wait() -> str:
        time.sleep(1)
        return "answered\n"

    fresh.offer("check", wait)
    result = fresh.run("for i in 1 2 3; do check & done; wait")
    assert sorted(result.output.splitlines()) == [
        "answered",
        *["check: another call is being answered; call it again afterwards"] * 2,
    ]


def test_two_programs_have_answers_of_their_own(fresh: Sandbox) -> None:
    fresh.offer("check", lambda: "c\n")
    fresh.offer("submit", lambda: "s\n")
    assert fresh.run("submit; check").output == "s\nc\n"


def test_a_word_chooses_another_answer_only_where_one_is_offered(fresh: Sandbox) -> None:
    fresh.offer("check", lambda: "c\n")
    fresh.offer("check-full", lambda: "f\n")
    assert fresh.run("check full; check-full; check").output == "f\nf\nc\n"
    for word in ("part", "full x", "../check-full", "''", "--help"):
        refused = fresh.run(f"check {word}")
        assert (refused.exit_code, "it takes no such words" in refused.output) == (1, True)


def test_an_exception_of_the_host_ends_the_command(fresh: Sandbox) -> None:
    def fail() -> str:
        raise LookupError("spent")

    fresh.offer("check", fail)
    with pytest.raises(LookupError, match="spent"):
        fresh.run("check; touch /tmp/went-on; sleep 60")
    assert fresh.run("ls /tmp/went-on").exit_code != 0


def test_endless_asking_is_refused(fresh: Sandbox) -> None:
    answers = []
    fresh.offer("check", lambda: answers.append(1) or "ok\n")  # type: ignore[func-returns-value]
    result = fresh.run("while check; do :; done")
    assert "too" in result.output or "more than" in result.output
    assert len(answers) == 20


def test_a_program_asks_again_after_its_dispatcher_was_lost(fresh: Sandbox) -> None:
    fresh.offer("check", lambda: "still here\n")
    fresh.run("kill -9 $PPID; sleep 60")
    assert fresh.run("check").output == "still here\n"


def test_a_caller_that_goes_away_harms_nothing(fresh: Sandbox) -> None:
    def wait() -> str:
        time.sleep(0.5)
        return "x" * 1_000_000

    fresh.offer("check", wait)
    again = 'until [ "$(check | head -c 1)" = x ]; do :; done; echo answered'
    assert fresh.run(f"timeout 0.1 check; {again}").output == "answered\n"


def test_nothing_from_the_container_chooses_the_answer(fresh: Sandbox) -> None:
    fresh.offer("check", lambda: "fixed\n")
    # The answer may be there, and the line hung up, before the words are spoken.
    program = (
        "import contextlib, socket\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "s.connect('/run/kettle/check.sock')\n"
        "with contextlib.suppress(OSError): s.sendall(b'rm -rf')\n"
        "print(s.recv(99))"
    )
    result = fresh.run(f'python3 -c "{program}"')
    assert "fixed" in result.output


def test_a_name_is_a_plain_program_name(fresh: Sandbox) -> None:
    for name in ("../x", "a b", "", "-x", "A", "x/y"):
        with pytest.raises(ValueError, match="no name"):
            fresh.offer(name, lambda: "")


def test_an_image_without_python_says_so(bare_image: str, engine: Engine) -> None:
    with engine.create(bare_image) as sandbox, pytest.raises(SandboxError, match="no python3"):
        sandbox.offer("check", lambda: "")
