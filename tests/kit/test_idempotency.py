import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import SecretStr
from sqlmodel import SQLModel, func, insert, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apiwright.kit import database as databases
from apiwright.kit import idempotency, logins, postgres_url, problems, safety
from apiwright.kit.database import Database
from apiwright.kit.logins import AnonymousSession, UserSession
from apiwright.kit.problems import Conflict
from apiwright.kit.session import Session
from tests.kit.conftest import Settings, TwoUsers
from tests.kit.models import IdempotencyKey, Task
from tests.kit.test_transactions import (
    TOO_LATE,
    break_the_late_constraint,
    cut_all_unnoticed,
    eventually,
)

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}


class TaskCreate(SQLModel):
    title: str


async def create(session: UserSession, data: TaskCreate, response: Response) -> Task:
    task = await session.add(Task(title=data.title))
    response.headers["Location"] = f"/tasks/{task.id}"
    response.headers.append("Link", "</a>")
    response.headers.append("Link", "</b>")
    return task


async def add(session: Session) -> Task:
    return await session.add(Task(title="added"))


async def add_raw(session: UserSession, request: Request) -> Response:
    await add(session)
    return Response(bytes(reversed(await request.body())), media_type="application/x-reversed")


async def add_nothing_said(session: UserSession) -> None:
    await add(session)


async def add_and_redirect(session: UserSession) -> RedirectResponse:
    await add(session)
    return RedirectResponse("/elsewhere", 303)


async def add_and_see(session: UserSession) -> int:
    await add(session)
    return (await session.exec(select(func.count()).select_from(Task))).one()


async def add_and_raise(session: UserSession) -> None:
    await add(session)
    raise ZeroDivisionError


async def add_and_refuse(session: UserSession) -> None:
    await add(session)
    raise HTTPException(418)


async def add_again(session: UserSession) -> None:
    task = await add(session)
    await session.exec(insert(Task).values(id=task.id, title="two"))


async def add_too_late(session: UserSession) -> str:
    await break_the_late_constraint(session)
    return "all is well"


async def add_and_swallow(session: UserSession) -> str:
    task = await add(session)
    try:
        await session.exec(insert(Task).values(id=task.id, title="two"))
    except Conflict:
        return "all is well"
    raise AssertionError


async def add_and_stream(session: UserSession) -> StreamingResponse:
    await add(session)
    return StreamingResponse(iter(["a", "b"]))


async def add_much(session: UserSession) -> Response:
    await add(session)
    return Response(b"x" * 1_000_001)


async def add_secret(session: UserSession) -> Response:
    await add(session)
    return Response("token", headers={"Cache-Control": "No-Store"})


async def anybody(session: AnonymousSession) -> str:
    return "welcome"


ROUTES: list[Callable[..., Any]] = [
    create, add_raw, add_nothing_said, add_and_redirect, add_and_see, add_and_raise,
    add_and_refuse, add_again, add_too_late, add_and_swallow, add_and_stream, add_much,
    add_secret, anybody,
]  # fmt: skip


def app_of(settings: Settings) -> FastAPI:
    app = FastAPI()
    idempotency.install(app)
    databases.install(app)
    problems.install(app)
    safety.install(app, settings)
    logins.install(app, settings)
    for route in ROUTES:
        status = {create: 201, add_nothing_said: 204}.get(route, 200)
        app.post(f"/{route.__name__}", status_code=status)(route)
    return app


@pytest.fixture
def app(configured: Settings, database: Database) -> FastAPI:
    app = app_of(configured)
    app.state.database = database
    return app


@pytest.fixture
async def client(app: FastAPI, users: TwoUsers) -> AsyncIterator[httpx2.AsyncClient]:
    """Ada's."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {app.state.tokens.issue(users.ada).access_token}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://test", headers=headers
    ) as client:
        yield client


@pytest.fixture
async def superuser(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside the pool, which sees what is committed."""
    connection = await postgres_url.connect(url)
    yield connection
    await connection.close()


async def kept(superuser: asyncpg.Connection) -> tuple[int, int]:
    """How many tasks there are, and how many keys."""
    tasks = await superuser.fetchval("SELECT count(*) FROM task")
    return tasks, await superuser.fetchval("SELECT count(*) FROM idempotency_key")


