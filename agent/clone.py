"""Gets a repository into Kettle's cache as a bare clone, safely, once.

`obtain` takes a URL or a local path and returns the folder of a bare repository that nobody but
Kettle configures. A URL is cloned into a temporary folder and renamed when it is whole, under a
lock, so that two processes clone once and an interrupted clone leaves nothing that is half. A local
repository is not copied: the cache holds an empty repository that borrows its objects and lists its
references, so that the configuration, hooks and attributes of a hostile folder are never in force.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.errors import RepositoryError
from agent.gitcommand import SHA, GitError, run_git

CLONE_TIMEOUT_S = 1800.0
"""Seconds for one transfer. A repository of 1 GiB takes minutes on a slow line."""
MAX_CLONE_BYTES = 4 * 2**30
"""A clone that grows beyond this is stopped: no session is worth a full disk."""

EXTRA_REFS = (
    "+refs/pull/*/head:refs/pull/*/head",
    "+refs/merge-requests/*/head:refs/merge-requests/*/head",
)
"""Proposals: work that was rebased or squashed before it was merged survives only there."""
MAX_LINK_BYTES = 2**20
"""How much is read of a repository's small text files; `shallow` is the longest."""

BRANCH_REFS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


_URL = re.compile(
    r"\A(?P<scheme>https?|ssh|git)://(?:(?P<user>[^@/\s]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)"
    r"(?::(?P<port>\d{1,5}))?/(?P<path>[^\s?#]+)\Z"
)
_SCP = re.compile(
    r"\A(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]+):(?P<path>[^\s:/?#][^\s:?#]*)\Z"
)


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """An address that Kettle is willing to clone from."""

    url: str
    """What git is given; never with a password in it."""
    key: str
    """The repository's identity, the same for every way of writing the address."""
    host: str
    path: str
    """Path on the host without slashes at the ends and without `.git`."""


def remote_url(text: str) -> RemoteUrl:
    """Reads an address, or says why it is none.

    Args:
        text: `https://`, `ssh://`, `git://` or `user@host:path`; `http://` is read as https.

    Raises:
        RepositoryError: for any other transport, and for addresses that carry options.
    """
    address = text.strip()
    match = _URL.match(address) or _SCP.match(address)
    if not match or any(ord(c) < 32 or ord(c) == 127 for c in address):
        raise RepositoryError(
            f"{_shown(text)} is not a repository address that Kettle clones from. "
            "Use https://, ssh://, git:// or user@host:path, or give a local path with --repo."
        )
    parts = match.groupdict()
    host = parts["host"].lower()
    path = re.sub(r"\.git\Z", "", parts["path"].strip("/"))
    names = path.split("/")
    # A leading dash would be read as an option by the program at the other end.
    if not path or any(n in ("", ".", "..") or n.startswith("-") for n in names):
        raise RepositoryError(f"{_shown(text)} does not name a repository on {host}.")
    scheme = parts.get("scheme")
    port = parts.get("port")
    if scheme in ("http", "https", "git"):
        # Credentials in a recorded address belong to somebody and are never sent.
        scheme = "git" if scheme == "git" else "https"
        url = f"{scheme}://{host}{f':{port}' if port else ''}/{parts['path'].strip('/')}"
    elif scheme == "ssh":
        user = (parts["user"] or "git").split(":")[0]
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", user):
            raise RepositoryError(f"{_shown(text)} has a user name that Kettle does not pass on.")
        url = f"ssh://{user}@{host}{f':{port}' if port else ''}/{parts['path'].lstrip('/')}"
    else:
        url = f"{parts['user'] or 'git'}@{host}:{parts['path']}"
    # The large hosts do not tell upper from lower case in owner and name.
    key = f"{host}{f':{port}' if port else ''}/{path.lower()}"
    return RemoteUrl(url=url, key=key, host=host, path=path)


def obtain(source: str | Path, cache: Path) -> Path:
    """The bare repository of a source, cloned now or taken from the cache.

    Args:
        source: a URL (see `remote_url`), or a local repository: bare, or with a work tree.
        cache: folder that holds the clones; made when it does not exist.

    Raises:
        RepositoryError: the source is gone, private, empty, unreachable, too large or no
            repository; the message says which.
    """
    folder = cache / "repositories"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RepositoryError(f"The cache folder {folder} cannot be made: {error}.") from error
    text = str(source)
    if isinstance(source, Path) or _is_local(text):
        return _borrow(Path(text).expanduser(), folder)
    remote = remote_url(text)
    place = folder / _folder_name(remote.key)
    with _locked(place):
        if not place.exists():
            with _partial(place) as part:
                _clone(remote, part)
    return place


