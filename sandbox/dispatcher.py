"""The program that lives in a container and runs commands for the host.

One file, standard library only, Python 3.9 or newer, and only such modules as a minimal Python
has (no json; ctypes if there is one). The host sends its text down the standard input of one
attached process and then speaks frames with it: a big-endian length, then fields, each with a
length of its own. Requests come in on descriptor 0, events go out on descriptor 1:

    run     id, seconds, user, directory, strict, command, NAME=value ...  ->  done or failed
    offer   id, name          a program on PATH that asks the host       ->  done or failed
    answer  id, code, text    the answer to the last `ask`
    collect id                the output of a command whose dispatcher was lost  ->  done or failed

Each command is a fresh `bash -c` (or `sh -c`) in a session of its own. Its output goes through a
pipe into a spool file, so that a program may reopen its standard error and a background job may
outlive its command. A time-out ends every process that the command started, however detached,
and none that an earlier command left behind. While an `ask` is unanswered the clock stands still.

The dispatcher leaves nothing running when it starts or ends, except process 1 and its first child.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import select
import signal
import socket
import struct
import sys
import time
from typing import NamedTuple

HOME = "/run/kettle"
STUBS = "/usr/local/bin"
# Head and tail together stay below the 10 kB that a caller gets back of one command.
HEAD_BYTES = 4600
TAIL_BYTES = 4600
# A larger spool helps nobody, and an endless writer must not eat the container's disk limit.
SPOOL_BYTES = 512 << 20
# Spools kept for reading again; older ones are removed.
SPOOLS_KEPT = 40
# Seconds between SIGTERM and SIGKILL: enough for a test runner to write what it knows.
TERM_GRACE_S = 2.0
# Seconds to hunt down processes that keep forking.
KILL_GRACE_S = 5.0
# Seconds to wait for room in the process table before background jobs are ended to make it.
FORK_GRACE_S = 0.5
# A Linux argument is at most 128 KiB long; longer commands are read from a file.
ARGUMENT_BYTES = 100_000
READ_BYTES = 1 << 18
PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031  # fcntl has the name from Python 3.10 on.
PR_SET_CHILD_SUBREAPER = 36
# Answers one command may ask for: each is work on the host with the clock stopped.
ASKS_PER_COMMAND = 20
# Score that makes the kernel end a command, never the dispatcher, when memory runs out.
OOM_SCORE = b"500"

STUB = """#!{python} -IS
import os, socket, sys
path = "{path}"
# `NAME WORD` asks the program NAME-WORD where that is offered; the word itself is never sent.
if len(sys.argv) > 1:
    path = path[:-5] + "-" + "-".join(sys.argv[1:]).replace("/", "-") + ".sock"
    if not os.path.exists(path):
        sys.exit("{name}: it takes no such words, so nothing was done; call it as you were told")
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(path)
except OSError as error:
    sys.exit("{name}: nobody answers here: %s" % error)
code = s.recv(1)
try:
    while part := s.recv(65536):
        sys.stdout.buffer.write(part)
        sys.stdout.flush()
except OSError:
    os._exit(1)
