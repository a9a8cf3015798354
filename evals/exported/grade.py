"""The verifier of an exported task: scores the environment that a solver left, by the sealed truth.

It does what `evals.scoring` does, with a chroot where Kettle uses containers (`plainbuild`): the
environment's file tree is built from its Dockerfile, its work tree compared with the true start
state, its files searched for the true solution, and its verifier asked about every candidate of the
bank. The reward is the score. Standard library only; runs as root in the task's container, in which
the solver was an ordinary user.
"""

# Runs in the container of an exported task, alone, as root of a machine that is thrown away.
# ruff: noqa: S103
from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import os
import random
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

try:
    from evals import formula
    from evals.exported import plainbuild
except ImportError:
    # In the container both lie beside this file.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import formula  # type: ignore[import-not-found,no-redef]
    import plainbuild  # type: ignore[import-not-found,no-redef]

LEFT = "/task/environment"
"""Where the solver leaves the environment."""
TRUTH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "truth.json.gz")
LOGS = "/logs/verifier"
BUILD_S = 900.0
VERIFY_S = 120.0
"""For the gold solution."""
PATIENCE_S = 90.0
"""For everything else: what takes longer hangs. As long as `evals.scoring` waits at least."""
BANK_S = 2_400.0
"""For all candidates together; what was not graded by then counts against the environment."""
MAX_LEFT_BYTES = 256 << 20
MAX_READ_BYTES = 8 << 20
"""Of one file, searched for the solution."""
REWARD_BYTES = 65_536
MARKS_FOR_A_COPY = 2

Files = dict[str, tuple[bool, bytes]]
Verdicts = dict[str, dict[str, list[str]]]
"""By role and name of the candidate; each time that it was graded."""


def main() -> None:
    """Score, and write the reward."""
    with gzip.open(TRUTH) as file:
        truth = json.load(file)
    report = score_reject(truth) if truth["verdict"] == "reject" else score_accept(truth)
    os.makedirs(LOGS, exist_ok=True)
    for name, text in (
        ("score.json", json.dumps(report, indent=1)),
        ("reward.json", json.dumps({"reward": report["score"]})),
    ):
        with open(os.path.join(LOGS, name), "w") as file_:
            file_.write(text)
    print(json.dumps(report, indent=1)[:20_000])  # noqa: T201 (the log of the verifier)


def score_reject(truth: Mapping[str, Any]) -> dict[str, Any]:
    """1 for a refusal that names a true reason."""
    said = _text(os.path.join(LEFT, "REJECT.md"))
    plain = " ".join(said.lower().replace("-", " ").split())
    right = any(reason.replace("-", " ") in plain for reason in truth["reasons"])
    return {"score": float(right), "refused": bool(said)}


