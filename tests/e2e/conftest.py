"""Running the tools as a user does: real commands in a folder of their own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from apiwright.generators import new
from apiwright.kit import embedded

APIWRIGHT = [sys.executable, "-m", "apiwright"]


def environment(**variables: str) -> dict[str, str]:
    """Nothing that this test run was told; what is installed beside its Python is on the PATH."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return kept | variables


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What needs package registries is not in `make test`: scripts/e2e runs it."""
    if collection_path.name == "test_clients.py" and not config.getoption("--tools"):
        return True
    return None


@pytest.fixture(scope="session")
def tools(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.config.getoption("--tools").resolve()
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project that `apiwright new` has just written."""
    parent = tmp_path_factory.mktemp("new")
    subprocess.run([*APIWRIGHT, "new", "my-shop"], cwd=parent, env=environment(), check=True)
    yield parent / "my-shop"
    embedded.remove(parent / "my-shop" / ".data" / "postgres")


@pytest.fixture(scope="module")  # while it runs, so does an event loop
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",  # as root
                "--disable-background-networking",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no internet
            ],
        )


def heard(page: Page) -> list[str]:
    """What the page complains about: its policy, a script that failed, a file not found."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    return complaints


@contextmanager
def serving(
    project: Path, *command: str, python: Path = Path(sys.executable), **variables: str
) -> Iterator[str]:
    """The address of `apiwright dev` or `run`, which Ctrl-C ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = project / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [python, "-m", "apiwright", *command, "--port", str(port)],
            cwd=project,
            env=environment(**variables),
            stdout=output,
            stderr=output,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address, server, log)
        yield address
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def wait_until_ready(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx2.get(f"{address}/health/ready").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"it did not start:\n{log.read_text()}")


def processes_of(folder: Path) -> list[str]:
    """The command lines of running processes that name a folder."""
    lines = subprocess.run(
        ["ps", "-eo", "stat=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    data = folder / ".data" / "postgres"
    names = {str(folder), str(data.resolve())}
    return [line for line in lines if line[0] != "Z" and any(name in line for name in names)]


class Backend:
    """A new project in production, on a Postgres of its own that may be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = new.write("shop", folder).folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.variables: dict[str, str] = {}
        self.server: subprocess.Popen[bytes] | None = None

    def start(self, url: str, **more: str) -> None:
        self.variables = {"DATABASE_URL": url, "SECRET_KEY": "k" * 32, "RATE_LIMIT": "off"}
        self.variables |= more
        command = [*APIWRIGHT, "db", "upgrade"]
        environ = environment(**self.variables)
        subprocess.run(command, cwd=self.folder, env=environ, check=True, capture_output=True)
        self.run()

    def run(self) -> None:
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self.server = subprocess.Popen(
                [*APIWRIGHT, "run", "--port", str(self.port), "--host", "127.0.0.1"],
                cwd=self.folder,
                env=environment(**self.variables),
                stdout=output,
                stderr=output,
            )
        wait_until_ready(self.address, self.server, log)

    def kill(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.wait()

    def token(self) -> str:
        user = {"email": "ada@example.com", "password": "correct horse battery"}
        httpx2.post(f"{self.address}/api/v1/auth/register", json=user)
        answer = httpx2.post(f"{self.address}/api/v1/auth/login", json=user)
        return str(answer.json()["access_token"])


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    backend = Backend(tmp_path)
    yield backend
    if backend.server is not None:
        backend.kill()


@pytest.fixture
def postgres() -> Iterator[tuple[Path, str]]:
    """In a short path, where it listens in the same folder each time."""
    with tempfile.TemporaryDirectory(prefix="aw-") as short:
        folder = Path(short, "postgres")
        with embedded.running(folder) as url:
            yield folder, url
        embedded.remove(folder)
