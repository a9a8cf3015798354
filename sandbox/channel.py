"""Frames over an attached process in a container: how the host speaks with the dispatcher.

Whatever comes out of the container may be hostile: every length is checked before it is believed,
every wait has a deadline, and anything that is not a well-formed frame ends the channel with
`ChannelBroken`. The caller then starts a new dispatcher or gives the sandbox up.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

import docker

from sandbox.daemon import engine_errors, hang_up, raw_socket

# A frame carries at most head, tail, two paths and a note.
FRAME_BYTES = 64 << 10
# The engine copies a container's output in pieces of at most 32 KiB; more is not from the engine.
PIECE_BYTES = 1 << 20
# Seconds for a Python to start in a container on a busy machine.
START_S = 20.0
# Seconds for a request to be taken in; the dispatcher reads whenever it is idle.
SEND_S = 30.0
STDOUT = 1
# Exit codes that are no signal's: the program is not there, or too old to understand the text.
REFUSALS = range(1, 128)
SOURCE = Path(__file__).with_name("dispatcher.py").read_bytes()
LOADER = (
    "import os\n"
    "data = b''\n"
    f"while len(data) < {len(SOURCE)}:\n"
    f"    part = os.read(0, {len(SOURCE)} - len(data))\n"
    "    if not part: raise SystemExit\n"
    "    data += part\n"
    "exec(compile(data, 'kettle', 'exec'))\n"
)


class ChannelBroken(Exception):
    """The dispatcher hung up, fell silent, or sent what no dispatcher sends."""


class NoPython(Exception):
    """The container has no python3, or one that is too old."""


class Channel:
    """A dispatcher that listens.

    Raises:
        NoPython: there is no python3 in the container.
        ChannelBroken: it does not come up.
        SandboxError: the engine cannot start it.
    """

    def __init__(self, client: docker.DockerClient, container_id: str) -> None:
        with engine_errors("start the dispatcher"):
            command = ["python3", "-I", "-S", "-c", LOADER]
            # Environment and user are the container's; the working directory is set per command.
            started = client.api.exec_create(container_id, command, stdin=True, user="root")
            self.exec_id: str = started["Id"]
            # Kept: when the SDK's object goes, it closes the socket with it.
            self._attached: Any = client.api.exec_start(self.exec_id, socket=True)
        self._socket = raw_socket(self._attached)
        self._buffer = bytearray()
        self._piece_left = 0
        self._piece_stream = 0
        self._inbox = bytearray()
        self._closed = False
        # Nothing is sent from inside before this: the SDK loses bytes that follow its headers.
        try:
            self._write(SOURCE)
            fields = self.receive(time.monotonic() + START_S)
            if fields[:1] != [b"ready"]:
                raise ChannelBroken("the dispatcher did not say that it is ready")
        except ChannelBroken:
            self.close()
            with engine_errors("start the dispatcher"):
                code = client.api.exec_inspect(self.exec_id)["ExitCode"]
            if code in REFUSALS:
                raise NoPython from None
            raise
        except BaseException:
            self.close()
            raise

    def send(self, *fields: object) -> None:
        """Sends a request."""
        parts = [f if isinstance(f, bytes) else str(f).encode("utf-8", "replace") for f in fields]
        body = b"".join(struct.pack(">I", len(part)) + part for part in parts)
        self._write(struct.pack(">I", len(body)) + body)

    def receive(self, deadline: float) -> list[bytes]:
        """Waits for an event until a moment of the monotonic clock.

        Raises:
            ChannelBroken: none came in time, the other end hung up, or the frame is malformed.
        """
        size = struct.unpack(">I", self._take(4, deadline))[0]
        if not 0 < size <= FRAME_BYTES:
            raise ChannelBroken(f"a frame of {size} bytes is no frame of the dispatcher's")
        body = self._take(size, deadline)
        fields, at = [], 0
        while at + 4 <= size:
            length = struct.unpack_from(">I", body, at)[0]
            at += 4
            if length > size - at:
                break
            fields.append(body[at : at + length])
            at += length
        if at != size or not fields:
            raise ChannelBroken("a frame's fields do not fill it")
        return fields

    def close(self) -> None:
        """Hangs up; the dispatcher then ends all that it started, and itself."""
        if not self._closed:
            self._closed = True
            hang_up(self._attached)

    def _write(self, data: bytes) -> None:
        try:
            self._socket.settimeout(SEND_S)
            self._socket.sendall(data)
        except OSError as error:
            raise ChannelBroken(f"the dispatcher takes no request ({error})") from error

    def _take(self, size: int, deadline: float) -> bytes:
        """Takes size bytes of the dispatcher's standard output."""
        while len(self._inbox) < size:
            self._fill(deadline)
        data = bytes(self._inbox[:size])
        del self._inbox[:size]
        return data

    def _fill(self, deadline: float) -> None:
        """Reads once from the socket and sorts out the engine's stream headers."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise ChannelBroken("the dispatcher did not answer in time")
        try:
            self._socket.settimeout(left)
            data = self._socket.recv(FRAME_BYTES)
        except TimeoutError as error:
            raise ChannelBroken("the dispatcher did not answer in time") from error
        except OSError as error:
            raise ChannelBroken(f"the connection to the dispatcher broke ({error})") from error
        if not data:
            raise ChannelBroken("the dispatcher hung up")
        self._buffer += data
        while self._buffer:
            if self._piece_left == 0:
                if len(self._buffer) < 8:
                    return
                self._piece_stream, self._piece_left = struct.unpack_from(">BxxxL", self._buffer)
                del self._buffer[:8]
                if self._piece_left > PIECE_BYTES:
                    raise ChannelBroken("the engine sent a stream header that makes no sense")
            piece = self._buffer[: self._piece_left]
            del self._buffer[: len(piece)]
            self._piece_left -= len(piece)
            # What it writes to standard error is a complaint of Python's, of no use to anybody.
            if self._piece_stream == STDOUT:
                self._inbox += piece
