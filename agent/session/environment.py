"""What Cline and Roo say about the workspace in `environment_details`."""

from __future__ import annotations

import re

from agent.session.gitfacts import clean_remote
from agent.session.model import Session
from agent.session.raw import items, parse, record, text

_CWD = re.compile(r"^# Current (?:Working|Workspace) Directory \((?P<path>[^\n]+?)\) Files", re.M)
_WORKSPACES = "# Workspace Configuration\n"


def facts(details: str, session: Session) -> None:
    """Take the working directory and the git facts, where the session has none yet.

    Args:
        details: text of an `environment_details` block.
        session: the session under way; its `cwd`, `git` and `notes` are filled in.
    """
    if session.cwd is None:
        match = _CWD.search(details)
        if match:
            session.cwd = match["path"]
    _, found, rest = details.partition(_WORKSPACES)
    if not found or session.git.commit is not None:
        return
    held, _, _ = rest.partition("\n}")
    value, _ = parse(f"{held}\n}}".encode("utf-8", "replace"))
    workspaces = record(record(value).get("workspaces"))
    for path, raw_workspace in workspaces.items():
        workspace = record(raw_workspace)
        commit = text(workspace.get("latestGitCommitHash"))
        if commit and session.git.commit is None:
            session.git.commit = commit
            session.cwd = session.cwd or path
        for address in items(workspace.get("associatedRemoteUrls")):
            name, _, url = text(address).partition(": ")
            remote = clean_remote(url or name)
            if remote and (session.git.repository is None or name == "origin"):
                session.git.repository = remote
    if len(workspaces) > 1:
        session.notes.append(f"the workspace had {len(workspaces)} folders")
