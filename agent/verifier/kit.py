r"""The judge's kit: run a project's code from outside and assert on what comes back.

One file, standard library only, Python 3.9 or newer; the project under test may be in any language.
tests/test.sh runs `python3 -I -S /tests/kit.py /tests/judge.py` as root. A judge looks like this:

    import kit

    word = kit.words(1)[0]
    tree = kit.checkout()
    tree.write("in.txt", word + "\n")
    r = kit.run(["/opt/venv/bin/python", "-m", "tool", "in.txt"], cwd=tree)
    kit.check("prints the word", r.code == 0 and r.out.strip() == word, r.tail)

    @kit.check("an empty list stays empty")
    def _():
        assert kit.call_python("tool.core", "pick", [[]]) == []

    kit.verdict()

What the kit promises: the project's code runs only in child processes, each as an unprivileged
user of its own who can read neither /tests nor /logs/verifier, in a session of its own that is
killed as a whole, with bounded time, output, processes and file sizes, and with a clean
environment. Values come back as JSON, and every assertion happens in the judge's process. The
judge must never import the project, and must not read its files through symlinks
(`Checkout.read` does not).

A judge that ends without `kit.verdict()`, crashes, or has no checks is an error: no reward is
written. An exception inside a decorated check fails that check. Where the project's code gives no
value outside of one (`ChildFailed`, `Raised`), that is a failed check, too, and the last one: no
tree can turn its reward of 0 into an error.
"""

# The kit runs in the environment's image, alone and on older Pythons, and as root of a container
# that is thrown away: output is printed, and /tmp and modes are meant as they stand.
# ruff: noqa: T201, S101, S103, S108, S311, UP035, D417, PT018
from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import random
import re
import resource
import runpy
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping, Sequence, Union

WORK = "/app"
TESTS = "/tests"
LOGS = "/logs/verifier"
SOLUTION = "/solution"

NO_VERDICT = 70
"""Exit code of a judge that reached no verdict (EX_SOFTWARE of sysexits.h)."""
DEFAULT_TIMEOUT_S = 20.0
"""A child that has not ended by then is stopped; most take less than a second."""
AFTER_TIMEOUT_S = (10.0, 5.0, 2.0)
"""Longest time of a child after one, two, and more children ran out of theirs: a tree that hangs
must not keep the judge beyond the verifier's own limit."""
PATIENCE_S = float(os.environ.get("KIT_PATIENCE_S") or math.inf)
"""Longest time of any child. Who grades a tree that is meant to hang asks for less this way, and
reads beside the reward, as `spared_s`, how many seconds more its children would have had."""
BRIEF = bool(os.environ.get("KIT_BRIEF"))
"""Whether the first check that does not hold ends the judge: all must hold, so the reward is known.
Who grades many trees that are meant to fail asks for it."""
OUTPUT_LIMIT_BYTES = 8 << 20
"""Kept of each output stream of a child; the rest is read and dropped."""
CHILDREN_S = 240.0
"""Time of all children together; after it, one with the usual limit gets the shortest of
`AFTER_TIMEOUT_S`, so that a tree that is slow everywhere ends with a verdict."""
VALUE_LIMIT_BYTES = 8 << 20
"""Largest JSON value that a child may hand back: a few hundred MB once it is parsed."""
INTEGER_DIGITS = 4300
"""Longest integer in a value, Python's own limit: reading a longer one takes quadratic time."""
FILE_LIMIT_BYTES = 1 << 30
"""Largest file that a child may write."""
PROCESS_LIMIT = 128 + 16 * (os.cpu_count() or 1)
"""Processes and threads that a child's user may have: a fork bomb wants all, builds need dozens,
and test runners of JavaScript one process for each core, of a dozen threads. What is started is
load for the machine, and two bombs side by side must leave room for the judge in its container."""
OPEN_FILES_LIMIT = 4096
DRAIN_S = 2.0
"""Time for the last output to arrive once every process of a child is dead."""
TAIL_CHARS = 1500
"""Output quoted in a reason."""
FIRST_UID, LAST_UID = 20000, 39999
"""Users of children: above every user that Debian makes, within what a user namespace maps."""
KILLER_OFFSET = 20000
"""From a child's user to the one of the process that kills in its name; see `_signal_as`."""
MOST_KILLABLE = "1000"
"""`oom_score_adj` of a child: when memory runs out it goes, not the judge."""
RESERVE_BYTES = 64 << 10
"""Kept free for the reward, so that a child that fills the disk cannot suppress it."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLEARED = ("reward.json", "reward.txt", "checks.json", ".reserve")

seed = int(os.environ.get("KIT_SEED") or secrets.randbits(32))
rng = random.Random(seed)
"""For inputs that nobody can know beforehand. The seed is printed, to repeat a run."""


class KitError(Exception):
    """The kit itself cannot work here; never the fault of the graded code."""


class ChildFailed(AssertionError):
    """The project's code gave no value: it crashed, was stopped, or ran out of time."""


