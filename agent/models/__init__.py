"""Models by name: `open_model("anthropic:…")`, `"openai:…"`, `"replay:<path>"`, `"baseline"`.

The adapters' libraries are imported when they are needed: `baseline` starts without either SDK.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from agent.errors import InputError
from agent.models.base import Model
from agent.models.retry import Retry

REPLY_TIMEOUT_S = 15 * 60.0
"""Longest wait for one reply, in seconds: more than a full reply of a slow model takes."""

ANTHROPIC_DEFAULT = "claude-opus-5-5"
OPENAI_DEFAULT = "gpt-5.5"
"""The vendors' strongest models for everyday work: one build's judgement is worth more than its
tokens."""

FORMS = "`anthropic:<model>`, `openai:<model>`, `replay:<trajectory.json>` or `baseline`"

_log = logging.getLogger(__name__)


def open_model(
    spec: str,
    *,
    retry: Retry | None = None,
    timeout_s: float = REPLY_TIMEOUT_S,
    notify: Callable[[str], None] = _log.warning,
) -> Model:
    """The model that `spec` names.

    Args:
        spec: `anthropic:<model>`, `openai:<model>`, `replay:<path>` or `baseline`.
        retry: what to do after a provider's failure that may pass; None means the defaults.
        timeout_s: seconds to wait for one reply.
        notify: told, in one line each, about waits and about what a server cannot do.

    Raises:
        InputError: there is no such model, its key is missing, or the recording is unreadable.
    """
    kind, _, rest = spec.partition(":")
    retry = retry or replace(Retry(), notify=notify)
    if spec == "baseline":
        from agent.models.baseline import Baseline

        return Baseline()
    if kind == "anthropic" and rest:
        from agent.models.anthropic import Anthropic

        return Anthropic(rest, retry=retry, timeout_s=timeout_s, notify=notify)
    if kind == "openai" and rest:
        from agent.models.openai import OpenAI

        return OpenAI(rest, retry=retry, timeout_s=timeout_s, notify=notify)
    if kind == "replay" and rest:
        from agent.models.replay import Replay

        return Replay(Path(rest))
    raise InputError(f"There is no model {spec!r}: give {FORMS}.")


def default_model_spec(environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """The model to use when none was named, and why.

    Args:
        environ: the environment variables; None means this process's own.

    Returns:
        A spec for `open_model`, and one sentence for the user.
    """
    env = os.environ if environ is None else environ
    for key in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        if env.get(key):
            return f"anthropic:{ANTHROPIC_DEFAULT}", f"{key} is set."
    if env.get("OPENAI_BASE_URL"):
        return "baseline", (
            "OPENAI_BASE_URL names a server, but not which of its models to use: no model is "
            "asked. Name one with `openai:<model>`."
        )
    if env.get("OPENAI_API_KEY"):
        return f"openai:{OPENAI_DEFAULT}", "OPENAI_API_KEY is set."
    return "baseline", (
        "No key is set (ANTHROPIC_API_KEY or OPENAI_API_KEY): the build follows a fixed recipe "
        "and asks no model."
    )
