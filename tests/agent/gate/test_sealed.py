"""A solution hidden in every form we know of, and what looks like one and is none."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import zstandard

from agent.gate.layers import LayerFile
from agent.gate.marks import Marks, is_sentence
from agent.gate.outcome import compare
from agent.gate.search import Finding, search, search_commands
from agent.tree import Entry, Tree
from tests.agent.gate.bad import HIDDEN_TEST, SPOKEN, bytecode_of
from tests.agent.gate.environments import FIXED, LEDGER

CANARY = "amounts are kept exactly, 5d0c7a"
SOLUTION = FIXED.replace("Amount of one entry without any loss.", CANARY)
COMMIT = "3f" * 20
SESSION = "0b8a1f5e-93c4-4c0e-8a35-6f1f2d3e4c5b"
START = Tree({"ledger.py": Entry("file", data=LEDGER.encode())})
OUTCOME = compare(START, START.edited({"ledger.py": SOLUTION.encode()}))
MARKS = Marks(
    solution=OUTCOME.marks,
    names=OUTCOME.names,
    changed_modules={"ledger": (len(LEDGER), len(SOLUTION))},
    tests=tuple(line.strip() for line in HIDDEN_TEST.splitlines() if len(line.strip()) > 30),
    test_names=("test_cents_survive_the_summing_of_many_entries",),
    test_files=frozenset({HIDDEN_TEST.encode()}),
    test_file_names=frozenset({"test_balance.py"}),
    session=(SPOKEN.encode(), SESSION.encode()),
    commits=(COMMIT.encode(),),
    project="tiny-ledger",
    manifest=b'{"name": "tiny-ledger", "version": "1.0.0"}',
)


def tar(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/"), data)
    return packed.getvalue()


def found(path: str, data: bytes, others: Iterable[LayerFile] = ()) -> list[Finding]:
    return search(lambda: [*others, LayerFile(0, path, data)], MARKS).findings


S = SOLUTION.encode()
MINIFIED = b"function a(b){return _exact_amount_of(b)}/*" + CANARY.encode() + b"*/"

HIDDEN: dict[str, tuple[str, bytes, str]] = {
    "as it is, under another name": ("/srv/x.dat", S, "the solution"),
    "indented": ("/opt/a.py", b"\n".join(b"      " + x for x in S.splitlines()), "the solution"),
    "as a patch": ("/opt/f", b"\n".join(b"+" + x for x in S.splitlines()), "the solution"),
    "gzip without its ending": ("/root/.cache/x/0a1b", gzip.compress(S), "the solution"),
    "bzip2": ("/opt/f", bz2.compress(S), "the solution"),
    "xz": ("/opt/f", lzma.compress(S), "the solution"),
    "zstd": ("/opt/f", zstandard.compress(S), "the solution"),
    "tar": ("/opt/f", tar(a=S), "the solution"),
    "npm's cache": (
        "/root/.npm/_cacache/content-v2/sha512/0a/1b",
        gzip.compress(tar(package__index=S)),
        "the solution",
    ),
    "a wheel in a tar in xz": ("/opt/f", lzma.compress(tar(w=zipped(a=S))), "the solution"),
    "pip's older cache": ("/root/.cache/pip/http/0/a", b"cc=4," + zipped(a=S), "the solution"),
    "a loose git object elsewhere": (
        "/opt/o",
        zlib.compress(b"blob %d\0" % len(S) + S),
        "git data",
    ),
    "a pack under another name": ("/opt/o", b"PACK\0\0\0\2\0\0\0\1", "git data"),
    "a bundle under another name": ("/opt/o", b"# v2 git bundle\n", "git data"),
    "an index under another name": ("/opt/o", b"DIRC\0\0\0\2", "git data"),
    "ORIG_HEAD": ("/srv/clone/ORIG_HEAD", b"x", "git data"),
    "FETCH_HEAD in an archive": ("/opt/f", tar(r__FETCH_HEAD=b"x"), "git data"),
    "the commit's id": ("/opt/notes", b"built from " + COMMIT.encode(), "git data"),
    "bytecode by its size": ("/opt/x/ledger.cpython-311.pyc", bytecode_of(SOLUTION), "compiled"),
    "bytecode under another name": ("/opt/x/q.pyc", bytecode_of(SOLUTION), "compiled"),
    "bytecode among the packages": (
        "/opt/venv/lib/python3.11/site-packages/other/__pycache__/ledger.cpython-311.pyc",
        bytecode_of(SOLUTION),
        "compiled",
    ),
    "bytecode where Debian's files lie": (
        "/usr/lib/x/__pycache__/ledger.cpython-311.pyc",
        bytecode_of(SOLUTION),
        "compiled",
    ),
    "a bundle": ("/srv/dist/app.js", MINIFIED, "compiled"),
    "a source map": (
        "/srv/app.js.map",
        json.dumps({"version": 3, "sourcesContent": [SOLUTION]}).encode(),
        "the solution",
    ),
    "a source map inside a script": (
        "/srv/app.js",
        b"x();\n//# sourceMappingURL=data:application/json;base64,"
        + base64.b64encode(json.dumps({"sourcesContent": [SOLUTION]}).encode()),
        "the solution",
    ),
    "a build folder": ("/srv/build/lib/ledger.py", S, "the solution"),
    "the hidden test": ("/opt/t", HIDDEN_TEST.encode(), "hidden tests"),
    "its name alone": ("/opt/tests/test_balance.py", b"", "hidden tests"),
    "its bytecode": (
        "/opt/__pycache__/test_balance.cpython-311-pytest-8.3.4.pyc",
        b"x",
        "hidden tests",
    ),
    "pytest's cache": (
        "/srv/.pytest_cache/v/cache/lastfailed",
        b'{"t.py::test_cents_survive_the_summing_of_many_entries": true}',
        "hidden tests",
    ),
    "a sentence of the session": ("/opt/n", f"> {SPOKEN}".encode(), "session text"),
    "the session's id": ("/opt/n", f'{{"id": "{SESSION}"}}'.encode(), "session text"),
    "a session by its place": ("/root/.claude/projects/p/1.jsonl", b"{}", "session copy"),
    "a wheel in a cache": ("/root/w/tiny_ledger-1.1-py3-none-any.whl", b"", "the project itself"),
    "a wheel under a digest": (
        "/root/.cache/pip/http-v2/a/b/c.body",
        zipped(**{"tiny_ledger-1.1.dist-info__RECORD": b"ledger.py,sha256=a,1\n"}),
        "the project itself",
    ),
    "an npm package under a digest": (
        "/root/.npm/_cacache/content-v2/sha512/aa/bb",
        gzip.compress(tar(**{"package__package.json": b'{"name": "tiny-ledger"}'})),
        "the project itself",
    ),
    "among node_modules": (
        "/opt/deps/node_modules/x/node_modules/tiny-ledger/package.json",
        b'{"name": "tiny-ledger", "version": "1.0.1"}',
        "the project itself",
    ),
}
DEBIAN = LayerFile(0, "/var/lib/dpkg/info/perl.list", b"/usr\n/usr/bin/perl\n/usr/lib/q.py\n")


@pytest.mark.parametrize(("path", "data", "kind"), HIDDEN.values(), ids=HIDDEN)
def test_it_is_found(path: str, data: bytes, kind: str) -> None:
    findings = found(path, data, [DEBIAN])
    assert any(f.kind.startswith(kind) and f.path.startswith(path) for f in findings), findings


@pytest.mark.parametrize(
    "wrap",
    [lambda b: b, lambda b: base64.b64encode(b), lambda b: base64.b64encode(gzip.compress(b))],
    ids=["plain", "base64", "base64 of gzip"],
)
def test_the_history_is_searched(wrap: Callable[[bytes], bytes]) -> None:
    command = f"/bin/sh -c echo {wrap(S).decode()} | something"
    found = search_commands(["FROM scratch", command], MARKS)
    assert {f.kind for f in found} == {"the solution"}


HARMLESS: dict[str, tuple[str, bytes]] = {
    "what a Debian package brought": ("/usr/lib/__pycache__/q.cpython-311.pyc", MINIFIED),
    "bytecode of another package": (
        "/opt/venv/lib/python3.11/site-packages/click/__pycache__/core.cpython-311.pyc",
        MINIFIED,
    ),
    "the project's own manifest": ("/opt/deps/package.json", MARKS.manifest),
    "the project linked in place": (
        "/opt/venv/lib/python3.11/site-packages/tiny_ledger-1.0.dist-info/RECORD",
        b"__editable__.tiny_ledger-1.0.pth,sha256=a,1\ntiny_ledger-1.0.dist-info/RECORD,,\n",
    ),
    "a broken archive": ("/opt/f.tar.gz", b"\x1f\x8b\x08\0broken"),
    "a broken zip": ("/opt/f.zip", b"PK\x03\x04" + b"\0" * 200),
    "one line by chance": ("/opt/f.py", OUTCOME.marks[0].encode()),
    "a cache of other tests": ("/srv/.pytest_cache/v/cache/nodeids", b'["t.py::test_a"]'),
}


def package(name: str, text: str) -> LayerFile:
    return LayerFile(0, f"/opt/venv/lib/python3.11/site-packages/{name}/core.py", text.encode())


class TestReleases:
    """A release of the project in node_modules, where its own test runner needs it."""

    FOLDER = "/opt/deps/node_modules/debug/node_modules/tiny-ledger"

    def installed(self, version: str, code: bytes, marks: Marks = MARKS) -> list[str]:
        manifest = json.dumps({"name": "tiny-ledger", "version": version}).encode()
        files = [
            LayerFile(0, f"{self.FOLDER}/package.json", manifest),
            LayerFile(0, f"{self.FOLDER}/lib/ledger.js", code),
        ]
        return [f.kind for f in search(lambda: files, marks).findings]

    @pytest.mark.parametrize(
        "version", ["0.9.9", "1.0.0", "1.0.0-rc.1", "1.0.0+build.7", "v0.10.0"]
    )
    def test_one_that_is_no_newer_than_the_start_is_no_leak(self, version: str) -> None:
        assert self.installed(version, LEDGER.encode()) == []

    @pytest.mark.parametrize(
        "version", ["1.0.1", "1.0.1-rc.1", "1.10.0", "2.0.0-0", "latest", "", "1.0"]
    )
    def test_one_that_is_newer_or_of_an_unknown_age_is_found(self, version: str) -> None:
        assert self.installed(version, LEDGER.encode()) == ["the project itself"]

    @pytest.mark.parametrize(
        "code", [OUTCOME.marks[-1].encode(), MINIFIED, S], ids=["line", "minified", "all"]
    )
    def test_an_old_number_on_new_code_is_found(self, code: bytes) -> None:
        assert "the project itself" in self.installed("0.9.0", code)

    def test_a_start_that_does_not_know_its_version_lets_none_pass(self) -> None:
        nameless = replace(MARKS, manifest=b'{"name": "tiny-ledger", "version": "0.0.0-semantic"}')
        assert self.installed("0.9.0", LEDGER.encode(), nameless) == ["the project itself"]

    def test_without_a_line_to_look_for_only_a_lower_number_passes(self) -> None:
        silent = replace(MARKS, solution=(), names=())
        assert self.installed("0.9.0", LEDGER.encode(), silent) == []
        assert self.installed("1.0.0", LEDGER.encode(), silent) == ["the project itself"]

    def test_one_under_another_name_is_found(self) -> None:
        path = "/opt/deps/node_modules/ledger-old/package.json"
        data = b'{"name": "tiny-ledger", "version": "0.9.0"}'
        assert [f.kind for f in found(path, data)] == ["the project itself"]


class TestFalseAlarms:
    COMMON = "except (TypeError, ValueError):\n    raise NotImplementedError(message)\n"
    NAMES = "x = get_current_context\ny = resolve_command_line\n"

    def test_lines_that_many_packages_hold_are_no_copy(self) -> None:
        lines = tuple(line.strip() for line in self.COMMON.splitlines())
        marks = Marks(solution=lines)
        two = [package("one", self.COMMON), package("other", self.COMMON)]
        assert search(lambda: two, marks).findings == []
        assert len(search(lambda: two[:1], marks).findings) == 1

    def test_names_of_a_library_are_not_the_solutions(self) -> None:
        marks = Marks(names=("get_current_context", "resolve_command_line"))
        bundle = LayerFile(0, "/srv/dist/app.js", self.NAMES.encode())
        assert search(lambda: [bundle, package("click", self.NAMES)], marks).findings == []
        assert len(search(lambda: [bundle], marks).findings) == 1

    @pytest.mark.parametrize(("path", "data"), HARMLESS.values(), ids=HARMLESS)
    def test_it_is_passed_over(self, path: str, data: bytes) -> None:
        assert found(path, data, [DEBIAN]) == []

    @pytest.mark.parametrize("line", ["-" * 80, "=" * 70 + " FAILURES", "3f" * 40])
    def test_rules_and_digests_of_a_session_are_no_sentences_of_it(self, line: str) -> None:
        assert not is_sentence(line)
        assert is_sentence(SPOKEN)
