"""The licence of a repository at a commit: an SPDX expression, the file that says so, how surely.

The licence file's text decides (compared with the known texts, a few per cent of edits allowed);
the package's own metadata confirms it, or stands in for it with less confidence. A restriction that
makes a licence not open source is looked for first, since such texts are often built on open ones.
"""

from __future__ import annotations

import json
import re
import tempfile
import tomllib
from collections.abc import Iterator
from typing import Any

from identify.identify import license_id
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import BaseModel, ConfigDict

from agent.errors import RepositoryError
from agent.gitrecords import SYMLINK
from agent.repo import Repository

MAX_TEXT_BYTES = 200_000
"""A longer file is no licence; the GPL has 35 kB."""
MAX_FILES = 12
"""Licence files looked at in one tree."""

_FILE = re.compile(r"^(?:licen[cs]es?|copying|unlicense)(?:[.-][\w.-]*)?$", re.IGNORECASE)
_NOT_OPEN = (
    (re.compile(r"commons clause", re.I), "Commons Clause"),
    (re.compile(r"business source license", re.I), "BUSL-1.1"),
    (re.compile(r"server side public license", re.I), "SSPL-1.0"),
    (re.compile(r"elastic license", re.I), "Elastic-2.0"),
    (re.compile(r"polyform ", re.I), "PolyForm"),
    (re.compile(r"functional source license", re.I), "FSL-1.1"),
    (re.compile(r"non-?commercial use only|attribution-noncommercial", re.I), "non-commercial"),
    (
        re.compile(r"all rights reserved\.?\s*(?:no part|unauthori[sz]ed)|proprietary", re.I),
        "owned",
    ),
)
"""Words of licences that are not open source."""
_HEADINGS = (
    (re.compile(r"\bMIT licen[cs]e\b", re.I), "MIT"),
    (re.compile(r"\bapache licen[cs]e,?\s+version 2\.0", re.I), "Apache-2.0"),
    (re.compile(r"gnu affero general public license\s+version 3", re.I), "AGPL-3.0-or-later"),
    (re.compile(r"gnu lesser general public license\s+version 3", re.I), "LGPL-3.0-or-later"),
    (re.compile(r"gnu general public license\s+version 3", re.I), "GPL-3.0-or-later"),
    (re.compile(r"gnu general public license\s+version 2", re.I), "GPL-2.0-or-later"),
    (re.compile(r"mozilla public license,?\s+version 2\.0", re.I), "MPL-2.0"),
    (re.compile(r"redistribution and use in source and binary forms", re.I), "BSD-3-Clause"),
    (re.compile(r"permission is hereby granted, free of charge", re.I), "MIT"),
    (re.compile(r"permission to use, copy, modify, and(?:/or)? distribute", re.I), "ISC"),
)
"""Words by which a licence is known when its text was edited too much to be compared."""
_OPEN = re.compile(
    r"^(?:0BSD|AFL|AGPL|Apache|Artistic|Blue|BSD|BSL|CC-BY-\d|CC-BY-SA|CC0|ECL|EPL|EUPL|GPL|ISC|LGPL|"
    r"LPPL|MIT|MPL|MS-PL|MS-RL|MulanPSL|NCSA|OFL|OSL|PostgreSQL|PSF|Python|UPL|Unlicense|WTFPL|Zlib|"
    r"ZPL)"
)
"""SPDX names of licences that the open-source or free-software bodies list."""

_TAG = re.compile(r"^\W*SPDX-License-Identifier:\s*([^\n*]{2,100}?)\s*(?:\*/|-->)?$", re.MULTILINE)
_SHORT_GNU = re.compile(r"^(A?L?GPL-\d\.\d)$")

FROM_TEXT, FROM_HEADING, FROM_METADATA, FROM_README = 0.98, 0.8, 0.7, 0.5
"""Confidence in [0, 1] by where the licence stands."""


class Licence(BaseModel):
    """What a tree says about its licence."""

    model_config = ConfigDict(extra="forbid")

    spdx: str
    """An SPDX expression, or the plain name of a licence that is not open source."""
    file: str
    """The file that says so."""
    confidence: float
    open_source: bool
    commit: str
    """The commit in which it was found."""


