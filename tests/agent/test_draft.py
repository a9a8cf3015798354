"""A draft comes out of a container that a model owned: nothing in it may surprise the host."""

from __future__ import annotations

import io
import tarfile

import pytest

from agent import draft
from agent.errors import DraftError

GOOD = {
    "kettle.toml": b'start_commit = "0123456789"\noutcome_commits = ["abcdef0123"]\n',
    "instruction.md": b"Mend it.\n",
    "environment/Dockerfile": b"FROM debian:bookworm-slim\n",
    "solution/solve.sh": b"true\n",
    "tests/test.sh": b"true\n",
}


def packed(files: dict[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member)
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return member


def test_a_whole_draft_is_read() -> None:
    read = draft.read_draft(*draft.read_files(packed(GOOD)))
    assert read.choices.start_commit == "0123456789"
    assert read.instruction == "Mend it.\n"


@pytest.mark.parametrize("name", ["../evil", "/etc/cron.d/evil", "tests/../../evil", "tests/a\nb"])
def test_a_path_that_leaves_the_draft_is_refused(name: str) -> None:
    with pytest.raises(DraftError, match="not a path"):
        draft.read_files(packed(GOOD | {name: b"x"}))


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "instruction.md"),
        (tarfile.CHRTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_and_devices_are_refused(kind: bytes, target: str) -> None:
    with pytest.raises(DraftError, match="no regular file"):
        draft.read_files(packed(GOOD, special("tests/data", kind, target)))


def test_scratch_files_have_no_place() -> None:
    with pytest.raises(DraftError, match=r"notes\.txt has no place"):
        draft.read_files(packed(GOOD | {"notes.txt": b"x"}))


def test_the_host_s_own_files_cannot_be_forged() -> None:
    forged = {"environment/start.tar.gz": b"not the start state", "task.toml": b"x"}
    files, _ = draft.read_files(packed(GOOD | forged))
    assert not forged.keys() & files.keys()


def test_too_many_files_are_refused() -> None:
    many = {f"tests/data/{n}": b"" for n in range(draft.MAX_DRAFT_FILES + 1)}
    with pytest.raises(DraftError, match="larger than"):
        draft.read_files(packed(GOOD | many))


def test_a_missing_part_is_named() -> None:
    files = {k: v for k, v in GOOD.items() if k != "tests/test.sh"}
    with pytest.raises(DraftError, match=r"lacks tests/test\.sh"):
        draft.read_draft(*draft.read_files(packed(files)))


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        (b"start_commit = \n", "cannot be read"),
        (b'start_commit = "--upload-pack=evil"\n', "start_commit"),
        (b'start_commit = "0123456"\nbase = "evil/image"\n', "base must be one of"),
        (b'start_commit = "0123456"\nverifier_timeout_s = 1e9\n', "verifier_timeout_s"),
        (b'start_commit = "0123456"\noutcome_commits = ["HEAD"]\n', "no commit id"),
        (b'start_commit = "0123456"\nprivileged = true\n', "privileged"),
    ],
)
def test_choices_outside_their_bounds_are_refused(toml: bytes, complaint: str) -> None:
    with pytest.raises(DraftError, match=complaint):
        draft.read_draft(*draft.read_files(packed(GOOD | {"kettle.toml": toml})))


def test_a_builder_s_refusal_is_read() -> None:
    files, _ = draft.read_files(packed({"REJECT.md": b"Only small talk.\n"}))
    assert draft.rejection(files) == "Only small talk."
    assert draft.unfinished(files) is None
