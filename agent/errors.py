"""Errors, named by the boundary they crossed.

    KettleError
     ├─ InputError        the user gave something that cannot be used (exit code 2)
     │   ├─ SessionError      the session cannot be read
     │   └─ RepositoryError   the repository cannot be had or lacks what the session needs
     ├─ Rejected          the session is readable but makes no environment (exit code 3)
     ├─ ProviderError     the model's provider failed for good (exit code 5)
     └─ DraftError        the builder's draft is not an environment; its message goes to the builder

Infrastructure trouble of the container engine is `sandbox.errors.SandboxError` (exit code 5).
Every message says what happened, why, and what to do next; it is shown to a person as it is.
"""

from __future__ import annotations


class KettleError(Exception):
    """Anything Kettle reports to a person instead of showing a traceback."""


class InputError(KettleError):
    """The user gave something that cannot be used."""


class SessionError(InputError):
    """The session file cannot be read as a session."""


class RepositoryError(InputError):
    """The repository cannot be had, or lacks what the session needs."""


class Rejected(KettleError):
    """The session is readable, but no environment can be made of it."""


class ProviderError(KettleError):
    """The model's provider failed, and trying again did not help."""


class DraftError(KettleError):
    """The builder's draft is not an environment yet."""
