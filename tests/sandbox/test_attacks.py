"""What hostile code in a container may try; the host goes on, and other sandboxes do too."""

from __future__ import annotations

import json

import pytest

from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.errors import SandboxFull, SandboxLost
from sandbox.limits import Limits
from tests.sandbox.conftest import wait_until

MIB = 1 << 20
BOMB = "b() { b | b & }; b"
SPOOLED = "until grep -q before /run/kettle/*.log; do :; done"


def test_rights_are_few(box: Sandbox) -> None:
    status = box.run("grep -E 'CapBnd|NoNewPrivs' /proc/self/status").output.split()
    # KILL, SETUID, SETGID, CHOWN, DAC_OVERRIDE and FOWNER, and nothing else.
    kept = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7
    assert int(status[1], 16) == kept
    assert status[3] == "1"
    assert box.run("mount -t tmpfs none /mnt").exit_code != 0
    assert box.run("ls /var/run/docker.sock /run/docker.sock").exit_code != 0


def test_nothing_of_the_host_is_mounted(engine: Engine, box: Sandbox) -> None:
    about = json.loads(json.dumps(engine.client.api.inspect_container(box.id)))
    assert about["Mounts"] == []
    assert about["HostConfig"]["Privileged"] is False
    assert about["HostConfig"]["Memory"] == about["HostConfig"]["MemorySwap"] > 0
    assert about["HostConfig"]["PidsLimit"] > 0
    assert about["HostConfig"]["NanoCpus"] > 0
    assert about["HostConfig"]["Init"] is True


def test_packages_and_users_can_still_be_managed(box: Sandbox) -> None:
    result = box.run("useradd -m tester && su tester -c 'id -un; touch ~/x' && userdel -r tester")
    assert result.output.startswith("tester\n")
    assert result.exit_code == 0


def test_a_set_user_id_program_gives_no_rights(box: Sandbox) -> None:
    box.run("cp /usr/bin/id /usr/local/bin/rootid; chmod 4755 /usr/local/bin/rootid")
    assert box.run("rootid -u", user="solver").output == "1000\n"


def test_a_beacon_reaches_nobody_with_the_network_off(box: Sandbox) -> None:
    result = box.run(
        "python3 - <<'END'\n"
        "import socket\n"
        "for place in (('1.1.1.1', 443), ('172.17.0.1', 22), ('example.org', 80)):\n"
        "    try: socket.create_connection(place, 3); print('reached', place)\n"
        "    except OSError: pass\n"
        "END\nls /sys/class/net",
        timeout_s=30,
    )
    assert result.output == "lo\n"


def test_the_network_is_there_when_asked_for(engine: Engine, base_image: str) -> None:
    with engine.create(base_image, network=True) as sandbox:
        assert "eth0" in sandbox.run("ls /sys/class/net").output


@pytest.mark.parametrize("user", [None, "solver"])
def test_a_fork_bomb_is_held_and_ended(engine: Engine, base_image: str, user: str | None) -> None:
    with engine.create(base_image, limits=Limits(processes=200)) as sandbox:
        result = sandbox.run(f"{BOMB}; sleep 60", timeout_s=2, user=user)
        assert result.exit_code != 0
        # Also one that was left in the background makes room for the next command.
        sandbox.run(BOMB, timeout_s=2, user=user)
        assert sandbox.run("echo on", timeout_s=10).output.startswith("on\n")
        assert sandbox.run("echo still on").output.startswith("still on\n")


def test_a_memory_hog_is_ended_and_the_sandbox_goes_on(engine: Engine, base_image: str) -> None:
    with engine.create(base_image, limits=Limits(memory_bytes=128 * MIB)) as sandbox:
        result = sandbox.run("python3 -c 'x = bytearray(1 << 30)'; echo code $?")
        assert "code 137" in result.output or result.exit_code == 137
        assert sandbox.run("echo on").output == "on\n"
        hogs = (
            "for i in 1 2 3 4; do python3 -c 'x = bytearray(1 << 26); import time; time.sleep(9)'"
        )
        sandbox.run(f"{hogs} & done; wait", timeout_s=3)
        assert sandbox.run("echo on").output == "on\n"


MANY_FILES = "i=0; while :; do i=$((i+1)); head -c 20000000 /dev/zero >/f$i; done"
UNSEEN_FILES = """python3 -c "
import os, time
held = []
for number in range(20):
    held.append(open('/gone', 'wb'))
    os.unlink('/gone')
    held[-1].write(bytes(60_000_000))
    held[-1].flush()
time.sleep(60)"
"""


@pytest.mark.parametrize("filler", [MANY_FILES, UNSEEN_FILES], ids=["files", "deleted files"])
def test_a_disk_filler_ends_its_sandbox(engine: Engine, base_image: str, filler: str) -> None:
    with engine.create(base_image, limits=Limits(disk_bytes=300 * MIB)) as sandbox:
        with pytest.raises(SandboxFull, match="300 MiB"):
            sandbox.run(filler, timeout_s=60)
        with pytest.raises(SandboxFull):
            sandbox.run("true")


