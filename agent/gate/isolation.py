"""How a verifier runs graded code: in children of the kit, or in reach of its own verdict."""

from __future__ import annotations

import ast

from agent.environment import Environment
from agent.gate.syntax import Unparsed, parse
from agent.verifier import kit_files

ISOLATED = "isolated"
IN_PROCESS = "in-process"

_STARTERS = frozenset(
    {"subprocess", "os", "runpy", "importlib", "multiprocessing", "ctypes", "pty", "suites", "imp"}
)
"""Modules by which a judge could run or import graded code other than through the kit."""
_BUILTINS = frozenset({"exec", "eval", "__import__", "compile"})
"""`re.compile` and other modules' functions of these names run nothing."""


def isolation(environment: Environment) -> str:
    """`isolated` when kit and test script are Kettle's own and the judge goes through the kit.

    `os` is allowed for paths; calling it to start something is not.
    """
    for name, data in kit_files().items():
        if environment.read(name) != data:
            return IN_PROCESS
    judge = environment.read("tests/judge.py")
    if judge is None:
        return IN_PROCESS
    for name, data in environment.files("tests"):
        if "/" in name.removeprefix("tests/") or not name.endswith(".py"):
            continue
        if name not in kit_files() and not _goes_through_kit(data):
            return IN_PROCESS
    return ISOLATED


def _goes_through_kit(source: bytes) -> bool:
    try:
        tree = parse(source)
    except Unparsed:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name.split(".")[0] for alias in node.names]
            if any(m in _STARTERS - {"os"} for m in modules):
                return False
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in _STARTERS - {"os"}:
                return False
        elif isinstance(node, ast.Call):
            function = node.func
            name = getattr(function, "attr", getattr(function, "id", ""))
            owner = getattr(getattr(function, "value", None), "id", "")
            if name == "hidden_tests":
                return False
            if name in _BUILTINS and (
                isinstance(function, ast.Name) or owner in ("builtins", "__builtins__")
            ):
                return False
            if owner == "os" and name.startswith(
                ("system", "popen", "exec", "spawn", "fork", "posix")
            ):
                return False
        elif (
            # sys.path.insert would make the graded tree importable.
            isinstance(node, ast.Attribute)
            and node.attr == "path"
            and getattr(node.value, "id", "") == "sys"
        ):
            return False
    return True
