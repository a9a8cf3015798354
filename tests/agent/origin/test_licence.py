"""The licence at a commit."""

from __future__ import annotations

import json
from importlib.metadata import files
from pathlib import Path

import pytest

from agent.origin.licence import licence_of
from tests.agent.origin.conftest import Project, opened

MIT = """MIT License

Copyright (c) 2025 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def apache() -> str:
    """The Apache licence's text, as an installed package ships it."""
    for package in ("docker", "requests"):
        for path in files(package) or ():
            if path.name == "LICENSE":
                text = path.read_text()
                if "Apache License" in text:
                    return text
    pytest.skip("no installed package ships the text")


def test_a_licence_file_is_known_by_its_text(project: Project, cache: Path) -> None:
    sha = project.commit({"LICENSE.md": MIT, "package.json": json.dumps({"license": "ISC"})})
    with opened(project, cache) as repository:
        found = licence_of(repository, sha)
    assert found is not None
    assert (found.spdx, found.file, found.open_source) == ("MIT", "LICENSE.md", True)
    assert found.confidence > 0.9


def test_two_licence_files_are_a_choice(project: Project, cache: Path) -> None:
    sha = project.commit({"LICENSE-MIT": MIT, "LICENSE-APACHE": apache()})
    with opened(project, cache) as repository:
        found = licence_of(repository, sha)
    assert found is not None
    assert found.spdx == "Apache-2.0 OR MIT"


def test_a_restriction_on_an_open_licence_makes_it_closed(project: Project, cache: Path) -> None:
    sha = project.commit({"LICENSE": f'"Commons Clause" License Condition v1.0\n\n{MIT}'})
    with opened(project, cache) as repository:
        found = licence_of(repository, sha)
    assert found is not None
    assert not found.open_source


@pytest.mark.parametrize(
    ("files", "spdx", "open_source"),
    [
        ({"pyproject.toml": '[project]\nname="x"\nlicense = "mit"\n'}, "MIT", True),
        ({"pyproject.toml": '[project]\nlicense = {text = "Apache-2.0"}\n'}, "Apache-2.0", True),
        (
            {"pyproject.toml": '[project]\nclassifiers = ["License :: OSI :: MIT License"]'},
            "MIT",
            True,
        ),
        ({"package.json": '{"license": "(MIT OR Apache-2.0)"}'}, "(MIT OR Apache-2.0)", True),
        ({"package.json": '{"license": "UNLICENSED"}'}, "owned", False),
        ({"package.json": '{"license": "BUSL-1.1"}'}, "BUSL-1.1", False),
        ({"README.md": "# x\n\n## License\n\nReleased under the MIT License.\n"}, "MIT", True),
    ],
)
def test_metadata_speaks_where_no_licence_file_does(
    project: Project, cache: Path, files: dict[str, str], spdx: str, open_source: bool
) -> None:
    sha = project.commit(files)
    with opened(project, cache) as repository:
        found = licence_of(repository, sha)
    assert found is not None
    assert (found.spdx, found.open_source) == (spdx, open_source)
    assert found.confidence < 0.95


@pytest.mark.parametrize(
    "files",
    [
        {"a.py": "1\n"},
        {"pyproject.toml": "not [ toml"},
        {"package.json": "[" * 100_000},
        {"package.json": '{"license": 7}', "pyproject.toml": "project = 3\ntool = 4\n"},
        {"LICENSE": b"\xff\xfe\x00" * 100},
        {"LICENSE": "x" * 500_000},
    ],
)
def test_a_tree_that_says_nothing_has_no_licence(
    project: Project, cache: Path, files: dict[str, bytes | str]
) -> None:
    sha = project.commit(files)
    with opened(project, cache) as repository:
        assert licence_of(repository, sha) is None


def test_a_licence_is_that_of_the_commit_not_of_later_ones(project: Project, cache: Path) -> None:
    before = project.commit({"a": "1"})
    project.commit({"LICENSE": MIT})
    with opened(project, cache) as repository:
        assert licence_of(repository, before) is None
        assert licence_of(repository, "HEAD") is not None
