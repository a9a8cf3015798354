"""Commands in a container that has no Python: one attached `docker exec` each.

Slower than the dispatcher by a factor of twenty, with the same results as far as a shell can give
them: a fresh shell, the directory carried over, output spooled, head and tail back. At a time-out
every process that carries the command's mark in its environment is ended; one that cleared its
environment and left the tree lives until the container is removed.
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from typing import Any

import docker

from sandbox.daemon import engine_errors, hang_up, raw_socket
from sandbox.errors import SandboxError, SandboxLost
from sandbox.result import CommandResult, join_output

HOME = "/tmp/.kettle"  # noqa: S108 - a path in the container, where any user can write
HEAD_BYTES = 4600
TAIL_BYTES = 4600
# Seconds beyond a command's own time for the engine to start it and for its end to be reported.
BACKSTOP_S = 20.0
MARK = "KETTLE_COMMAND"
# More than head, tail and the report; whoever writes more is not our shell.
REPLY_BYTES = 64 << 10

# Arguments: directory, spool, nonce, command. Prints: nonce, code, size, directory; head; tail.
RUN = """
umask 022; mkdir -p "${2%/*}" && chmod 1777 "${2%/*}"
sh=$(command -v bash || command -v sh)
if cd "$1" 2>"$2"; then
  "$sh" -c 'trap "pwd >\\"$KETTLE_CWD\\"" EXIT; eval "$1"' "$sh" "$4" >"$2" 2>&1 </dev/null
  code=$?
else code=1; fi
size=$(wc -c <"$2"); cwd=$(head -n 1 "$KETTLE_CWD" 2>/dev/null)
printf '%s %s %s %s\\n' "$3" "$code" "$((size))" "${cwd:-$1}"
if [ "$size" -le HT ]; then cat "$2"; else head -c HEAD "$2"; tail -c TAIL "$2"; fi
""".replace("HT", str(HEAD_BYTES + TAIL_BYTES)).replace("HEAD", str(HEAD_BYTES))
RUN = RUN.replace("TAIL", str(TAIL_BYTES))

END = f"""
for signal in TERM KILL; do
  for p in /proc/[0-9]*; do
    if tr '\\0' '\\n' <"$p/environ" 2>/dev/null | grep -qx "{MARK}=$1"; then
      kill -"$signal" "${{p#/proc/}}" 2>/dev/null
    fi
  done
  [ "$signal" = TERM ] && sleep 1
done; exit 0
"""


class PlainRunner:
    """Runs commands in one container."""

    def __init__(self, client: docker.DockerClient, container_id: str) -> None:
        self._client = client
        self._id = container_id

    def run(
        self,
        number: int,
        command: str,
        timeout_s: float,
        user: str,
        environ: list[str],
        directory: str,
    ) -> CommandResult:
        """Runs a command; arguments as `Sandbox.run`, with the directory to start in.

        Raises:
            SandboxLost: the container is gone.
            SandboxError: the engine fails.
        """
        nonce = secrets.token_hex(8)
        home = f"{HOME}-{user.replace(':', '-')}"
        spool = f"{home}/{number}.log"
        env = [*environ, f"{MARK}={nonce}", f"KETTLE_CWD={home}/{number}.cwd"]
        argv = ["sh", "-c", RUN, "sh", directory, spool, nonce, command]
        began = time.monotonic()
        with engine_errors("run a command"):
            started = self._client.api.exec_create(self._id, argv, user=user, environment=env)
            attached: Any = self._client.api.exec_start(started["Id"], socket=True)
        stream = raw_socket(attached)
        timed_out = False
        try:
            try:
                reply = _read(stream, began + timeout_s)
            except TimeoutError:
                timed_out = True
                self._end(nonce)
                reply = b""
        finally:
            hang_up(attached)
        seconds = time.monotonic() - began
        if timed_out:
            return self._partial(spool, user, directory, seconds)
        line, _, ends = reply.partition(b"\n")
        fields = line.split(b" ", 3)
        if len(fields) != 4 or fields[0] != nonce.encode():
            why = (line + b" " + ends)[:200].decode("utf-8", "replace").strip()
            with engine_errors("run a command"):
                if self._client.api.inspect_container(self._id)["State"]["Status"] != "running":
                    raise SandboxLost("The container ended while a command ran.")
            raise SandboxError(f"The command could not be run: {why}")
        total = int(fields[2])
        head, tail = (ends, b"") if total <= len(ends) else (ends[:HEAD_BYTES], ends[HEAD_BYTES:])
        cwd = fields[3].decode("utf-8", "surrogateescape")
        text = join_output(head, tail, total, spool)
        return CommandResult(int(fields[1]), text, total, spool, False, seconds, cwd)

    def _partial(self, spool: str, user: str, directory: str, seconds: float) -> CommandResult:
        """What a command wrote before its time was up."""
        script = f'wc -c <"$1"; head -c {HEAD_BYTES} "$1"; tail -c {TAIL_BYTES} "$1"'
        with engine_errors("read a command's output"):
            reply = self._client.containers.get(self._id).exec_run(
                ["sh", "-c", script, "sh", spool], user=user, stderr=False
            )
        output: Any = reply.output or b""
        size, _, ends = output[:REPLY_BYTES].partition(b"\n")
        total = int(size) if size.strip().isdigit() else 0
        if total <= HEAD_BYTES:
            head, tail = ends[:total], b""
        elif total <= HEAD_BYTES + TAIL_BYTES:
            head, tail = ends[:HEAD_BYTES] + ends[-(total - HEAD_BYTES) :], b""
        else:
            head, tail = ends[:HEAD_BYTES], ends[HEAD_BYTES:]
        text = join_output(head, tail, total, spool)
        return CommandResult(None, text, total, spool, True, seconds, directory)

    def _end(self, nonce: str) -> None:
        with engine_errors("end a command"):
            started = self._client.api.exec_create(self._id, ["sh", "-c", END, "sh", nonce])
            attached: Any = self._client.api.exec_start(started["Id"], socket=True)
        try:
            _read(raw_socket(attached), time.monotonic() + BACKSTOP_S)
        except TimeoutError as error:
            raise SandboxLost("The container does not let its processes be ended.") from error
        finally:
            hang_up(attached)


def _read(stream: socket.socket, deadline: float) -> bytes:
    """Reads standard output until the other end closes; raises TimeoutError at the deadline."""
    raw, out = bytearray(), bytearray()
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        stream.settimeout(left)
        data = stream.recv(65536)
        if not data:
            return bytes(out)
        raw += data
        while len(raw) >= 8:
            size = struct.unpack_from(">xxxxL", raw)[0]
            if len(raw) < 8 + size:
                break
            out += raw[8 : 8 + size]
            del raw[: 8 + size]
        if len(out) > REPLY_BYTES or len(raw) > 16 * REPLY_BYTES:
            raise SandboxError("A command's shell wrote what it should not have.")