class Raised(AssertionError):
    """The project's function raised an exception.

    Attributes:
        kind: the name of its class.
        message: its text.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


# --- children ------------------------------------------------------------------------------------


@dataclass
class Result:
    """What a child left behind.

    Attributes:
        code: its exit code; negative for a signal; None when it ran out of time.
    """

    argv: Sequence[str]
    code: int | None
    stdout: bytes
    stderr: bytes
    timed_out: bool
    seconds: float
    value: bytes = b""

    @property
    def out(self) -> str:
        """Standard output as text."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def err(self) -> str:
        """Standard error as text."""
        return self.stderr.decode("utf-8", "replace")

    @property
    def tail(self) -> str:
        """How it ended and its last output, for a reason."""
        end = "ran out of time" if self.timed_out else f"exit code {self.code}"
        text = (self.out + self.err).strip()
        return f"{end}; " + ("… " + text[-TAIL_CHARS:] if len(text) > TAIL_CHARS else text)


@dataclass
class Checkout:
    """A private copy of the graded tree, with a user of its own.

    Attributes:
        path: the copy's directory.
        uid: the user who owns it and runs in it.
    """

    path: str
    uid: int
    base: str
    _children: int = field(default=0, repr=False)

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path

    def write(self, name: str, data: str | bytes, *, executable: bool = False) -> str:
        """Put a file into the copy, in place of whatever is there; returns its path.

        Raises:
            ChildFailed: a parent is a symlink, or a running child changes the place meanwhile.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            with self._parent(name, make=True) as (folder, last):
                self._take_away(folder, last)
                handle = os.open(last, flags, 0o600, dir_fd=folder)
        except OSError as e:
            raise ChildFailed(f"{name} cannot be written: {e.strerror}") from None
        with os.fdopen(handle, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
            os.fchmod(f.fileno(), 0o755 if executable else 0o644)
            os.fchown(f.fileno(), self.uid, self.uid)
        return os.path.join(self.path, name)

    def read(self, name: str, *, limit_bytes: int = OUTPUT_LIMIT_BYTES) -> bytes:
        """Content of a regular file of the copy.

        Raises:
            ChildFailed: there is none, it is reached through a symlink, or it is too large.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            with self._parent(name) as (folder, last):
                handle = os.open(last, flags, dir_fd=folder)
        except OSError as e:
            raise ChildFailed(f"{name} cannot be read: {e.strerror}") from None
        with os.fdopen(handle, "rb") as f:
            if not stat.S_ISREG(os.fstat(f.fileno()).st_mode):
                raise ChildFailed(f"{name} is not a regular file")
            data = f.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise ChildFailed(f"{name} is larger than {limit_bytes} bytes")
        return data

    def exists(self, name: str) -> bool:
        """True when the copy has a file, directory or symlink of that name."""
        try:
            with self._parent(name) as (folder, last):
                os.stat(last, dir_fd=folder, follow_symlinks=False)
        except (OSError, ChildFailed):
            return False
        return True

    def remove(self, name: str) -> None:
        """Take a file or a directory out of the copy, if it is there."""
        with contextlib.suppress(OSError, ChildFailed), self._parent(name) as (folder, last):
            self._take_away(folder, last)

    @contextlib.contextmanager
    def _parent(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder that a name lies in, and the name's last part.

        Each folder is opened from the one before and never through a symlink, so that a child that
        runs meanwhile cannot lead the judge, who is root, out of the copy.
        """
        parts = [p for p in name.split("/") if p not in ("", ".")]
        if not parts or ".." in parts or name.startswith("/"):
            raise ChildFailed(f"{name!r} does not lie in the tree")
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        folder = os.open(self.path, flags)
        try:
            for part in parts[:-1]:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=folder)
                        os.chown(part, self.uid, self.uid, dir_fd=folder, follow_symlinks=False)
                try:
                    inner = os.open(part, flags, dir_fd=folder)
                except OSError as e:
                    if e.errno in (errno.ELOOP, errno.ENOTDIR):
                        raise ChildFailed(f"{name} is reached through a symlink") from None
                    raise
                os.close(folder)
                folder = inner
            yield folder, parts[-1]
        finally:
            os.close(folder)

    def _take_away(self, folder: int, last: str) -> None:
        """Remove what lies in an open folder under a name, if anything does."""
        try:
            kind = os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(kind):
            os.unlink(last, dir_fd=folder)
            return
        # Out of the child's reach first, so that it cannot change what is being deleted.
        trash = tempfile.mkdtemp(dir=self.base)
        os.rename(last, trash + "/it", src_dir_fd=folder)
        shutil.rmtree(trash)


_taken: set[int] = set()
_late = 0
"""Children that ran out of time."""
_spent = 0.0
"""Seconds that were spent waiting for children."""
_spared = 0.0
"""Seconds that children who ran out of time would have had but for `PATIENCE_S`."""
_default: Checkout | None = None


def checkout(source: str = WORK) -> Checkout:
    """A fresh copy of the graded tree (or of another directory), owned by a fresh user."""
    uid = _fresh_uid()
    base = tempfile.mkdtemp(prefix="kit-", dir="/tmp")
    # A child of another copy has no way in, whatever modes the graded tree brings along.
    os.chown(base, 0, uid)
    os.chmod(base, 0o710)
    work = os.path.join(base, "work")
    if os.path.islink(source) or not os.path.isdir(source):
        raise ChildFailed(f"{source} is not a directory")
    copied = subprocess.run(
        ["cp", "-a", "--", source, work], env={"PATH": PATH}, capture_output=True, check=False
    )
    if not os.path.isdir(work):
        raise KitError(f"cannot copy {source}: {copied.stderr.decode(errors='replace')[-300:]}")
    for folder in ("home", "tmp"):
        os.mkdir(os.path.join(base, folder), 0o700)
    subprocess.run(
        ["chown", "-hR", f"{uid}:{uid}", work, base + "/home", base + "/tmp"],
        env={"PATH": PATH},
        check=True,
    )
    os.chmod(work, 0o755)
    return Checkout(work, uid, base)


def work_tree() -> Checkout:
    """The copy that children use when they are given none; made once."""
    global _default
    if _default is None:
        _default = checkout()
    return _default


def run(
    argv: Sequence[str],
    *,
    cwd: Checkout | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    stdin: str | bytes = b"",
    env: Mapping[str, str] | None = None,
    folder: str = "",
) -> Result:
    """Run a program of the project as an unprivileged user and wait for it.

    Args:
        argv: the program and its arguments; no shell reads them.
        cwd: the copy to run in, as its user; one copy is shared by all calls that give none.
        timeout_s: seconds until the program and all it started are killed.
        stdin: what it reads.
        env: variables on top of the clean environment.
        folder: a folder of the copy to start in.
    """
    with start(argv, cwd=cwd, stdin=stdin, env=env, folder=folder) as child:
        return child.wait(timeout_s)


@contextlib.contextmanager
def start(
    argv: Sequence[str],
    *,
    cwd: Checkout | None = None,
    stdin: str | bytes = b"",
    env: Mapping[str, str] | None = None,
    folder: str = "",
) -> Iterator[Child]:
    """Run a program in the background (`with kit.start([…]) as child`), such as a server; it is
    killed when the block ends."""
    child = Child(argv, cwd or work_tree(), stdin, env or {}, folder)
    try:
        yield child
    finally:
        child.kill()


_TREES_FAULT = frozenset(
    (
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.ENOEXEC,
        errno.EAGAIN,
        errno.EISDIR,
        errno.ETXTBSY,
    )
)


class Child:
    """A running program of the project."""

    def __init__(
        self,
        argv: Sequence[str],
        tree: Checkout,
        stdin: str | bytes,
        env: Mapping[str, str],
        folder: str,
    ) -> None:
        self.argv = list(argv)
        self.tree = tree
        self._begun = time.monotonic()
        where = os.path.join(tree.path, folder)
        with tempfile.TemporaryFile() as given:
            given.write(stdin.encode() if isinstance(stdin, str) else stdin)
            given.seek(0)
            value_r, value_w = os.pipe()
            try:
                self._process = subprocess.Popen(
                    self.argv,
                    cwd=where,
                    env={**clean_env(tree), "KIT_VALUE_FD": str(value_w), **env},
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    pass_fds=(value_w,),
                    start_new_session=True,
                    user=tree.uid,
                    group=tree.uid,
                    extra_groups=[],
                    umask=0o022,
                )
            except OSError as e:
                os.close(value_r)
                # A full table of processes, a missing program, one that is none: the tree's fault.
                if e.errno in _TREES_FAULT:
                    raise ChildFailed(f"{argv[0]} cannot be started: {e.strerror}") from None
                raise KitError(f"cannot start a child: {e}") from e
            finally:
                os.close(value_w)
        score = f"/proc/{self._process.pid}/oom_score_adj"
        with contextlib.suppress(OSError), open(score, "w") as file:
            file.write(MOST_KILLABLE)
        tree._children += 1
        self._dead = False
        assert self._process.stdout is not None and self._process.stderr is not None
        self._readers = [
            _Reader(self._process.stdout.fileno(), OUTPUT_LIMIT_BYTES),
            _Reader(self._process.stderr.fileno(), OUTPUT_LIMIT_BYTES),
            _Reader(value_r, VALUE_LIMIT_BYTES),
        ]
        for duplicated in (self._process.stdout, self._process.stderr):
            duplicated.close()
        os.close(value_r)

    @property
    def running(self) -> bool:
        """True while the program itself has not ended."""
        return self._process.poll() is None

    def wait(self, timeout_s: float = DEFAULT_TIMEOUT_S) -> Result:
        """Wait for the program, then end all it started."""
        timed_out = False
        code: int | None = None
        global _late, _spent, _spared
        if _late:
            timeout_s = min(timeout_s, AFTER_TIMEOUT_S[min(_late, len(AFTER_TIMEOUT_S)) - 1])
        elif timeout_s <= DEFAULT_TIMEOUT_S:
            timeout_s = min(timeout_s, max(CHILDREN_S - _spent, AFTER_TIMEOUT_S[-1]))
        patience = min(timeout_s, PATIENCE_S)
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            timed_out = True
            _late += 1
            _spared += timeout_s - patience
        seconds = time.monotonic() - self._begun
        _spent += seconds
        self.kill()
        out, err, value = (r.result() for r in self._readers)
        return Result(self.argv, code, out, err, timed_out, seconds, value)

    def wait_for_port(self, port: int, timeout_s: float = 20.0) -> None:
        """Wait until something listens on a port of the loopback interface.

        Raises:
            ChildFailed: the program ended, or the time ran out.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if not self.running:
                raise ChildFailed(f"{self.argv[0]} ended with {self._process.returncode}")
            time.sleep(0.02)
        raise ChildFailed(f"nothing listens on port {port} after {timeout_s} s")

    def kill(self) -> None:
        """End the program and everything it started."""
        if self._dead:
            return
        self._dead = True
        self.tree._children -= 1
        # The judge may lack CAP_KILL, so signals are sent by the child's own user. With no other
        # child of this user alive, all its processes go, those in other sessions included.
        _signal_as(self.tree.uid, -1 if self.tree._children == 0 else -self._process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(DRAIN_S)


class _Reader(threading.Thread):
    """Reads a descriptor to its end and keeps the first part."""

    def __init__(self, descriptor: int, limit: int) -> None:
        super().__init__(daemon=True)
        self._source = os.dup(descriptor)
        self._limit = limit
        self._kept = bytearray()
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                block = os.read(self._source, 1 << 16)
                if not block:
                    break
                room = self._limit - len(self._kept)
                self._kept += block[: max(0, room)]
        os.close(self._source)

    def result(self) -> bytes:
        self.join(DRAIN_S)
        return bytes(self._kept)


def clean_env(tree: Checkout) -> dict[str, str]:
    """The environment of a child in a copy."""
    env = {
        "PATH": "/opt/venv/bin:/node_modules/.bin:" + PATH,
        "HOME": tree.base + "/home",
        "TMPDIR": tree.base + "/tmp",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "TZ": os.environ.get("TZ", "UTC"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
    }
    if os.environ.get("KIT_HASH_SEED"):
        env["PYTHONHASHSEED"] = os.environ["KIT_HASH_SEED"]
    return env


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def words(count: int) -> list[str]:
    """Random lower-case words, for inputs that cannot be known beforehand."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(rng.choices(letters, k=rng.randint(5, 9))) for _ in range(count)]


# --- values --------------------------------------------------------------------------------------

_PYTHON_CALLS = """
import importlib, json, os, sys
job = json.load(sys.stdin)
out = os.fdopen(int(os.environ.pop("KIT_VALUE_FD")), "w")
sys.path[:0] = [p for p in (os.path.join(os.getcwd(), q) for q in job["path"]) if os.path.isdir(p)]
def plain(value):
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    return repr(value)
done = []
for call in job["calls"]:
    try:
        if job["source"] is None:
            target = importlib.import_module(job["module"])
            for part in job["function"].split("."):
                target = getattr(target, part)
            value = target(*call["args"], **call["kwargs"])
        else:
            scope = {"__name__": "__kit__", "data": call["args"][0]}
            exec(compile(job["source"], "<judge>", "exec"), scope)
            value = scope.get("result")
        done.append({"value": json.loads(json.dumps(value, default=plain))})
    except BaseException as e:
        done.append({"raised": type(e).__name__, "message": str(e)[:2000]})
json.dump(done, out)
out.close()
"""

_NODE_CALLS = """
const fs = require("fs"), path = require("path"), url = require("url");
const job = JSON.parse(fs.readFileSync(0, "utf8"));
const fd = Number(process.env.KIT_VALUE_FD);
(async () => {
  const done = [];
  for (const call of job.calls) {
    try {
      const name = path.resolve(job.module);
      const exists = fs.existsSync(name);
      const where = exists ? url.pathToFileURL(name).href : job.module;
      let mod = await import(where);
      let target = job.function === "default" ? mod.default : undefined;
      if (target === undefined) {
        target = job.function.split(".").reduce((o, k) => o[k], mod[job.function.split(".")[0]]
          === undefined && mod.default ? mod.default : mod);
      }
      const value = await target(...call.args);
      done.push({ value: value === undefined ? null : value });
    } catch (e) {
      done.push({ raised: (e && e.name) || "Error", message: String((e && e.message) || e) });
    }
  }
  fs.writeFileSync(fd, JSON.stringify(done));
  process.exit(0);
})();
"""

Value = Union[None, bool, int, float, str, "list[Any]", "dict[str, Any]"]


def python() -> str:
    """The interpreter of the project: its virtual environment's, else the system's."""
    venv = "/opt/venv/bin/python"
    return venv if os.path.exists(venv) else "/usr/bin/python3"


def call_python(
    module: str,
    function: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    cwd: Checkout | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    path: Sequence[str] = ("src", "."),
) -> Value:
    """Call a function of the project in a child; its value comes back as JSON data: tuples as
    lists, sets as sorted lists, other objects as their `repr`, NaN and infinity as texts.

    JSON has no NaN and no infinity: the texts are `NaN`, `Infinity` and `-Infinity`, so that no
    comparison with a number holds by accident.

    Args:
        module: dotted name of the module.
        function: name in the module; dots reach into classes.
        path: folders of the copy that are importable, the first one first.

    Raises:
        Raised: the function raised.
        ChildFailed: no value came back.
    """
    return calls_python(
        module,
        function,
        [(list(args), dict(kwargs or {}))],
        cwd=cwd,
        timeout_s=timeout_s,
        path=path,
    )[0]


def calls_python(
    module: str,
    function: str,
    calls: Sequence[tuple[list[Any], dict[str, Any]]],
    *,
    cwd: Checkout | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    path: Sequence[str] = ("src", "."),
) -> list[Value]:
    """Like `call_python` for many calls in one child, each its arguments and its keywords
    (`[([1], {}), ([2], {"base": 8})]`); raises for the first that raised."""
    job = {"module": module, "function": function, "source": None, "path": list(path)}
    return _values([python(), "-c", _PYTHON_CALLS], job, calls, cwd, timeout_s)


def eval_python(
    source: str,
    data: Any = None,
    *,
    cwd: Checkout | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    path: Sequence[str] = ("src", "."),
) -> Value:
    """Run lines of the judge's beside the project's code; what they bind to `result` comes back.

    Write no assertion into `source`: it runs in reach of the graded code. Bring back the values
    and assert on them here.

    Args:
        source: Python that may import the project.
        data: bound to `data` in it.
    """
    job = {"module": "", "function": "", "source": source, "path": list(path)}
    return _values([python(), "-c", _PYTHON_CALLS], job, [([data], {})], cwd, timeout_s)[0]


def call_node(
    module: str,
    function: str,
    args: Sequence[Any] = (),
    *,
    cwd: Checkout | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    node: Sequence[str] = ("node",),
) -> Value:
    """Call an exported function of a JavaScript module: a file of the copy (`lib/core.js`) or a
    package (`core`). A promise is awaited, `default` names the default export.

    Args:
        node: the program and its options, such as `["bun"]` or `["node", "--import", "tsx"]`.
    """
    return calls_node(module, function, [args], cwd=cwd, timeout_s=timeout_s, node=node)[0]


def calls_node(
    module: str,
    function: str,
    calls: Sequence[Sequence[Any]],
    *,
    cwd: Checkout | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    node: Sequence[str] = ("node",),
) -> list[Value]:
    """Like `call_node` for many calls in one child, each the list of its arguments
    (`[[1, 2], [3, 4]]`); raises for the first that raised."""
    job = {"module": module, "function": function}
    argv = [*node, "-e", _NODE_CALLS]
    return _values(argv, job, [(list(args), {}) for args in calls], cwd, timeout_s)


def _values(
    argv: Sequence[str],
    job: dict[str, Any],
    calls: Sequence[tuple[list[Any], dict[str, Any]]],
    cwd: Checkout | None,
    timeout_s: float,
) -> list[Value]:
    job = {**job, "calls": [{"args": a, "kwargs": k} for a, k in calls]}
    result = run(argv, cwd=cwd, timeout_s=timeout_s, stdin=json.dumps(job))
    try:
        done = json.loads(result.value, parse_constant=str, parse_int=_integer, parse_float=_finite)
        assert isinstance(done, list) and len(done) == len(calls)
    except (ValueError, AssertionError, RecursionError, MemoryError):
        raise ChildFailed(f"no value came back: {result.tail}") from None
    values: list[Value] = []
    for one in done:
        if not isinstance(one, dict) or not ({"value", "raised"} & one.keys()):
            raise ChildFailed("what came back is not what the kit sends")
        if "raised" in one:
            raise Raised(str(one["raised"])[:TAIL_CHARS], str(one.get("message"))[:TAIL_CHARS])
        values.append(one["value"])
    return values


def _integer(text: str) -> int:
    if len(text) > INTEGER_DIGITS:
        raise ValueError("an integer of too many digits")
    return int(text)


def _finite(text: str) -> Value:
    """A number, or the text of one that is too large to be finite."""
    number = float(text)
    return number if math.isfinite(number) else text


# --- checks --------------------------------------------------------------------------------------


@dataclass
class _Check:
    name: str
    ok: bool
    why: str = ""
    seconds: float = 0.0


_checks: list[_Check] = []
_reached = False
"""True once the judge came to its verdict."""
_UNSET = object()


def check(name: str, condition: object = _UNSET, why: str = "") -> Any:
    """Record a named check; without a condition, a decorator that runs the function at once.

    Args:
        name: what is demanded, in words of the instruction.
        condition: its truth.
        why: what was seen, for the log, when it does not hold.
    """
    if condition is not _UNSET:
        _recorded(_Check(name, bool(condition), "" if condition else why[-TAIL_CHARS:]))
        return bool(condition)

    def decorate(function: Callable[[], object]) -> Callable[[], object]:
        begun = time.monotonic()
        one = _Check(name, True)
        try:
            function()
        except KitError:
            raise
        except Exception as e:
            at = traceback.extract_tb(e.__traceback__)[-1]
            own = [f for f in traceback.extract_tb(e.__traceback__) if f.filename != __file__]
            line = own[-1] if own else at
            one.ok = False
            one.why = f"line {line.lineno}: {line.line} — {type(e).__name__}: {e}"[-TAIL_CHARS:]
        one.seconds = time.monotonic() - begun
        _recorded(one)
        return function

    return decorate


def _recorded(one: _Check) -> None:
    _checks.append(one)
    if BRIEF and not one.ok:
        verdict()


def verdict() -> None:
    """End the judge: the reward is 1 when every check held, else 0."""
    global _reached
    if not _checks:
        raise KitError("the judge checked nothing")
    _reached = True
    for one in _checks:
        print(f"{'ok  ' if one.ok else 'FAIL'} {one.name}" + (f": {one.why}" if one.why else ""))
    failed = sum(not c.ok for c in _checks)
    print(f"{len(_checks) - failed} of {len(_checks)} checks hold (seed {seed})", flush=True)
    with contextlib.suppress(OSError):
        _write(LOGS + "/checks.json", json.dumps([c.__dict__ for c in _checks], indent=1))
    raise SystemExit(1 if failed else 0)


def hidden_tests(runner: str, **options: Any) -> bool:
    """Run an existing test suite on the graded tree: files, fail_to_pass, pass_to_pass and more
    by name, as `hidden_tests` in suites.py has them.

    The suite runs in one process with the graded code, so a determined cheat can forge its
    result; prefer checks of your own where that matters.
    """
    import suites  # type: ignore[import-not-found]

    return bool(suites.hidden_tests(runner, **options))


# --- running a judge -----------------------------------------------------------------------------


def _begin() -> None:
    if os.getuid() != 0:
        raise KitError("the verifier must run as root; set [verifier] user in task.toml")
    owner = os.lstat(WORK).st_uid if os.path.lexists(WORK) else 0
    if owner:
        _signal_as(owner, -1)
    if os.path.isdir(WORK) and not os.path.islink(WORK):
        # The solver sets the modes of its files; a child must not change what is copied later.
        subprocess.run(["chmod", "-R", "go-w", WORK], env={"PATH": PATH}, check=False)
    for folder, mode in ((TESTS, 0o700), (SOLUTION, 0o700)):
        if os.path.isdir(folder) and not os.path.islink(folder):
            os.chown(folder, 0, 0)
            os.chmod(folder, mode)
    if os.path.islink(LOGS):
        os.unlink(LOGS)
    os.makedirs(LOGS, exist_ok=True)
    os.chown(LOGS, 0, 0)
    os.chmod(LOGS, 0o700)
    for name in _CLEARED:
        path = os.path.join(LOGS, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)
    _write(LOGS + "/.reserve", "0" * RESERVE_BYTES)
    # Limits are set once here and inherited: a child that sets its own would need code between
    # fork and exec, which is not safe beside threads.
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, FILE_LIMIT_BYTES),
        (resource.RLIMIT_NPROC, PROCESS_LIMIT),
        (resource.RLIMIT_NOFILE, OPEN_FILES_LIMIT),
    ):
        hard = resource.getrlimit(what)[1]
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (bound, bound))
    _no_new_privileges()


def _end() -> None:
    """Leave nothing of the graded code running, and let the caller read what the judge wrote."""
    for uid in _taken:
        with contextlib.suppress(KitError):
            _signal_as(uid, -1)
    with contextlib.suppress(OSError):
        os.unlink(LOGS + "/.reserve")
    os.chmod(LOGS, 0o755)


def _no_new_privileges() -> None:
    with contextlib.suppress(Exception):
        import ctypes

        set_no_new_privs = 38  # PR_SET_NO_NEW_PRIVS of linux/prctl.h
        ctypes.CDLL(None).prctl(set_no_new_privs, 1, 0, 0, 0)


def _fresh_uid() -> int:
    while True:
        uid = secrets.randbelow(LAST_UID - FIRST_UID) + FIRST_UID
        if uid not in _taken:
            _taken.add(uid)
            return uid


def _signal_as(uid: int, target: int) -> None:
    """Kill a process group, or with -1 every process of a user, in that user's name.

    The process that does it has the user's id as its effective one alone: so it may signal the
    user's processes, and they may not stop, kill or trace it first.
    """
    end = time.monotonic() + DRAIN_S
    while True:
        try:
            with warnings.catch_warnings():
                # Between fork and _exit only system calls happen: the readers' threads do no harm.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            break
        except BlockingIOError:  # no room for another process just now
            if time.monotonic() > end:
                raise KitError("the container has no room for another process") from None
            time.sleep(0.01)
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            # Every user has a killer of its own, or one could end another's before it is done.
            own = FIRST_UID + KILLER_OFFSET + uid % KILLER_OFFSET
            os.setresuid(own, uid, own)
            os.kill(target, 9)
        except BaseException:
            os._exit(1)
        os._exit(0)
    os.waitpid(pid, 0)


def _write(path: str, text: str) -> None:
    """Write a file as a whole: a reader sees the old content or the new, never a part."""
    new = f"{path}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(new, flags, 0o644), "w") as f:
        f.write(text)
    os.replace(new, path)


_WORDS = (
    "run start checkout work_tree call_python calls_python eval_python call_node calls_node "
    "python check hidden_tests verdict words free_port Result Checkout Child ChildFailed Raised"
)
"""What a judge may use, in the order of the help."""


def usage() -> str:
    """The contract, and every word of a judge with its signature and its first sentence."""
    lines = [__doc__ or "", "A judge may use (in full in kit.py itself):", ""]
    for word in _WORDS.split():
        thing = globals()[word]
        lines += _described(word, thing, "kit.")
        if isinstance(thing, type):
            for name, member in vars(thing).items():
                if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                    lines += _described(name, member, "    .")
    return "\n".join([*lines, "kit.rng: a random.Random with a printed seed. kit.seed: that seed."])


def _described(name: str, thing: Any, before: str) -> list[str]:
    import inspect  # only for help: a judge's start must stay quick

    bare = isinstance(thing, property) or (isinstance(thing, type) and thing is not Result)
    shape = "" if bare else str(inspect.signature(thing))
    # Annotations are texts here, and would be shown in quotes; no default has an address.
    shape = re.sub(r"(: |-> )'([^']*)'", r"\1\2", re.sub(r"<object[^>]*>", "…", shape))
    shape = re.sub(r"\(self(, )?", "(", shape)
    first = (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")
    return [f"{before}{name}{shape}", f"{' ' * len(before)}  {first}"]


def main(judge: str) -> int:
    """Run a judge and write the reward it reached; returns the exit code."""
    sys.modules["kit"] = sys.modules[__name__]
    # Last, so that a file beside the judge cannot stand in for the standard library.
    sys.path.append(os.path.dirname(os.path.abspath(judge)))
    code: object = NO_VERDICT
    begun = False
    try:
        _begin()
        begun = True
        runpy.run_path(judge, run_name="__main__")
        print("The judge ended without kit.verdict().", file=sys.stderr)
    except SystemExit as e:
        code = e.code
    except (ChildFailed, Raised) as e:
        traceback.print_exc()
        check("the project's code gives a value", False, str(e))
        with contextlib.suppress(SystemExit):
            verdict()
        code = 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
    if begun:
        _end()
    if not _reached or isinstance(code, bool) or not isinstance(code, int) or code not in (0, 1):
        print("No verdict, so no reward.", file=sys.stderr)
        return code if isinstance(code, int) and code else NO_VERDICT
    spared = {"spared_s": round(_spared, 3)} if _spared else {}
    _write(LOGS + "/reward.json", json.dumps({"reward": 1 - code, **spared}))
    return code


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(usage())
        raise SystemExit(0 if sys.argv[1:] else 2)
    # The readers are daemon threads; leaving through _exit keeps a stuck one from delaying the end.
    code_ = main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code_)
