import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx2
import jwt
import pytest
from fastapi import FastAPI
from sqlmodel import select

from apiwright.kit import database as kit_database
from apiwright.kit import logins, problems
from apiwright.kit.database import Database
from apiwright.kit.logins import AnonymousSession, TokenIssuer, UserSession
from apiwright.kit.tokens import AccessToken, Tokens
from tests.kit.conftest import Settings, TwoUsers
from tests.kit.models import Task, User
from tests.postgres import execute

pytestmark = pytest.mark.anyio


def an_app(settings: Settings) -> FastAPI:
    app = FastAPI()
    problems.install(app)
    kit_database.install(app)
    logins.install(app, settings)

    @app.get("/me")
    async def me(session: UserSession) -> UUID:
        return session.user_id

    @app.get("/tasks")
    async def titles(session: UserSession) -> list[str]:
        return [task.title for task in await session.exec(select(Task))]

    @app.post("/tasks")
    async def add(session: UserSession, title: str) -> None:
        await session.add(Task(title=title))

    @app.get("/anonymous")
    async def anonymous(session: AnonymousSession) -> int:
        return len(
            (await session.exec(select(Task))).all() + (await session.exec(select(User))).all()
        )

    @app.get("/anonymous/who")
    async def who(session: AnonymousSession) -> UUID:
        return session.user_id

    @app.post("/login/{user_id}")
    async def login(user_id: UUID, tokens: TokenIssuer) -> AccessToken:
        return tokens.issue(user_id)

    return app


