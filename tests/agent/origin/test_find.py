"""The repository that a session names."""

from __future__ import annotations

import pytest

from agent.origin.find import repository_of
from agent.session.model import GitFacts
from tests.agent.origin.conftest import ran, session


@pytest.mark.parametrize(
    ("recorded", "address"),
    [
        ("git@github.com:Owner/Name.git", "https://github.com/Owner/Name"),
        ("https://user:token@github.com/owner/name.git", "https://github.com/owner/name"),
        ("owner/name", "https://github.com/owner/name"),
        ("github.com/owner/name", "https://github.com/owner/name"),
        ("https://github.com/owner/name/pull/12/files", "https://github.com/owner/name"),
        ("https://gitlab.com/group/sub/name", "https://gitlab.com/group/sub/name"),
        ("git@git.example.org:team/name.git", "git@git.example.org:team/name.git"),
    ],
)
def test_a_recorded_address_becomes_one_to_clone_from(recorded: str, address: str) -> None:
    assert repository_of(session([], git=GitFacts(repository=recorded))) == address


@pytest.mark.parametrize(
    "recorded",
    [
        "/home/me/secret",
        "file:///home/me/secret",
        "../secret",
        "ext::sh -c id",
        "--upload-pack=touch /tmp/pwned",
        "-u/x",
        "C:\\work\\secret",
        "https://github.com/onlyowner",
        "",
    ],
)
def test_a_session_cannot_point_at_local_files_or_programs(recorded: str) -> None:
    assert repository_of(session([], git=GitFacts(repository=recorded))) is None


def test_the_origin_that_git_printed_wins_over_other_addresses() -> None:
    calls = [
        ran("git clone https://github.com/other/tool", ""),
        ran("gh repo view", "https://github.com/other/tool"),
        ran("git remote -v", "origin\tgit@github.com:me/mine.git (fetch)\n"),
    ]
    assert repository_of(session(calls)) == "https://github.com/me/mine"


def test_addresses_in_other_output_are_not_taken() -> None:
    calls = [ran("pip install x", "see https://github.com/some/dependency")]
    assert repository_of(session(calls)) is None
