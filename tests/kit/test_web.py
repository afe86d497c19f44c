import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx2
import pytest
import structlog
from fastapi import Body, FastAPI
from pydantic import SecretStr
from sqlmodel import select

from apiwright.errors import ApiwrightError
from apiwright.kit import web
from apiwright.kit.database import Database
from apiwright.kit.logins import AnonymousSession, UserSession
from apiwright.kit.permissions import public
from tests.kit.conftest import Settings, TwoUsers
from tests.kit.models import Task

pytestmark = pytest.mark.anyio

SITE = "https://app.example.com"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What `logs` configures belongs to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


def an_app(settings: Settings) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    web.install(app, settings)

    @app.get("/fails")
    @public
    async def fails() -> None:
        raise RuntimeError("hunter22")

    @app.get("/cheap")
    @public
    async def cheap() -> str:
        return "cheap"

    @app.post("/echo")
    @public
    async def echo(text: Annotated[str, Body()]) -> str:
        return text

    @app.get("/tasks")
    async def titles(session: UserSession) -> list[str]:
        return [task.title for task in await session.exec(select(Task))]

    @app.post("/tasks/{title}")
    async def add(session: UserSession, title: str) -> str:
        await session.add(Task(title=title))
        return title

    @app.post("/forgets")
    async def forgets(session: UserSession) -> None:
        added = await session.add(Task(title="kept?"))
        task = await session.get_one(Task, added.id)
        task.title = "changed, and not added"

    return app


@asynccontextmanager
async def a_client(settings: Settings, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    app = an_app(settings)
    app.state.database = database
    transport = httpx2.ASGITransport(app)
    headers = {"Origin": SITE}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as client:
        yield client


@pytest.fixture
def settings(configured: Settings) -> Settings:
    configured.cors_origins = [SITE]
    return configured


@pytest.fixture
def ada(settings: Settings, users: TwoUsers) -> dict[str, str]:
    token = an_app(settings).state.tokens.issue(users.ada).access_token
    return {"Authorization": f"Bearer {token}"}


def complete(answer: httpx2.Response, status: int) -> httpx2.Response:
    """Whatever is answered is readable for the website, and can be found in the log."""
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"]
    assert status < 400 or answer.headers["Content-Type"] == "application/problem+json"
    return answer


async def test_every_answer_is_complete(
    settings: Settings, database: Database, ada: dict[str, str]
) -> None:
    settings.max_body_bytes = 10
    async with a_client(settings, database) as client:
        complete(await client.get("/cheap"), 200)
        complete(await client.post("/echo", json="x" * 20), 413)
        complete(await client.get("/tasks"), 401)
        complete(await client.get("/nowhere"), 404)
        complete(await client.put("/cheap"), 405)
        complete(await client.get("/tasks", headers=ada), 200)


async def test_what_nobody_handled_is_complete_and_names_its_request(
    settings: Settings, database: Database
) -> None:
    async with a_client(settings, database) as client:
        answer = complete(await client.get("/fails"), 500)
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert "hunter22" not in answer.text


async def test_what_could_not_be_committed_is_complete_and_not_kept(
    settings: Settings, database: Database, ada: dict[str, str]
) -> None:
    async with a_client(settings, database) as client:
        complete(await client.post("/forgets", headers=ada), 500)
        assert (await client.get("/tasks", headers=ada)).json() == []


async def test_one_request_too_many_is_complete_and_asks_no_database(
    settings: Settings, ada: dict[str, str]
) -> None:
    settings.rate_limit = "1/minute"
    nowhere = Database("postgresql://ada@127.0.0.1:1/gone", settings)
    async with a_client(settings, nowhere) as client:
        assert (await client.get("/cheap", headers=ada)).status_code == 200
        for path in ("/tasks", "/tasks/late"):
            method = "POST" if path == "/tasks/late" else "GET"
            headers = ada | {"Idempotency-Key": "once"}
            answer = complete(await client.request(method, path, headers=headers), 429)
            assert answer.headers["Retry-After"]
    await nowhere.close()


async def test_a_host_that_is_not_ours_is_not_counted_but_is_in_the_log(
    settings: Settings, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.trusted_hosts = ["api.example.com"]
    settings.access_log = True
    async with a_client(settings, database) as client:
        answer = await client.get("/cheap")
    assert answer.status_code == 400
    assert "RateLimit" not in answer.headers
    assert answer.headers["X-Request-ID"] in capsys.readouterr().err


async def test_a_post_sent_twice_is_carried_out_once_and_both_answers_are_complete(
    settings: Settings, database: Database, ada: dict[str, str]
) -> None:
    headers = ada | {"Idempotency-Key": "once"}
    async with a_client(settings, database) as client:
        first = complete(await client.post("/tasks/one", headers=headers), 200)
        second = complete(await client.post("/tasks/one", headers=headers), 200)
        assert (await client.get("/tasks", headers=ada)).json() == ["one"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
    assert second.text == first.text


async def test_what_is_read_has_a_tag_and_is_not_sent_twice(
    settings: Settings, database: Database, ada: dict[str, str]
) -> None:
    async with a_client(settings, database) as client:
        tag = (await client.get("/tasks", headers=ada)).headers["ETag"]
        complete(await client.get("/tasks", headers=ada | {"If-None-Match": tag}), 304)
        await client.post("/tasks/one", headers=ada)
        complete(await client.get("/tasks", headers=ada | {"If-None-Match": tag}), 200)


async def test_a_preflight_needs_no_login_and_costs_no_request(
    settings: Settings, database: Database
) -> None:
    settings.rate_limit = "1/minute"
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a"}
    async with a_client(settings, database) as client:
        for _ in range(3):
            assert (await client.options("/tasks/one", headers=asks)).status_code == 200


async def test_the_document_and_the_docs_page_are_there(
    settings: Settings, database: Database
) -> None:
    async with a_client(settings, database) as client:
        complete(await client.get("/docs"), 200)
        document = complete(await client.get("/openapi.json"), 200).json()
    assert document["paths"]["/cheap"]["get"]["security"] == []
    declared = document["paths"]["/tasks/{title}"]["post"]["responses"].keys()
    assert {"401", "409", "422", "429", "500", "503"} <= declared


async def test_an_app_with_a_route_that_says_nothing_does_not_start(settings: Settings) -> None:
    app = an_app(settings)

    @app.get("/x")
    async def x(session: AnonymousSession) -> None: ...

    with pytest.raises(ApiwrightError, match="GET /x does not say who may call it"):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("rate_limit", "often", "RATE_LIMIT"), ("redis_url", SecretStr("http://x"), "REDIS_URL")],
)
async def test_settings_that_cannot_be_followed_are_said_at_once(
    settings: Settings, name: str, value: object, says: str
) -> None:
    with pytest.raises(ApiwrightError, match=says):
        web.install(FastAPI(), settings.model_copy(update={name: value}))