sys.exit(0 if code == b"0" else 1)
"""


class Account(NamedTuple):
    """Who runs a command."""

    name: bytes
    uid: int
    gid: int
    home: str


class Row(NamedTuple):
    """A process, as far as it matters here."""

    parent: int
    session: int
    state: str


class Pump:
    """Carries what comes out of a command's pipe into its spool file."""

    def __init__(self, reader: int, spool: int) -> None:
        self.reader = reader
        self.spool = spool
        self.total = self.kept = os.fstat(spool).st_size
        self.tail = b""
        self.ended = False

    def move(self, limit: int) -> int:
        """Moves at most limit bytes; returns how many there were."""
        try:
            data = os.read(self.reader, min(limit, READ_BYTES))
        except BlockingIOError:
            return 0
        if not data:
            self.ended = True
            return 0
        self.total += len(data)
        # A full disk ends the keeping, not the command: the rest is counted and its end is shown.
        with contextlib.suppress(OSError):
            self.kept += os.write(self.spool, data[: max(0, SPOOL_BYTES - self.kept)])
        if self.kept < self.total:
            self.tail = (self.tail + data)[-TAIL_BYTES:]
        return len(data)

    def drain(self) -> None:
        """Moves what is in the pipe now, and no more: a background job may write for ever."""
        left = PIPE_BYTES
        while not self.ended and left > 0 and (moved := self.move(left)):
            left -= moved

    def ends(self) -> tuple[bytes, bytes]:
        """Head and tail of the output; a short output is all head."""
        if self.kept == self.total <= HEAD_BYTES + TAIL_BYTES:
            return os.pread(self.spool, self.total, 0), b""
        head = os.pread(self.spool, min(HEAD_BYTES, self.kept), 0)
        if self.kept < self.total:
            return head, self.tail[-(self.total - len(head)) :]
        return head, os.pread(self.spool, TAIL_BYTES, max(len(head), self.kept - TAIL_BYTES))

    def close(self) -> None:
        """Closes both files."""
        os.close(self.reader)
        os.close(self.spool)


class Command:
    """The command in the foreground."""

    def __init__(self, number: int, seconds: float, directory: str, mark: int) -> None:
        self.number = number
        self.seconds = seconds
        self.directory = directory
        self.mark = mark
        self.started = time.monotonic()
        self.stopped_s = 0.0
        self.shell = 0
        self.status: int | None = None
        self.asks = 0
        self.timed_out = False
        self.note = ""
        self.pump: Pump | None = None

    def elapsed(self) -> float:
        """Seconds that count: those spent waiting for an answer do not."""
        return time.monotonic() - self.started - self.stopped_s

    def code(self) -> int | str:
        """The exit code as a shell would give it; empty after a time-out."""
        if self.timed_out or self.status is None:
            return ""
        if os.WIFSIGNALED(self.status):
            return 128 + os.WTERMSIG(self.status)
        return os.WEXITSTATUS(self.status)


