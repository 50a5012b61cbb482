"""Another revision's files and Python."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import revision
from bench.contenders import BenchError
from bench.revision import checked_out, environment


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With one commit, which requires nothing, and what it keeps in a folder of its own."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "requirements.txt").write_text("")
    (folder / "file").write_text("committed")
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    monkeypatch.setattr(revision, "ROOT", folder)
    monkeypatch.setattr(revision, "KEPT", tmp_path / "kept")
    return folder


def test_its_files_are_those_of_the_commit(repository: Path) -> None:
    (repository / "file").write_text("changed since")
    old = checked_out("HEAD")
    assert (old.folder / "file").read_text() == "committed"
    assert not (old.folder / "archive.tar").exists()
    assert old.python.is_relative_to(repository.parent / "kept")
    subprocess.run([old.python, "-c", "import pip"], check=True)


def test_equal_requirements_share_an_environment_which_is_made_once(repository: Path) -> None:
    python = environment(repository / "requirements.txt")
    (python.parent / "kept").touch()
    assert checked_out("HEAD").python == python
    assert (python.parent / "kept").exists()


def test_an_environment_that_broke_is_made_anew(repository: Path) -> None:
    python = environment(repository / "requirements.txt")
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert environment(repository / "requirements.txt").exists()


def test_what_can_not_be_installed_is_one_line_and_tried_again(repository: Path) -> None:
    requirements = repository / "requirements.txt"
    requirements.write_text("--no-index\nno-such-package==1\n")
    for _ in range(2):
        with pytest.raises(BenchError, match=r"^python -m pip install: .*no-such-package==1$"):
            environment(requirements)


def test_a_revision_without_requirements_is_one_line(repository: Path) -> None:
    with pytest.raises(BenchError, match=r"has no requirements\.txt$"):
        environment(repository / "nowhere" / "requirements.txt")


def test_a_command_that_fails_is_one_line() -> None:
    with pytest.raises(BenchError, match=r"^git rev-parse --verify --quiet: no output$"):
        revision.run(["git", "rev-parse", "--verify", "--quiet", "nowhere"])
    with pytest.raises(BenchError, match=r"^no-such-program can't be run: No such file or directory$"):
        revision.run(["no-such-program"])
