"""A new project, as the user finds it."""

import subprocess
import sys
from pathlib import Path

import pytest

from apiwright.generators import agent, knowledge, new
from tests.e2e.conftest import environment

COMMANDS = ["pytest -q -W error", "ruff check", "ruff format --check --diff", "mypy --strict ."]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_passes_its_own_tests_and_checks(project: Path, command: str) -> None:
    passes(project, command)


def test_so_does_a_bare_one(tmp_path: Path) -> None:
    project = new.write("bare-shop", tmp_path, bare=True).folder
    assert not [file for file in project.rglob("*") if "task" in file.name]
    for command in COMMANDS:
        passes(project, command)


def test_so_does_one_with_knowledge_and_agents(tmp_path: Path) -> None:
    parts = {"knowledge": knowledge.plan, "agents": agent.plan}
    for bare in (False, True):
        project = new.write(f"shop{bare:d}", tmp_path, bare=bare, parts=parts).folder
        for command in COMMANDS:
            passes(project, command)


def passes(project: Path, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_of_the_reference_app_is_left_in_it(project: Path) -> None:
    for file in project.rglob("*"):
        if file.is_file() and file.suffix in {".py", ".toml", ".ini", ".md", ".mako", ".example"}:
            assert "reference app" not in file.read_text().lower().replace("_", " ").replace(
                "-", " "
            )
