"""Commands in a container: shells, directories, users, output and time."""

from __future__ import annotations

import pytest

from sandbox.container import Sandbox
from sandbox.errors import SandboxError
from tests.sandbox.conftest import wait_until


def test_output_and_exit_code_come_back(box: Sandbox) -> None:
    result = box.run("echo out; echo err >&2; exit 3")
    assert (result.exit_code, result.output) == (3, "out\nerr\n")
    assert not result.timed_out


def test_a_command_killed_by_a_signal_has_the_shells_exit_code(box: Sandbox) -> None:
    assert box.run("kill -9 $$").exit_code == 137


def test_each_command_gets_a_fresh_shell(box: Sandbox) -> None:
    box.run("x=1; export y=2; set -e; alias z=true")
    assert box.run('echo "[$x$y]"; false; echo on').output == "[]\non\n"


def test_input_is_empty(box: Sandbox) -> None:
    assert box.run("cat", timeout_s=5).exit_code == 0


def test_no_descriptor_of_the_dispatchers_reaches_a_command(box: Sandbox) -> None:
    handles = box.run("ls -l /proc/self/fd | awk 'NR > 1 {print $9}'").output.split()
    assert set(handles) <= {"0", "1", "2", "3"}  # 3 is the directory that ls reads


@pytest.mark.parametrize("end", ["true", "exit 7", "false", "kill -TERM $$"])
def test_the_directory_carries_over_however_a_command_ends(box: Sandbox, end: str) -> None:
    assert box.run(f"cd /usr/lib && {end}").cwd == "/usr/lib"
    assert box.run("pwd").output == "/usr/lib\n"


def test_the_directory_carries_over_a_timeout(box: Sandbox) -> None:
    result = box.run("cd /usr/share; sleep 60", timeout_s=0.3)
    assert result.timed_out
    assert box.run("pwd").output == "/usr/share\n"


def test_a_link_to_a_directory_keeps_its_name(box: Sandbox) -> None:
    box.run("ln -sfn /usr/share /tmp/link; cd /tmp/link")
    assert box.run("pwd; cd ..; pwd").output == "/tmp/link\n/tmp\n"


def test_a_directory_with_a_strange_name_carries_over(box: Sandbox) -> None:
    box.run('mkdir -p "/tmp/a b\'ü" && cd "/tmp/a b\'ü"')
    assert box.run("pwd").output == "/tmp/a b'ü\n"


def test_the_nearest_directory_stands_in_for_one_that_is_gone(box: Sandbox) -> None:
    box.run("mkdir -p /tmp/one/two; cd /tmp/one/two; rm -r /tmp/one")
    assert box.run("pwd").output == "/tmp\n"


def test_a_given_directory_leaves_the_carried_one_alone(box: Sandbox) -> None:
    box.run("cd /usr")
    assert box.run("pwd; cd /", cwd="/etc").output == "/etc\n"
    assert box.run("pwd").output == "/usr\n"


def test_a_given_directory_that_is_missing_fails_and_says_so(box: Sandbox) -> None:
    result = box.run("echo ran", cwd="/no/where")
    assert result.exit_code == 1
    assert "/no/where" in result.output
    assert "ran" not in result.output.splitlines()


def test_each_user_has_a_directory_of_its_own(box: Sandbox) -> None:
    box.run("cd /tmp", user="solver")
    assert box.run("pwd").output == "/\n"
    assert box.run("pwd", user="solver").output == "/tmp\n"


def test_a_command_as_another_user(box: Sandbox) -> None:
    result = box.run("id -un; id -G; echo $HOME $USER $LOGNAME; touch /root/x", user="solver")
    assert result.output.startswith("solver\n1000\n/home/solver solver solver\n")
    assert result.exit_code == 1


def test_users_by_number(box: Sandbox) -> None:
    assert box.run("id -u; id -g; id -G", user="1234:4321").output == "1234\n4321\n4321\n"


def test_an_unknown_user_is_an_error(box: Sandbox) -> None:
    with pytest.raises(SandboxError, match="no user nobody-here"):
        box.run("true", user="nobody-here")
    assert box.run("echo on").output == "on\n"


def test_variables_of_a_call(box: Sandbox) -> None:
    assert box.run('printf "%s" "$A"', env={"A": "x=y\n'z' ü"}).output == "x=y\n'z' ü"


@pytest.mark.parametrize("user", [None, "solver"])
def test_opening_standard_error_again_loses_nothing(box: Sandbox, user: str | None) -> None:
    result = box.run("echo one; echo two >/dev/stderr; echo three | tee /dev/stderr", user=user)
    assert result.output == "one\ntwo\nthree\nthree\n"


def test_a_command_longer_than_an_argument_can_be(box: Sandbox) -> None:
    text = "x" * 300_000
    result = box.run(f"cat >/tmp/long <<'END'\n{text}\nEND\nwc -c </tmp/long; cd /etc; exit 4")
    assert (result.output, result.exit_code, result.cwd) == ("300001\n", 4, "/etc")