def update(place: Path, source: str | Path, commit: str | None = None) -> None:
    """Fetches what is new, and one commit by its full name when the host hands it out.

    Args:
        place: a clone made by `obtain`.
        source: what it was made from.
        commit: a full commit name that no reference may lead to any more.
    """
    text = str(source)
    if isinstance(source, Path) or _is_local(text):
        obtain(source, place.parent.parent)
        return
    remote = remote_url(text)
    with _locked(place):
        _fetch(remote, place, (*BRANCH_REFS, *EXTRA_REFS))
        if commit and SHA.match(commit):
            # Hosts refuse what they have thrown away; the caller then says that it is lacking.
            with contextlib.suppress(RepositoryError):
                _fetch(remote, place, (f"+{commit}:refs/kettle/{commit}",))


def _clone(remote: RemoteUrl, part: Path) -> None:
    _new_repository(part)
    try:
        listed = run_git(part, ["ls-remote", "--symref", "--", remote.url, "HEAD"], network=True)
    except GitError as error:
        raise RepositoryError(_why(remote.url, error)) from error
    _fetch(remote, part, (*BRANCH_REFS, *EXTRA_REFS))
    if not _references(part):
        raise RepositoryError(
            f"{remote.url} is empty: it has no commit, so no session can have started there."
        )
    if head := re.search(rb"^ref: (refs/heads/[^\s]+)\s+HEAD$", listed, re.MULTILINE):
        with contextlib.suppress(GitError):
            run_git(part, ["symbolic-ref", "HEAD", head[1].decode(errors="surrogateescape")])


def _fetch(remote: RemoteUrl, place: Path, refs: Sequence[str]) -> None:
    arguments = ["fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head"]
    try:
        run_git(
            place,
            [*arguments, "--no-recurse-submodules", "--", remote.url, *refs],
            network=True,
            timeout_s=CLONE_TIMEOUT_S,
            size_limit=MAX_CLONE_BYTES,
        )
    except GitError as error:
        raise RepositoryError(_why(remote.url, error)) from error


def _borrow(source: Path, folder: Path) -> Path:
    """A repository in the cache that reads the objects of a local one."""
    try:
        source = source.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise RepositoryError(f"There is no repository at {source}: {error}.") from error
    common = _git_folder(source)
    objects = common / "objects"
    if "\n" in str(objects) or str(objects).startswith('"'):
        raise RepositoryError(f"{_shown(str(source))} has a name that git cannot borrow from.")
    place = folder / _folder_name(f"local/{common}")
    with _locked(place):
        if not place.exists():
            with _partial(place) as part:
                sha256 = re.search(r"objectformat\s*=\s*sha256", _text(common / "config"), re.I)
                _new_repository(part, "sha256" if sha256 else "sha1")
                (part / "objects" / "info").mkdir(exist_ok=True)
                (part / "objects" / "info" / "alternates").write_text(f"{objects}\n")
                _copy_references(common, part)
        else:
            _copy_references(common, place)
        if not _references(place):
            raise RepositoryError(
                f"{source} is empty: it has no commit, so no session can have started there."
            )
    return place


def _git_folder(source: Path) -> Path:
    """The folder with objects and references of a bare repository or a work tree."""
    for candidate in (source / ".git", source):
        where = candidate
        if candidate.is_file() and (link := re.match(r"gitdir: (.+)", _text(candidate))):
            where = (candidate.parent / link[1].strip()).resolve()
        if (common := _text(where / "commondir").strip()) and where.is_dir():
            where = (where / common).resolve()
        if (where / "objects").is_dir() and (where / "HEAD").is_file():
            return where
    raise RepositoryError(
        f"{source} is not a git repository: it has no objects. Give a clone, bare or not."
    )