@pytest.fixture
async def client(configured: Settings, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    app = an_app(configured)
    app.state.database = database
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def log_in(client: httpx2.AsyncClient, user_id: UUID) -> dict[str, str]:
    """The headers that a signed-in client sends."""
    issued = (await client.post(f"/login/{user_id}")).json()
    return {"Authorization": f"Bearer {issued['access_token']}"}


def refused(answer: httpx2.Response) -> str:
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    detail: str = answer.json()["detail"]
    return detail


async def test_who_shows_a_token_is_its_user(client: httpx2.AsyncClient, users: TwoUsers) -> None:
    for user_id in (users.ada, users.bob):
        answer = await client.get("/tasks", headers=await log_in(client, user_id))
        assert (answer.status_code, answer.json()) == (200, [])
        answer = await client.get("/me", headers=await log_in(client, user_id))
        assert answer.json() == str(user_id)


async def test_one_sees_ones_own_and_the_other_does_not(
    client: httpx2.AsyncClient, users: TwoUsers
) -> None:
    ada, bob = await log_in(client, users.ada), await log_in(client, users.bob)
    await client.post("/tasks", params={"title": "Ada's"}, headers=ada)
    assert (await client.get("/tasks", headers=ada)).json() == ["Ada's"]
    assert (await client.get("/tasks", headers=bob)).json() == []


async def test_many_requests_at_once_are_not_mistaken_for_each_other(
    client: httpx2.AsyncClient, users: TwoUsers
) -> None:
    headers = {name: await log_in(client, getattr(users, name)) for name in ("ada", "bob")}
    for name in headers:
        await client.post("/tasks", params={"title": name}, headers=headers[name])
    asked = ["ada", "bob"] * 40
    answers = await asyncio.gather(*(client.get("/tasks", headers=headers[n]) for n in asked))
    assert [answer.json() for answer in answers] == [[name] for name in asked]


async def test_another_header_is_nobodys(client: httpx2.AsyncClient, users: TwoUsers) -> None:
    token = (await log_in(client, users.ada))["Authorization"].removeprefix("Bearer ")
    refused(await client.get("/tasks"))
    for header in (
        *("", "Bearer", "Bearer ", "Bearer null", "Bearer x.y.z", "Bearer " + "x" * 9000),
        *("Basic YWRhOmFkYQ==", f"Token {token}", f"{token}", f"Bearer{token}"),
        *(f"Bearer: {token}", f"Bearer  {token}", f"Bearer {token}.", f"Bearer {token} x"),
        *(f"Bearer {token},{token}", "Bearer \xe9\xff"),
    ):
        headers = {b"Authorization": header.encode("latin-1")}
        refused(await client.get("/tasks", headers=headers))


async def test_the_word_bearer_may_be_written_otherwise(
    client: httpx2.AsyncClient, users: TwoUsers
) -> None:
    header = (await log_in(client, users.ada))["Authorization"].replace("Bearer", "bEARER")
    assert (await client.get("/tasks", headers={"Authorization": header})).status_code == 200


async def test_a_token_counts_in_the_header_only(
    client: httpx2.AsyncClient, users: TwoUsers
) -> None:
    header = (await log_in(client, users.ada))["Authorization"]
    token = header.removeprefix("Bearer ")
    for name in ("access_token", "token", "Authorization"):
        refused(await client.get("/tasks", params={name: token}))
        refused(await client.get("/tasks", headers={"Cookie": f"{name}={token}"}))
    refused(await client.get("/tasks", headers={"X-Authorization": header, "X-User-Id": token}))


async def test_a_token_that_is_not_ours_any_more_or_ever_is_nobodys(
    client: httpx2.AsyncClient, users: TwoUsers
) -> None:
    for theirs in (
        Tokens("x" * 32, "kit_tests", 900),
        Tokens("k" * 32, "somebody_elses", 900),
        Tokens("k" * 32, "kit_tests", -1),
    ):
        token = theirs.issue(users.ada).access_token
        answer = await client.get("/tasks", headers={"Authorization": f"Bearer {token}"})
        assert refused(answer) == "This token is not valid (any more). Sign in again."


async def test_an_unsigned_token_is_nobodys(client: httpx2.AsyncClient, users: TwoUsers) -> None:
    claims = {"sub": str(users.ada), "iss": "kit_tests", "aud": "kit_tests", "jti": "1"}
    now = int(time.time())
    token = jwt.encode(claims | {"iat": now, "exp": now + 900}, "", algorithm="none")
    refused(await client.get("/tasks", headers={"Authorization": f"Bearer {token}"}))


async def test_a_user_who_is_switched_off_is_out_at_once(
    client: httpx2.AsyncClient, users: TwoUsers, url: str
) -> None:
    ada = await log_in(client, users.ada)
    assert (await client.get("/tasks", headers=ada)).status_code == 200
    await execute(url, f"UPDATE \"user\" SET is_active = false WHERE id = '{users.ada}'")
    refused(await client.get("/tasks", headers=ada))
    refused(await client.post("/tasks", params={"title": "too late"}, headers=ada))
    await execute(url, f"UPDATE \"user\" SET is_active = true WHERE id = '{users.ada}'")
    assert (await client.get("/tasks", headers=ada)).json() == []


async def test_a_user_who_is_gone_or_never_was_is_nobody(
    client: httpx2.AsyncClient, users: TwoUsers, url: str
) -> None:
    ada, stranger = await log_in(client, users.ada), await log_in(client, uuid4())
    await execute(url, f"DELETE FROM \"user\" WHERE id = '{users.ada}'")
    answers = [refused(await client.get("/tasks", headers=who)) for who in (ada, stranger)]
    assert answers[0] == answers[1]  # which of the two does not show


async def test_who_is_not_signed_in_sees_no_ones_rows(
    client: httpx2.AsyncClient, users: TwoUsers
) -> None:
    ada = await log_in(client, users.ada)
    await client.post("/tasks", params={"title": "Ada's"}, headers=ada)
    for headers in ({}, ada):  # on such a route the token does not matter
        assert (await client.get("/anonymous", headers=headers)).json() == 0
        refused(await client.get("/anonymous/who", headers=headers))


async def test_without_the_databases_part_an_app_says_what_to_add(
    configured: Settings, database: Database, users: TwoUsers
) -> None:
    app = FastAPI()
    logins.install(app, configured)
    app.state.database = database

    @app.get("/")
    async def read(session: UserSession) -> None: ...

    token = app.state.tokens.issue(users.ada).access_token
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(RuntimeError, match=r"Add `database.install\(app\)`"):
            await client.get("/", headers={"Authorization": f"Bearer {token}"})


async def test_the_token_lives_as_long_as_the_settings_say(configured: Settings) -> None:
    configured.access_token_minutes = 7
    app = an_app(configured)
    assert app.state.tokens.issue(uuid4()).expires_in == 420


async def test_the_document_says_how_to_sign_in_and_where_one_must(configured: Settings) -> None:
    document = an_app(configured).openapi()
    (scheme,) = document["components"]["securitySchemes"].values()
    assert scheme["flows"]["password"]["tokenUrl"] == "api/v1/auth/login"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            signed_in = path in ("/me", "/tasks")
            assert ("security" in operation) == signed_in
            assert ("401" in operation["responses"]) == signed_in