class Dispatcher:
    """Reads requests, runs commands, writes events."""

    def __init__(self) -> None:
        self.poll = select.poll()
        self.poll.register(0, select.POLLIN)
        self.wake, wake_write = os.pipe()
        for end in (self.wake, wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.poll.register(self.wake, select.POLLIN)
        self.null = os.open("/dev/null", os.O_RDONLY)
        self.shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
        self.oom = os.open("/proc/self/oom_score_adj", os.O_RDWR)
        self.oom_rest = os.pread(self.oom, 16, 0).strip()
        self.command: Command | None = None
        self.pumps: dict[int, Pump] = {}
        self.offers: dict[int, tuple[str, socket.socket]] = {}
        self.asking: tuple[socket.socket, float] | None = None
        self.survivors: set[int] = set()
        self.survivor_sessions: set[int] = set()
        # What an earlier dispatcher left counts too.
        numbers = [int(name[:-4]) for name in os.listdir(HOME) if name[:-4].isdigit()]
        self.spools = [f"{HOME}/{number}" for number in sorted(set(numbers))]

    def serve(self) -> None:
        """Works until the host hangs up."""
        while True:
            patience = None
            if self.command and not self.asking:
                patience = max(0.0, (self.command.seconds - self.command.elapsed()) * 1000)
            for ready, _ in self.poll.poll(patience):
                if ready == self.wake:
                    os.read(ready, 512)
                elif ready == 0:
                    fields = receive()
                    if fields is None:
                        return
                    self.handle(fields)
                elif ready in self.pumps:
                    self.pumps[ready].move(READ_BYTES)
                    self.drop_if_ended(self.pumps[ready])
                elif ready in self.offers:
                    self.ask(*self.offers[ready])
            self.reap()
            command = self.command
            if command and not self.asking:
                if command.status is None and command.elapsed() >= command.seconds:
                    command.timed_out = True
                    self.remember_directory(command)
                    self.end()
                if command.status is not None:
                    self.finish(command)

    def handle(self, fields: list[bytes]) -> None:
        """Does what one request says."""
        kind, number = fields[0], int(fields[1])
        try:
            if kind == b"run":
                self.start(number, fields[2:])
            elif kind == b"offer":
                self.offer(fields[2].decode())
                send("done", number)
            elif kind == b"answer":
                self.answer(fields[2], fields[3])
            elif kind == b"collect":
                self.collect(number)
        except (OSError, LookupError, ValueError) as error:
            send("failed", number, f"{type(error).__name__}: {error}")

    # Commands

    def start(self, number: int, fields: list[bytes]) -> None:
        """Starts a command."""
        seconds, user, directory, strict, text, *environ = fields
        account = lookup(user.decode())
        path = os.fsdecode(directory)
        if strict != b"1":
            while not os.path.isdir(path) and path not in ("/", ""):
                path = os.path.dirname(path)
        spool = create(f"{HOME}/{number}.log", account)
        mark = create(f"{HOME}/{number}.cwd", account)
        trap = f"trap 'pwd >{HOME}/{number}.cwd' EXIT; "
        if len(text) > ARGUMENT_BYTES:
            script = create(f"{HOME}/{number}.sh", account)
            with open(script, "wb") as file:
                file.write(text)
            argv = [self.shell, "-c", f"{trap}. {HOME}/{number}.sh"]
        else:
            argv = [self.shell, "-c", trap + 'eval "$1"', self.shell, os.fsdecode(text)]
        name, home = account.name, os.fsencode(account.home)
        env = dict(os.environb)
        env.update({b"HOME": home, b"USER": name, b"LOGNAME": name, b"PWD": os.fsencode(path)})
        for pair in environ:
            key, _, value = pair.partition(b"=")
            env[key] = value
        self.note_survivors()
        command = Command(number, float(seconds), path, mark)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(writer, F_SETPIPE_SZ, PIPE_BYTES)
        if account.uid:
            # A pipe may be opened again (`> /dev/stderr`) only by its owner.
            os.fchown(writer, account.uid, account.gid)
        try:
            os.chdir(path)
            command.shell = self.spawn(command, argv, env, writer, account)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            os.write(writer, f"{path}: {why}\n".encode("utf-8", "replace"))
            command.status = 1 << 8
        os.close(writer)
        os.chdir("/")
        command.pump = self.pumps[reader] = Pump(reader, spool)
        self.poll.register(reader, select.POLLIN)
        self.command = command
        self.survivor_sessions.discard(command.shell)
        self.spools.append(f"{HOME}/{number}")

    def spawn(
        self,
        command: Command,
        argv: list[str],
        env: dict[bytes, bytes],
        writer: int,
        account: Account,
    ) -> int:
        """Starts a process; makes room for it when the process table is full."""
        until = time.monotonic() + FORK_GRACE_S
        while time.monotonic() < until:
            try:
                return self.spawn_once(argv, env, writer, account)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.ENOMEM):
                    raise
            self.reap()
            time.sleep(0.05)
        command.note = "background jobs had used up the sandbox's processes and were ended"
        self.survivors.clear()
        self.survivor_sessions.clear()
        self.end()
        return self.spawn_once(argv, env, writer, account)

    def spawn_once(
        self, argv: list[str], env: dict[bytes, bytes], writer: int, account: Account
    ) -> int:
        """Starts a process: by the quick way for root, by a fork for anybody else."""
        os.pwrite(self.oom, OOM_SCORE, 0)
        try:
            if account.uid == 0:
                dup = os.POSIX_SPAWN_DUP2
                return os.posix_spawn(
                    argv[0],
                    argv,
                    env,
                    file_actions=[(dup, self.null, 0), (dup, writer, 1), (dup, writer, 2)],
                    setsid=True,
                    setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
                )
            child = os.fork()
            if child == 0:
                self.become(argv, env, writer, account)
            return child
        finally:
            os.pwrite(self.oom, self.oom_rest, 0)

    def become(
        self, argv: list[str], env: dict[bytes, bytes], writer: int, account: Account
    ) -> None:
        """Turns a forked child into the command; never returns."""
        try:
            os.setsid()
            for target, source in enumerate((self.null, writer, writer)):
                os.dup2(source, target)
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            if account.name.isdigit():
                os.setgroups([])
            else:
                os.initgroups(os.fsdecode(account.name), account.gid)
            os.setgid(account.gid)
            os.setuid(account.uid)
            os.execve(argv[0], argv, env)  # noqa: S606 - it is the shell
        except BaseException as error:
            os.write(2, str(error).encode())
        finally:
            os._exit(126)

    def reap(self) -> None:
        """Takes in the children that ended."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if self.command and pid == self.command.shell:
                    self.command.status = status

    def remember_directory(self, command: Command) -> None:
        """Notes where a shell is before it is ended."""
        with contextlib.suppress(OSError):
            here = os.readlink(f"/proc/{command.shell}/cwd")
            os.pwrite(command.mark, os.fsencode(here), 0)

    def finish(self, command: Command) -> None:
        """Reports a command that ended."""
        pump = command.pump
        if pump is None:
            return
        here = os.pread(command.mark, 4096, 0).split(b"\n", 1)[0]
        if not here.startswith(b"/"):
            here = os.fsencode(command.directory)
        pump.drain()
        head, tail = pump.ends()
        self.command = None
        spool = f"{HOME}/{command.number}.log"
        send(
            *("done", command.number, command.code(), int(command.timed_out), pump.total),
            *(command.elapsed(), spool, here, command.note, head, tail),
        )
        # What follows happens while the host already reads the answer.
        os.close(command.mark)
        os.unlink(f"{HOME}/{command.number}.cwd")
        self.drop_if_ended(pump)
        while len(self.spools) > SPOOLS_KEPT:
            oldest = self.spools.pop(0)
            for suffix in (".log", ".sh", ".cwd"):
                with contextlib.suppress(OSError):
                    os.unlink(oldest + suffix)

    def drop_if_ended(self, pump: Pump) -> None:
        """Closes a pipe that nobody writes to any more."""
        if not pump.ended:
            return
        if pump.reader in self.pumps:
            self.poll.unregister(pump.reader)
            del self.pumps[pump.reader]
        if self.command is None or self.command.pump is not pump:
            pump.close()

    def collect(self, number: int) -> None:
        """Reports what is left of a command that a lost dispatcher had started."""
        path = f"{HOME}/{number}.log"
        pump = Pump(-1, os.open(path, os.O_RDONLY | os.O_NOFOLLOW))
        head, tail = pump.ends()
        os.close(pump.spool)
        send("done", number, "", 0, pump.total, 0.0, path, "/", "", head, tail)

    # Ending processes

    def note_survivors(self) -> None:
        """Notes what earlier commands left running, before a new one starts."""
        self.survivors = top_processes()
        for pid in self.survivors:
            with contextlib.suppress(OSError):
                self.survivor_sessions.add(os.getsid(pid))

    def victims(self) -> set[int]:
        """The processes that the foreground command started."""
        table = processes()
        me, keeper = os.getpid(), keeper_of(table)
        found = set()
        for pid, row in table.items():
            if pid in (1, me) or row.state == "Z" or row.session in self.survivor_sessions:
                continue
            line, parent = {pid}, row.parent
            while parent not in (0, 1, me) and parent in table and parent not in line:
                line.add(parent)
                parent = table[parent].parent
            if parent != 0 and keeper not in line and not self.survivors & line:
                found.add(pid)
        return found

    def end(self) -> None:
        """Ends what the foreground command started: politely, then surely."""
        for pid in self.victims():
            kill(pid, signal.SIGTERM)
            kill(pid, signal.SIGCONT)
        until = time.monotonic() + TERM_GRACE_S
        while self.victims() and time.monotonic() < until:
            self.settle(0.02)
        until = time.monotonic() + KILL_GRACE_S
        while time.monotonic() < until:
            # Stopped first, so that none can fork while the others are being ended.
            stopped: set[int] = set()
            while (fresh := self.victims() - stopped) and time.monotonic() < until:
                for pid in fresh:
                    kill(pid, signal.SIGSTOP)
                stopped |= fresh
            for pid in stopped:
                kill(pid, signal.SIGKILL)
            self.settle(0.005)
            if not stopped:
                break
        if self.command and self.command.status is None:
            self.command.status = int(signal.SIGKILL)

    def settle(self, seconds: float) -> None:
        """Lets processes end, and keeps their last words."""
        time.sleep(seconds)
        if self.command and self.command.pump:
            self.command.pump.drain()
        self.reap()

    # Offers

    def offer(self, name: str) -> None:
        """Puts a program on PATH that asks the host."""
        path = f"{HOME}/{name}.sock"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, 0o666)  # noqa: S103 - any user of the container may ask
        listener.listen(16)
        os.makedirs(STUBS, exist_ok=True)
        target = f"{STUBS}/{name}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)
        with open(target, "x") as stub:
            stub.write(STUB.format(python=sys.executable, path=path, name=name))
        os.chmod(target, 0o755)  # noqa: S103 - it is a program
        self.offers[listener.fileno()] = (name, listener)
        self.poll.register(listener.fileno(), select.POLLIN)

    def ask(self, name: str, listener: socket.socket) -> None:
        """Takes a call of an offered program to the host."""
        client, _ = listener.accept()
        command = self.command
        refusal = ""
        if command is None or command.status is not None:
            refusal = "it answers only while a command runs in the foreground"
        elif self.asking:
            refusal = "another call is being answered; call it again afterwards"
        elif command.asks >= ASKS_PER_COMMAND:
            refusal = f"called more than {ASKS_PER_COMMAND} times in one command"
        else:
            command.asks += 1
            self.asking = (client, time.monotonic())
            send("ask", command.number, name)
        if refusal:
            reply(client, b"1", f"{name}: {refusal}\n".encode())

    def answer(self, code: bytes, text: bytes) -> None:
        """Gives the host's text to the program that asked."""
        if not self.asking:
            return
        client, since = self.asking
        self.asking = None
        if self.command:
            self.command.stopped_s += time.monotonic() - since
        reply(client, code, text)