def _copy_references(common: Path, place: Path) -> None:
    """Lists in `place` the references of the source whose objects are there."""
    try:
        listed = run_git(common, ["for-each-ref", "--format=%(objectname) %(refname)"])
        head = run_git(common, ["rev-parse", "--symbolic-full-name", "HEAD"]).decode().strip()
    except GitError as error:
        if "HEAD" in error.said and not error.stopped:  # an unborn branch
            listed, head = b"", ""
        else:
            raise RepositoryError(f"{common} cannot be read as a repository: {error}.") from error
    lines = [line for line in listed.split(b"\n") if line]
    found = run_git(
        place,
        ["cat-file", "--batch-check"],
        stdin=b"".join(li.split(b" ")[0] + b"\n" for li in lines),
    ).splitlines()
    kept = [li for li, answer in zip(lines, found, strict=True) if not answer.endswith(b"missing")]
    packed = b"# pack-refs with: sorted \n" + b"".join(
        li + b"\n" for li in sorted(kept, key=lambda li: li.split(b" ", 1)[1])
    )
    _replace(place / "packed-refs", packed)
    if shallow := _text(common / "shallow"):
        _replace(place / "shallow", shallow.encode())
    if head.startswith("refs/heads/"):
        _replace(place / "HEAD", f"ref: {head}\n".encode())
    elif (at := _text(common / "HEAD").strip()) and SHA.match(at):
        _replace(place / "HEAD", f"{at}\n".encode())


def _new_repository(place: Path, object_format: str = "sha1") -> None:
    try:
        run_git(
            place, ["init", "--quiet", "--bare", "--template=", f"--object-format={object_format}"]
        )
    except GitError as error:
        raise RepositoryError(f"No repository can be made in the cache: {error}.") from error


def _references(place: Path) -> bool:
    return bool(run_git(place, ["for-each-ref", "--count=1"]).strip())


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    with open(f"{place}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _partial(place: Path) -> Iterator[Path]:
    """A temporary folder that becomes `place` if all goes well. Call with the lock held."""
    for stale in place.parent.glob(f"{place.name}.part-*"):
        shutil.rmtree(stale, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f"{place.name}.part-", dir=place.parent))
    try:
        yield part
        part.rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _folder_name(key: str) -> str:
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '+', key)[-80:].strip('.+-')}-{digest}"


def _is_local(text: str) -> bool:
    """True for a path: something that is there, or that is written as paths are."""
    return text.startswith(("/", "./", "../", "~")) or (
        bool(text.strip())
        and not text.startswith("-")
        and "://" not in text
        and "::" not in text
        and Path(text).exists()
    )


_REASONS = (
    (
        r"no space left",
        "was not cloned: the disk of the cache folder is full. Make room, or set KETTLE_CACHE",
    ),
    (
        r"not found|access denied or repository not exported|error: 404",
        "is gone, or it is private: its host knows no such repository. "
        "Check the address, or give a clone with --repo",
    ),
    (
        r"could not read (username|password)|prompts disabled|permission denied|"
        r"authentication failed|error: 40[13]",
        "is private, or it is gone: its host asks for a login. "
        "Clone it yourself and give the folder with --repo",
    ),
    (
        r"does not appear to be a git repository|not a git repository|is this a git",
        "is no git repository. Check the address",
    ),
    (
        r"resolve host|look up|connect|timed out|no route|unreachable|certificate|ssl|tls|"
        r"could not read from remote|hung up|error: 5\d\d",
        "is unreachable from here. Check the network and the proxy, or give a clone with --repo",
    ),
)
"""What git and its transports say, in the order in which it is looked for, and what it means."""


def _why(url: str, error: GitError) -> str:
    if error.stopped:
        return f"{url} was not cloned: {error.stopped}."
    for pattern, meaning in _REASONS:
        if re.search(pattern, error.said, re.IGNORECASE):
            return f"{url} {meaning}. (git: {_last_line(error.said)})"
    return f"{url} cannot be cloned: {_last_line(error.said) or error}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith("fatal:")]
    return _shown((fatal or lines or [""])[-1])


def _shown(text: str) -> str:
    """A hostile text, short and on one line."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    clean = re.sub(r"(?<=://)[^/@\s]*@", "", clean)
    return clean if len(clean) <= 200 else clean[:200] + "…"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_LINK_BYTES).decode(errors="surrogateescape")
    except OSError:
        return ""


def _replace(path: Path, data: bytes) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(data)
    new.replace(path)
