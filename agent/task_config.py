"""`task.toml`, as Harbor's task format (schema 1.4) defines it, and Kettle's own part of it.

Reading is tolerant: keys that are not modelled here are kept and written back unchanged, so that
any Harbor task passes through unharmed. Only what Kettle acts on is modelled and validated.
"""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import InputError

SCHEMA_VERSION = "1.4"
"""Version of Harbor's task schema that Kettle writes."""

SOLVER = "solver"
"""Name of the unprivileged user who owns the work tree."""

NetworkMode = Literal["no-network", "public", "allowlist"]

MAX_SECONDS = 7 * 24 * 3600.0
"""Longer than any phase of a task; more is a slip, and no clock should be asked to wait for it."""
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]
Cores = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Megabytes = Annotated[int, Field(gt=0)]

_TEMPLATE = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\}$", re.DOTALL)


class _Tolerant(BaseModel):
    model_config = ConfigDict(extra="allow")


class TaskInfo(_Tolerant):
    """`[task]`: what a registry lists."""

    name: str = ""
    """`organisation/name`."""
    description: str = ""
    keywords: list[str] = Field(default_factory=list)


class AgentConfig(_Tolerant):
    """`[agent]`: the solver's phase."""

    timeout_sec: Seconds | None = None
    """Seconds; None means that the harness decides."""
    user: str | int | None = None
    """User who runs the solver; None means the image's own."""


class EnvironmentConfig(_Tolerant):
    """`[environment]`: the container."""

    build_timeout_sec: Seconds = 600.0
    """Seconds; Harbor's default."""
    docker_image: str | None = None
    """A prebuilt image; None means that environment/Dockerfile is built."""
    cpus: Cores | None = None
    memory_mb: Megabytes | None = None
    storage_mb: Megabytes | None = None
    workdir: str | None = None
    """Working directory; None means the image's own."""
    network_mode: NetworkMode = "public"
    env: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _older_spellings(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        # Older tasks say allow_internet, memory = "2G" and storage = "10G".
        allow = data.get("allow_internet")
        if isinstance(allow, bool) and "network_mode" not in data:
            data["network_mode"] = "public" if allow else "no-network"
        for old, new in (("memory", "memory_mb"), ("storage", "storage_mb")):
            if isinstance(data.get(old), str) and new not in data:
                data[new] = _megabytes(data[old])
        return data


class VerifierConfig(_Tolerant):
    """`[verifier]`: the grading phase."""

    timeout_sec: Seconds = 600.0
    """Seconds; Harbor's default."""
    user: str | int | None = None
    """User who runs tests/test.sh; None means the image's own."""
    env: dict[str, str] = Field(default_factory=dict)
    environment_mode: Literal["shared", "separate"] | None = None


class KettleMetadata(_Tolerant):
    """`[metadata.kettle]`: where an environment comes from."""

    repository: str = ""
    start_commit: str = ""
    outcome_commits: list[str] = Field(default_factory=list)
    licence: str = ""
    """SPDX identifier; "" when none was found."""
    session_digest: str = ""
    """SHA-256 (hex) of the raw session."""
    session_format: str = ""
    builder_model: str = ""
    gate_digest: str = ""
    """SHA-256 (hex) of provenance/gate.json; "" until the gate has run."""
    kettle_version: str = ""
    start_digest: str = ""
    """SHA-256 (hex) of environment/start.tar.gz."""


class TaskConfig(_Tolerant):
    """The whole of `task.toml`."""

    schema_version: str = SCHEMA_VERSION
    task: TaskInfo | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    agent: AgentConfig = Field(default_factory=AgentConfig)
    verifier: VerifierConfig = Field(default_factory=VerifierConfig)
    environment: EnvironmentConfig = Field(default_factory=EnvironmentConfig)
    steps: list[dict[str, Any]] | None = None
    artifacts: list[Any] = Field(default_factory=list)
    """Paths that Harbor carries out when the solver is done, and into a separate verifier."""

    @model_validator(mode="before")
    @classmethod
    def _older_version_key(cls, data: Any) -> Any:
        if isinstance(data, dict) and "version" in data and "schema_version" not in data:
            data = {**data, "schema_version": str(data["version"])}
            del data["version"]
        return data

    @property
    def kettle(self) -> KettleMetadata | None:
        """Kettle's own metadata; None for a task that Kettle did not build."""
        own = self.metadata.get("kettle")
        if not isinstance(own, dict):
            return None
        try:
            return KettleMetadata.model_validate(own)
        except ValidationError:
            return None

    @classmethod
    def parse(cls, text: str) -> TaskConfig:
        """Read `task.toml`.

        Raises:
            InputError: the text is no TOML, or a field has the wrong type.
        """
        try:
            return cls.model_validate(tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as e:
            raise InputError(f"task.toml is not valid TOML: {e}") from e
        except ValidationError as e:
            first = e.errors()[0]
            place = ".".join(str(p) for p in first["loc"])
            raise InputError(f"task.toml: {place}: {first['msg']}") from e

    def dump(self) -> str:
        """The text of `task.toml`; fields that are None are left out."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json", exclude_unset=False)))


def literal_env(env: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Variables of a task whose values do not depend on the host.

    Harbor fills `${NAME}` from the host's environment. Kettle never hands the host's variables to
    a foreign task, so only literals and `${NAME:-default}` are taken.

    Returns:
        The variables with values, and the names of those that want one from the host.
    """
    known: dict[str, str] = {}
    wanted: list[str] = []
    for name, value in env.items():
        template = _TEMPLATE.match(value)
        if template is None:
            known[name] = value
        elif template.group(2) is not None:
            known[name] = template.group(2)
        else:
            wanted.append(name)
    return known, wanted


def _megabytes(size: str) -> int | None:
    match = re.fullmatch(r"\s*([0-9.]+)\s*([GMK])[iI]?[bB]?\s*", size, re.IGNORECASE)
    if match is None:
        return None
    factor = {"G": 1024.0, "M": 1.0, "K": 1 / 1024}[match.group(2).upper()]
    return max(1, int(float(match.group(1)) * factor))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_none(v) for v in value]
    return value
