"""What was acknowledged is kept, whoever is killed; what was lost heals by itself."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from apiwright.generators import new
from apiwright.kit import embedded
from tests.e2e.conftest import APIWRIGHT, Backend, environment
from tests.postgres import new_database

WRITERS = 8


def test_kill_9_of_the_app_loses_no_acknowledged_write(
    backend: Backend, postgres: tuple[Path, str]
) -> None:
    backend.start(postgres[1])
    headers = {"Authorization": f"Bearer {backend.token()}"}
    acknowledged = asyncio.run(write_until_it_is_gone(backend, headers, backend.kill))
    backend.run()
    assert acknowledged <= kept(backend, headers)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the server in /proc")
def test_kill_9_of_postgres_loses_no_acknowledged_write_and_heals(
    backend: Backend, postgres: tuple[Path, str]
) -> None:
    folder, url = postgres
    backend.start(url)
    headers = {"Authorization": f"Bearer {backend.token()}"}
    data = folder.resolve()

    def kill_postgres() -> None:
        os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    acknowledged = asyncio.run(write_until_it_is_gone(backend, headers, kill_postgres))
    answer = httpx2.get(f"{backend.address}/api/v1/tasks", headers=headers, timeout=30)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert httpx2.get(f"{backend.address}/health/live").status_code == 200
    assert httpx2.get(f"{backend.address}/health/ready", timeout=30).status_code == 503
    wait_for_orphans(data)
    with embedded.running(folder):
        assert acknowledged <= kept(backend, headers)
        assert httpx2.get(f"{backend.address}/health/ready").status_code == 200


def test_a_database_that_was_not_migrated_is_said_in_a_sentence_and_once(
    tmp_path: Path, server: str
) -> None:
    project = new.write("shop", tmp_path).folder
    with new_database(server) as url:
        done = subprocess.run(
            [*APIWRIGHT, "run", "--workers", "2"],
            cwd=project,
            env=environment(DATABASE_URL=url, SECRET_KEY="k" * 32),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "apiwright db upgrade" in done.stderr
    assert "Traceback" not in done.stderr


async def write_until_it_is_gone(
    backend: Backend, headers: dict[str, str], kill: Callable[[], None]
) -> set[str]:
    """The titles whose creation was acknowledged, until a kill in their middle."""
    acknowledged: set[str] = set()

    async def write(client: httpx2.AsyncClient, writer: int) -> None:
        for number in range(10_000 // WRITERS):
            title = f"{writer} {number}"
            try:
                answer = await client.post("/api/v1/tasks", json={"title": title}, timeout=30)
            except httpx2.HTTPError:
                return
            if answer.status_code != 201:
                return
            acknowledged.add(title)
            if len(acknowledged) == 500:
                await asyncio.to_thread(kill)

    async with httpx2.AsyncClient(base_url=backend.address, headers=headers) as client:
        await asyncio.gather(*(write(client, writer) for writer in range(WRITERS)))
    assert 500 <= len(acknowledged) < 10_000
    return acknowledged


def kept(backend: Backend, headers: dict[str, str]) -> set[str]:
    titles: set[str] = set()
    query: dict[str, str | int] = {"limit": 100}
    with httpx2.Client(base_url=backend.address, headers=headers, timeout=30) as client:
        while True:
            page = client.get("/api/v1/tasks", params=query).json()
            titles |= {task["title"] for task in page["items"]}
            if page["next_cursor"] is None:
                return titles
            query["cursor"] = page["next_cursor"]


def wait_for_orphans(data: Path) -> None:
    """Processes of a killed Postgres see it and end; until then it does not start again."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        running = [
            process
            for process in Path("/proc").glob("[0-9]*/cwd")
            if process.exists() and process.resolve() == data
        ]
        if not running:
            return
        time.sleep(0.1)
    raise AssertionError("processes of the killed Postgres are still there")