def test_no_single_file_outgrows_the_disk_limit(engine: Engine, base_image: str) -> None:
    with engine.create(base_image, limits=Limits(disk_bytes=50 * MIB)) as sandbox:
        result = sandbox.run("head -c 100000000 /dev/zero >/f; stat -c %s /f")
        assert result.output.endswith(f"{50 * MIB}\n")


def test_endless_output_ends_with_its_command(fresh: Sandbox) -> None:
    result = fresh.run("yes", timeout_s=2)
    assert result.timed_out
    assert result.output_bytes > 10 * MIB
    assert result.output.rstrip("\n").endswith("y\ny")
    assert int(fresh.run(f"stat -c %s {result.spool}").output) <= 512 * MIB


def test_a_command_that_kills_its_dispatcher_loses_only_itself(fresh: Sandbox) -> None:
    result = fresh.run(f"cd /usr; echo before; {SPOOLED}; kill -9 $PPID; sleep 60")
    assert result.exit_code == 137
    assert result.output.startswith("before\n")
    assert fresh.run("echo on; pgrep -c sleep").output == "on\n1\n"  # the container's keeper


def test_a_stopped_dispatcher_is_replaced(fresh: Sandbox) -> None:
    result = fresh.run(f"echo before; {SPOOLED}; kill -STOP $PPID; sleep 600", timeout_s=1.5)
    assert result.timed_out
    assert result.output.startswith("before\n")
    assert fresh.run("echo on").output == "on\n"


@pytest.mark.parametrize(
    "forged",
    [
        "head -c 100000 /dev/urandom",
        "head -c 100000 /dev/zero",
        r"printf '\377\377\377\377'",
        r"printf '\0\0\0\010\0\0\0\377'",
        "python3 -c \"import os,struct; f=[b'done', b'%d', b'x', b'y']; "
        "b=b''.join(struct.pack('>I', len(x)) + x for x in f); "
        "os.write(1, struct.pack('>I', len(b)) + b)\"",
        "python3 -c \"import os,struct; f=[b'ask', b'%d', b'rm']; "
        "b=b''.join(struct.pack('>I', len(x)) + x for x in f); "
        "os.write(1, struct.pack('>I', len(b)) + b)\"",
        "yes",
    ],
)
def test_forged_frames_neither_hang_nor_harm_the_host(fresh: Sandbox, forged: str) -> None:
    number = int(fresh.run("true").spool.split("/")[-1].split(".")[0]) + 1
    forged = forged.replace("%d", str(number))
    result = fresh.run(f"echo before; {forged} >/proc/$PPID/fd/1; sleep 600", timeout_s=2)
    assert result.exit_code != 0
    assert fresh.run("echo on").output == "on\n"


def test_a_user_without_rights_cannot_touch_the_dispatcher(box: Sandbox) -> None:
    result = box.run(
        "d=$(pgrep -x kettle); kill -9 $d; echo x >/proc/$d/fd/1; echo x >/run/kettle/x; "
        "echo x >$0; cat /proc/$d/mem",
        user="solver",
    )
    assert result.exit_code not in (0, 137)
    assert box.run("ls /run/kettle/x").exit_code != 0


def test_ending_everything_ends_the_sandbox_and_says_so(fresh: Sandbox) -> None:
    with pytest.raises(SandboxLost, match="ended"):
        fresh.run("kill -9 -1; kill -9 1; sleep 60", timeout_s=30)
    with pytest.raises(SandboxLost):
        fresh.run("true")
    # What it had written can still be saved.
    assert fresh.get("/etc/passwd").startswith(b"root:")


def test_a_time_to_live_is_kept(engine: Engine, base_image: str) -> None:
    with engine.create(base_image, limits=Limits(lifetime_s=2)) as sandbox:
        with pytest.raises(SandboxLost):
            sandbox.run("sleep 60", timeout_s=30)
        assert wait_until(lambda: engine.client.containers.get(sandbox.id).status == "exited")


def test_a_keeper_that_was_stopped_does_not_lengthen_the_time_to_live(
    engine: Engine, base_image: str
) -> None:
    limits = Limits(lifetime_s=3)
    with (
        engine.create(base_image, limits=limits) as sandbox,
        pytest.raises(SandboxLost, match="3 seconds"),
    ):
        sandbox.run("kill -STOP $(pgrep -x sleep); sleep 60", timeout_s=30)


def test_sandboxes_do_not_see_each_other(engine: Engine, base_image: str, box: Sandbox) -> None:
    with engine.create(base_image) as other:
        other.run("sleep 8765 & touch /tmp/mine")
        assert box.run("pgrep -fx 'sleep 8765'; ls /tmp/mine").exit_code != 0
