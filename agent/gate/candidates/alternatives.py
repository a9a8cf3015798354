"""Other ways to write the oracle that behave the same, made without a model.

For Python: the changed files rewritten from their syntax trees (all comments and all formatting
gone), private names that the oracle introduces renamed, new functions moved to the end of their
module, new functions moved into a module of their own, and texts of new error messages reworded
where the instruction does not name them. Each rewrite is made only where it is sound as far as the
syntax tree shows; where it is not, it is left out.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.gate.candidates.partial import diff_of, is_code
from agent.gate.outcome import Outcome
from agent.grading import Candidate, variant

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Right:
    """A candidate that should earn the full reward.

    Attributes:
        what: how it differs from the oracle.
        diff: unified diff from the oracle.
    """

    candidate: Candidate
    what: str
    diff: str


@dataclass(frozen=True)
class _Module:
    before: ast.Module | None
    after: ast.Module
    source: str


def alternatives(outcome: Outcome, instruction: str) -> Iterator[Right]:
    """Rewrites of the oracle, the plainest first."""
    modules = dict(_modules(outcome))
    if not modules:
        return
    rewrites = (
        ("rewritten from the syntax tree, comments gone", _reformatted(modules)),
        ("private names of the oracle renamed", _renamed(modules)),
        ("new functions at the end of their module", _reordered(modules)),
        ("new functions in a module of their own", _moved(modules)),
        ("error messages reworded", _reworded(modules, instruction)),
        ("docstrings dropped", _undocumented(modules)),
    )
    for what, changes in rewrites:
        if not changes:
            continue
        diffs = [
            diff_of(p, (outcome.changed.get(p) or (None, None))[1], c) for p, c in changes.items()
        ]
        yield Right(variant(what, dict(changes)), what, "\n".join(diffs))


def _modules(outcome: Outcome) -> Iterator[tuple[str, _Module]]:
    for path, (before, after) in outcome.changed.items():
        if after is None or not path.endswith(".py") or not is_code(path):
            continue
        new, old = _parsed(after), _parsed(before) if before is not None else None
        if new is not None:
            yield path, _Module(old, new, after.decode("utf-8", "replace"))


def _parsed(data: bytes) -> ast.Module | None:
    try:
        return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _again(source: str) -> ast.Module:
    """A tree of its own, because rewriting changes it."""
    return ast.parse(source)


def _text(tree: ast.Module) -> bytes:
    return (ast.unparse(ast.fix_missing_locations(tree)) + "\n").encode()


def _reformatted(modules: Mapping[str, _Module]) -> dict[str, bytes]:
    return {path: _text(_again(m.source)) for path, m in modules.items()}


def _undocumented(modules: Mapping[str, _Module]) -> dict[str, bytes]:
    changes = {}
    for path, module in modules.items():
        if "__doc__" in module.source or ">>>" in module.source or "docopt" in module.source:
            continue
        tree = _again(module.source)
        dropped = False
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | _Function) and ast.get_docstring(node):
                # A body must not become empty.
                node.body[:1] = [] if len(node.body) > 1 else [ast.Pass()]
                dropped = True
        if dropped:
            changes[path] = _text(tree)
    return changes


def _renamed(modules: Mapping[str, _Module]) -> dict[str, bytes]:
    old: set[str] = set()
    new: set[str] = set()
    for module in modules.values():
        if module.before is not None:
            old |= _names(module.before)
        new |= {n for n in _defined(module.after) if re.match(r"_[^_]", n)}
    # A name that also stands in a text may be looked up by it (getattr, patch targets, slots).
    texts = " ".join(
        node.value
        for m in modules.values()
        for node in ast.walk(m.after)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    fresh = {n for n in new - old if n not in texts}
    if not fresh:
        return {}
    changes = {}
    for path, module in modules.items():
        tree = _again(module.source)
        if _rename(tree, fresh):
            changes[path] = _text(tree)
    return changes


def _rename(tree: ast.Module, names: set[str]) -> bool:
    done = False
    for node in ast.walk(tree):
        for attribute in ("id", "name", "attr", "arg", "asname"):
            if getattr(node, attribute, None) in names and not isinstance(node, ast.Constant):
                setattr(node, attribute, _other(getattr(node, attribute)))
                done = True
        if isinstance(node, ast.Global | ast.Nonlocal):
            node.names = [_other(n) if n in names else n for n in node.names]
    return done


def _other(name: str) -> str:
    """Another private name that does not hold the old one: a verifier may search for that."""
    return f"_part_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _reordered(modules: Mapping[str, _Module]) -> dict[str, bytes]:
    changes = {}
    for path, module in modules.items():
        tree = _again(module.source)
        free = _movable(module, tree)
        if not free or free == tree.body[-len(free) :]:
            continue
        tree.body = [n for n in tree.body if n not in free] + list(reversed(free))
        changes[path] = _text(tree)
    return changes


def _moved(modules: Mapping[str, _Module]) -> dict[str, bytes]:
    for path, module in modules.items():
        tree = _again(module.source)
        # `from __future__` and `if __name__` would not mean the same elsewhere.
        imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        known = set(dir(builtins)) | {
            (a.asname or a.name).split(".")[0] for n in imports for a in n.names if a.name != "*"
        }
        free = _movable(module, tree)
        names = {f.name for f in free}
        own = [f for f in free if _globals_used(f) <= known | names]
        while True:
            kept = {f.name for f in own}
            still = [f for f in own if _globals_used(f) <= known | kept]
            if len(still) == len(own):
                break
            own = still
        if not own or path.endswith("__init__.py"):
            continue
        folder, _, file = path.rpartition("/")
        name = f"{file[:-3]}_parts"
        packaged = bool(folder) and _in_package(path, modules)
        keep = [n for n in tree.body if n not in own]
        line = ast.ImportFrom(name, [ast.alias(f.name) for f in own], 1 if packaged else 0)
        at = max(
            (i for i, n in enumerate(keep) if n in imports), default=_after_docstring(keep) - 1
        )
        tree.body = [*keep[: at + 1], line, *keep[at + 1 :]]
        helper = ast.Module([*imports, *own], [])
        return {
            path: _text(tree),
            (f"{folder}/{name}.py" if folder else f"{name}.py"): _text(helper),
        }
    return {}


def _reworded(modules: Mapping[str, _Module], instruction: str) -> dict[str, bytes]:
    changes = {}
    for path, module in modules.items():
        old = _messages(module.before) if module.before else set()
        fresh = {
            m for m in _messages(module.after) - old if len(m.split()) > 2 and m not in instruction
        }
        if not fresh:
            continue
        tree = _again(module.source)
        for constant in _raised_texts(tree):
            if constant.value in fresh:
                constant.value = f"{constant.value} (in other words)"
        changes[path] = _text(tree)
    return changes


def _movable(module: _Module, tree: ast.Module) -> list[_Function]:
    """New top-level functions that nothing needs while the module is loaded."""
    old = _defined(module.before) if module.before is not None else set()
    eager: set[str] = set()
    for node in tree.body:
        parts: list[ast.AST]
        if isinstance(node, _Function):
            arguments = node.args
            parts = [*node.decorator_list, *arguments.defaults]
            parts += [d for d in arguments.kw_defaults if d is not None]
        else:
            parts = [node]
        for part in parts:
            eager |= {n.id for n in ast.walk(part) if isinstance(n, ast.Name)}
    defined = [n.name for n in tree.body if isinstance(n, _Function | ast.ClassDef)]
    return [
        n
        for n in tree.body
        if isinstance(n, _Function)
        and n.name not in old
        and n.name not in eager
        and defined.count(n.name) == 1
        and not n.decorator_list
    ]


def _globals_used(function: _Function) -> set[str]:
    loaded: set[str] = set()
    local: set[str] = {a.arg for a in ast.walk(function) if isinstance(a, ast.arg)}
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            return {"\0"}
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else local).add(node.id)
        elif isinstance(node, ast.ExceptHandler):
            local.add(node.name or "")
        elif isinstance(node, _Function | ast.ClassDef) and node is not function:
            local.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            local |= {(a.asname or a.name).split(".")[0] for a in node.names}
    return loaded - local


def _in_package(path: str, modules: Mapping[str, _Module]) -> bool:
    """Whether a file is imported as part of a package: it or a neighbour imports relatively."""
    folder = path.rpartition("/")[0]
    return any(
        isinstance(n, ast.ImportFrom) and n.level > 0
        for p, m in modules.items()
        if p.rpartition("/")[0] == folder
        for n in ast.walk(m.after)
    )


def _after_docstring(body: list[ast.stmt]) -> int:
    first = body[0] if body else None
    return int(isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant))


def _defined(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, _Function | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _names(tree: ast.Module) -> set[str]:
    found = _defined(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found |= {node.name, node.asname or node.name}
    return found


def _raised_texts(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for argument in node.exc.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument


def _messages(tree: ast.Module) -> set[str]:
    return {str(c.value) for c in _raised_texts(tree)}
