"""Commands, start, teardown and long output of a sandbox, beside plain `docker exec`.

Run alone: `python -m tests.bench sandbox`.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import time

from sandbox import bases
from sandbox.container import Sandbox
from sandbox.engine import Engine
from tests.bench import p50, show

COMMAND_MS = 4.0
EXEC_RATIO = 15.0
START_S = 0.6
CLOSE_S = 0.4
OUTPUT_BYTES = 100_000_000
OUTPUT_S = 1.5
OUTPUT_BACK_KB = 10.0
# More than the interpreter's own noise; the output itself is twenty times larger.
MEMORY_GROWTH_MIB = 5.0
ROUNDS = 300
EXEC_ROUNDS = 25
STARTS = 12


def main() -> bool:
    """Measures a sandbox made of the builder's workbench."""
    with Engine.connect() as engine:
        image = bases.workbench(engine)
        with engine.create(image, purpose="bench") as sandbox:
            met = _commands(engine, sandbox)
            met &= _output(sandbox)
        return met & _lives(engine, image)


def _commands(engine: Engine, sandbox: Sandbox) -> bool:
    host = p50(lambda: subprocess.run(["bash", "-c", "true"], check=True), ROUNDS, warm=20)
    container = engine.client.containers.get(sandbox.id)
    sdk = p50(lambda: container.exec_run(["bash", "-c", "true"]), EXEC_ROUNDS)
    ours = p50(lambda: sandbox.run("true"), ROUNDS, warm=20)
    changing = p50(lambda: sandbox.run("cd /tmp; ls; cd /"), ROUNDS, warm=20)
    as_user = p50(lambda: sandbox.run("true", user="1000:1000"), ROUNDS, warm=20)
    show("bash -c true on the host, p50", host * 1e3, "ms")
    if shutil.which("docker"):
        program = ["docker", "exec", sandbox.id, "bash", "-c", "true"]
        cli = p50(lambda: subprocess.run(program, check=True), EXEC_ROUNDS)
        show("docker exec with the command line, p50", cli * 1e3, "ms")
    show("docker exec with the SDK, p50", sdk * 1e3, "ms")
    met = show("a command in a sandbox, p50", ours * 1e3, "ms", most=COMMAND_MS)
    show("the same, with ls and a change of directory, p50", changing * 1e3, "ms")
    show("the same as a user without rights, p50", as_user * 1e3, "ms")
    return met & show("less than docker exec with the SDK", sdk / ours, "x", least=EXEC_RATIO)


def _output(sandbox: Sandbox) -> bool:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    result = sandbox.run(f"yes 'a line of some length, as tests print' | head -c {OUTPUT_BYTES}")
    seconds = time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    met = result.output_bytes == OUTPUT_BYTES
    size = len(result.output.encode()) / 1000
    met &= show("100 MB of output, time", seconds, "s", most=OUTPUT_S)
    met &= show("100 MB of output, text that comes back", size, "kB", most=OUTPUT_BACK_KB)
    return met & show("100 MB of output, memory", grown, "MiB", most=MEMORY_GROWTH_MIB)


def _lives(engine: Engine, image: str) -> bool:
    starts, firsts, ends = [], [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        sandbox = engine.create(image, purpose="bench")
        started = time.perf_counter()
        sandbox.run("true")
        ran = time.perf_counter()
        sandbox.close()
        starts.append(started - began)
        firsts.append(ran - began)
        ends.append(time.perf_counter() - ran)
    met = show("hardened start, p50", statistics.median(starts), "s", most=START_S)
    met &= show("the same and a first command, p50", statistics.median(firsts), "s", most=START_S)
    return met & show("teardown, p50", statistics.median(ends), "s", most=CLOSE_S)


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
