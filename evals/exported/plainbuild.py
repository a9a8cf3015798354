"""Builds the file tree of a Dockerfile without a container engine: a copied root, and chroot.

A subset: FROM one of the known bases (this machine's own root stands in for it), RUN, COPY and ADD
of local files, ENV, ARG with a default, WORKDIR, USER root; what only describes the image is passed
over. Everything else is an error, so that nothing is built that means something else elsewhere.

What runs in the copied root is kept in it as far as chroot can: the capabilities that lead out of a
chroot are dropped before anything is started there. There is no other process table, no /proc and
no network of its own. Standard library only; needs root and CAP_SYS_CHROOT, which `docker run`
grants by default.
"""

# Runs in the container of an exported task, alone, as root of a machine that is thrown away.
# ruff: noqa: S103
from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

BASES = ("debian:bookworm-slim", "debian:trixie-slim")
COPIED = ("bin", "sbin", "lib", "lib32", "lib64", "usr", "etc", "opt", "var", "root")
"""Of this machine's root; what the task itself brings lies elsewhere."""
MADE = ("tmp", "var/tmp", "dev", "dev/shm", "run", "home", "proc", "sys", "mnt", "srv")
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}
ESCAPES = (18, 16, 17, 19, 21, 22, 27, 12, 13, 2)
"""CAP_SYS_CHROOT, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, MKNOD, NET_ADMIN,
NET_RAW, DAC_READ_SEARCH: what a process could leave a chroot, or look beyond it, with."""
PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 24, 36, 38
FILES_A_COPY = 500
SWEEPS, SWEEP_S = 100, 0.02
"""A fork bomb is bounded by the container; two seconds of killing end it."""
IGNORED = frozenset(
    ("ENTRYPOINT", "CMD", "LABEL", "EXPOSE", "MAINTAINER", "STOPSIGNAL", "HEALTHCHECK", "VOLUME")
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_CHARS = 4_000
"""Kept of a step's output."""

APT_SHIM = """\
#!/bin/sh
# Packages that are here already need no network; for others the real program is asked.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
for word; do case "$word" in -*) ;; *) verb=$word; break ;; esac; done
if [ "$verb" = update ]; then /usr/bin/apt-get "$@" || true; exit 0; fi
if [ "$verb" = install ]; then
    missing=
    seen=
    for word; do
        case "$word" in -*) continue ;; esac
        if [ -z "$seen" ]; then seen=1; continue; fi
        dpkg -s "$word" >/dev/null 2>&1 || missing=1
    done
    [ -n "$missing" ] || exit 0
fi
exec /usr/bin/apt-get "$@"
"""

_libc = ctypes.CDLL(None, use_errno=True)


class NotBuilt(Exception):
    """The Dockerfile does not build here; the message says why."""


@dataclass
class Root:
    """A root directory that things are run in.

    Attributes:
        path: the directory.
        env: variables of the image.
        workdir: working directory of the image.
    """

    path: str
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    workdir: str = "/"

    def inside(self, path: str) -> str:
        """The place of a path of the image on this machine; no symlink leads out of the root.

        Raises:
            NotBuilt: a part of the way is a symlink that cannot be followed inside.
        """
        parts = [p for p in path.split("/") if p not in ("", ".")]
        here, left, hops = self.path, parts, 0
        while left:
            part, left = left[0], left[1:]
            if part == "..":
                here = here if here == self.path else os.path.dirname(here)
                continue
            step = os.path.join(here, part)
            if os.path.islink(step):
                hops += 1
                if hops > 20:
                    raise NotBuilt(f"{path} is a circle of symlinks")
                target = os.readlink(step)
                if target.startswith("/"):
                    here = self.path
                left = [p for p in target.split("/") if p not in ("", ".")] + left
                continue
            here = step
        return here

    def run(
        self,
        argv: Sequence[str],
        *,
        seconds: float,
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
    ) -> tuple[int | None, str]:
        """Run a program in the root; everything that it started is gone afterwards.

        Returns:
            Its exit code (None when it ran out of time), and its output's end.
        """
        log = os.path.join(os.path.dirname(self.path), "output")
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

        def enter() -> None:
            os.chroot(self.path)
            try:
                os.chdir(cwd)
            except OSError:
                os.chdir("/")
            for capability in ESCAPES:
                _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
            _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)

        with open(log, "wb") as out:
            try:
                process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**self.env, **(env or {})},
                    preexec_fn=enter,
                    start_new_session=True,
                    close_fds=True,
                )
            except (OSError, subprocess.SubprocessError) as error:
                return 127, f"{argv[0]} cannot be started: {error}"
            try:
                code: int | None = process.wait(seconds)
            except subprocess.TimeoutExpired:
                code = None
            self.sweep()
            process.wait()
        with open(log, "rb") as said:
            said.seek(max(0, os.path.getsize(log) - OUTPUT_CHARS))
            return code, said.read().decode("utf-8", "replace")

    def sweep(self) -> None:
        """End everything that was started here; what was orphaned came back to this process."""
        for _ in range(SWEEPS):
            living = [pid for pid in _descendants() if not _is_zombie(pid)]
            if not living:
                break
            for pid in living:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(SWEEP_S)
        with contextlib.suppress(OSError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


class Pristine:
    """A root as it was built, to which it is brought back after whatever ran in it.

    What was changed is known by inodes and by the times that nobody can set (ctime).

    Args:
        root: as it shall be; copied beside itself.
        without: folders at its top that the caller makes anew each time.
    """

    def __init__(self, root: Root, without: Sequence[str]) -> None:
        self._root = root
        self._without = frozenset(without)
        self._kept = f"{root.path}.kept"
        subprocess.run(["cp", "-a", root.path, self._kept], check=True)
        self._known = self._stamps()

    def restore(self) -> None:
        """Undo every change below the root."""
        now = self._stamps()
        # The deepest first: a folder is empty when its turn comes.
        for name in sorted(now.keys() - self._known.keys(), reverse=True):
            remove(os.path.join(self._root.path, name))
        changed = [name for name in sorted(self._known) if now.get(name) != self._known[name]]
        files = []
        # Folders come before what lies in them, so no symlink stands in the way.
        for name in changed:
            place, kept = (os.path.join(top, name) for top in (self._root.path, self._kept))
            status = os.lstat(kept)
            if not stat.S_ISDIR(status.st_mode):
                remove(place)
                files.append(name)
                continue
            if os.path.islink(place) or not os.path.isdir(place):
                remove(place)
                os.mkdir(place)
            os.chown(place, status.st_uid, status.st_gid)
            os.chmod(place, stat.S_IMODE(status.st_mode))
        for begin in range(0, len(files), FILES_A_COPY):
            some = files[begin : begin + FILES_A_COPY]
            argv = ["cp", "-a", "--parents", "-t", self._root.path, "--", *some]
            subprocess.run(argv, cwd=self._kept, check=True)
        self._known |= {name: self._stamp(name) for name in changed}

    def _stamps(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for folder, folders, files in os.walk(self._root.path):
            if folder == self._root.path:
                folders[:] = [name for name in folders if name not in self._without]
            for name in (*folders, *files):
                path = os.path.relpath(os.path.join(folder, name), self._root.path)
                found[path] = self._stamp(path)
        return found

    def _stamp(self, name: str) -> tuple[int, ...]:
        at = os.lstat(os.path.join(self._root.path, name))
        if stat.S_ISDIR(at.st_mode):
            return at.st_mode, at.st_uid, at.st_gid
        return at.st_mode, at.st_uid, at.st_gid, at.st_ino, at.st_size, at.st_ctime_ns


def remove(place: str) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if os.path.isdir(place) and not os.path.islink(place):
        shutil.rmtree(place)
    elif os.path.lexists(place):
        os.unlink(place)


def copied_root(to: str) -> Root:
    """A copy of this machine's root, without what the task brings."""
    os.makedirs(to)
    root = Root(os.path.realpath(to))
    for name in COPIED:
        source = f"/{name}"
        if os.path.islink(source):
            os.symlink(os.readlink(source), f"{root.path}/{name}")
        elif os.path.isdir(source):
            subprocess.run(["cp", "-a", source, f"{root.path}/{name}"], check=True)
    for name in MADE:
        os.makedirs(f"{root.path}/{name}", exist_ok=True)
    for name in ("tmp", "var/tmp", "dev/shm"):
        os.chmod(f"{root.path}/{name}", 0o1777)
    for name, (major, minor) in DEVICES.items():
        os.mknod(f"{root.path}/dev/{name}", stat.S_IFCHR | 0o666, os.makedev(major, minor))
        os.chmod(f"{root.path}/dev/{name}", 0o666)
    shim = f"{root.path}/usr/local/bin/apt-get"
    with open(shim, "w") as file:
        file.write(APT_SHIM)
    os.chmod(shim, 0o755)
    return root


def build(context: str, root: Root, *, seconds: float) -> None:
    """Carry out the Dockerfile of a build context in a root.

    Args:
        context: folder with the Dockerfile.
        root: a fresh copy.
        seconds: for all steps together.

    Raises:
        NotBuilt: a step failed, or is not among those that are understood here.
    """
    deadline = time.monotonic() + seconds
    arguments: dict[str, str] = {}
    stages = 0
    for word, rest in _instructions(os.path.join(context, "Dockerfile")):
        if word == "FROM":
            stages += 1
            image = _filled(rest, arguments).split()[-1 if len(rest.split()) == 1 else 0]
            if stages > 1 or image.partition("@")[0] not in BASES:
                raise NotBuilt(f"FROM {rest}: only one stage on {BASES[0]} is built here")
        elif word == "ARG":
            name, _, value = rest.partition("=")
            arguments.setdefault(name.strip(), value.strip().strip("\"'"))
        elif word == "ENV":
            for name, value in _pairs(rest):
                root.env[name] = _filled(value, {**arguments, **root.env})
        elif word == "WORKDIR":
            wanted = _filled(rest.strip("\"'"), {**arguments, **root.env})
            root.workdir = os.path.normpath(os.path.join(root.workdir, wanted))
            os.makedirs(root.inside(root.workdir), exist_ok=True)
        elif word == "RUN":
            _run(root, rest, arguments, deadline)
        elif word in ("COPY", "ADD"):
            _copy(context, root, word, _filled(rest, {**arguments, **root.env}))
        elif word == "USER":
            if rest.strip() not in ("root", "0", "0:0"):
                raise NotBuilt(f"USER {rest}: steps run as root here")
        elif word not in IGNORED:
            raise NotBuilt(f"{word} is not understood here")
    if not stages:
        raise NotBuilt("the Dockerfile has no FROM")


def _run(root: Root, command: str, arguments: Mapping[str, str], deadline: float) -> None:
    if command.startswith("--"):
        raise NotBuilt(f"RUN {command[:80]}: flags are not understood here")
    left = deadline - time.monotonic()
    code, output = root.run(
        ["/bin/sh", "-c", command], seconds=max(0.0, left), cwd=root.workdir, env=arguments
    )
    if code is None:
        raise NotBuilt(f"the build was ended: the time is up at RUN {command[:200]}")
    if code:
        raise NotBuilt(f"RUN {command[:200]}\nended with {code}:\n{output[-1500:]}")


def _copy(context: str, root: Root, word: str, rest: str) -> None:
    words = shlex.split(rest)
    flags = [w for w in words if w.startswith("--")]
    owner = next((f.partition("=")[2] for f in flags if f.startswith("--chown=")), "0:0")
    if any(not f.startswith(("--chown=", "--chmod=")) for f in flags):
        raise NotBuilt(f"{word} {rest}: a flag is not understood here")
    *sources, to = [w for w in words if not w.startswith("--")]
    folder = to.endswith("/") or len(sources) > 1
    target = os.path.join(root.workdir, to)
    uid, gid = _ids(root, owner)
    for source in sources:
        place = os.path.realpath(os.path.join(context, source.lstrip("/")))
        if "://" in source or not (place + "/").startswith(os.path.realpath(context) + "/"):
            raise NotBuilt(f"{word} {source}: only files beside the Dockerfile are copied here")
        if not os.path.exists(place):
            raise NotBuilt(f"{word} {source}: there is no such file")
        inside = root.inside(target)
        if word == "ADD" and os.path.isfile(place) and tarfile.is_tarfile(place):
            os.makedirs(inside, exist_ok=True)
            unpack(place, inside)
            continue
        if os.path.isdir(place):
            shutil.copytree(place, inside, symlinks=True, dirs_exist_ok=True)
            _own(inside, uid, gid)
            continue
        if folder or os.path.isdir(inside):
            os.makedirs(inside, exist_ok=True)
            inside = os.path.join(inside, os.path.basename(source))
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        shutil.copyfile(place, inside)
        os.chmod(inside, 0o755 if os.access(place, os.X_OK) else 0o644)
        os.chown(inside, uid, gid)


def unpack(archive: str, to: str) -> None:
    """Unpack a tar archive of plain files, folders and symlinks, owners kept.

    Raises:
        NotBuilt: a member would leave the folder, or lies below a symlink.
    """
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = [p for p in member.name.split("/") if p not in ("", ".")]
            place = os.path.join(to, *parts)
            above = [os.path.join(to, *parts[:n]) for n in range(1, len(parts))]
            if member.name.startswith("/") or ".." in parts or any(map(os.path.islink, above)):
                raise NotBuilt(f"{os.path.basename(archive)}: {member.name!r} leaves the folder")
            if member.isdir():
                os.makedirs(place, exist_ok=True)
                os.chmod(place, member.mode & 0o7777)
            elif member.issym():
                os.makedirs(os.path.dirname(place), exist_ok=True)
                if os.path.lexists(place):
                    os.unlink(place)
                os.symlink(member.linkname, place)
            elif member.isreg():
                os.makedirs(os.path.dirname(place), exist_ok=True)
                if os.path.lexists(place):
                    os.unlink(place)
                source = tar.extractfile(member)
                with open(place, "wb") as file:
                    if source is not None:
                        shutil.copyfileobj(source, file)
                os.chmod(place, member.mode & 0o7777)
            else:
                raise NotBuilt(f"{os.path.basename(archive)}: {member.name!r} is no plain file")
            os.chown(place, member.uid, member.gid, follow_symlinks=False)


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    with open(dockerfile, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    found: list[tuple[str, str]] = []
    whole = ""
    for line in lines:
        if line.strip().startswith("#") or (not whole and not line.strip()):
            continue
        whole += line.rstrip()[:-1] + "\n" if line.rstrip().endswith("\\") else line
        if line.rstrip().endswith("\\"):
            continue
        word, _, rest = whole.strip().partition(" ")
        if "<<" in rest and word.upper() in ("RUN", "COPY"):
            raise NotBuilt("here-documents are not understood here")
        text = rest.replace("\n", " ") if word.upper() != "RUN" else rest.replace("\n", "\\\n")
        found.append((word.upper(), text.strip()))
        whole = ""
    return found


def _pairs(text: str) -> list[tuple[str, str]]:
    words = shlex.split(text)
    if words and "=" not in words[0]:
        name, _, value = text.partition(" ")
        return [(name, value.strip())]
    return [(w.partition("=")[0], w.partition("=")[2]) for w in words]


def _filled(text: str, values: Mapping[str, str]) -> str:
    put: Callable[[re.Match[str]], str] = lambda m: values.get(m[1] or m[2], "")  # noqa: E731
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", put, text)


def _ids(root: Root, owner: str) -> tuple[int, int]:
    user, _, group = owner.partition(":")
    if user.isdigit():
        return int(user), int(group) if group.isdigit() else int(user)
    with open(root.inside("/etc/passwd"), encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.split(":")
            if fields[0] == user:
                return int(fields[2]), int(fields[3])
    raise NotBuilt(f"--chown={owner}: the image has no such user")


def _own(folder: str, uid: int, gid: int) -> None:
    for place, folders, files in os.walk(folder):
        for name in ["", *folders, *files]:
            os.chown(os.path.join(place, name), uid, gid, follow_symlinks=False)


def _descendants() -> list[int]:
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                parents[int(entry)] = int(_stat(int(entry))[1])
    found, todo = [], [os.getpid()]
    while todo:
        parent = todo.pop()
        children = [pid for pid, above in parents.items() if above == parent]
        found += children
        todo += children
    return found


def _is_zombie(pid: int) -> bool:
    try:
        return _stat(pid)[0] == b"Z"
    except (OSError, IndexError):
        return True


def _stat(pid: int) -> list[bytes]:
    """Of a process: state, parent, and more."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()
