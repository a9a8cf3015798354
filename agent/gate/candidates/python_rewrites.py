"""Rewrites of Python that do not change what the code does.

The changed files rewritten from their syntax trees (all comments and all formatting gone), private
and local names that the oracle introduces renamed, branches exchanged, simple statements and new
methods in another order, new functions moved to the end of their module or into a module of their
own, texts of new errors and log messages reworded where the instruction does not name them, and
docstrings dropped. Each is made only where it is sound as far as the syntax tree shows.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from agent.gate.candidates.partial import is_code
from agent.gate.outcome import Outcome
from agent.gate.syntax import Unparsed, parse

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class _Module:
    before: ast.Module | None
    after: ast.Module
    source: str


def python_rewrites(outcome: Outcome, instruction: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """What each rewrite is, with the files that it changes; {} where it does not fit."""
    modules = dict(_modules(outcome))
    if not modules:
        return
    yield "rewritten from the syntax tree, comments gone", _reformatted(modules)
    yield "private names of the oracle renamed", _renamed(modules)
    yield "local names of the oracle renamed", _relabelled(modules)
    yield "branches and simple statements in another order", _exchanged(modules)
    yield "new functions at the end of their module", _reordered(modules)
    yield "new functions in a module of their own", _moved(modules, outcome.paths)
    yield "messages reworded", _reworded(modules, instruction)
    yield "docstrings dropped", _undocumented(modules)


def _modules(outcome: Outcome) -> Iterator[tuple[str, _Module]]:
    for path, (before, after) in outcome.changed.items():
        if after is None or not path.endswith(".py") or not is_code(path):
            continue
        new, old = _parsed(after), _parsed(before) if before is not None else None
        if new is not None:
            yield path, _Module(old, new, after.decode("utf-8", "replace"))


def _parsed(data: bytes) -> ast.Module | None:
    try:
        return parse(data)
    except Unparsed:
        return None


def _again(source: str) -> ast.Module:
    """A tree of its own, because rewriting changes it."""
    return parse(source)


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


def _relabelled(modules: Mapping[str, _Module]) -> dict[str, bytes]:
    """Local variables that the oracle introduces get other names."""
    changes = {}
    for path, module in modules.items():
        if re.search(r"\b(?:locals|vars|eval|exec|globals)\s*\(", module.source):
            continue
        old = _names(module.before) if module.before is not None else set()
        tree = _again(module.source)
        done = False
        for node in [
            *tree.body,
            *(m for c in tree.body if isinstance(c, ast.ClassDef) for m in c.body),
        ]:
            if isinstance(node, _Function):
                fresh = _locals(node) - old
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Name) and inner.id in fresh:
                        inner.id = _other(inner.id)
                        done = True
        if done:
            changes[path] = _text(tree)
    return changes


def _locals(function: _Function) -> set[str]:
    """Variables of a function that nothing else can see, and that no text or keyword names."""
    stored: set[str] = set()
    barred: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            stored.add(node.id)
        elif isinstance(node, ast.arg):
            barred.add(node.arg)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            barred.update(node.names)
        elif isinstance(node, ast.ClassDef):
            barred |= _defined(ast.Module(node.body, [])) | {node.name}
        elif isinstance(node, _Function):
            barred.add(node.name)
        elif isinstance(node, ast.alias):
            barred.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            barred.add(node.name or "")
        elif isinstance(node, ast.MatchMapping):
            barred.add(node.rest or "")
    return {n for n in stored - barred if not n.startswith("__")}


def _exchanged(modules: Mapping[str, _Module]) -> dict[str, bytes]:
    """`if a: x else: y` becomes `if not a: y else: x`; neighbouring plain assignments swap."""
    changes = {}
    for path, module in modules.items():
        tree = _again(module.source)
        done = False
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and node.orelse:
                node.test = ast.UnaryOp(ast.Not(), node.test)
                node.body, node.orelse = node.orelse, node.body
                done = True
            if isinstance(node, _Function):
                for body in _blocks(node):
                    done |= _swap(body)
        if done:
            changes[path] = _text(tree)
    return changes


def _blocks(function: _Function) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and not isinstance(node, ast.ClassDef):
                yield body


def _swap(body: list[ast.stmt]) -> bool:
    """Swap neighbours that only bind different names to constants."""
    done, at = False, 0
    while at + 1 < len(body):
        one, two = _bound(body[at]), _bound(body[at + 1])
        if one and two and one != two:
            body[at], body[at + 1] = body[at + 1], body[at]
            done, at = True, at + 1
        at += 1
    return done


def _bound(node: ast.stmt) -> str:
    """The one name that a statement binds to a constant; "" for any other statement."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return ""
    target, value = node.targets[0], node.value
    plain = isinstance(value, ast.Constant) or (
        isinstance(value, ast.List | ast.Tuple)
        and all(isinstance(e, ast.Constant) for e in value.elts)
    )
    empty = isinstance(value, ast.Dict) and not value.keys
    return target.id if isinstance(target, ast.Name) and (plain or empty) else ""