def reply(client: socket.socket, code: bytes, text: bytes) -> None:
    """Sends an answer to a program; one that does not read it is left behind."""
    with client, contextlib.suppress(OSError):
        client.settimeout(5.0)
        client.sendall(code + text)


def create(path: str, account: Account) -> int:
    """Makes a file that only the account (and root) can read; returns its descriptor."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    if account.uid:
        os.fchown(descriptor, account.uid, account.gid)
    return descriptor


def kill(pid: int, number: int) -> None:
    """Sends a signal to a process that may be gone."""
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def processes() -> dict[int, Row]:
    """All processes by number."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    fields = stat.read().rpartition(b")")[2].split()
            except OSError:
                continue
            table[int(entry)] = Row(int(fields[1]), int(fields[3]), fields[0].decode())
    return table


def ancestor(table: dict[int, Row], pid: int) -> int:
    """The process that another descends from: 1, this one, or one started from outside."""
    seen = set()
    while pid not in (1, os.getpid()) and pid not in seen:
        seen.add(pid)
        parent = table[pid].parent if pid in table else 0
        if parent == 0:
            break
        pid = parent
    return pid


def keeper_of(table: dict[int, Row]) -> int:
    """The child that process 1 was started to watch; the container lives as long as it does."""
    return min((pid for pid, row in table.items() if row.parent == 1), default=1)


