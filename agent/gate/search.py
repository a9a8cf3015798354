"""The search through an image's files for what only the solution, its tests or its session has.

Some findings are certain when seen: git data, the verifier's own file, another release of the
project. Others rest on texts that may be chance: lines and names of the solution and of hidden
tests. Those are weighed at the end. A text that packages installed from elsewhere hold, too, counts
for nothing, because the solution took it from the language or from them and not they from it:

- a line that two unrelated packages hold (`except (TypeError, ValueError):`);
- a name that one of them holds (`get_current_context` of a library that the solution calls).

Why two lines make a copy: the lines that 344 commits of 16 public repositories add were looked for
in 34,926 files that have nothing to do with them (two standard libraries, two site-packages, npm).
One line raised a false alarm for 33 commits and two for 6; with common lines left out, one still
did for 22, and two for 1. (A second was true: npm brings along the package that was changed.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from agent.environment import session_copy
from agent.gate.layers import LayerFile
from agent.gate.marks import FIRST_PASS, Marks, seen, stem
from agent.gate.outcome import is_copy
from agent.gate.unpack import decoded, expanded

LINE_PACKAGES = 2
"""So many packages from elsewhere make a line common. One may be a copy of the solution."""
NAME_PACKAGES = 1
"""One is enough for a name: it is the library that defines it."""
COMPILED_NAMES = 2
"""Names of the solution in one compiled file that make it a compiled solution."""

_GIT_NAMES = re.compile(
    r"(^|[/!])(ORIG_HEAD|FETCH_HEAD|MERGE_HEAD|CHERRY_PICK_HEAD|packed-refs)$"
    r"|(^|[/!])objects/([0-9a-f]{2}/[0-9a-f]{38}|pack/pack-[0-9a-f]+\.(pack|idx))$"
    r"|(^|[/!])\.git/(HEAD|index|config|logs/.+|refs/.+)$|(^|[/!])\.git$|\.bundle$|!git object$"
)
_GIT_HEADS = (b"# v2 git bundle", b"# v3 git bundle", b"DIRC\0\0\0")
_COMPILED = re.compile(
    r"\.(pyc|pyo|so|pyd|class|o|a|wasm|map|node|jsc|min\.js|min\.mjs|tsbuildinfo)$"
    r"|!sources$|/(dist|build|out|\.next|\.nuxt|\.cache|\.turbo|target)/.+\.[cm]?js$"
)
_TEST_CACHE = re.compile(
    r"(^|/)(\.pytest_cache/|\.hypothesis/|\.jest-cache|\.vitest|\.nyc_output|htmlcov/|\.coverage"
    r"|coverage/|\.testmondata|junit[^/]*\.xml$|\.stestr/|\.tox/)"
)
_SYSTEM = re.compile(r"^/(usr/(lib|share|include|bin|sbin)|var/lib/(dpkg|apt)|etc|lib|bin|sbin)/")
"""Where Debian's packages put their files; there only what no package owns is looked at closely."""
_OWNED = re.compile(r"^/var/lib/dpkg/info/[^/]+\.list$")
_PACKAGE = (
    re.compile(r".*/node_modules/((?:@[^/!]+/)?[^/!]+)"),
    re.compile(r".*/(?:site|dist)-packages/([^/!]+)"),
    re.compile(r".*/lib/(python3)(?:\.\d+)?/"),
)


@dataclass(frozen=True)
class Finding:
    """Something in the image that a solver could use."""

    kind: str
    path: str
    why: str
    layer: int


@dataclass(frozen=True)
class Suspect:
    """A file that holds texts which may make it a finding, once they are weighed.

    Attributes:
        kind: of the finding.
        path: of the file.
        layer: where it lies.
        texts: what it holds.
        whole: True when it is, byte for byte, one of the files that are sought.
    """

    kind: str
    path: str
    layer: int
    texts: tuple[str, ...]
    whole: bool = False