def score_accept(truth: Mapping[str, Any]) -> dict[str, Any]:
    """The gates, then the product of the rates; see `formula`."""
    gates: dict[str, bool] = {}
    rates: dict[str, float | None] = {}
    notes: list[str] = []
    said: Verdicts = {}
    start = _decoded(truth["start"])
    scratch = tempfile.mkdtemp(prefix="grade-", dir="/")
    try:
        try:
            _admissible()
            root = plainbuild.copied_root(os.path.join(scratch, "root"))
            before = _inventory(root.path)
            context = os.path.join(scratch, "context")
            shutil.copytree(os.path.join(LEFT, "environment"), context, symlinks=True)
            plainbuild.build(context, root, seconds=BUILD_S)
            gates["builds"] = True
        except (plainbuild.NotBuilt, OSError, shutil.Error, ValueError) as error:
            gates["builds"] = False
            notes.append(f"does not build: {error}")
            return _report(gates, rates, notes, said)
        rates["instruction"], why = formula.instruction_fidelity(
            _text(os.path.join(LEFT, "instruction.md")), truth["intents"], truth["leaks"]
        )
        notes.append(f"instruction: {why}")
        found = _tree(root.inside("/app"))
        rates["start state"], exact = formula.start_fidelity(found, start)
        notes.append(f"start state exact: {exact}")
        leak = _solution_in(root.path, before, truth["marks"], truth["solved"])
        gates["sealed"] = not leak
        if leak:
            notes.append(f"the solution is in {leak}")
            return _report(gates, rates, notes, said)
        said = _asked(Bench(root, start, scratch), truth["candidates"], notes)
        (nop, *_), (gold, *_) = said["nop"].values(), said["gold"].values()
        gates["gold passes"] = gold[0] == "1"
        gates["nop fails"] = nop[0] == "0"
        if all(gates.values()):
            for name, role, wanted in (
                ("true positives", "right", ("1",)),
                ("true negatives", "wrong", ("0",)),
                ("exploit resistance", "exploit", ("0",)),
            ):
                measure = formula.resistance if role == "exploit" else formula.rate
                rates[name] = measure([v in wanted for v, *_ in said[role].values()])
            rates["stability"] = formula.stability([nop, gold])
        return _report(gates, rates, notes, said)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _asked(
    bench: Bench, candidates: Mapping[str, list[dict[str, Any]]], notes: list[str]
) -> Verdicts:
    """What the verifier says of every candidate, nop and gold twice.

    They come in an order that nobody can foresee, so that it tells nothing of which is which: a
    verifier that could count or remember would know the right ones by their turn. After a verdict
    that fails a gate nothing more is asked.
    """
    said: Verdicts = {role: {} for role in ("nop", "gold", "right", "wrong", "exploit")}
    turns = [(role, one) for role in said for one in candidates.get(role, [])]
    turns += [(role, candidates[role][0]) for role in ("nop", "gold")]
    random.SystemRandom().shuffle(turns)
    deadline = time.monotonic() + BANK_S
    lost = False
    for role, one in turns:
        left = deadline - time.monotonic()
        verdict = "not graded"
        if not lost and left > 0:
            limit = VERIFY_S if role == "gold" else PATIENCE_S
            verdict = bench.grade(one, seconds=min(limit, left))
        verdicts = said[role].setdefault(one["name"], [])
        verdicts.append(verdict)
        # The first verdict is the gate's; another one later is a matter of stability.
        if len(verdicts) == 1:
            lost = lost or (role, verdict == "1") in (("nop", True), ("gold", False))
    if lost:
        notes.append("it fails a gate, so the rest was not graded")
    return said