def top_processes() -> set[int]:
    """The processes directly below the dispatcher or process 1, without the keeper."""
    me = os.getpid()
    found = []
    try:
        for parent in (1, me):
            with open(f"/proc/{parent}/task/{parent}/children", "rb") as children:
                found.append([int(pid) for pid in children.read().split()])
    except OSError:
        table = processes()
        found = [[pid for pid in table if table[pid].parent == parent] for parent in (1, me)]
    keeper = min(found[0], default=1)
    return {pid for group in found for pid in group if pid not in (keeper, me)}


def lookup(user: str) -> Account:
    """The account of a user given as a name, a number or number:number."""
    head, _, group = user.partition(":")
    try:
        entry = pwd.getpwuid(int(head)) if head.isdigit() else pwd.getpwnam(head)
    except KeyError:
        if not head.isdigit():
            raise LookupError(f"there is no user {head} in this image") from None
        return Account(head.encode(), int(head), int(group or head), "/")
    gid = int(group) if group else entry.pw_gid
    return Account(os.fsencode(entry.pw_name), entry.pw_uid, gid, entry.pw_dir)


def send(*fields: object) -> None:
    """Writes one frame to the host."""
    body = b""
    for field in fields:
        data = field if isinstance(field, bytes) else str(field).encode("utf-8", "replace")
        body += struct.pack(">I", len(data)) + data
    frame = struct.pack(">I", len(body)) + body
    while frame:
        frame = frame[os.write(1, frame) :]


