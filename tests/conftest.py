"""One database server for the whole run, shared by all test processes: the embedded Postgres, or
with `--postgres=system` the one installed on the machine."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiwright.kit import embedded
from tests.redis_server import RedisServer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", choices=["embedded", "system"], default="embedded")
    parser.addoption("--fail-on-skip", action="store_true", help="a skipped test is a failure")
    parser.addoption("--tools", type=Path, help="where scripts/e2e keeps what it installs")
    parser.addoption("--pictures", type=Path, help="keep the pictures that tests take there")
    parser.addoption("--schemathesis", default="20", help="for how many seconds it looks")
    parser.addoption("--bad-requests", default="2000", help="how many are made up")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[_server_folder] = Path(tempfile.mkdtemp(prefix="apiwright-tests-"))


def pytest_unconfigure(config: pytest.Config) -> None:
    if folder := config.stash.get(_server_folder, None):
        embedded.remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"{report.nodeid}: {reason}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--fail-on-skip") and terminal and terminal.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "object") -> None:
    """xdist: tell each test process where the server is."""
    node.workerinput["server_folder"] = str(node.config.stash[_server_folder])  # type: ignore[attr-defined]  # xdist is not typed


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


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


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("no Redis is installed: apt-get install redis-server")
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder: Path = request.config.getoption("--pictures") or tmp_path
    return folder


_server_folder = pytest.StashKey[Path]()
