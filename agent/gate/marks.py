"""What a leak can be known by: marks of the solution, of the hidden tests, of the session.

All tests here are substring searches in bytes with a few dozen short marks, because they run over
every file of an image.
"""

from __future__ import annotations

import importlib
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from agent.gate import outcome as outcomes
from agent.gate.outcome import names_of_tests, new_lines
from agent.gate.release import is_earlier, said
from agent.gate.trials import Trials
from agent.project import detect, is_test_path
from agent.tree import Tree

FIRST_PASS = 12
"""Marks that every file is searched for; only a file that holds one is searched for the rest."""
PYC_HEADER_BYTES = 16
MIN_TEST_NAME_CHARS = 10
"""Of a test file's name: `test_a.py` may be anybody's."""
_COMMON_MODULES = """
argparse ast asyncio base64 builtins collections collections.abc concurrent.futures contextlib csv
dataclasses datetime decimal email enum errno fnmatch functools glob gzip hashlib http http.client
importlib inspect io itertools json logging math multiprocessing operator os os.path pathlib pickle
platform queue random re secrets select shlex shutil signal socket sqlite3 ssl stat string struct
subprocess sys tarfile tempfile textwrap threading time token tokenize traceback types typing
unittest unittest.mock urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree
zipfile
"""

MIN_SESSION_CHARS = 60
"""A sentence of the agent's this long recurs nowhere by chance."""
MIN_SESSION_WORDS = 4
"""Fewer make no sentence: a rule of dashes, a path, a hash."""
MAX_SESSION_MARKS = 12
MAX_SESSION_IDS = 4
MAX_TEST_NAMES = 60
MAX_TEST_MARKS = 40
MIN_TEST_BYTES = 64
"""Smaller files (an empty `__init__.py`) are the same in many projects."""

_KIT = ("tests/kit.py", "tests/suites.py", "tests/test.sh")


