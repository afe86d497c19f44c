"""A new project, as the user finds it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import environment


@pytest.mark.parametrize(
    "command",
    ["pytest -q -W error", "ruff check", "ruff format --check --diff", "mypy --strict ."],
)
def test_it_passes_its_own_tests_and_checks(project: Path, command: str) -> None:
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
