"""The check for what must not be published: secrets and personal data."""

from __future__ import annotations

import re

from agent.gate.said import Said, failed, listing, passed
from agent.gate.trials import Trials

MAX_SCANNED_BYTES = 4 << 20
"""Of one file; secrets stand in small files or at their beginning."""

SECRETS: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("a private key", rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{64,}"),
        ("an AWS key", rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("a GitHub token", rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})\b"),
        ("a GitLab token", rb"\bglpat-[A-Za-z0-9_-]{20,}\b"),
        ("an Anthropic key", rb"\bsk-ant-[A-Za-z0-9_-]{24,}\b"),
        ("an OpenAI key", rb"\bsk-(?:proj-)?[A-Za-z0-9_-]{40,}\b"),
        ("a Slack token", rb"\bxox[abprs]-[0-9A-Za-z-]{20,}\b"),
        ("a Google key", rb"\bAIza[0-9A-Za-z_-]{35}\b"),
        ("an npm token", rb"\bnpm_[A-Za-z0-9]{36}\b"),
        ("a Hugging Face token", rb"\bhf_[A-Za-z0-9]{34}\b"),
        ("a Stripe key", rb"\b[rs]k_live_[0-9A-Za-z]{24,}\b"),
        ("a JSON web token", rb"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"),
        ("a password in an address", rb"\b[a-z][a-z+]*://[^/\s:@'\"]+:[^/\s:@'\"$<{]{6,}@[\w.-]+"),
    )
)
_EMAIL = re.compile(rb"\b[\w.+-]{1,64}@(?:[\w-]+\.)+[A-Za-z]{2,}\b")
_HARMLESS = re.compile(
    rb"noreply|no-reply|@example\.|@test\.|@localhost|@users\.|\.example\b|\.test\b|\.invalid\b"
    rb"|git@|@latest|@types\b|@v?\d|\.(py|js|ts|png|svg|json|md)$",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    rb"(?i)x{6,}|\*{4,}|example|redacted|your[-_]|dummy|placeholder|fake|test"
)


def hygiene(trials: Trials) -> Said:
    """The environment's own files hold no secrets, and its instruction no e-mail address.

    Looked at are instruction, Dockerfile, tests, solution and provenance. What the repository
    itself published at the start is not judged.
    """
    environment = trials.environment
    secrets: list[str] = []
    addresses: list[str] = []
    public = b"\0".join(data for _, data in trials.start.files()) if trials.start else b""
    texts = [("instruction.md", environment.instruction.encode())]
    for folder in ("environment", "tests", "solution", "provenance"):
        texts += [
            (name, data[:MAX_SCANNED_BYTES])
            for name, data in environment.files(folder)
            if not name.endswith((".gz", ".zip", ".whl"))
        ]
    for name, data in texts:
        for kind, pattern in SECRETS:
            for match in pattern.finditer(data):
                found = match.group()
                if _PLACEHOLDER.search(found) or found in public:
                    continue
                line = data.count(b"\n", 0, match.start()) + 1
                # The finding must not spread what it found.
                shown = found[:6].decode("ascii", "replace")
                secrets.append(f"{name}:{line}: {kind} ({shown}…, {len(found)} characters)")
        if name == "instruction.md":
            for found in sorted(set(_EMAIL.findall(data))):
                if not _HARMLESS.search(found) and found not in public:
                    addresses.append(f"{name}: an e-mail address ({found[:3].decode()}…)")
    if secrets or addresses:
        return failed(
            f"{len(secrets)} secrets, {len(addresses)} e-mail addresses",
            listing(secrets + addresses),
            "Take them out, or put a placeholder in their place.",
        )
    kettle = environment.kettle
    licence = (kettle.licence or "none found") if kettle else "not stated"
    return passed(f"no secrets; licence: {licence}", licence=licence)
