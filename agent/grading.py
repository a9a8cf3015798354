"""Grading a candidate: what would this environment's verifier say of it?

For an environment of Kettle's the candidate is applied in one container, the final tree is carried
out as data, and a fresh container of the same image judges it, so that nothing but the tree can
speak for the candidate: no process, no file elsewhere, no reward written in advance. A foreign
Harbor task may be solved by changes outside its work tree, so there the candidate is applied and
judged in one fresh container, as Harbor does.

Harbor's rules hold for the reward: `reward.json` wins over `reward.txt`, the exit code of the test
script counts for nothing, and a reward that is missing or no finite number is an error.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Mapping
from typing import Literal

from agent.candidate import (
    NOP,
    ORACLE,
    SOLUTION,
    Candidate,
    CandidateFailed,
    variant,
    with_links,
)
from agent.environment import Environment
from agent.grade import PLAIN, Conditions, Grade
from agent.reward import read_reward
from agent.task_config import literal_env
from agent.tree import Entry, Tree, pack
from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.errors import SandboxError, SandboxFull, TransferError
from sandbox.limits import GIB, Limits

__all__ = [
    "LOGS",
    "NOP",
    "ORACLE",
    "PLAIN",
    "SOLUTION",
    "TESTS",
    "WORK_TREE",
    "Candidate",
    "CandidateFailed",
    "Conditions",
    "Grade",
    "Grader",
    "read_reward",
    "variant",
]

WORK_TREE = "/app"
"""Where the work tree of Kettle's environments lies."""
TESTS = "/tests"
LOGS = "/logs/verifier"

DEFAULT_SOLVE_S = 600.0
"""Time for the oracle where task.toml names none; an oracle copies files or builds."""
PREPARE_S = 120.0
"""Time for clearing folders and reading the reward: an overloaded machine, not the normal case."""
REWARD_LIMIT_BYTES = 8192
"""A reward file is a few bytes; a larger one is none. What a command prints comes back whole up to
9 kB."""
LIFETIME_MARGIN_S = 300
"""Beyond the phases' own limits, until the container is ended come what may."""
REMOVED_PER_COMMAND = 500
"""Paths per `rm`, so that a command line stays well below the kernel's limit of 128 kB a word."""
PROCESSES = 320 + 32 * (os.cpu_count() or 1)
"""In a container that grades: what the kit lets two children have (`PROCESS_LIMIT` there), and the
judge besides. A fork bomb is load for every neighbour, and no suite that was seen needs more. A
foreign task keeps what any sandbox has: nobody knows what it starts."""
_READ_REWARD = f"""
PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd {LOGS} || exit 0
for name in reward.json reward.txt; do
  [ -e $name ] || [ -L $name ] || continue
  [ -f $name ] && [ ! -L $name ] || {{ echo $name odd; exit; }}
  echo $name
  exec head -c {REWARD_LIMIT_BYTES + 1} $name
done
"""
"""Prints the reward file's name and its content, by the image's own programs. The engine's way of
copying a file costs as much as a short verifier."""
LOG_LIMIT_CHARS = 20_000
"""Kept of a verifier's output."""

Mode = Literal["carried", "in-place"]


