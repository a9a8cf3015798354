"""A container in which commands run and files are put and got.

A `Sandbox` is made by `Engine.create` and ended by `close`, which removes the container. Nothing
that happens inside can do more to the host than make a call raise `SandboxError`: what comes out
is bounded and checked, and no wait is endless.
"""

from __future__ import annotations

import io
import re
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import docker
from docker.models.containers import Container

from sandbox import archive
from sandbox.channel import Channel, ChannelBroken, NoPython
from sandbox.daemon import engine_errors
from sandbox.dispatcher import ASKS_PER_COMMAND
from sandbox.errors import SandboxError, SandboxFull, SandboxLost, TransferError
from sandbox.limits import Limits
from sandbox.plain import PlainRunner
from sandbox.result import CommandResult, join_output

# Seconds that the dispatcher has, beyond a command's own time, to end it and report.
BACKSTOP_S = 15.0
# Seconds for the engine to notice that a container has ended.
NOTICE_S = 2.0
# Longest directory and spool path that is believed; PATH_MAX on Linux.
PATH_BYTES = 4096
GET_BYTES = 16 << 20
GET_TREE_BYTES = 1 << 30
# Longest answer of an offer; the rest is cut off.
ANSWER_BYTES = 1 << 20
OFFER_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
LOST_NOTE = "the command ended the program that runs commands here; background jobs are gone too"
HUNG_NOTE = "the sandbox hung and its processes were ended; background jobs are gone too"


