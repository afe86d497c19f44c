import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from pydantic import SecretStr
from sqlmodel import select
from starlette.types import ASGIApp, Receive, Scope, Send

from apiwright.kit import database as kit_database
from apiwright.kit import logins, problems
from apiwright.kit.database import Database
from apiwright.kit.logins import AnonymousSession, TokenIssuer, UserSession, claims_of
from apiwright.kit.tokens import AccessToken, Tokens
from tests.kit.conftest import Settings, TwoUsers
from tests.kit.models import Login, Task, User
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

    @app.get("/login")
    async def login_id(session: UserSession) -> UUID | None:
        return session.login_id

    @app.get("/logins")
    async def my_logins(session: UserSession) -> list[UUID]:
        return [login.id for login in await session.exec(select(Login))]

    @app.delete("/logins/{login_id}")
    async def end(session: UserSession, login_id: UUID) -> None:
        await session.delete(await session.get_one(Login, login_id))

    @app.post("/login/{user_id}")
    async def login(user_id: UUID, tokens: TokenIssuer) -> AccessToken:
        return tokens.issue(user_id)

    return app


@asynccontextmanager
async def a_worker(
    configured: Settings, database: Database
) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    app = an_app(configured)
    app.state.database = database
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield app, client


@pytest.fixture
async def client(configured: Settings, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    async with a_worker(configured, database) as (_, client):
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def a_login(database: Database, user_id: UUID) -> Login:
    async with database.session(None) as session:
        return await session.unscoped(reason="a login").add(Login(owner_id=user_id))


def token_of(configured: Settings, user_id: UUID, login_id: UUID) -> str:
    """An access token, as whoever has the key can make it."""
    tokens = Tokens(configured.signing_key(), configured.app_name, 900)
    return tokens.issue_for_login(user_id, login_id, 0).access_token


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
    assert scheme["flows"]["password"]["tokenUrl"] == "api/v1/auth/token"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            signed_in = path in ("/me", "/tasks", "/login", "/logins", "/logins/{login_id}")
            assert ("security" in operation) == signed_in
            assert ("401" in operation["responses"]) == signed_in


# logins that end


async def test_a_login_is_known_to_its_session_and_to_its_owner_alone(
    client: httpx2.AsyncClient, configured: Settings, database: Database, users: TwoUsers
) -> None:
    adas, bobs = await a_login(database, users.ada), await a_login(database, users.bob)
    ada = bearer(token_of(configured, users.ada, adas.id))
    assert (await client.get("/login", headers=ada)).json() == str(adas.id)
    assert (await client.get("/logins", headers=ada)).json() == [str(adas.id)]
    assert (await client.delete(f"/logins/{bobs.id}", headers=ada)).status_code == 404
    bob = bearer(token_of(configured, users.bob, bobs.id))
    assert (await client.get("/tasks", headers=bob)).status_code == 200


async def test_a_login_that_ended_is_out_at_once_on_every_worker(
    client: httpx2.AsyncClient, configured: Settings, users: TwoUsers, url: str, database: Database
) -> None:
    login = await a_login(database, users.ada)
    other = await a_login(database, users.ada)
    ada = bearer(token_of(configured, users.ada, login.id))
    elsewhere = Database(url, configured)
    async with a_worker(configured, elsewhere) as (_, second):
        for worker in (client, second):  # both remember the token now
            assert (await worker.get("/tasks", headers=ada)).status_code == 200
        assert (await client.delete(f"/logins/{login.id}", headers=ada)).status_code == 200
        for worker in (second, client):
            said = refused(await worker.get("/tasks", headers=ada))
            assert said == "This login has ended, or the account is not active."
            refused(await worker.post("/tasks", params={"title": "too late"}, headers=ada))
            still = bearer(token_of(configured, users.ada, other.id))
            assert (await worker.get("/tasks", headers=still)).json() == []
    await elsewhere.close()


async def test_a_login_of_a_user_who_is_switched_off_is_out(
    client: httpx2.AsyncClient, configured: Settings, users: TwoUsers, url: str, database: Database
) -> None:
    login = await a_login(database, users.ada)
    ada = bearer(token_of(configured, users.ada, login.id))
    assert (await client.get("/tasks", headers=ada)).status_code == 200
    await execute(url, f"UPDATE \"user\" SET is_active = false WHERE id = '{users.ada}'")
    refused(await client.get("/tasks", headers=ada))


async def test_a_login_serves_the_user_whose_it_is(
    client: httpx2.AsyncClient, configured: Settings, users: TwoUsers, database: Database
) -> None:
    bobs = await a_login(database, users.bob)
    for user_id, login_id in ((users.ada, bobs.id), (users.ada, uuid4()), (uuid4(), bobs.id)):
        token = token_of(configured, user_id, login_id)
        refused(await client.get("/tasks", headers=bearer(token)))


async def test_a_token_of_no_login_lasts_until_it_expires(
    client: httpx2.AsyncClient, users: TwoUsers, database: Database
) -> None:
    ada = await log_in(client, users.ada)
    await a_login(database, users.ada)
    assert (await client.get("/login", headers=ada)).json() is None
    for login_id in (await client.get("/logins", headers=ada)).json():
        assert (await client.delete(f"/logins/{login_id}", headers=ada)).status_code == 200
    assert (await client.get("/tasks", headers=ada)).status_code == 200


async def test_whether_a_login_has_ended_costs_no_query_of_its_own(
    client: httpx2.AsyncClient, configured: Settings, users: TwoUsers, database: Database
) -> None:
    login = await a_login(database, users.ada)
    with_login = bearer(token_of(configured, users.ada, login.id))
    without = await log_in(client, users.ada)
    for headers in (with_login, without):  # what is done once is done
        await client.get("/tasks", headers=headers)
    said: list[str] = []
    async with database._pool.taken() as connection:  # the only one: the last used is taken first
        connection.add_query_logger(lambda record: said.append(record.query))
    for headers, asks in ((with_login, True), (without, False)):
        said.clear()
        assert (await client.get("/tasks", headers=headers)).status_code == 200
        await asyncio.sleep(0.05)  # the connection is committed, and what it did is told
        assert [text.split()[0] for text in said] == ["BEGIN;", "SELECT", "COMMIT"]
        assert ("public.login" in said[0]) == asks


async def test_a_refresh_token_opens_nothing(
    client: httpx2.AsyncClient, configured: Settings, users: TwoUsers, database: Database
) -> None:
    login = await a_login(database, users.ada)
    tokens = Tokens(configured.signing_key(), configured.app_name, 900)
    issued = tokens.issue_for_login(users.ada, login.id, 0)
    refused(await client.get("/tasks", headers=bearer(issued.refresh_token)))
    assert (await client.get("/tasks", headers=bearer(issued.access_token))).status_code == 200


# keys


async def test_an_ed25519_key_is_published_and_a_secret_is_not(configured: Settings) -> None:
    async def jwks() -> httpx2.Response:
        transport = httpx2.ASGITransport(an_app(configured))
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/.well-known/jwks.json")

    assert (await jwks()).status_code == 404
    key = Ed25519PrivateKey.generate()
    encoding = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    configured.secret_key = SecretStr(key.private_bytes(*encoding).decode().replace("\n", "\\n"))
    answer = await jwks()
    (public,) = answer.json()["keys"]
    assert (answer.status_code, public["alg"]) == (200, "EdDSA")
    token = an_app(configured).state.tokens.issue(uuid4()).access_token
    jwt.decode(token, jwt.PyJWK(public), algorithms=["EdDSA"], audience="kit_tests")


async def test_a_token_that_was_issued_before_the_key_changed_is_good_while_the_old_key_is_known(
    configured: Settings, database: Database, users: TwoUsers
) -> None:
    before = an_app(configured).state.tokens.issue(users.ada).access_token
    assert configured.secret_key is not None
    configured.previous_secret_keys = [configured.secret_key]
    configured.secret_key = SecretStr("n" * 32)
    for statuses in (200, 401):
        async with a_worker(configured, database) as (_, client):
            answer = await client.get("/tasks", headers=bearer(before))
        assert answer.status_code == statuses
        configured.previous_secret_keys = []


# apps within apps


async def test_a_token_of_the_outer_app_is_nobodys_in_an_app_mounted_in_it(
    configured: Settings, database: Database, users: TwoUsers
) -> None:
    outer, inner = FastAPI(), an_app(configured)
    inner.state.database = database
    logins.install(outer, configured.model_copy(update={"secret_key": SecretStr("o" * 32)}))
    outer.add_middleware(Asks)
    outer.mount("/inner", inner)
    transport = httpx2.ASGITransport(outer)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        theirs = outer.state.tokens.issue(users.ada).access_token
        refused(await client.get("/inner/me", headers=bearer(theirs)))
        ours = inner.state.tokens.issue(users.ada).access_token
        assert (await client.get("/inner/me", headers=bearer(ours))).json() == str(users.ada)


class Asks:
    """A middleware that asks who is asking, as limits do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        claims_of(scope)
        await self._app(scope, receive, send)