def is_problem(answer: httpx2.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == problems.MEDIA_TYPE
    assert "Idempotency-Replayed" not in answer.headers
    detail: str = answer.json()["detail"]
    return detail


# the same again


@pytest.mark.parametrize("route", [create, add_raw, add_nothing_said, add_and_redirect])
async def test_the_same_request_is_answered_the_same_and_carried_out_once(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection, route: Any
) -> None:
    first, again = [
        await client.post(f"/{route.__name__}", json={"title": "pay"}, headers=KEY) for _ in "12"
    ]
    assert first.is_success or first.is_redirect
    assert again.status_code == first.status_code
    assert again.content == first.content
    said = [one for one in again.headers.multi_items() if one[0] != "idempotency-replayed"]
    assert sorted(said) == sorted(first.headers.multi_items())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert await kept(superuser) == (1, 1)


async def test_the_place_of_what_was_created_is_told_again(client: httpx2.AsyncClient) -> None:
    answers = [await client.post("/create", json={"title": "x"}, headers=KEY) for _ in "12"]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert {answer.headers["Location"] for answer in answers} == {
        f"/tasks/{answers[0].json()['id']}"
    }
    assert answers[1].headers.get_list("Link") == ["</a>", "</b>"]


async def test_without_a_key_each_request_is_carried_out(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection
) -> None:
    for _ in "12":
        assert (await client.post("/create", json={"title": "x"})).status_code == 201
    assert await kept(superuser) == (2, 0)


async def test_bodies_of_any_kind_and_size_are_told_apart(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection
) -> None:
    bodies = [b"", b"\x00\xff", b"\x00\xfe", b"x" * 999_999, b"x" * 999_998 + b"y"]
    for number, body in enumerate(bodies):
        for _ in "12":
            answer = await client.post(
                "/add_raw", content=body, headers={"Idempotency-Key": f"key-{number}"}
            )
            assert answer.content == body[::-1]
    assert await kept(superuser) == (len(bodies), len(bodies))
    same = {"Idempotency-Key": "key-3"}
    is_problem(await client.post("/add_raw", content=bodies[4], headers=same), 422)


async def test_a_body_that_comes_in_parts_is_the_same_body(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a", b"", b"bc"):
            yield part

    await client.post("/add_raw", content=b"abc", headers=KEY)
    again = await client.post("/add_raw", content=parts(), headers=KEY)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.text == "cba"
    assert await kept(superuser) == (1, 1)


async def test_a_body_that_is_too_large_is_refused_as_ever(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection
) -> None:
    is_problem(await client.post("/add_raw", content=b"x" * 1_000_001, headers=KEY), 413)
    assert await kept(superuser) == (0, 0)


async def test_the_answer_is_kept_in_the_transaction_of_what_was_written(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection
) -> None:
    await client.post("/create", json={"title": "x"}, headers=KEY)
    written = await superuser.fetchval("SELECT xmin::text FROM task")
    assert await superuser.fetchval("SELECT xmin::text FROM idempotency_key") == written


async def test_the_route_sees_its_own_transaction(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/add_and_see", headers=KEY)).json() == 1
    assert (await client.post("/add_and_see", headers=KEY)).json() == 1
    assert (await client.post("/add_and_see", headers={"Idempotency-Key": "two"})).json() == 2


# another request


@pytest.mark.parametrize(
    ("path", "title"), [("/create", "y"), ("/create?x=1", "x"), ("/add_nothing_said", "x")]
)
async def test_a_key_that_was_used_for_another_request_is_a_422_problem(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection, path: str, title: str
) -> None:
    await client.post("/create", json={"title": "x"}, headers=KEY)
    answer = await client.post(path, json={"title": title}, headers=KEY)
    assert is_problem(answer, 422) == "header.Idempotency-Key: It was used for another request."
    assert await kept(superuser) == (1, 1)


async def test_two_users_may_have_the_same_key(
    client: httpx2.AsyncClient, app: FastAPI, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    bob = {"Authorization": f"Bearer {app.state.tokens.issue(users.bob).access_token}", **KEY}
    mine = await client.post("/create", json={"title": "x"}, headers=KEY)
    his = await client.post("/create", json={"title": "his"}, headers=bob)
    assert (mine.status_code, his.status_code) == (201, 201)
    assert his.json()["owner_id"] == str(users.bob)
    for headers, answered in ((KEY, mine), (bob, his)):
        again = await client.post(
            "/create", json={"title": answered.json()["title"]}, headers=headers
        )
        assert again.content == answered.content
    assert await kept(superuser) == (2, 2)


async def test_what_was_answered_is_seen_by_its_owner_alone(
    client: httpx2.AsyncClient, database: Database, users: TwoUsers
) -> None:
    await client.post("/create", json={"title": "x"}, headers=KEY)
    for user, keys in ((users.ada, 1), (users.bob, 0), (None, 0)):
        async with database.session(user) as session:
            assert len((await session.exec(select(IdempotencyKey))).all()) == keys


# the header

GOOD = ["k", '"k"', "a" * 255, '"' + "a" * 255 + '"', "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"]
BAD = ["", '""', "a" * 256, "a b", '"a', 'a"', 'a"b', "a\\b", "ä", "a\tb", '"a";b=1']


@pytest.mark.parametrize("key", GOOD)
async def test_a_key_is_a_bounded_string(client: httpx2.AsyncClient, key: str) -> None:
    answer = await client.post("/add_nothing_said", headers={"Idempotency-Key": key})
    assert answer.status_code == 204


@pytest.mark.parametrize("key", BAD)
async def test_what_is_no_key_is_a_422_problem(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection, key: str
) -> None:
    headers = [(b"Idempotency-Key", key.encode())]
    is_problem(await client.post("/add_nothing_said", headers=headers), 422)
    assert await kept(superuser) == (0, 0)


async def test_two_keys_are_a_422_problem(client: httpx2.AsyncClient) -> None:
    two = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    is_problem(await client.post("/add_nothing_said", headers=two), 422)


async def test_a_quoted_key_is_the_same_as_a_bare_one(client: httpx2.AsyncClient) -> None:
    await client.post("/add_nothing_said", headers={"Idempotency-Key": "a"})
    again = await client.post("/add_nothing_said", headers={"Idempotency-Key": '"a"'})
    assert "Idempotency-Replayed" in again.headers


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
async def test_who_is_not_signed_in_is_answered_as_without_a_key(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection, headers: dict[str, str]
) -> None:
    del client.headers["Authorization"]
    headers = headers | {"Idempotency-Key": "no key"}
    is_problem(await client.post("/create", json={"title": "x"}, headers=headers), 401)
    for _ in "12":
        answer = await client.post("/anybody", headers=headers)
        assert answer.text == '"welcome"'
        assert "Idempotency-Replayed" not in answer.headers
    assert await kept(superuser) == (0, 0)


async def test_who_may_not_sign_in_any_more_is_answered_as_without_a_key(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection, users: TwoUsers
) -> None:
    await client.post("/create", json={"title": "x"}, headers=KEY)
    await superuser.execute('UPDATE "user" SET is_active = false')
    is_problem(await client.post("/create", json={"title": "x"}, headers=KEY), 401)
    assert (await client.post("/anybody", headers=KEY)).text == '"welcome"'


async def test_other_methods_do_not_look_at_the_header(
    app: FastAPI, client: httpx2.AsyncClient, superuser: asyncpg.Connection
) -> None:
    app.put("/put", status_code=204)(add_nothing_said)
    for _ in "12":
        assert (await client.put("/put", headers=KEY)).status_code == 204
    assert await kept(superuser) == (2, 0)


# at the same time


async def test_of_many_at_once_one_is_carried_out(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection
) -> None:
    answers = await asyncio.gather(
        *(client.post("/create", json={"title": "x"}, headers=KEY) for _ in range(20))
    )
    assert await kept(superuser) == (1, 1)
    assert {answer.status_code for answer in answers} <= {201, 409}
    carried_out = [answer for answer in answers if answer.is_success]
    assert len({answer.content for answer in carried_out}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in carried_out) == 1


@pytest.fixture
def goes_on(app: FastAPI) -> asyncio.Event:
    """What the route /slow waits for."""
    goes_on = asyncio.Event()

    @app.post("/slow")
    async def slow(session: UserSession) -> int:
        await goes_on.wait()
        await add(session)
        return 7

    return goes_on


@asynccontextmanager
async def under_way(
    client: httpx2.AsyncClient, goes_on: asyncio.Event, superuser: asyncpg.Connection
) -> AsyncIterator[None]:
    """A slow request is being carried out while the block runs, and is answered after it."""
    goes_on.clear()
    first = asyncio.create_task(client.post("/slow", headers=KEY))

    async def is_taken() -> bool:
        locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        return bool(await superuser.fetchval(locks))

    assert await eventually(is_taken)
    async with asyncio.timeout(5):
        yield
    goes_on.set()
    assert (await first).json() == 7


async def test_a_second_one_does_not_wait_for_the_first(
    client: httpx2.AsyncClient, goes_on: asyncio.Event, superuser: asyncpg.Connection
) -> None:
    async with under_way(client, goes_on, superuser):
        second = await client.post("/slow", headers=KEY)
        other = await client.post("/create", json={"title": "x"}, headers=KEY)
    assert "is being carried out" in is_problem(second, 409)
    assert second.headers["Retry-After"] == "1"
    is_problem(other, 409)
    assert (await client.post("/slow", headers=KEY)).json() == 7
    assert await kept(superuser) == (1, 1)


async def test_a_key_of_another_user_is_another_key(
    app: FastAPI,
    client: httpx2.AsyncClient,
    goes_on: asyncio.Event,
    users: TwoUsers,
    superuser: asyncpg.Connection,
) -> None:
    bob = {"Authorization": f"Bearer {app.state.tokens.issue(users.bob).access_token}", **KEY}
    async with under_way(client, goes_on, superuser):
        assert (await client.post("/add_nothing_said", headers=bob)).status_code == 204


async def test_what_was_answered_long_ago_is_not_repeated_while_the_key_is_used_anew(
    client: httpx2.AsyncClient, goes_on: asyncio.Event, superuser: asyncpg.Connection
) -> None:
    goes_on.set()
    assert (await client.post("/slow", headers=KEY)).json() == 7
    await a_day_later(superuser)
    async with under_way(client, goes_on, superuser):
        is_problem(await client.post("/slow", headers=KEY), 409)


# what is not kept


@pytest.mark.parametrize(
    ("route", "status"),
    [
        (add_and_raise, 500),
        (add_and_refuse, 418),
        (add_again, 409),
        (add_too_late, 409),
        (add_and_swallow, 500),
    ],
)
async def test_of_what_failed_nothing_is_kept_and_the_key_is_free(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection, route: Any, status: int
) -> None:
    await superuser.execute(TOO_LATE)
    for _ in "12":
        is_problem(await client.post(f"/{route.__name__}", headers=KEY), status)
        assert await kept(superuser) == (0, 0)
    answer = await client.post("/create", json={"title": "x"}, headers=KEY)
    assert answer.status_code == 201
    assert await kept(superuser) == (1, 1)


async def test_an_answer_that_cannot_be_written_down_is_not_given(
    app: FastAPI, client: httpx2.AsyncClient, url: str
) -> None:
    @app.post("/cut")
    async def cut(session: UserSession) -> str:
        await add(session)
        cut_all_unnoticed(url)
        return "all is well"

    answer = await client.post("/cut", headers=KEY)
    is_problem(answer, 503)
    answer = await client.post("/add_and_see", headers=KEY)
    assert answer.json() == 1


@pytest.mark.parametrize("route", [add_and_stream, add_much, add_secret])
async def test_an_answer_that_is_not_kept_is_given_once_and_nothing_is_done_twice(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection, route: Any
) -> None:
    assert (await client.post(f"/{route.__name__}", headers=KEY)).is_success
    again = await client.post(f"/{route.__name__}", headers=KEY)
    assert "not kept" in is_problem(again, 409)
    assert await kept(superuser) == (1, 1)
    assert await superuser.fetchval("SELECT body FROM idempotency_key") is None


async def test_a_stream_holds_no_connection(
    app: FastAPI, client: httpx2.AsyncClient, superuser: asyncpg.Connection
) -> None:
    said: list[tuple[int, int]] = []

    @app.post("/stream")
    async def stream(session: UserSession) -> StreamingResponse:
        await add(session)

        async def body() -> AsyncIterator[str]:
            said.append(await kept(superuser))
            yield "a"

        return StreamingResponse(body())

    await client.post("/stream", headers=KEY)
    assert said == [(1, 1)]


# a day later


async def a_day_later(superuser: asyncpg.Connection) -> None:
    day = timedelta(hours=24, seconds=1)
    await superuser.execute(
        "UPDATE idempotency_key SET created_at = created_at - $1::interval", day
    )


async def test_a_key_is_free_after_a_day(
    client: httpx2.AsyncClient, superuser: asyncpg.Connection
) -> None:
    await client.post("/create", json={"title": "x"}, headers=KEY)
    await a_day_later(superuser)
    answer = await client.post("/create", json={"title": "y"}, headers=KEY)
    assert answer.status_code == 201
    again = await client.post("/create", json={"title": "y"}, headers=KEY)
    assert again.content == answer.content
    assert await kept(superuser) == (2, 1)


async def test_ones_old_keys_are_forgotten_when_one_uses_a_new_one(
    app: FastAPI, client: httpx2.AsyncClient, users: TwoUsers, superuser: asyncpg.Connection
) -> None:
    bob = {"Authorization": f"Bearer {app.state.tokens.issue(users.bob).access_token}", **KEY}
    await client.post("/add_nothing_said", headers=bob)
    for key in "abc":
        await client.post("/add_nothing_said", headers={"Idempotency-Key": key})
    await a_day_later(superuser)
    await client.post("/add_nothing_said", headers={"Idempotency-Key": "d"})
    keys = await superuser.fetch("SELECT owner_id, key FROM idempotency_key ORDER BY key")
    assert [tuple(row) for row in keys] == [
        (users.bob, KEY["Idempotency-Key"]),
        (users.ada, "d"),
    ]


async def test_nobody_waits_for_who_is_forgetting(
    client: httpx2.AsyncClient, url: str, superuser: asyncpg.Connection
) -> None:
    await client.post("/add_nothing_said", headers={"Idempotency-Key": "old"})
    await a_day_later(superuser)
    async with superuser.transaction():
        await superuser.execute("DELETE FROM idempotency_key")
        async with asyncio.timeout(5):
            answer = await client.post("/add_nothing_said", headers={"Idempotency-Key": "new"})
        assert answer.status_code == 204


# with and without


def test_a_project_without_the_table_pays_nothing() -> None:
    """In a process of its own, which has no tables."""
    program = (
        "from apiwright.kit import idempotency; from fastapi import FastAPI; app = FastAPI();"
        " idempotency.install(app); print(app.user_middleware)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout == b"[]\n"


# a process that is killed


class Killed:
    """Kills the process as soon as the request has been committed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def killing(message: Message) -> None:
            if scope["type"] == "http" and scope["path"] == "/create":
                os.kill(os.getpid(), signal.SIGKILL)
            await send(message)

        await self._app(scope, receive, killing)


def killed() -> FastAPI:
    """The app of the process."""
    settings = Settings(fastapi_env="development", secret_key=SecretStr("k" * 32))
    app = app_of(settings)
    app.router.lifespan_context = databases.lifespan(settings)
    app.add_middleware(Killed)

    @app.post("/dies_before")
    async def dies_before(session: UserSession) -> None:
        await add(session)
        os.kill(os.getpid(), signal.SIGKILL)

    return app


@pytest.fixture
def process(url: str) -> Iterator["Process"]:
    process = Process(url)
    yield process
    process.stop()


class Process:
    def __init__(self, url: str) -> None:
        self._url = url
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        self.stop()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._running = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "uvicorn",
                f"{__name__}:killed",
                "--factory",
                "--port",
                f"{port}",
            ],
            env=os.environ | {"DATABASE_URL": self._url},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(200):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()


async def test_a_process_that_is_killed_leaves_both_the_row_and_the_answer_or_neither(
    client: httpx2.AsyncClient, process: Process, superuser: asyncpg.Connection
) -> None:
    headers = {"Authorization": client.headers["Authorization"], **KEY}
    async with httpx2.AsyncClient(headers=headers) as over_there:
        with pytest.raises(httpx2.TransportError):
            await over_there.post(f"{await asyncio.to_thread(process.start)}/dies_before")
        assert await kept(superuser) == (0, 0)
        with pytest.raises(httpx2.TransportError):
            url = await asyncio.to_thread(process.start)
            await over_there.post(f"{url}/create", json={"title": "x"})
    assert await kept(superuser) == (1, 1)
    again = await client.post("/create", json={"title": "x"}, headers=KEY)
    assert again.status_code == 201
    assert "Idempotency-Replayed" in again.headers
    assert await kept(superuser) == (1, 1)