def licence_of(repository: Repository, commit: str) -> Licence | None:
    """The licence of a tree.

    Args:
        repository: the repository.
        commit: the commit to look at.

    Returns:
        The best-supported statement; None when the tree says nothing.
    """
    sha = repository.resolve(commit)
    tree = repository.tree(sha)
    found: list[Licence] = []
    names = [p for p in tree if "/" not in p and _FILE.match(p) and tree[p].mode != SYMLINK]
    names += [p for p in tree if re.match(r"licenses?/[^/]+$", p, re.I) and tree[p].mode != SYMLINK]
    for path in sorted(names)[:MAX_FILES]:
        text = _read(repository, tree[path].sha)
        if text is not None and (licence := _from_text(text, path, sha)):
            found.append(licence)
    best = max(found, key=lambda li: li.confidence, default=None)
    closed = next((li for li in found if not li.open_source), None)
    if closed is not None:
        return closed
    if best is not None and len({li.spdx for li in found}) > 1:
        expression = " OR ".join(sorted({li.spdx for li in found}))
        return best.model_copy(update={"spdx": expression})
    if best is not None:
        return best
    for path, reader in (("pyproject.toml", _pyproject), ("package.json", _package_json)):
        if path in tree and (text := _read(repository, tree[path].sha)) is not None:
            for name in reader(text):
                if licence := _named(name, path, sha):
                    return licence
    for path in ("README.md", "README.rst", "README"):
        if path in tree and (text := _read(repository, tree[path].sha)) is not None:
            section = re.search(r"(?im)^#*\s*licen[cs]e\s*$(.{0,600})", text, re.DOTALL)
            if section and (licence := _from_headings(section[1], path, sha, FROM_README)):
                return licence
    return None


def _from_text(text: str, path: str, sha: str) -> Licence | None:
    if tag := _TAG.search(text[:2000]):
        return _named(tag[1], path, sha)
    for pattern, name in _NOT_OPEN:
        if pattern.search(text[:2000]):
            return Licence(spdx=name, file=path, confidence=0.9, open_source=False, commit=sha)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="kettle-licence-") as file:
        file.write(text)
        file.flush()
        known = license_id(file.name)
    if known:
        name = _SHORT_GNU.sub(r"\1-only", known)
        return Licence(
            spdx=name,
            file=path,
            confidence=FROM_TEXT,
            open_source=bool(_OPEN.match(name)),
            commit=sha,
        )
    return _from_headings(text, path, sha, FROM_HEADING)


def _from_headings(text: str, path: str, sha: str, confidence: float) -> Licence | None:
    for pattern, name in _HEADINGS:
        if pattern.search(text):
            return Licence(
                spdx=name, file=path, confidence=confidence, open_source=True, commit=sha
            )
    return None


def _named(name: str, path: str, sha: str) -> Licence | None:
    """A licence from what a manifest calls it."""
    try:
        expression = str(canonicalize_license_expression(name.strip()))
    except InvalidLicenseExpression:
        if re.match(r"(?i)unlicensed|proprietary|see licen[cs]e in", name.strip()):
            if name.lower().startswith("see"):
                return None
            return Licence(spdx="owned", file=path, confidence=0.9, open_source=False, commit=sha)
        return _from_headings(name, path, sha, FROM_METADATA)
    parts = re.split(r"\s+(?:OR|AND)\s+|[()]", expression)
    open_source = all(_OPEN.match(part.strip()) for part in parts if part.strip())
    return Licence(
        spdx=expression,
        file=path,
        confidence=FROM_METADATA,
        open_source=open_source,
        commit=sha,
    )


def _pyproject(text: str) -> Iterator[str]:
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    project = data.get("project")
    tools = data.get("tool")
    poetry = tools.get("poetry") if isinstance(tools, dict) else None
    for table in (project, poetry):
        if not isinstance(table, dict):
            continue
        licence = table.get("license")
        if isinstance(licence, dict):
            licence = licence.get("text")
        if isinstance(licence, str) and licence.strip():
            yield licence.strip()[:200]
        for classifier in table.get("classifiers") or ():
            if isinstance(classifier, str) and classifier.startswith("License ::"):
                yield classifier.rsplit("::", 1)[-1].strip()[:200]


def _package_json(text: str) -> Iterator[str]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    licence = data.get("license") if isinstance(data, dict) else None
    if isinstance(licence, dict):
        licence = licence.get("type")
    if isinstance(licence, str) and licence.strip():
        yield licence.strip()[:200]


def _read(repository: Repository, sha: str) -> str | None:
    try:
        data = repository.blob(sha)
    except RepositoryError:
        return None
    return data.decode("utf-8", "replace") if len(data) <= MAX_TEXT_BYTES else None
