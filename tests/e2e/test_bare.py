"""The bare package, without the extra: it makes a project and serves it in production."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import environment, serving
from tests.postgres import new_database

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment that holds our wheel and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, *build], check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    versions = folder / "versions.txt"  # without the hashes, which our wheel has none of
    locked = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [re.sub(r"\\$", "", line) for line in locked if "==" in line and "--hash" not in line]
    versions.write_text("\n".join(pinned))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--constraint", str(versions), str(wheel)]
    subprocess.run([python, *install], check=True)
    return python


def test_it_makes_a_project_and_serves_it(python: Path, server: str, tmp_path: Path) -> None:
    subprocess.run([python, "-m", "apiwright", "new", "shop"], cwd=tmp_path, check=True)
    project = tmp_path / "shop"
    pyproject = tomllib.loads((project / "pyproject.toml").read_text())
    assert re.fullmatch(
        r"apiwright @ file:///.*/apiwright-.*\.whl", pyproject["project"]["dependencies"][0]
    )
    with new_database(server) as url:
        production = {"DATABASE_URL": url, "SECRET_KEY": "k" * 32}
        subprocess.run(
            [python, "-m", "apiwright", "db", "upgrade"],
            cwd=project,
            env=environment(**production),
            check=True,
            capture_output=True,
        )
        with serving(project, "run", python=python, **production) as address:
            assert httpx2.get(f"{address}/docs").status_code == 404  # production
            user = {"email": "ada@example.com", "password": "correct horse battery"}
            answer = httpx2.post(f"{address}/api/v1/auth/register", json=user)
            assert answer.status_code == 201


def test_without_a_postgres_it_says_which_three_things_to_do(python: Path, tmp_path: Path) -> None:
    subprocess.run([python, "-m", "apiwright", "new", "shop"], cwd=tmp_path, check=True)
    code = (
        "import sys; from apiwright.cli import main; from apiwright.kit import embedded;"
        "embedded.installed_binaries = lambda: None; sys.exit(main(['dev']))"
    )
    done = subprocess.run(
        [python, "-c", code], cwd=tmp_path / "shop", capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "There is no Postgres to run." in done.stderr
    assert "DATABASE_URL" in done.stderr