class Sandbox:
    """A running container.

    Attributes:
        id: the container's id.
        image: the id or tag of its image.
        limits: what it may use up.
    """

    def __init__(
        self,
        client: docker.DockerClient,
        container: Container,
        *,
        image: str,
        limits: Limits,
        workdir: str,
        ended: Callable[[str], SandboxError | None],
        on_close: Callable[[Sandbox], None],
    ) -> None:
        self.id = str(container.id)
        self.image = image
        self.limits = limits
        self._client = client
        self._container = container
        self._workdir = workdir
        self._ended = ended
        self._on_close = on_close
        # The directory each user's last command ended in.
        self._directories: dict[str, str] = {}
        self._offers: dict[str, Callable[[], str]] = {}
        self._numbers = 0
        self._lock = threading.Lock()
        self._closed = False
        self._channel: Channel | None = None
        self._had_channel = False
        self._plain: PlainRunner | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self,
        command: str,
        *,
        timeout_s: float = 120,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> CommandResult:
        """Runs a command in a fresh shell.

        Args:
            command: text for `bash -c` (`sh -c` where there is no bash); its input is empty.
            timeout_s: seconds until the command and all that it started are ended.
            user: name, number or number:number; None is root.
            env: variables on top of the container's.
            cwd: directory to start in; it must exist. None is the directory in which this user's
                last command without `cwd` ended, or the nearest above it that still exists.

        Raises:
            SandboxFull: the container was ended because it wrote too much.
            SandboxLost: the container is gone, or does not answer.
            SandboxError: the user does not exist, or the engine fails.
        """
        who = user or "root"
        start = cwd or self._directories.get(who, self._workdir)
        environ = [f"{name}={value}" for name, value in (env or {}).items()]
        with self._lock:
            self._alive()
            channel = self._connect()
            if channel is None:
                assert self._plain is not None  # noqa: S101 - _connect gives one or the other
                self._numbers += 1
                try:
                    result = self._plain.run(self._numbers, command, timeout_s, who, environ, start)
                except SandboxError as error:
                    raise (self._loss(str(error)) if self._ends() else error) from None
            else:
                fields = [timeout_s, who, start, int(cwd is not None), command, *environ]
                result = self._dispatch(channel, fields, timeout_s, start)
            if cwd is None:
                self._directories[who] = result.cwd
            return result

    def offer(self, name: str, answer: Callable[[], str]) -> None:
        """Puts a program on the container's PATH whose output the host writes.

        When a command runs the program, `answer` is called on the host, in the thread that waits
        for the command, and the text is printed in the container. Nothing from the container
        reaches `answer`, and the command's time stands still meanwhile. One call at a time is
        answered; others are told to try again. An exception of `answer` ends the command and
        comes out of `run`.

        Args:
            name: lower-case letters, digits and hyphens.
            answer: gives the text.

        Raises:
            SandboxError: the image has no Python, or the program cannot be put there.
        """
        if not OFFER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a program")
        with self._lock:
            self._alive()
            channel = self._connect()
            if channel is None:
                raise SandboxError(
                    f"The program {name} cannot be offered: the image {self.image} has no python3."
                )
            self._offer(channel, name)
            self._offers[name] = answer

    def put(self, path: str, data: bytes, *, mode: int = 0o644, owner: str = "root") -> None:
        """Writes a file; directories that are missing are made, as root's.

        Args:
            path: absolute path of the file.
            data: its content.
            mode: its permissions.
            owner: name, number or number:number.

        Raises:
            TransferError: the file cannot be written there.
        """
        uid, gid = self._account(owner)
        member = tarfile.TarInfo(_absolute(path).lstrip("/"))
        member.size, member.mode, member.uid, member.gid = len(data), mode, uid, gid
        member.mtime = int(time.time())
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
            tar.addfile(member, io.BytesIO(data))
        self._upload("/", packed.getvalue(), path)

    def put_tree(self, path: str, tar: bytes, *, owner: str | None = None) -> None:
        """Unpacks a tar archive, compressed or not, below a directory, which is made if missing.

        Args:
            path: absolute path of the directory.
            tar: the archive; member names are relative to path.
            owner: whose all members become (name, number or number:number); None keeps what the
                archive says.

        Raises:
            TransferError: the archive is damaged or has members that `archive.read` refuses.
        """
        target = _absolute(path)
        account = self._account(owner) if owner is not None else None
        tar = archive.clean(tar, account)
        user = "root" if account is None else f"{account[0]}:{account[1]}"
        # Only the directory itself becomes the owner's; missing ones above it stay root's.
        made = self.run(
            'test -d "$D" || { mkdir -p -- "$D" && chown "$U" -- "$D"; }',
            env={"D": target, "U": user},
            cwd="/",
        )
        if made.exit_code != 0:
            raise TransferError(f"Could not make {path} in the sandbox: {made.output.strip()}")
        self._upload(target, tar, path)

    def get(self, path: str, *, limit_bytes: int = GET_BYTES) -> bytes:
        """Reads a regular file.

        Raises:
            TransferError: it is missing, not a regular file (a symbolic link is none), or larger
                than limit_bytes.
        """
        data = self._download(_absolute(path), limit_bytes)
        members = archive.read(data, limit_bytes=limit_bytes)
        if len(members) != 1 or not members[0].is_file:
            raise TransferError(f"{path} in the sandbox is not a regular file.")
        return members[0].data

    def get_tree(self, path: str, *, limit_bytes: int = GET_TREE_BYTES) -> bytes:
        """Reads a directory as a tar archive; member names are relative to it.

        The bytes are as the container's file system has it, so they are hostile: unpack them
        with `archive.read`, or put them into a container with `put_tree`.

        Raises:
            TransferError: it is missing, not a directory, or larger than limit_bytes.
        """
        return self._download(_absolute(path).rstrip("/") + "/.", limit_bytes)

    def close(self) -> None:
        """Removes the container; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._channel is not None:
            self._channel.close()
        self._on_close(self)

    # Behind the calls

    def _check_open(self) -> None:
        if self._closed:
            raise SandboxLost("The sandbox is closed.")

    def _alive(self) -> None:
        self._check_open()
        if reason := self._ended(self.id):
            raise reason

    def _connect(self) -> Channel | None:
        """The channel to a dispatcher that listens; None where there is no Python for one."""
        if self._channel is None and self._plain is None:
            try:
                self._channel = Channel(self._client, self.id)
            except NoPython as error:
                if self._had_channel:
                    raise self._loss("python3 is gone from it") from error
                self._plain = PlainRunner(self._client, self.id)
                return None
            except (ChannelBroken, SandboxError) as error:
                raise self._loss(str(error)) from error
            self._had_channel = True
            for name in self._offers:
                self._offer(self._channel, name)
        return self._channel

    def _offer(self, channel: Channel, name: str) -> None:
        self._numbers += 1
        try:
            channel.send("offer", self._numbers, name)
            reply = channel.receive(time.monotonic() + BACKSTOP_S)
        except ChannelBroken as error:
            self._drop(channel)
            raise self._loss(str(error)) from error
        if reply[0] != b"done":
            why = reply[-1].decode("utf-8", "replace")
            raise SandboxError(f"The program {name} cannot be offered: {why}")

    def _dispatch(
        self, channel: Channel, fields: list[object], timeout_s: float, start: str
    ) -> CommandResult:
        """Has the dispatcher run a command, and answers what the command asks meanwhile."""
        self._numbers += 1
        number = self._numbers
        began = time.monotonic()
        deadline = began + timeout_s + BACKSTOP_S
        asks = 0
        try:
            channel.send("run", number, *fields)
            while True:
                event = channel.receive(deadline)
                if event[1:2] != [str(number).encode()]:
                    continue
                if event[0] == b"ask":
                    asked, asks = time.monotonic(), asks + 1
                    if asks > ASKS_PER_COMMAND:
                        raise ChannelBroken("more calls than a dispatcher lets through")
                    self._answer(channel, number, event)
                    deadline += time.monotonic() - asked
                elif event[0] == b"done":
                    return _result(event)
                elif event[0] == b"failed":
                    failure = event[-1].decode("utf-8", "replace")
                    break
                else:
                    raise ChannelBroken("an event that no dispatcher sends")
        except (ChannelBroken, ValueError) as error:
            self._drop(channel)
            hung = time.monotonic() >= deadline
            return self._salvage(number, hung, time.monotonic() - began, start, error)
        except BaseException:
            # The dispatcher ends the command when it is hung up on; the next call starts another.
            self._drop(channel)
            raise
        raise SandboxError(f"The command could not be started: {failure}")

    def _answer(self, channel: Channel, number: int, event: list[bytes]) -> None:
        answer = self._offers.get(event[2].decode("utf-8", "replace") if len(event) > 2 else "")
        if answer is None:
            raise ChannelBroken("a call of a program that was not offered")
        text = answer().encode("utf-8", "replace")[:ANSWER_BYTES]
        channel.send("answer", number, 0, text)

    def _salvage(
        self, number: int, hung: bool, seconds: float, start: str, error: Exception
    ) -> CommandResult:
        """Starts a new dispatcher and gets what a command wrote before its own was lost."""
        if self._container_died():
            raise self._loss(str(error))
        channel = self._connect()
        if channel is None:
            raise self._loss(str(error))
        try:
            channel.send("collect", number)
            event = channel.receive(time.monotonic() + BACKSTOP_S)
            result = _result(event) if event[0] == b"done" else None
        except (ChannelBroken, ValueError) as second:
            self._drop(channel)
            raise self._loss(str(second)) from second
        note = HUNG_NOTE if hung else LOST_NOTE
        return CommandResult(
            exit_code=None if hung else 137,
            output=(result.output if result else "") + f"[{note}]\n",
            output_bytes=result.output_bytes if result else 0,
            spool=result.spool if result else "",
            timed_out=hung,
            seconds=seconds,
            cwd=start,
        )

    def _drop(self, channel: Channel) -> None:
        channel.close()
        if self._channel is channel:
            self._channel = None

    def _container_died(self) -> bool:
        with engine_errors("look at the container"):
            self._container.reload()
        return self._container.status != "running"

    def _ends(self) -> bool:
        """Whether the container has ended, or is just about to."""
        until = time.monotonic() + NOTICE_S
        while not self._container_died():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def _loss(self, why: str) -> SandboxError:
        """The error for a container that is no use any more, with the best reason there is."""
        if reason := self._ended(self.id):
            return reason
        try:
            self._ends()
        except SandboxError as error:
            return error
        if reason := self._ended(self.id):
            return reason
        state = self._container.attrs.get("State", {})
        if self._container.status != "running":
            memory = ", out of memory" if state.get("OOMKilled") else ""
            return SandboxLost(
                f"The container ended while in use (exit code {state.get('ExitCode')}{memory})."
            )
        return SandboxLost(f"The sandbox does not answer any more: {why}.")

    def _account(self, owner: str) -> tuple[int, int]:
        """User and group number of an owner."""
        if owner == "root":
            return 0, 0
        user, _, group = owner.partition(":")
        if user.isdigit() and (not group or group.isdigit()):
            return int(user), int(group or user)
        found = self.run('id -u -- "$U" && id -g -- "$U"', env={"U": owner}, cwd="/")
        numbers = found.output.split()
        if found.exit_code != 0 or len(numbers) != 2 or not all(n.isdigit() for n in numbers):
            raise TransferError(f"There is no user {owner} in the sandbox.")
        return int(numbers[0]), int(numbers[1])

    def _upload(self, directory: str, tar: bytes, path: str) -> None:
        self._alive()
        try:
            with engine_errors(f"put {path} into the sandbox"):
                self._container.put_archive(directory, tar)
        except SandboxFull:
            raise
        except SandboxLost as error:
            raise (self._loss(str(error)) if self._gone() else TransferError(str(error))) from error
        except SandboxError as error:
            if type(error) is SandboxError:
                raise TransferError(str(error)) from error
            raise

    def _download(self, path: str, limit_bytes: int) -> bytes:
        """Reads a path as the engine's tar archive, which may be a little larger than its files.

        This also works when the container has ended: its work is not lost.
        """
        self._check_open()
        allowed = limit_bytes + archive.overhead(limit_bytes)
        data = bytearray()
        try:
            with engine_errors(f"get {path} from the sandbox"):
                parts, _ = self._container.get_archive(path)
                stream: Any = parts
                try:
                    for part in stream:
                        data += part
                        if len(data) > allowed:
                            raise TransferError(
                                f"{path} in the sandbox is larger than {limit_bytes} bytes."
                            )
                finally:
                    stream.close()
        except SandboxLost as error:
            raise (self._loss(str(error)) if self._gone() else TransferError(str(error))) from error
        except SandboxError as error:
            if type(error) is SandboxError:
                raise TransferError(str(error)) from error
            raise
        return bytes(data)

    def _gone(self) -> bool:
        try:
            return self._container_died()
        except SandboxLost:
            return True


def _absolute(path: str) -> str:
    if not path.startswith("/") or "\0" in path or len(path.encode()) > PATH_BYTES:
        raise TransferError(f"{path!r} is not an absolute path.")
    return path


def _result(event: list[bytes]) -> CommandResult:
    """Reads a `done` event; every field may have been forged.

    Raises:
        ValueError: it is not what a dispatcher sends.
    """
    if len(event) != 11:
        raise ValueError("a result with missing fields")
    _, _, code, timed_out, total, seconds, spool, cwd, note, head, tail = event
    directory = cwd.decode("utf-8", "surrogateescape")
    if not directory.startswith("/") or "\0" in directory or len(cwd) > PATH_BYTES:
        raise ValueError("a result without a directory")
    path = spool[:PATH_BYTES].decode("utf-8", "replace")
    size = int(total)
    return CommandResult(
        exit_code=int(code) if code else None,
        output=join_output(head, tail, size, path, note.decode("utf-8", "replace")),
        output_bytes=size,
        spool=path,
        timed_out=timed_out == b"1",
        seconds=float(seconds),
        cwd=directory,
    )