def receive() -> list[bytes] | None:
    """Reads one frame from the host; None when it hung up."""
    head = read_exactly(4)
    body = read_exactly(struct.unpack(">I", head)[0]) if head else None
    if body is None:
        return None
    fields, at = [], 0
    while at < len(body):
        size = struct.unpack_from(">I", body, at)[0]
        fields.append(body[at + 4 : at + 4 + size])
        at += 4 + size
    return fields


def read_exactly(size: int) -> bytes | None:
    """Reads size bytes from the host; None when it hung up."""
    data = bytearray()
    while len(data) < size:
        part = os.read(0, min(size - len(data), PIPE_BYTES))
        if not part:
            return None
        data += part
    return bytes(data)


def become_subreaper() -> None:
    """Makes orphans of commands children of the dispatcher; without ctypes they go to process 1."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def rename() -> None:
    """Takes the word python out of the process's name, so that `pkill python` passes it by."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/comm", "w") as comm:
            comm.write("kettle")
        with open("/proc/self/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        if 0 < start < end:
            with open("/proc/self/mem", "r+b", buffering=0) as memory:
                memory.seek(start)
                memory.write(b"kettle".ljust(end - start, b"\0"))


def end_everything(strangers: bool) -> None:
    """Ends all processes but process 1, its first child and this one.

    Args:
        strangers: also what was started from outside: an older dispatcher and all below it. The
            older one in its turn must spare the one that takes its place.
    """
    until = time.monotonic() + KILL_GRACE_S
    while time.monotonic() < until:
        table = processes()
        spared = {1, os.getpid(), keeper_of(table)}
        if not strangers:
            spared |= {pid for pid in table if ancestor(table, pid) not in (1, os.getpid())}
        others = [pid for pid, row in table.items() if pid not in spared and row.state != "Z"]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in others:
                kill(pid, number)
        if not others:
            return
        time.sleep(0.005)


def main() -> None:
    """Serves the host until it hangs up."""
    os.umask(0o022)
    os.chdir("/")
    os.makedirs(HOME, exist_ok=True)
    os.chmod(HOME, 0o711)  # noqa: S103 - spools belong to different users
    become_subreaper()
    rename()
    end_everything(strangers=True)
    dispatcher = Dispatcher()
    send("ready", 0)
    try:
        dispatcher.serve()
    finally:
        end_everything(strangers=False)


if __name__ == "__main__":
    main()