@dataclass(frozen=True)
class Marks:
    """Marks of one environment.

    Attributes:
        solution: lines that only the oracle has, the longest first.
        solution_files: contents that the oracle gives to files, where the start state has others.
        names: identifiers that only the oracle has.
        changed_modules: size of the source before and after, by module name, of Python files
            that the oracle changes.
        tests: lines that only the hidden tests have.
        test_names: names of tests that the start state does not have.
        test_files: contents of hidden test files.
        test_file_names: names of the verifier's files that look like tests and that the start
            state does not have.
        session: sentences and ids of the session.
        commits: ids of the outcome's commits.
        project: the project's own name as a package.
        manifest: its package.json at the start.
    """

    solution: tuple[str, ...] = ()
    solution_files: frozenset[bytes] = frozenset()
    names: tuple[str, ...] = ()
    changed_modules: dict[str, tuple[int, int]] = field(default_factory=dict)
    tests: tuple[str, ...] = ()
    test_names: tuple[str, ...] = ()
    test_files: frozenset[bytes] = frozenset()
    test_file_names: frozenset[str] = frozenset()
    session: tuple[bytes, ...] = ()
    commits: tuple[bytes, ...] = ()
    project: str = ""
    manifest: bytes = b""

    @classmethod
    def of(cls, trials: Trials) -> Marks:
        """Collect the marks of an environment."""
        start = trials.start or Tree()
        known = {data for _, data in start.files()}
        outcome = trials.outcome
        modules = {}
        changed = outcome.changed if outcome else {}
        for path, (before, after) in changed.items():
            if path.endswith(".py") and after is not None:
                modules[path.rsplit("/", 1)[-1][:-3]] = (len(before or b""), len(after))
        lines: list[str] = []
        names: set[str] = set()
        files: set[bytes] = set()
        file_names: set[str] = set()
        old_names = {path.rsplit("/", 1)[-1] for path in start.entries}
        for path, data in trials.environment.files("tests"):
            if path in _KIT or data in known:
                continue
            lines += [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
            names |= names_of_tests(data)
            if len(data) >= MIN_TEST_BYTES:
                files.add(data)
            base = path.rsplit("/", 1)[-1]
            if is_test_path(base) and len(base) >= MIN_TEST_NAME_CHARS and base not in old_names:
                file_names.add(base)
        in_start = [data for path, data in start.files() if len(data) <= outcomes.MAX_TEXT_BYTES]
        fresh = [n for n in names if not any(n.encode() in data for data in in_start)]
        return cls(
            solution=outcome.marks if outcome else (),
            solution_files=frozenset(a for _, a in changed.values() if a is not None) - known,
            names=outcome.names if outcome else (),
            changed_modules=modules,
            tests=new_lines(lines, start)[:MAX_TEST_MARKS],
            test_names=tuple(sorted(fresh, key=lambda n: (-len(n), n))[:MAX_TEST_NAMES]),
            test_files=frozenset(files),
            test_file_names=frozenset(file_names),
            session=_session_marks(trials, in_start),
            commits=tuple(c.encode() for c in _outcome_commits(trials)),
            project=_project_name(start),
            manifest=start.read("package.json") or b"",
        )

    def bytecode_of_solution(self, path: str, data: bytes) -> str:
        """Why a file is taken for bytecode of the solution by its size; "" when it is not."""
        sizes = self.changed_modules.get(stem(path))
        if sizes and path.endswith(".pyc") and len(data) >= PYC_HEADER_BYTES:
            flags, _, size = struct.unpack("<III", data[4:PYC_HEADER_BYTES])
            # Bytecode that is checked by time records the size of its source (PEP 552).
            if flags == 0 and size == sizes[1] & 0xFFFFFFFF and sizes[0] != sizes[1]:
                return f"bytecode of a source of {size} bytes, as the solution's {stem(path)}.py"
        return ""

    def solution_in_release(self, path: str, data: bytes) -> tuple[str, ...]:
        """Lines and names of the solution in a file of an installed release of the project."""
        if not self.project or f"/node_modules/{self.project}/" not in path:
            return ()
        return tuple(t for t in (*self.solution, *self.own_names) if t.encode() in data)

    @property
    def own_names(self) -> tuple[str, ...]:
        """Identifiers of the solution that the standard library does not define."""
        return tuple(name for name in self.names if name not in standard_names())

    def test_file_in(self, path: str, data: bytes) -> str:
        """Why a file is taken for one of the verifier's; "" when it is not."""
        if data in self.test_files:
            return "a file of the verifier, as it is"
        base = path.rsplit("/", 1)[-1]
        if base in self.test_file_names:
            return "the name of a hidden test file"
        compiled = re.match(r"(.+?)\.(?:cpython|pypy)[^/]*\.pyc$", base)
        if compiled and f"{compiled.group(1)}.py" in self.test_file_names:
            return "bytecode of a hidden test"
        return ""

    def session_in(self, data: bytes) -> str:
        """Why a file is taken for a copy of the session; "" when it is not."""
        for mark in self.session:
            if mark in data:
                return f"text of the session: {mark[:80].decode('utf-8', 'replace')}"
        return ""

    def commit_in(self, data: bytes) -> str:
        """Why a file is taken to point to the solution's commit; "" when it is not."""
        for commit in self.commits:
            if commit in data:
                return f"the outcome's commit {commit[:12].decode()}"
        return ""

    def other_release(self, path: str, data: bytes) -> str:
        """Why a file belongs to another copy of the project itself; "" when it does not."""
        if not self.project or path.startswith("/app/"):
            return ""
        name = re.sub(r"[-_.]+", "[-_.]+", re.escape(self.project).replace(r"\-", "-"))
        if re.search(rf"(?i)[/!]{name}-[0-9][^/!]*\.(whl|tar\.gz|tgz|zip|egg|crate|gem)$", path):
            return "a release of the project in a cache"
        record = re.search(rf"(?i)[/!]{name}-[0-9][^/!]*\.dist-info/RECORD$", path)
        if record:
            # An install in place records only its metadata and a pointer to the work tree.
            code = [
                row.split(",")[0]
                for row in data.decode("utf-8", "replace").splitlines()
                if re.search(r"\.(py|so)(,|$)", row)
                and not re.match(r"__editable__|_?_?editable|_virtualenv", row)
            ]
            if code:
                return f"the project is installed outside the work tree ({code[0]}, …)"
        usual = path.endswith(f"/node_modules/{self.project}/package.json")
        if path.endswith("/package.json") and (usual or data != self.manifest):
            installed = re.search(r"/node_modules/[^!]+$|!package/package\.json$", path)
            if installed and said(data).get("name") == self.project:
                told = bool(self.solution or self.own_names)
                if usual and is_earlier(data, self.manifest, can_be_told=told):
                    return ""
                return "a release of the project among installed or cached packages"
        return ""


def stem(path: str) -> str:
    """A file's name without its endings: `a/ledger.cpython-311.pyc` is `ledger`."""
    return re.split(r"[/!]", path)[-1].split(".")[0]


def seen(marks: tuple[str, ...], data: bytes, first_pass: int = FIRST_PASS) -> tuple[str, ...]:
    """The marks that a file holds, if it holds one of the first: the longest, so the rarest."""
    first = [m for m in marks[:first_pass] if m.encode() in data]
    if not first:
        return ()
    return (*first, *(m for m in marks[first_pass:] if m.encode() in data))


def _outcome_commits(trials: Trials) -> list[str]:
    kettle = trials.environment.kettle
    found = kettle.outcome_commits if kettle else []
    return [c for c in found if re.fullmatch(r"[0-9a-f]{40,64}", c)]


def is_sentence(text: str) -> bool:
    """Whether a line of a session is telling enough to be a mark: long, and made of words."""
    words = re.findall(r"[A-Za-z]{2,}", text)
    return len(text) >= MIN_SESSION_CHARS and len(words) >= MIN_SESSION_WORDS


def _session_marks(trials: Trials, in_start: list[bytes]) -> tuple[bytes, ...]:
    """The longest sentences that were said in the session, and its identifier."""
    texts: list[str] = []
    ids: set[str] = set()
    for name in ("provenance/session.json", "provenance/session.jsonl"):
        data = trials.environment.read(name)
        for document in _json_documents(data or b""):
            _strings(document, texts)
            ids |= set(_ids(document))
    instruction = trials.environment.instruction
    marks = {
        sentence.strip()
        for text in texts
        for sentence in re.split(r"[\n.!?]", text)
        if is_sentence(sentence.strip()) and sentence.strip() not in instruction
    }
    found: list[bytes] = [i.encode() for i in sorted(ids)[:MAX_SESSION_IDS]]
    for mark in sorted(marks, key=lambda m: (-len(m), m)):
        # JSON escapes what is not ASCII, so only plain sentences are found in any copy.
        if mark.isascii() and '"' not in mark and "\\" not in mark:
            data = mark[:400].encode()
            if not any(data in other for other in in_start):
                found.append(data)
        if len(found) >= MAX_SESSION_MARKS:
            break
    return tuple(found)


def _ids(document: object) -> Iterator[str]:
    """A session's own identifiers, where the record's top level has them."""
    for key, value in document.items() if isinstance(document, dict) else ():
        named = re.fullmatch(r"(?i)(session|conversation)_?id", str(key))
        if named and isinstance(value, str) and re.fullmatch(r"[\w-]{16,100}", value):
            yield value


def _json_documents(data: bytes) -> list[object]:
    try:
        return [json.loads(data)] if data else []
    except (ValueError, RecursionError):
        documents: list[object] = []
        for line in data.splitlines():
            try:
                documents.append(json.loads(line))
            except (ValueError, RecursionError):
                continue
        return documents


def _strings(value: object, into: list[str]) -> None:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            into.append(one)
        elif isinstance(one, dict):
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)


def _project_name(start: Tree) -> str:
    if not start.entries:
        return ""
    return detect(list(start.entries), lambda path: start.read(path) or b"").name


@cache
def standard_names() -> frozenset[str]:
    """Names that common modules of Python's standard library, and their classes, define."""
    names: set[str] = set()
    for module in map(importlib.import_module, _COMMON_MODULES.split()):
        for name, value in vars(module).items():
            names.add(name)
            if isinstance(value, type):
                names.update(dir(value))
    return frozenset(names)