class Bench:
    """Asks the environment's verifier about candidates."""

    def __init__(self, root: plainbuild.Root, start: Files, scratch: str) -> None:
        self.root = root
        self.built = plainbuild.Pristine(root, ("app", "tests", "logs"))
        self.start = start
        self.pristine = os.path.join(scratch, "app")
        shutil.copytree(root.inside("/app"), self.pristine, symlinks=True)
        owner = os.stat(root.inside("/app"))
        self.owner = (owner.st_uid, owner.st_gid)

    def grade(self, candidate: Mapping[str, Any], seconds: float = VERIFY_S) -> str:
        """`1`, `0` or another number, `error`, or `timeout`."""
        app = os.path.join(self.root.path, "app")
        for place in (app, *(os.path.join(self.root.path, p) for p in ("tests", "logs"))):
            plainbuild.remove(place)
        shutil.copytree(self.pristine, app, symlinks=True)
        changes: dict[str, bytes | None] = {p: data for p, (_, data) in self.start.items()}
        for path, content in candidate["changes"].items():
            changes[path] = None if content is None else base64.b64decode(content)
        for path, data in changes.items():
            _put(app, path, data, executable=self.start.get(path, (False, b""))[0])
        for path, target in candidate["links"].items():
            plainbuild.remove(os.path.join(app, path))
            os.symlink(target, os.path.join(app, path))
        for folder, folders, files in os.walk(app):
            for name in ["", *folders, *files]:
                os.chown(os.path.join(folder, name), *self.owner, follow_symlinks=False)
        tests = os.path.join(self.root.path, "tests")
        shutil.copytree(os.path.join(LEFT, "tests"), tests, symlinks=True)
        os.chmod(tests, 0o700)
        for folder, folders, files in os.walk(tests):
            for name in ["", *folders, *files]:
                os.chown(os.path.join(folder, name), 0, 0, follow_symlinks=False)
        os.chmod(os.path.join(tests, "test.sh"), 0o755)
        logs = os.path.join(self.root.path, "logs", "verifier")
        os.makedirs(logs)
        os.chmod(logs, 0o777)
        code, _ = self.root.run(
            ["/tests/test.sh"],
            seconds=seconds,
            cwd=self.root.workdir,
            env={"HOME": "/root", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        verdict = "timeout" if code is None else _reward(self.root.inside("/logs/verifier"))
        self.built.restore()
        return verdict


def _reward(logs: str) -> str:
    for name in ("reward.json", "reward.txt"):
        try:
            handle = os.open(os.path.join(logs, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return "error"
            data = file.read(REWARD_BYTES)
        try:
            value = json.loads(data) if name.endswith("json") else float(data.decode())
            if isinstance(value, dict):
                value = value["reward"]
            number = float(value)
        except (ValueError, KeyError, TypeError, RecursionError):
            return "error"
        return f"{number:g}" if math.isfinite(number) and 0 <= number <= 1 else "error"
    return "error"


def _admissible() -> None:
    """Refuse what is no environment, before anything of it is used."""
    if os.path.islink(LEFT) or not os.path.isdir(LEFT):
        raise plainbuild.NotBuilt(f"there is no folder {LEFT}")
    for name in ("environment/Dockerfile", "tests/test.sh", "instruction.md"):
        place = os.path.join(LEFT, name)
        if not os.path.isfile(place) or os.path.islink(place):
            raise plainbuild.NotBuilt(f"there is no {name}")
    total = 0
    top = os.path.realpath(LEFT)
    for folder, folders, files in os.walk(LEFT):
        for name in [*folders, *files]:
            place = os.path.join(folder, name)
            mode = os.lstat(place)
            total += mode.st_size
            inside = (os.path.realpath(place) + "/").startswith(top + "/")
            if not (stat.S_ISREG(mode.st_mode) or stat.S_ISDIR(mode.st_mode)) and not (
                stat.S_ISLNK(mode.st_mode) and inside
            ):
                raise plainbuild.NotBuilt(f"{place} is neither a file nor a folder")
            if total > MAX_LEFT_BYTES:
                raise plainbuild.NotBuilt(f"it is larger than {MAX_LEFT_BYTES >> 20} MiB")


def _solution_in(
    root: str, before: Mapping[str, tuple[int, int]], marks: list[str], solved: list[str]
) -> str:
    """A new file that holds the solution or git data; "" when there is none.

    Only the finished tree is searched: a file that a later step deleted is not in it.
    """
    sought = [mark.encode() for mark in marks]
    for place, name in _walk(root):
        if before.get(name) == _stamp(place):
            continue
        if "/.git/" in name or name.endswith("/packed-refs"):
            return name
        try:
            handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        with os.fdopen(handle, "rb") as file:
            data = file.read(MAX_READ_BYTES)
        held = sum(mark in data for mark in sought)
        # One line may be chance, but not in a file that is as the solution leaves it.
        copied = held >= 1 and hashlib.sha256(data).hexdigest() in solved
        if data[:4] == b"PACK" or copied or held >= min(MARKS_FOR_A_COPY, max(1, len(sought))):
            return name
    return ""


def _inventory(root: str) -> dict[str, tuple[int, int]]:
    return {name: _stamp(place) for place, name in _walk(root)}


def _walk(root: str) -> list[tuple[str, str]]:
    found = []
    for folder, _, files in os.walk(root):
        for name in files:
            place = os.path.join(folder, name)
            if not os.path.islink(place) and os.path.isfile(place):
                found.append((place, place[len(root) :]))
    return found


def _stamp(place: str) -> tuple[int, int]:
    status = os.lstat(place)
    return status.st_size, status.st_mtime_ns


def _tree(folder: str) -> Files:
    found: Files = {}
    for place, name in _walk(folder) if os.path.isdir(folder) else []:
        with open(place, "rb") as file:
            found[name.lstrip("/")] = (os.access(place, os.X_OK) and _any_x(place), file.read())
    return found


def _any_x(place: str) -> bool:
    return bool(os.lstat(place).st_mode & 0o111)


def _decoded(files: Mapping[str, Any]) -> Files:
    return {p: (bool(executable), base64.b64decode(b)) for p, (executable, b) in files.items()}


def _put(app: str, path: str, data: bytes | None, *, executable: bool) -> None:
    place = os.path.join(app, path)
    above = os.path.dirname(place)
    while len(above) > len(app):
        if os.path.islink(above) or os.path.isfile(above):
            os.unlink(above)
        above = os.path.dirname(above)
    plainbuild.remove(place)
    if data is None:
        return
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb") as file:
        file.write(data)
    os.chmod(place, 0o755 if executable else 0o644)


def _text(path: str) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as file:
        return file.read(MAX_READ_BYTES).decode("utf-8", "replace")


def _report(
    gates: Mapping[str, bool],
    rates: Mapping[str, float | None],
    notes: list[str],
    said: Verdicts,
) -> dict[str, Any]:
    return {
        "score": formula.score(gates, rates),
        "gates": dict(gates),
        "rates": dict(rates),
        "notes": notes,
        "verdicts": said,
    }


if __name__ == "__main__":
    main()
