"""One database server for the whole run, shared by all test processes: the embedded Postgres, or
with `--postgres=system` the one installed on the machine."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiwright.kit import embedded


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", choices=["embedded", "system"], default="embedded")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[_server_folder] = Path(tempfile.mkdtemp(prefix="apiwright-tests-"))


def pytest_unconfigure(config: pytest.Config) -> None:
    if folder := config.stash.get(_server_folder, None):
        embedded.remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "object") -> None:
    """xdist: tell each test process where the server is."""
    node.workerinput["server_folder"] = str(node.config.stash[_server_folder])  # type: ignore[attr-defined]  # xdist is not typed


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of the server, as a superuser: row level security does not bind it."""
    binaries = None
    if request.config.getoption("--postgres") == "system":
        binaries = embedded.installed_binaries()
        if binaries is None:
            pytest.skip("no Postgres is installed on this machine")
    worker = getattr(request.config, "workerinput", None)
    folder = Path(worker["server_folder"]) if worker else request.config.stash[_server_folder]
    with embedded.running(folder / "postgres", binaries) as url:
        yield url


_server_folder = pytest.StashKey[Path]()
