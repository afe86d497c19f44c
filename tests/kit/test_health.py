import asyncio
import logging
import socket
import time

import httpx2
import pytest
from fastapi import FastAPI

from apiwright.kit import health, problems
from apiwright.kit.database import Database
from tests.kit.conftest import Settings
from tests.postgres import execute

pytestmark = pytest.mark.anyio

LIVE, READY = "/health/live", "/health/ready"


async def ask(database: Database, path: str = READY) -> httpx2.Response:
    app = FastAPI()
    problems.install(app)
    app.include_router(health.router)
    app.state.database = database
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path)


def not_ready(answer: httpx2.Response) -> str:
    """What the problem says."""
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    detail: str = answer.json()["detail"]
    return detail


async def test_with_its_database_an_app_is_ready(database: Database) -> None:
    answer = await ask(database)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_process_is_alive_whatever_its_database_does(configured: Settings) -> None:
    nowhere = Database("postgresql://127.0.0.1:1/none", configured)
    answer = await ask(nowhere, LIVE)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_without_its_wall_it_is_not_ready_and_with_it_again_it_is(
    database: Database, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await execute(url, "ALTER TABLE task DISABLE ROW LEVEL SECURITY")
    with caplog.at_level(logging.ERROR):
        answer = await ask(database)
    assert "not in the state" in not_ready(answer)
    assert "task" not in answer.text
    assert "'task'" in caplog.text  # the log tells what the answer keeps
    await execute(url, "ALTER TABLE task ENABLE ROW LEVEL SECURITY")
    assert (await ask(database)).status_code == 200


async def test_without_its_tables_it_is_not_ready(database: Database, url: str) -> None:
    await execute(url, "DROP TABLE task CASCADE")
    assert "not in the state" in not_ready(await ask(database))


async def test_without_its_database_it_is_not_ready(url: str, configured: Settings) -> None:
    gone = Database(url.replace("/test_", "/gone_"), configured)
    answer = await ask(gone)
    assert not_ready(answer) == "The database does not answer."
    assert "gone_" not in answer.text


async def test_asking_again_and_again_costs_no_connection(url: str, configured: Settings) -> None:
    configured.pool_size = 1
    database = Database(url, configured)
    await execute(url, "ALTER TABLE task DISABLE ROW LEVEL SECURITY")
    for _ in range(5):
        not_ready(await ask(database))
    await execute(url, "ALTER TABLE task ENABLE ROW LEVEL SECURITY")
    for _ in range(5):
        assert (await ask(database)).status_code == 200
    await database.close()


async def test_it_does_not_wait_for_a_server_that_says_nothing(
    configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_PATIENCE", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        database = Database(f"postgresql://ada@127.0.0.1:{port}/shop", configured)
        started = time.monotonic()
        answers = await asyncio.gather(*(ask(database) for _ in range(20)))
    assert {not_ready(answer) for answer in answers} == {"The database does not answer."}
    assert time.monotonic() - started < 3


async def test_one_who_is_not_signed_in_may_ask_and_the_document_says_so() -> None:
    app = FastAPI()
    problems.install(app)
    app.include_router(health.router)
    operation = app.openapi()["paths"][READY]["get"]
    assert "security" not in operation
    assert "application/problem+json" in operation["responses"]["503"]["content"]
