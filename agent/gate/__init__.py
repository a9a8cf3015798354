"""The trials that an environment must survive before it is accepted."""

from __future__ import annotations

from agent.gate.model import Check, CheckVerdict, GateReport
from agent.gate.runner import CHECKS, run
from agent.gate.settings import GateSettings

__all__ = ["CHECKS", "Check", "CheckVerdict", "GateReport", "GateSettings", "run"]