def _reordered(modules: Mapping[str, _Module]) -> dict[str, bytes]:
    """New functions go to the end of their module, new methods to the end of their class."""
    changes = {}
    for path, module in modules.items():
        tree = _again(module.source)
        free = _movable(module, tree)
        done = bool(free) and free != tree.body[-len(free) :]
        if done:
            tree.body = [n for n in tree.body if n not in free] + list(reversed(free))
        old = _defined(module.before) if module.before is not None else set()
        for owner in tree.body:
            if isinstance(owner, ast.ClassDef):
                done |= _methods_last(owner, old)
        if done:
            changes[path] = _text(tree)
    return changes


def _methods_last(owner: ast.ClassDef, old: set[str]) -> bool:
    named = [n.name for n in owner.body if isinstance(n, _Function)]
    eager = _names_when_loaded(owner.body)
    free = [
        n
        for n in owner.body
        if isinstance(n, _Function)
        and not n.decorator_list
        and n.name not in old | eager
        and named.count(n.name) == 1
    ]
    rest = [n for n in owner.body if n not in free]
    if not free or not rest or owner.body[-len(free) :] == free:
        return False
    owner.body = [*rest, *free]
    return True


def _moved(modules: Mapping[str, _Module], paths: Collection[str]) -> dict[str, bytes]:
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
        packaged = f"{folder}/__init__.py" in paths or _imports_relatively(path, modules)
        if packaged and "__main__" in module.source:
            continue  # run as a program it is no part of its package
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
        for constant in _message_texts(tree):
            if constant.value in fresh:
                constant.value = f"{constant.value} (in other words)"
        changes[path] = _text(tree)
    return changes


def _movable(module: _Module, tree: ast.Module) -> list[_Function]:
    """New top-level functions that nothing needs while the module is loaded."""
    old = _defined(module.before) if module.before is not None else set()
    eager = _names_when_loaded(tree.body)
    # What is called while the module is loaded needs what it calls, and so on.
    known = {n.name: n for n in tree.body if isinstance(n, _Function | ast.ClassDef)}
    waiting = list(eager & known.keys())
    while waiting:
        used = {n.id for n in ast.walk(known[waiting.pop()]) if isinstance(n, ast.Name)}
        waiting += (used - eager) & known.keys()
        eager |= used
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


def _names_when_loaded(body: list[ast.stmt]) -> set[str]:
    """Names that are looked up while a module, or the body of a class in it, is run."""
    names: set[str] = set()
    for node in body:
        parts: list[ast.AST] = [node]
        if isinstance(node, _Function):
            parts = [*node.decorator_list, *node.args.defaults]
            parts += [d for d in node.args.kw_defaults if d is not None]
        elif isinstance(node, ast.ClassDef):
            parts = [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]
            names |= _names_when_loaded(node.body)
        for part in parts:
            names |= {n.id for n in ast.walk(part) if isinstance(n, ast.Name)}
    return names


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


def _imports_relatively(path: str, modules: Mapping[str, _Module]) -> bool:
    """Whether a file or a neighbour imports from its own package."""
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


def _message_texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """Texts of the exceptions that are raised and of what is logged."""
    for node in ast.walk(tree):
        arguments: list[ast.expr] = []
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            arguments = node.exc.args
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("debug", "info", "warning", "error", "exception", "critical")
            and re.search(r"log", ast.unparse(node.func.value), re.IGNORECASE)
        ):
            arguments = node.args[:1]
        for argument in arguments:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument


def _messages(tree: ast.Module) -> set[str]:
    return {str(c.value) for c in _message_texts(tree)}
