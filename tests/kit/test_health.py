import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from apiwright.errors import ApiwrightError
from apiwright.kit import health, problems
from apiwright.kit.database import Database
from tests.kit.conftest import Settings
from tests.postgres import execute

pytestmark = pytest.mark.anyio

LIVE, READY = "/health/live", "/health/ready"


async def ask(database: Database, path: str = READY, **needs: health.Check) -> httpx2.Response:
    app = FastAPI()
    problems.install(app)
    for part, check in needs.items():
        health.also_needs(app, part, check)
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


async def test_what_else_an_app_needs_is_asked_too(database: Database) -> None:
    down: list[Exception] = []

    async def redis() -> None:
        if down:
            raise down[0]

    assert (await ask(database, Redis=redis)).status_code == 200
    down.append(ConnectionError("redis://:hunter2@cache"))
    assert not_ready(await ask(database, Redis=redis)) == "Redis does not answer."
    down.insert(0, ApiwrightError("It is read-only.", "Point REDIS_URL to the primary."))
    said = not_ready(await ask(database, Redis=redis))
    assert said == "Redis is not in the state this version of the app needs."


async def test_all_that_is_wrong_is_said(configured: Settings) -> None:
    async def redis() -> None:
        raise ConnectionError

    nowhere = Database("postgresql://127.0.0.1:1/none", configured)
    said = not_ready(await ask(nowhere, Redis=redis))
    assert said == "The database does not answer. Redis does not answer."


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a project with three migrations."""
    folder = tmp_path / "migrations" / "versions"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text('revision = "0001"\ndown_revision = None\n')
    (folder / "b.py").write_text("revision = '0002'\ndown_revision = '0001'\n")
    typed = 'revision: str = "0003"\ndown_revision: str | tuple[str, ...] | None = ("0002",)\n'
    (folder / "c.py").write_text(typed)
    monkeypatch.chdir(tmp_path)
    health._earlier_revisions.cache_clear()
    yield tmp_path
    health._earlier_revisions.cache_clear()


BEHIND = "The database is behind: migrations of this version of the app are missing."


@pytest.mark.parametrize(
    ("at", "behind"), [("0001", True), ("0002", True), ("0003", False), ("later", False)]
)
async def test_with_migrations_missing_it_is_not_ready(
    at: str, behind: bool, project: Path, database: Database, url: str
) -> None:
    await execute(
        url,
        "CREATE TABLE alembic_version (version_num text)",
        f"INSERT INTO alembic_version VALUES ('{at}')",
    )
    answer = await ask(database)
    assert (not_ready(answer) == BEHIND) if behind else answer.status_code == 200


async def test_a_table_that_its_migration_would_bring_is_not_the_reason(
    project: Path, database: Database, url: str
) -> None:
    await execute(
        url,
        "CREATE TABLE alembic_version (version_num text)",
        "INSERT INTO alembic_version VALUES ('0001')",
        "DROP TABLE task CASCADE",
    )
    assert not_ready(await ask(database)) == BEHIND


async def test_a_database_that_does_not_tell_its_migration_is_ready(
    project: Path, database: Database, url: str
) -> None:
    assert (await ask(database)).status_code == 200
    await execute(url, "CREATE TABLE alembic_version (version_num text)")
    assert (await ask(database)).status_code == 200


async def test_one_who_is_not_signed_in_may_ask_and_the_document_says_so() -> None:
    app = FastAPI()
    problems.install(app)
    app.include_router(health.router)
    document = app.openapi()
    operation = document["paths"][READY]["get"]
    assert "security" not in operation
    assert operation["responses"]["503"] == {"$ref": "#/components/responses/ServiceUnavailable"}
