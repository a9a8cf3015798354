"""Decides, with evidence, whether a session is worth an environment.

    session ─▶ cheap disqualifiers ─▶ origins ─▶ outcome ─▶ verdict
                        journey ──────────┴──────────┘  └─▶ three sub-agents with a model (optional)

Every finding that speaks against a session is a `Reason` from a closed list with the turns, files
or commits that show it. Without a model the evidence alone decides, and the verdict says so; with
one, three sub-agents in sandboxes of their own add judgement in a fixed schema, which can make a
verdict milder only as far as `agent.qualify.panel` allows.
"""

from agent.qualify.judge import qualify
from agent.qualify.many import Row, qualify_files
from agent.qualify.reasons import MEANINGS, Citation, Code, Reason
from agent.qualify.verdict import Qualification, Verdict, heed

__all__ = [
    "MEANINGS",
    "Citation",
    "Code",
    "Qualification",
    "Reason",
    "Row",
    "Verdict",
    "heed",
    "qualify",
    "qualify_files",
]
