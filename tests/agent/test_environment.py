from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from agent import environment
from agent.environment import Environment, digest
from agent.errors import InputError
from agent.start_state import FILE_TIME_S, pack_start_state, session_copy
from agent.task_config import KettleMetadata, TaskConfig, literal_env

TASK = """\
version = "1.0"
source = "somewhere"

[metadata]
author_name = "A. Nonymous"
difficulty = "hard"

[verifier]
timeout_sec = 90.0

[agent]
timeout_sec = 900.0

[environment]
memory = "2G"
allow_internet = false
gpu_types = ["any"]
"""


def foreign(root: Path) -> Path:
    """A Harbor task that Kettle did not make, in an older spelling."""
    (root / "environment").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "task.toml").write_text(TASK)
    (root / "instruction.md").write_text("Make it work.\n")
    (root / "environment/Dockerfile").write_text("FROM debian:bookworm-slim\n")
    (root / "tests/test.sh").write_text("#!/bin/sh\necho 1 > /logs/verifier/reward.txt\n")
    return root


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {m.name: m for m in tar}


class TestLoading:
    def test_a_foreign_task_in_an_older_spelling_loads(self, tmp_path: Path) -> None:
        loaded = Environment.load(foreign(tmp_path / "t"))
        assert loaded.instruction == "Make it work.\n"
        assert loaded.kettle is None
        assert loaded.config.verifier.timeout_sec == 90
        assert loaded.config.environment.network_mode == "no-network"
        assert loaded.config.environment.memory_mb == 2048
        assert not loaded.has_oracle

    def test_keys_that_kettle_does_not_know_survive(self, tmp_path: Path) -> None:
        config = Environment.load(foreign(tmp_path / "t")).config
        again = TaskConfig.parse(config.dump())
        assert again.model_dump() == config.model_dump()
        assert again.metadata["difficulty"] == "hard"
        assert '"any"' in config.dump()

    @pytest.mark.parametrize(
        ("gone", "said"),
        [
            ("task.toml", "has no task.toml"),
            ("instruction.md", "has no instruction.md"),
            ("tests/test.sh", "has no tests/test.sh"),
            ("environment/Dockerfile", "says nothing about its image"),
        ],
    )
    def test_an_incomplete_task_is_named(self, tmp_path: Path, gone: str, said: str) -> None:
        root = foreign(tmp_path / "t")
        (root / gone).unlink()
        with pytest.raises(InputError, match=said):
            Environment.load(root)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("verifier = [", "not valid TOML"),
            ("[verifier]\ntimeout_sec = 'soon'\n", "verifier.timeout_sec"),
            ("[verifier]\ntimeout_sec = nan\n", "verifier.timeout_sec"),
            ("[agent]\ntimeout_sec = inf\n", "agent.timeout_sec"),
            ("[environment]\nbuild_timeout_sec = -5\n", "environment.build_timeout_sec"),
            ("[environment]\nmemory_mb = 0\n", "environment.memory_mb"),
            ("[[steps]]\nname = 'one'\n", "several steps"),
        ],
    )
    def test_a_task_file_that_cannot_be_used_is_explained(
        self, tmp_path: Path, text: str, said: str
    ) -> None:
        root = foreign(tmp_path / "t")
        (root / "task.toml").write_text(text)
        with pytest.raises(InputError, match=said):
            Environment.load(root)

    def test_neither_a_file_nor_nothing_is_a_task(self, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("x")
        for path in (tmp_path / "f", tmp_path / "none", tmp_path):
            with pytest.raises(InputError):
                Environment.load(path)

    def test_a_symlink_that_points_out_is_not_read(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("of the host")
        root = foreign(tmp_path / "t")
        (root / "tests/data").symlink_to(secret)
        loaded = Environment.load(root)
        assert all(b"of the host" not in data for _, data in loaded.files("tests"))
        with pytest.raises(InputError, match="points out"):
            loaded.archive("tests")
        (root / "instruction.md").unlink()
        (root / "instruction.md").symlink_to(secret)
        with pytest.raises(InputError):
            Environment.load(root)

    def test_a_folder_that_is_a_symlink_is_not_entered(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "patch").write_text("of the host")
        root = foreign(tmp_path / "t")
        (root / "solution").symlink_to(outside)
        with pytest.raises(InputError):
            Environment.load(root).read("solution/patch")

    def test_a_pipe_does_not_hang_the_host(self, tmp_path: Path) -> None:
        root = foreign(tmp_path / "t")
        os.mkfifo(root / "tests/pipe")
        with pytest.raises(InputError, match="neither a file"):
            Environment.load(root).archive("tests")

    def test_odd_names_are_carried(self, tmp_path: Path) -> None:
        root = foreign(tmp_path / "t")
        odd = "a\nb ü*?'\"\udcff"
        (root / "tests" / odd).write_text("x")
        with tarfile.open(
            fileobj=io.BytesIO(Environment.load(root).archive("tests")),
            errors="surrogateescape",
            encoding="utf-8",
        ) as tar:
            assert odd in tar.getnames()

    def test_the_host_s_variables_are_not_given_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TOKEN", "secret")
        known, wanted = literal_env({"A": "1", "B": "${TOKEN}", "C": "${TOKEN:-none}"})
        assert known == {"A": "1", "C": "none"}
        assert wanted == ["B"]


class TestStartState:
    ENTRIES = (
        ("src/b.py", 0o644, b"b"),
        ("src/a.sh", 0o777, b"a"),
        ("link", 0o777, "src/b.py"),
    )

    def test_it_is_the_same_byte_for_byte_in_any_order(self) -> None:
        one = pack_start_state(self.ENTRIES)
        other = pack_start_state(reversed(self.ENTRIES))
        assert one.archive == other.archive
        assert one.digest == other.digest

    def test_all_belongs_to_the_solver_and_time_has_not_begun(self) -> None:
        found = members(pack_start_state(self.ENTRIES).archive)
        assert set(found) == {".", "src", "src/a.sh", "src/b.py", "link"}
        for m in found.values():
            assert (m.uid, m.gid, m.uname, m.mtime) == (1000, 1000, "solver", FILE_TIME_S)
        assert found["src/a.sh"].mode == 0o755
        assert found["src/b.py"].mode == 0o644
        assert found["link"].linkname == "src/b.py"

    def test_gzip_records_no_time_and_no_name(self) -> None:
        archive = pack_start_state(self.ENTRIES).archive
        assert archive[3:8] == b"\0\0\0\0\0"
        assert gzip.decompress(archive)

    @pytest.mark.parametrize(
        "path", ["/etc/passwd", "../up", "a/../../b", "a//b", "./a", "", "nul\0", "a/."]
    )
    def test_a_path_that_does_not_stay_inside_is_refused(self, path: str) -> None:
        with pytest.raises(InputError, match="Unsafe path"):
            pack_start_state([(path, 0o644, b"")])

    def test_nothing_lies_below_a_symlink_or_stands_twice(self) -> None:
        with pytest.raises(InputError, match="below"):
            pack_start_state([("a", 0o777, "/etc"), ("a/passwd", 0o644, b"x")])
        with pytest.raises(InputError, match="twice"):
            pack_start_state([("a", 0o644, b""), ("a", 0o644, b"")])

    def test_names_that_are_no_text_are_kept(self) -> None:
        name = "caf\udce9\nx"
        packed = pack_start_state([(name, 0o644, b"x")])
        assert packed.paths == (name,)

    def test_copies_of_sessions_are_left_out_and_named(self) -> None:
        packed = pack_start_state(
            [
                ("a.py", 0o644, b""),
                (".specstory/history/x.md", 0o644, b""),
                (".git/HEAD", 0o644, b""),
                ("docs/log.md", 0o644, b"session 0123-4567-89ab"),
            ],
            session_ids=["0123-4567-89ab"],
        )
        assert packed.paths == ("a.py",)
        assert set(packed.left_out) == {".specstory/history/x.md", ".git/HEAD", "docs/log.md"}

    @pytest.mark.parametrize(
        "path",
        [
            ".specstory/history/a.md",
            "packages/x/.claude/projects/-app/1.jsonl",
            ".claude/logs/run.jsonl",
            ".aider.chat.history.md",
            ".aider.tags.cache.v4/cache.db",
            ".entire/metadata/x",
            ".cursor/chats/1.json",
            ".codex/sessions/2025/rollout.jsonl",
            "sub/.git",
            "vendor/x/.git/config",
        ],
    )
    def test_is_a_copy(self, path: str) -> None:
        assert session_copy(path)

    @pytest.mark.parametrize(
        "path",
        [
            ".claude/settings.json",
            ".claude/commands/test.md",
            ".cursor/rules/style.mdc",
            ".aider.conf.yml",
            ".aiderignore",
            ".gitignore",
            ".github/workflows/ci.yml",
            "tests/fixtures/.claude/projects/p/s.jsonl",
            "src/aider.py",
        ],
    )
    def test_is_the_projects_own(self, path: str) -> None:
        assert session_copy(path) is None


class TestWriting:
    FILES = {  # noqa: RUF012
        "instruction.md": b"Do it.\n",
        "environment/Dockerfile": b"FROM debian:bookworm-slim\n",
        "tests/test.sh": b"#!/bin/sh\n",
    }

    def test_what_is_written_loads_again(self, tmp_path: Path) -> None:
        config = TaskConfig(metadata={"kettle": KettleMetadata(licence="MIT").model_dump()})
        made = environment.write(tmp_path / "e", config=config, files=self.FILES)
        assert made.kettle is not None
        assert made.kettle.licence == "MIT"
        assert os.access(made.root / "tests/test.sh", os.X_OK)

    def test_a_failure_leaves_nothing_behind_and_the_old_one_whole(self, tmp_path: Path) -> None:
        root = tmp_path / "e"
        environment.write(root, config=TaskConfig(), files=self.FILES)
        before = digest(root)
        with pytest.raises(InputError):
            environment.write(root, config=TaskConfig(), files={"../up": b""})
        with pytest.raises(InputError):
            environment.write(root, config=TaskConfig(), files={"instruction.md": b""})
        assert digest(root) == before
        assert [p.name for p in tmp_path.iterdir()] == ["e"]

    def test_something_else_is_never_replaced(self, tmp_path: Path) -> None:
        root = tmp_path / "thesis"
        root.mkdir()
        (root / "chapter-1.tex").write_text("years of work")
        with pytest.raises(InputError, match="stays untouched"):
            environment.write(root, config=TaskConfig(), files=self.FILES)
        assert (root / "chapter-1.tex").exists()

    def test_replacing_is_whole(self, tmp_path: Path) -> None:
        root = tmp_path / "e"
        environment.write(root, config=TaskConfig(), files={**self.FILES, "tests/old": b""})
        environment.write(root, config=TaskConfig(), files=self.FILES)
        assert not (root / "tests/old").exists()
        assert [p.name for p in tmp_path.iterdir()] == ["e"]


class TestDigest:
    def test_it_names_content_and_not_provenance(self, tmp_path: Path) -> None:
        made = environment.write(
            tmp_path / "e",
            config=TaskConfig(metadata={"kettle": KettleMetadata().model_dump()}),
            files=TestWriting.FILES,
        )
        before = made.digest
        made.write_provenance("gate.json", b"{}")
        made.update_metadata({"gate_digest": "0" * 64})
        assert digest(made.root) == before
        made.update_metadata({"start_commit": "abc"})
        assert digest(made.root) != before

    def test_a_mode_counts(self, tmp_path: Path) -> None:
        root = foreign(tmp_path / "t")
        before = digest(root)
        (root / "tests/test.sh").chmod(0o755)
        assert digest(root) != before
