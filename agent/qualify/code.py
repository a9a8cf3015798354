"""Which files of a project are code, and which show only how something looks."""

from __future__ import annotations

import re

_NO_CODE = re.compile(
    r"\.(?:md|mdx|rst|txt|adoc|png|jpe?g|gif|svg|webp|ico|pdf|lock|log|csv|jsonl|plist|woff2?)$"
    r"|(?:^|/)(?:LICEN[CS]E|COPYING|NOTICE|CHANGELOG|CODEOWNERS|\.gitignore|\.gitattributes|"
    r"\.editorconfig|package-lock\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|uv\.lock|go\.sum)$"
    r"|^(?:\.specstory|\.claude|\.codex|\.cursor|\.entire|\.aider|\.gemini|\.opencode|\.agents?|"
    r"\.beads|\.github|\.gitlab|\.circleci|\.vscode|\.husky|docs?|plans?)[/.]",
    re.IGNORECASE,
)
_GENERATED = re.compile(
    r"(?:^|/)(?:dist|build|out|vendor|node_modules|third_party|__snapshots__|generated)/"
    r"|\.min\.(?:js|css)$|\.snap$|_pb2(?:_grpc)?\.py$|\.pb\.go$|\.g\.dart$|\.generated\.\w+$",
    re.IGNORECASE,
)
_SETTINGS = re.compile(
    r"\.(?:ya?ml|toml|json5?|jsonc|ini|cfg|conf|properties|env(?:\.\w+)?)$", re.I
)
_LOOKS = re.compile(r"\.(?:css|scss|sass|less|html?|tsx|jsx|vue|svelte|astro)$", re.IGNORECASE)


def is_code(path: str) -> bool:
    """True when a file is code that somebody wrote: no document, asset, lock or generated file.

    Args:
        path: relative to the repository's root.
    """
    return not _NO_CODE.search(path) and not _GENERATED.search(path)


def is_looks(path: str) -> bool:
    """True when a file shows how a page looks: markup, styles, components.

    Args:
        path: relative to the repository's root.
    """
    return bool(_LOOKS.search(path))


def is_settings(path: str) -> bool:
    """True when a file holds settings or data and no statements.

    Args:
        path: relative to the repository's root.
    """
    return bool(_SETTINGS.search(path))