@dataclass
class Searched:
    """What a search saw.

    Attributes:
        files: how many, members of archives included.
        partly: how many were too large to be read whole.
    """

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    partly: int = 0


def search(files: Callable[[], Iterable[LayerFile]], marks: Marks) -> Searched:
    """Look through files for the marks.

    Args:
        files: gives all files, each time anew; asked again only where something was found.
        marks: what to look for.
    """
    done = Searched()
    suspects: list[Suspect] = []
    owned: set[str] = set()
    for file in files():
        if _OWNED.match(file.path):
            owned |= set(file.data.decode("utf-8", "replace").splitlines())
        for inner in expanded(file):
            done.files += 1
            done.partly += not inner.whole
            found = next(_certain(inner, marks), None)
            if found is not None:
                done.findings.append(found)
            else:
                suspects += _suspects(inner, marks)
    if suspects:
        held = _held({t for s in suspects for t in s.texts}, files(), marks.project)
        done.findings += filter(None, (_weighed(s, held, marks) for s in suspects))
    if owned:
        done.findings = [f for f in done.findings if not _owned(f.path, owned)]
    else:
        done.findings = [f for f in done.findings if not _of_system(f)]
    return done


def search_commands(commands: Iterable[str], marks: Marks) -> list[Finding]:
    """Look through the commands that made the image, with what they carry in base64."""
    found: list[Finding] = []
    for number, command in enumerate(commands):
        data = command.encode("utf-8", "replace")
        outer = LayerFile(number, "the image's history", data)
        carried = (LayerFile(number, f"{outer.path}!base64", blob) for blob in decoded(data))
        for file in [outer, *(inner for blob in carried for inner in expanded(blob))]:
            weighed = [_weighed(s, {}, marks) for s in _suspects(file, marks)]
            found += [f for f in [next(_certain(file, marks), None), *weighed] if f is not None]
        if re.search(r"\bgit\s+(clone|fetch|pull)\b", command):
            why = f"a step clones a repository: {command[:160]}"
            found.append(Finding("git data", outer.path, why, number))
    return found


_COMPILED_KIND = "compiled solution"
_SOLUTION_KIND = "the solution"
_TESTS_KIND = "hidden tests"
_NAMES_KIND = "names of hidden tests"
_PROJECT_KIND = "the project itself"


def _certain(file: LayerFile, marks: Marks) -> Iterator[Finding]:
    """Findings that need no weighing, the best explanation first."""

    def finding(kind: str, why: str | None) -> Iterator[Finding]:
        if why:
            yield Finding(kind, file.path, why, file.layer)

    data = file.data
    git = _GIT_NAMES.search(file.path) or data.startswith(_GIT_HEADS)
    if git or (data[:4] == b"PACK" and data[4:8] < b"\0\0\0\4"):
        yield from finding("git data", "objects or refs of a repository")
    yield from finding("git data", marks.commit_in(data))
    yield from finding(_COMPILED_KIND, marks.bytecode_of_solution(file.path, data))
    yield from finding(_TESTS_KIND, marks.test_file_in(file.path, data))
    yield from finding("session text", marks.session_in(data))
    if not _SYSTEM.match(file.path) and "node_modules/" not in file.path:
        yield from finding("session copy", session_copy(file.path.lstrip("/")))
    yield from finding(_PROJECT_KIND, marks.other_release(file.path, data))


def _suspects(file: LayerFile, marks: Marks) -> Iterator[Suspect]:
    def suspect(kind: str, texts: tuple[str, ...]) -> Iterator[Suspect]:
        if texts:
            yield Suspect(kind, file.path, file.layer, texts)

    whole = file.data in marks.solution_files
    lines = seen(marks.solution, file.data, first_pass=len(marks.solution) if whole else FIRST_PASS)
    if lines:
        yield Suspect(_SOLUTION_KIND, file.path, file.layer, lines, whole)
    yield from suspect(_TESTS_KIND, seen(marks.tests, file.data))
    yield from suspect(_PROJECT_KIND, marks.solution_in_release(file.path, file.data))
    compiled = bool(_COMPILED.search(file.path))
    package = _package(file.path)
    # What a package from elsewhere compiled is its own, unless it bears a changed module's name.
    if compiled and (not package or stem(file.path) in marks.changed_modules):
        held = tuple(n for n in marks.own_names if n.encode() in file.data)
        yield from suspect(_COMPILED_KIND, held)
    if compiled or _TEST_CACHE.search(file.path):
        named = tuple(n for n in marks.test_names if n.encode() in file.data)
        yield from suspect(_NAMES_KIND, named)