def test_a_long_output_comes_back_as_head_and_tail(box: Sandbox) -> None:
    result = box.run("echo first; seq 1 1000000; echo last")
    assert result.output.startswith("first\n1\n2\n")
    assert result.output.endswith("1000000\nlast\n")
    assert len(result.output.encode()) <= 10_000
    assert result.output_bytes == 6_888_907
    left_out = int(result.output.split("[... ")[1].split(" bytes left out; all of it is in ")[0])
    assert result.spool in result.output
    shown = len(result.output.encode()) - len(
        f"\n[... {left_out} bytes left out; all of it is in {result.spool} ...]\n"
    )
    assert left_out + shown == result.output_bytes
    assert box.run(f"wc -c <{result.spool}; sed -n 500000p {result.spool}").output == (
        "6888907\n499999\n"
    )


def test_a_user_can_read_its_own_spool(box: Sandbox) -> None:
    result = box.run("seq 1 100000", user="solver")
    assert box.run(f"tail -n 1 {result.spool}", user="solver").output == "100000\n"


def test_a_user_cannot_read_the_output_of_root(box: Sandbox) -> None:
    result = box.run("echo secret; seq 1 100000")
    assert "secret" not in box.run(f"cat {result.spool}", user="solver").output


def test_a_long_output_is_cut_between_characters(box: Sandbox) -> None:
    for shift in range(3):
        result = box.run(f"printf '%{shift}s' ''; yes 'äöü€' | head -n 20000")
        assert "�" not in result.output


def test_binary_output_is_shown_with_replacements(box: Sandbox) -> None:
    assert box.run(r"printf 'a\377\000b'").output == "a�\0b"
    assert len(box.run("head -c 5000000 /dev/urandom").output.encode()) < 40_000


def test_a_timeout_keeps_partial_output(box: Sandbox) -> None:
    result = box.run("echo before; sleep 60; echo after", timeout_s=1.5)
    assert result.timed_out
    assert result.exit_code is None
    assert result.output == "before\n"


def test_a_program_that_is_asked_to_end_may_say_why(box: Sandbox) -> None:
    result = box.run("trap 'echo stopping; exit' TERM; while :; do sleep 0.05; done", timeout_s=1.5)
    assert result.output.endswith("stopping\n")


def test_a_program_that_will_not_end_is_ended(box: Sandbox) -> None:
    result = box.run("trap '' TERM; echo here; while :; do sleep 0.05; done", timeout_s=1.5)
    assert result.timed_out
    assert result.output.startswith("here\n")
    assert box.run("pgrep -c sleep").exit_code in (0, 1)


@pytest.mark.parametrize("user", [None, "solver"])
@pytest.mark.parametrize(
    "start",
    [
        "setsid sleep 4321 &",
        "(setsid sleep 4321 & ) &",
        "setsid --fork sleep 4321",
        "nohup setsid env -i sleep 4321 >/dev/null 2>&1 &",
        'python3 -c "import os; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0);'
        "os.execvp('sleep', ['sleep', '4321'])\"",
    ],
)
def test_a_timeout_ends_every_process_of_the_command(
    box: Sandbox, start: str, user: str | None
) -> None:
    ready = "until pgrep -fx 'sleep 4321' >/dev/null; do sleep 0.01; done; echo up"
    result = box.run(f"{start}\n{ready}; sleep 60", timeout_s=2.5, user=user)
    assert result.output == "up\n"
    assert box.run("pgrep -fx 'sleep 4321'").exit_code == 1


def test_a_timeout_spares_the_jobs_of_earlier_commands(box: Sandbox) -> None:
    box.run("setsid sleep 5432 & sleep 6543 & (while :; do sleep 0.07; touch /tmp/turned; done) &")
    assert box.run("sleep 60", timeout_s=1.5).timed_out
    assert box.run("pgrep -cfx 'sleep 5432|sleep 6543'").output == "2\n"
    turns = "rm -f /tmp/turned; until [ -e /tmp/turned ]; do sleep 0.02; done; echo turns"
    assert box.run(turns, timeout_s=20).output == "turns\n"
    box.run("pkill sleep; pkill bash")


def test_a_background_job_does_not_delay_its_command(box: Sandbox) -> None:
    result = box.run("(while [ ! -e /tmp/go ]; do sleep 0.02; done; echo late) & echo soon")
    assert (result.output, result.timed_out) == ("soon\n", False)
    box.run("touch /tmp/go")
    assert wait_until(lambda: box.run(f"cat {result.spool}").output == "soon\nlate\n")


def test_a_job_that_writes_for_ever_holds_up_nobody(box: Sandbox) -> None:
    assert box.run("yes & echo started", timeout_s=20).exit_code == 0
    assert box.run("echo on; pkill yes", timeout_s=20).output == "on\n"


def test_the_dispatcher_is_not_taken_for_a_python_of_the_commands(box: Sandbox) -> None:
    box.run("sleep 7654 &")
    assert box.run("pkill pytho[n]; pkill -f pytho[n]; true").exit_code == 0
    assert box.run("pkill -fx 'sleep 7654'").exit_code == 0


def test_spools_do_not_pile_up(box: Sandbox) -> None:
    for _ in range(60):
        box.run("echo x")
    kept = box.run("ls /run/kettle").output.split()
    assert len(kept) < 60, kept
