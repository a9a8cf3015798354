"""Runs: nothing twice, nothing lost, trouble never scored, controls at their floor."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import InputError, ProviderError
from evals.builders import Built, Job, ModelBuilder, named_codes
from evals.controls import CONTROLS
from evals.floor import above_floor
from evals.item import Item
from evals.leaderboard import compare, merged, rows
from evals.recipe import materialise
from evals.report import page
from evals.results import RESULTS, Result, Run, slug
from evals.run import Planned, RunEvent, RunSettings, perform, rescore
from evals.score import Score
from sandbox.engine import Engine
from tests.agent.projects import recording
from tests.conftest import containers_of
from tests.evals import voice
from tests.evals.conftest import Index, sdist

ROOT = Path(__file__).parents[2]
NAMES = {control.name for control in CONTROLS}


class Scripted:
    """A builder that refuses, and notes every time that it is asked."""

    def __init__(self, log: Path, *, name: str = "scripted", failures: int = 0) -> None:
        self.name = name
        self.log = log
        self.failures = failures

    def build(self, job: Job) -> Built:
        """See `evals.builders.Builder.build`."""
        with self.log.open("a") as log:
            log.write(f"{job.session.parent.name}\n")
        if self.failures:
            self.failures -= 1
            raise ProviderError("the provider is down")
        return Built(claim="rejected", reason="trivial", codes=["trivial"], dollars=0.5)

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().split()


@pytest.fixture
def rejects(tmp_path: Path) -> list[Item]:
    """Two reject items: no container is needed for them."""
    (tmp_path / "items").mkdir()
    return [
        voice.make(tmp_path / "items", verdict="reject", project=name) for name in ("one", "two")
    ]


def test_what_is_finished_is_not_done_again(rejects: list[Item], tmp_path: Path) -> None:
    builder = Scripted(tmp_path / "log")
    settings = RunSettings(attempts=2)
    first = perform(Run(tmp_path / "run"), rejects[:1], [builder], settings)
    assert sorted(builder.asked) == ["one", "one"]
    again = perform(Run(tmp_path / "run"), rejects, [builder], settings)
    assert sorted(builder.asked) == ["one", "one", "two", "two"]
    assert {r.key for r in first} < {r.key for r in again}
    assert {r.builder for r in again} == NAMES | {"scripted"}
    (row,) = [row for row in rows(again) if not row.control]
    assert (row.headline, row.reject, row.pass_k, row.k) == (1.0, 1.0, 1.0, 2)


def test_a_killed_run_goes_on_and_builds_nothing_twice(rejects: list[Item], tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from evals.item import load\n"
        "from evals.results import Run\n"
        "from evals.run import RunSettings, perform\n"
        "from tests.evals.test_run import Scripted\n"
        "class Stuck(Scripted):\n"
        "    def build(self, job):\n"
        "        made = super().build(job)\n"
        "        if job.session.parent.name == 'two': time.sleep(300)\n"
        "        return made\n"
        "items = [load(Path(p)) for p in sys.argv[3:]]\n"
        "perform(Run(Path(sys.argv[1])), items, [Stuck(Path(sys.argv[2]))],"
        " RunSettings(workers=1))\n"
    )
    log, folder = tmp_path / "log", tmp_path / "run"
    command = [sys.executable, "-c", script, str(folder), str(log)]
    command += [str(item.folder) for item in rejects]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while not (log.exists() and "two" in log.read_text()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with (folder / RESULTS).open("a") as results:
        results.write('{"builder": "torn')
    builder = Scripted(log)
    done = perform(Run(folder), rejects, [builder], RunSettings())
    assert builder.asked == ["one", "two", "two"], "only what had not ended is built again"
    assert all(result.status == "scored" for result in done)
    lines = (folder / RESULTS).read_text().splitlines()
    assert len(lines) == len({Result.model_validate_json(line).key for line in lines})


def test_a_polite_end_does_not_wait_for_what_the_workers_are_at(
    tmp_path: Path, engine: Engine
) -> None:
    item = voice.make(tmp_path / "items").folder
    folder, told = tmp_path / "run", tmp_path / "told"
    command = [sys.executable, "-m", "evals", "run", "-o", str(folder), "--items", str(item)]
    with told.open("w") as file:
        process = subprocess.Popen([*command, "--workers", "8"], cwd=ROOT, stderr=file)
    try:
        deadline = time.monotonic() + 240
        # It refuses in a moment; by then the others have begun, and build images.
        while "refuses-everything × voice: 0.00" not in told.read_text():
            assert process.poll() is None, told.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 130
    finally:
        process.kill()
        process.wait()
    assert "The same command goes on" in told.read_text()
    assert "copies-tests" in told.read_text()
    assert "copies-tests" not in (folder / RESULTS).read_text()
    assert not containers_of(engine, process.pid)


def test_trouble_is_tried_again_and_never_scored(rejects: list[Item], tmp_path: Path) -> None:
    once, always = (
        Scripted(tmp_path / "once", name="once", failures=1),
        Scripted(tmp_path / "always", name="always", failures=99),
    )
    found = {
        r.builder: r
        for r in perform(Run(tmp_path / "run"), rejects[:1], [once, always], RunSettings())
    }
    assert found["once"].status == "scored"
    assert found["always"].status == "not run"
    assert found["always"].score is None
    assert "provider is down" in found["always"].why
    (row,) = [row for row in rows(found.values()) if row.builder == "always"]
    assert (row.attempts, row.not_run) == (0, 1)
    always.failures = 0
    later = perform(Run(tmp_path / "run"), rejects[:1], [always], RunSettings())
    assert {r.builder: r.status for r in later}["always"] == "scored"


def test_an_item_whose_repository_cannot_be_had_is_not_run(
    rejects: list[Item], tmp_path: Path
) -> None:
    (rejects[0].folder / "begin" / "voice.py").write_text("something else\n")
    builder = Scripted(tmp_path / "log")
    changed = voice.load(rejects[0].folder)
    results = perform(Run(tmp_path / "run"), [changed], [builder], RunSettings())
    assert {r.status for r in results} == {"not run"}
    assert not (tmp_path / "log").exists()


def test_an_item_whose_index_is_down_is_not_run_and_never_scored(
    rejects: list[Item],
    index: Index,
    write_item: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("INDEX_URL", index.url), ("EXTRA_INDEX_URL", ""), ("RETRIES", "0")):
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("KETTLE_CACHE", str(tmp_path / "cache"))
    releases = {"1.0": sdist(("kettledrum-1.0/drum.py", b"x = 1\n"))}
    made = materialise(write_item(releases), tmp_path / "scratch", cache=tmp_path / "elsewhere")
    folder = write_item(releases, commits=made.commits)
    for name in ("session.jsonl", "truth.toml"):
        shutil.copy(rejects[0].folder / name, folder / name)
    index.status = 503
    builder = Scripted(tmp_path / "log")
    results = perform(Run(tmp_path / "run"), [voice.load(folder)], [builder], RunSettings())
    assert {(r.status, r.score) for r in results} == {("not run", None)}
    assert all(r.why.startswith("IndexUnavailable") for r in results), results[0].why
    assert not (tmp_path / "log").exists()
    assert all(row.not_run and row.attempts == 0 for row in rows(results))
    index.status = None
    later = perform(Run(tmp_path / "run"), [voice.load(folder)], [builder], RunSettings())
    assert {r.status for r in later} == {"scored"}


def test_a_spent_budget_leaves_the_rest_for_later(rejects: list[Item], tmp_path: Path) -> None:
    builder = Scripted(tmp_path / "log")
    perform(Run(tmp_path / "run"), rejects, [builder], RunSettings(workers=1, dollars=0.4))
    assert builder.asked == ["one"]


def test_an_item_that_changed_needs_a_new_run(rejects: list[Item], tmp_path: Path) -> None:
    perform(Run(tmp_path / "run"), rejects[:1], [], RunSettings())
    (rejects[0].folder / "README.md").write_text("more\n")
    with pytest.raises(InputError, match="Begin a new run"):
        perform(Run(tmp_path / "run"), [voice.load(rejects[0].folder)], [], RunSettings())


def test_a_control_above_its_floor_breaks_the_benchmark(
    rejects: list[Item], tmp_path: Path
) -> None:
    results = perform(Run(tmp_path / "run"), rejects, [], RunSettings())
    assert {r.builder for r in results} == NAMES
    assert above_floor(results) == []
    assert all(row.headline == 0 for row in rows(results))
    forged = [
        r.model_copy(update={"score": r.score.model_copy(update={"value": 1.0})})
        if r.builder == "always-pass" and r.score
        else r
        for r in results
    ]
    (sentence,) = above_floor(forged)
    assert "always-pass" in sentence
    assert "The benchmark is broken" in page([], forged, tmp_path / "x.html", links=False)


def test_rescoring_asks_no_builder_and_says_what_changed(
    rejects: list[Item], tmp_path: Path
) -> None:
    builder = Scripted(tmp_path / "log")
    run = Run(tmp_path / "run")
    perform(run, rejects, [builder], RunSettings())
    truth = rejects[0].folder / "truth.toml"
    truth.write_text(truth.read_text().replace('"trivial"', '"no outcome"'))
    items = [voice.load(item.folder) for item in rejects]
    changed = {
        (new.builder, new.item): (old.score.value, new.score.value)
        for old, new in rescore(run, items, RunSettings())
        if old.score and new.score and old.score.value != new.score.value
    }
    assert changed == {
        ("scripted", "one"): (1.0, 0.0),
        ("refuses-everything", "one"): (0.0, 1.0),
    }
    assert len(run.results()) == 2 * (len(NAMES) + 1)
    perform(run, items, [builder], RunSettings())
    assert sorted(builder.asked) == ["one", "two"], "nothing was built again, then or later"


def test_what_another_process_adds_while_scores_are_made_again_is_kept(
    rejects: list[Item], tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    first, *_ = perform(run, rejects, [Scripted(tmp_path / "log")], RunSettings())
    added = first.model_copy(update={"builder": "from another process"})

    def meanwhile(event: RunEvent) -> None:
        if isinstance(event, Planned):
            Run(run.path).append(added)

    before = run.results().keys()
    rescore(run, rejects, RunSettings(), meanwhile)
    assert run.results().keys() == before | {added.key}


def test_the_commands_report_compare_and_score_again(rejects: list[Item], tmp_path: Path) -> None:
    def evals(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "evals", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    run = Run(tmp_path / "run")
    perform(run, rejects, [Scripted(tmp_path / "log")], RunSettings())
    shown = evals("report", str(run.path))
    assert shown.returncode == 0, shown.stderr
    assert "No control is above its floor." in shown.stdout
    assert "always-pass" in (run.path / "report.html").read_text()
    compared = evals("compare", "scripted", "always-pass", "-r", str(run.path), "--json")
    assert json.loads(compared.stdout)["better"] == ["one", "two"]
    again = evals("rescore", str(run.path), "--items-dir", str(rejects[0].folder.parent))
    assert again.returncode == 0, again.stderr
    assert f"{len(run.results())} attempts scored again" in again.stderr
    assert "changed:" not in again.stderr
    for wrong in (["compare", "scripted", "nobody", "-r", str(run.path)], ["report", "nowhere"]):
        refused = evals(*wrong)
        assert (refused.returncode, "Traceback" in refused.stderr) == (2, False), refused.stderr


def test_the_page_escapes_and_links_only_what_is_there(rejects: list[Item], tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    evil = Scripted(tmp_path / "log", name="<script>alert(1)</script>/../..")
    results = perform(run, rejects, [evil], RunSettings())
    text = page([run], results, run.path / "report.html")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    hrefs = [part.split('"')[0] for part in text.split('href="')[1:]]
    assert hrefs
    assert all((run.path / href).exists() for href in hrefs)
    assert "held out" in text


def test_builders_are_compared_on_the_items_that_they_share() -> None:
    def result(builder: str, item: str, value: float) -> Result:
        score = Score(
            expected="accept", claim="accepted", value=value, qualified=True, valid=False,
            failure="x",
        )  # fmt: skip
        return Result(
            builder=builder, control=False, item=item, attempt=1, item_digest="d",
            repository=item, public=True, status="scored", score=score,
        )  # fmt: skip

    results = [result("a", str(n), 0.9) for n in range(6)]
    results += [result("b", str(n), 0.1) for n in range(5)]
    found = compare(results, "a", "b")
    assert (found.items, found.p_value) == (5, 2 / 2**5)
    assert found.difference == pytest.approx(0.8)
    with pytest.raises(ValueError, match="share no"):
        compare(results, "a", "c")
    with pytest.raises(ValueError, match="two of the runs"):
        merged([{r.key: r for r in results}] * 2)


def test_names_of_builders_never_share_a_folder() -> None:
    assert slug("openai:a/b") != slug("openai:a-b")
    assert slug("baseline") == "baseline"
    assert "/" not in slug("../../x")


def test_reasons_are_read_from_a_refusal() -> None:
    assert named_codes("Trivial: one word.\nAlso: no  outcome") == ["no outcome", "trivial"]
    assert named_codes("I would rather not") == []


def test_nothing_sealed_reaches_a_builder(workbench: str, tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    item = voice.make(tmp_path / "items")
    # Words of the sealed bank that occur nowhere else; in brackets, lest they find this command.
    words = "kettle-canar[y]-|exclaims by formattin[g]|parrots the one exampl[e]"
    search = (
        f"echo kettle-canary-planted > /tmp/planted; grep -rlaE '{words}' / --exclude-dir=proc "
        "--exclude-dir=sys | sed s/^/FOUND:/; ls /workbench/repo; echo SEARCHED"
    )
    builder = ModelBuilder(recording(tmp_path / "recording.json", search), anyway=True)
    run = Run(tmp_path / "run")
    results = perform(run, [item], [builder], RunSettings(budget=RunSettings().budget))
    (mine,) = [r for r in results if not r.control]
    assert mine.built is not None
    assert mine.built.trajectory is not None
    document = (run.attempt(mine.key) / mine.built.trajectory).read_text()
    seen = [step["observation"] for step in json.loads(document)["steps"] if "observation" in step]
    assert "SEARCHED" in json.dumps(seen)
    assert "voice.py" in json.dumps(seen)
    found = re.findall(r"FOUND:(\S+?)(?=\\n|\s)", json.dumps(seen))
    assert found == ["/tmp/planted"]
    prompts = [s["message"] for s in json.loads(document)["steps"] if s["source"] != "agent"]
    assert voice.CANARY not in json.dumps(prompts)
    assert os.listdir(run.work(item.name)) != []
    assert not any("truth" in p.name for p in run.work(item.name).rglob("*"))