class Grader:
    """Grades candidates of one environment. Its methods may be called from several threads.

    Args:
        engine: runs the containers.
        environment: what is graded.
        image: id of its built image.
        network: whether the verifier may use the network; it never may in a sound environment.
        mode: `carried` or `in-place`; None decides by whether Kettle built the environment.
    """

    def __init__(
        self,
        engine: Engine,
        environment: Environment,
        image: str,
        *,
        network: bool = False,
        mode: Mode | None = None,
    ) -> None:
        self.environment = environment
        self.image = image
        self.network = network
        self.mode: Mode = mode or ("carried" if environment.kettle is not None else "in-place")
        self._engine = engine
        self._tests = environment.archive("tests")
        self._solution = environment.archive("solution") if environment.has_oracle else b""
        attributes = engine.client.images.get(image).attrs
        image_config = attributes.get("Config") or {}
        self.layers = tuple((attributes.get("RootFS") or {}).get("Layers") or [image])
        self._image_user = str(image_config.get("User") or "root")
        self.workdir = str(
            environment.config.environment.workdir or image_config.get("WorkingDir") or "/"
        )
        self._lock = threading.Lock()
        self._base: Tree | None = None
        self._owner = ""
        self._final: dict[tuple[str, bool, bytes], Tree | CandidateFailed] = {}
        self.solve_logs: dict[str, str] = {}

    @property
    def timeout_s(self) -> float:
        """The verifier's own limit, in seconds."""
        return self.environment.config.verifier.timeout_sec

    def base_tree(self) -> Tree:
        """The work tree as the image has it."""
        with self._lock:
            if self._base is None:
                with self._container("work tree") as box:
                    self._look_at_base(box)
            assert self._base is not None  # noqa: S101 (for the type checker)
            return self._base

    def work_tree_owner(self) -> str:
        """Owner of the work tree's own directory in the image, such as `1000:1000`."""
        self.base_tree()
        return self._owner

    def final_tree(self, candidate: Candidate) -> Tree:
        """The work tree as a candidate leaves it.

        Raises:
            CandidateFailed: its script failed, or its tree holds more than files and symlinks.
        """
        if not candidate.script and not candidate.solution:
            return with_links(self.base_tree().edited(candidate.changes), candidate.links)
        key = (candidate.script, candidate.solution, candidate.given)
        with self._lock:
            found = self._final.get(key)
            if found is None:
                found = self._apply(candidate)
                self._final[key] = found
        if isinstance(found, CandidateFailed):
            raise found
        return with_links(found.edited(candidate.changes), candidate.links)

    def grade(self, candidate: Candidate, conditions: Conditions = PLAIN) -> Grade:
        """Grade a candidate in a fresh container.

        Raises:
            sandbox.errors.SandboxError: the engine or the container failed; says nothing about
                the candidate.
        """
        try:
            if self.mode == "carried":
                return self._grade_carried(candidate, conditions)
            return self._grade_in_place(candidate, conditions)
        except CandidateFailed as e:
            return Grade("error", why=str(e), log=e.log[-LOG_LIMIT_CHARS:])
        except SandboxFull as e:
            return Grade("error", why=str(e))

    def _grade_carried(self, candidate: Candidate, conditions: Conditions) -> Grade:
        untouched = candidate == Candidate(candidate.name)
        delta = None if untouched else self.base_tree().delta(self.final_tree(candidate))
        with self._container(candidate.name, conditions) as box:
            # Removing comes first: a directory may take the place of a symlink.
            removed = [f"{WORK_TREE}/{path}" for path in delta.removed] if delta else []
            self._clear(box, removed)
            entries = {TESTS[1:]: self._tests_folder()}
            entries |= _below(TESTS[1:], Tree.from_tar(self._tests).entries)
            if delta:
                entries |= _below(WORK_TREE[1:], delta.put)
            entries |= _surroundings(conditions)
            # One upload for all: each costs the engine as much as a short verifier.
            box.put_tree("/", pack(entries))
            return self._verify(box, conditions)

    def _grade_in_place(self, candidate: Candidate, conditions: Conditions) -> Grade:
        with self._container(candidate.name, conditions) as box:
            log = self._solve(box, candidate)
            changes = {p: c for p, c in candidate.changes.items() if c is not None}
            gone = [f"{self.workdir}/{p}" for p, c in candidate.changes.items() if c is None]
            replaced = [f"{self.workdir}/{p}" for p in candidate.links]
            self._clear(box, gone + replaced)
            entries = {path: Entry("file", data=data) for path, data in changes.items()}
            entries |= {p: Entry("link", 0o777, target=t) for p, t in candidate.links.items()}
            if entries:
                box.put_tree(self.workdir, pack(entries), owner=self._solver)
            tests = {TESTS[1:]: self._tests_folder()}
            tests |= _below(TESTS[1:], Tree.from_tar(self._tests).entries)
            box.put_tree("/", pack(tests | _surroundings(conditions)))
            grade = self._verify(box, conditions)
            return Grade(**{**grade.__dict__, "solve_log": log[-LOG_LIMIT_CHARS:]})

    def _apply(self, candidate: Candidate) -> Tree | CandidateFailed:
        try:
            with self._container(candidate.name) as box:
                if self._base is None:
                    self._look_at_base(box)
                self.solve_logs[candidate.name] = self._solve(box, candidate)
                return self._carry_out(box)
        except CandidateFailed as e:
            return e
        except SandboxFull as e:
            return CandidateFailed(f"The candidate {candidate.name} was stopped: {e}")

    def _solve(self, box: Sandbox, candidate: Candidate) -> str:
        if not candidate.script:
            return ""
        if candidate.given:
            box.put(f"{SOLUTION}/given.patch", candidate.given)
        if candidate.solution:
            box.put_tree(SOLUTION, self._solution)
            box.run(f"chmod -R a+rX {SOLUTION}; chmod a+x {SOLUTION}/solve.sh", timeout_s=PREPARE_S)
        solution_env = (self.environment.config.model_extra or {}).get("solution", {})
        declared = solution_env.get("env", {}) if isinstance(solution_env, dict) else {}
        result = box.run(
            candidate.script,
            timeout_s=self.environment.config.agent.timeout_sec or DEFAULT_SOLVE_S,
            user=self._solver,
            cwd=self.workdir,
            env=literal_env({str(k): str(v) for k, v in declared.items()})[0],
        )
        if result.timed_out:
            raise CandidateFailed(f"The candidate {candidate.name} ran out of time.", result.output)
        if result.exit_code != 0 and self.mode == "carried":
            raise CandidateFailed(
                f"The candidate {candidate.name} ended with exit code {result.exit_code}.",
                result.output,
            )
        return result.output

    def _look_at_base(self, box: Sandbox) -> None:
        owner = box.run(f"stat -c %u:%g {WORK_TREE}", timeout_s=PREPARE_S, cwd="/")
        self._owner = owner.output.strip()
        self._base = self._carry_out(box)

    def _carry_out(self, box: Sandbox) -> Tree:
        try:
            return Tree.from_tar(box.get_tree(WORK_TREE))
        except TransferError as e:
            raise CandidateFailed(f"The work tree cannot be carried out: {e}") from e

    def _verify(self, box: Sandbox, conditions: Conditions) -> Grade:
        config = self.environment.config.verifier
        known, wanted = literal_env(config.env)
        arranged = True
        if conditions.arrange:
            done = box.run(conditions.arrange, timeout_s=PREPARE_S, cwd="/")
            arranged = done.exit_code == 0
        result = box.run(
            f"{conditions.prefix} {TESTS}/test.sh".lstrip(),
            timeout_s=config.timeout_sec,
            user=self._verifier,
            cwd=self.workdir,
            env={**known, **conditions.env},
        )
        log = result.output[-LOG_LIMIT_CHARS:]
        if wanted:
            log = f"[not set, because they would come from the host: {', '.join(wanted)}]\n" + log
        if result.timed_out:
            why = f"stopped at the verifier's own limit of {config.timeout_sec:g} s"
            return Grade("timeout", why=why, log=log, seconds=result.seconds, arranged=arranged)
        try:
            rewards = read_reward(*self._reward_files(box))
        except ValueError as e:
            why = f"{e} (the test script ended with exit code {result.exit_code})"
            return Grade("error", why=why, log=log, seconds=result.seconds, arranged=arranged)
        return Grade(
            "graded",
            rewards["reward"],
            rewards,
            log=log,
            seconds=result.seconds,
            arranged=arranged,
        )

    def _reward_files(self, box: Sandbox) -> tuple[bytes | None, bytes | None]:
        """What lies where `reward.json` and `reward.txt` belong; the second only without the first.

        Raises:
            ValueError: it is no small regular file.
        """
        read = box.run(_READ_REWARD, timeout_s=PREPARE_S, cwd="/")
        head, _, content = read.output.partition("\n")
        name, _, odd = head.partition(" ")
        if not name:
            return None, None
        if odd or read.exit_code != 0 or len(content) > REWARD_LIMIT_BYTES:
            raise ValueError(f"{name} is not a small regular file")
        data = content.encode("utf-8", "replace")
        return (data, None) if name == "reward.json" else (None, data)

    def _clear(self, box: Sandbox, paths: list[str]) -> None:
        for start in range(0, len(paths), REMOVED_PER_COMMAND):
            batch = " ".join(shlex.quote(p) for p in paths[start : start + REMOVED_PER_COMMAND])
            self._as_root(box, f"rm -rf -- {batch}")
        # A reward that the image or the candidate left there must not count.
        self._as_root(
            box,
            f"rm -rf {TESTS} {SOLUTION} {LOGS} && mkdir -p {LOGS} /logs/agent /logs/artifacts"
            " && chmod 777 /logs/*",
        )

    def _as_root(self, box: Sandbox, command: str) -> None:
        result = box.run(command, timeout_s=PREPARE_S, cwd="/")
        if result.exit_code != 0:
            raise SandboxError(f"A container could not be prepared: {result.output.strip()[-500:]}")

    def _container(self, purpose: str, conditions: Conditions = PLAIN) -> Sandbox:
        config = self.environment.config
        solve_s = config.agent.timeout_sec or DEFAULT_SOLVE_S
        limits = Limits(
            # A share of what there is: asking for eight of two cores is no hardship.
            cpus=min(config.environment.cpus or Limits.cpus, float(os.cpu_count() or 1))
            * conditions.cpu_share,
            memory_bytes=(config.environment.memory_mb or 0) << 20 or 4 * GIB,
            processes=Limits.processes if self.environment.kettle is None else PROCESSES,
            disk_bytes=(config.environment.storage_mb or 0) << 20 or Limits.disk_bytes,
            lifetime_s=int(solve_s + config.verifier.timeout_sec) + LIFETIME_MARGIN_S,
        )
        env, _ = literal_env(config.environment.env)
        return self._engine.create(
            self.image, network=self.network, limits=limits, env=env, purpose=f"grade {purpose}"
        )

    def _tests_folder(self) -> Entry:
        # Where root judges, nobody else has any business in /tests.
        return Entry("directory", 0o700 if self._verifier in ("root", "0") else 0o755)

    @property
    def _solver(self) -> str:
        user = self.environment.config.agent.user
        return self._image_user if user is None else str(user)

    @property
    def _verifier(self) -> str:
        user = self.environment.config.verifier.user
        return self._image_user if user is None else str(user)


def _below(prefix: str, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    return {f"{prefix}/{path}": entry for path, entry in entries.items()}


def _surroundings(conditions: Conditions) -> dict[str, Entry]:
    return {path.lstrip("/"): Entry("file", data=d) for path, d in conditions.files.items()}
