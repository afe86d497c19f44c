"""Small projects of `apiwright new`, run once, and what it takes to try plans out on them."""

import shutil
import sys
from pathlib import Path

import pytest

from apiwright.edit.plan import Plan
from apiwright.generators import new, resource, shadow
from apiwright.generators.fields import parse
from apiwright.generators.shadow import Place
from apiwright.project import running
from apiwright.project.facts import Project
from apiwright.project.load import load
from tests.generators.strangers import Stranger, stranger

PYTHON = Path(sys.executable)


def read(folder: Path) -> Project:
    return running.run(load(folder), PYTHON)


def slim(parent: Path, *, bare: bool) -> Path:
    """Without what takes long: mypy, and the tests of what it came with."""
    folder = new.write("shop", parent, bare=bare).folder
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("[tool.mypy]\nstrict = true\n", ""))
    for test in (folder / "tests").glob("test_*.py"):
        if test.name != "test_migrations.py":
            test.unlink()
    return folder


@pytest.fixture(scope="session")
def _shops(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    return {bare: slim(tmp_path_factory.mktemp("shops"), bare=bare) for bare in (True, False)}


@pytest.fixture
def bare(_shops: dict[bool, Path], tmp_path: Path) -> Path:
    """With accounts only."""
    return shutil.copytree(_shops[True], tmp_path / "shop")


@pytest.fixture
def shop(_shops: dict[bool, Path], tmp_path: Path) -> Path:
    """With projects, tasks, tags and templates."""
    return shutil.copytree(_shops[False], tmp_path / "shop")


@pytest.fixture(scope="session")
def place(server: str) -> Place:
    return shadow.Place(PYTHON, server)


NOTE = parse("Note", ["title:str:max=80:unique", "done:bool:default=false"])


@pytest.fixture(scope="session")
def noted(_shops: dict[bool, Path], place: Place) -> tuple[Project, Plan]:
    """A bare project as it was read, and the plan of `add resource Note` for it or its copies."""
    project = read(_shops[True])
    return project, resource.plan(project, NOTE, place)


@pytest.fixture(scope="session")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Synchronous, on SQLite; its tests have a client and a fixture of headers."""
    return stranger("diary_sync", tmp_path_factory.mktemp("strangers"), Place(PYTHON, ""))


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Stranger:
    """Asynchronous, on Postgres; SQLModel, envelopes, tests with anyio."""
    return stranger("shelf_async", tmp_path_factory.mktemp("strangers"), place)