def _weighed(suspect: Suspect, held: Mapping[str, frozenset[str]], marks: Marks) -> Finding | None:
    names = suspect.kind in (_COMPILED_KIND, _NAMES_KIND)
    limit = NAME_PACKAGES if names else LINE_PACKAGES
    mine = _package(suspect.path)
    rare = [
        t
        for t in suspect.texts
        if len(held.get(t, frozenset()) - ({mine} if names else set())) < limit
    ]
    if not rare:
        return None
    shown = rare[0][:120]
    if suspect.kind == _SOLUTION_KIND and suspect.whole:
        why = f"a file as the solution leaves it, with: {shown}"
    elif suspect.kind == _SOLUTION_KIND and is_copy(len(rare), marks.solution):
        why = f"{len(rare)} lines that only the solution has, such as: {shown}"
    elif suspect.kind == _PROJECT_KIND:
        why = f"a release of the project with what only the solution has, such as: {shown}"
    elif suspect.kind == _TESTS_KIND and is_copy(len(rare), marks.tests):
        why = f"{len(rare)} lines that only the hidden tests have, such as: {shown}"
    elif suspect.kind == _COMPILED_KIND and len(rare) >= min(COMPILED_NAMES, len(marks.own_names)):
        why = f"names that only the solution has: {', '.join(rare[:5])}"
    elif suspect.kind == _NAMES_KIND:
        return Finding(
            _TESTS_KIND,
            suspect.path,
            f"names of hidden tests: {', '.join(rare[:5])}",
            suspect.layer,
        )
    else:
        return None
    return Finding(suspect.kind, suspect.path, why, suspect.layer)


def _held(texts: set[str], files: Iterable[LayerFile], project: str) -> dict[str, frozenset[str]]:
    """The packages from elsewhere that hold each text."""
    held: dict[str, set[str]] = {t: set() for t in texts}
    for file in files:
        package = _package(file.path)
        if not package or package == _plain(project):
            continue
        for text, packages in held.items():
            if package not in packages and text.encode() in file.data:
                packages.add(package)
    return {t: frozenset(p) for t, p in held.items()}


def _package(path: str) -> str:
    """The installed package that a file belongs to; "" when it belongs to none."""
    for pattern in _PACKAGE:
        match = pattern.match(path)
        if match:
            return _plain(match.group(1))
    return ""


def _plain(name: str) -> str:
    """A package's name without version and spelling: `Tiny_Ledger-1.1.dist-info`, `tiny_ledger`."""
    bare = re.sub(r"-\d.*$|\.(py|dist-info|egg-info|pth)$", "", name)
    return re.sub(r"[-_.]+", "-", bare).lower()


def _owned(path: str, owned: set[str]) -> bool:
    """Whether a Debian package brought a file, or the source of its bytecode."""
    if not _SYSTEM.match(path):
        return False
    outer = path.split("!")[0]
    source = re.sub(r"/__pycache__/([^/.]+)\.[^/]*\.pyc$", r"/\1.py", outer)
    unmerged = {p.removeprefix("/usr") for p in (outer, source)}
    return bool({outer, source, *unmerged} & owned) or path.startswith("/var/lib/")


def _of_system(finding: Finding) -> bool:
    return bool(_SYSTEM.match(finding.path)) and finding.kind in ("git data", _COMPILED_KIND)
