import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from apiwright.errors import ApiwrightError
from apiwright.kit import database as kit_database
from apiwright.kit import logins, permissions, problems
from apiwright.kit.database import Database
from apiwright.kit.logins import AnonymousSession, UserSession
from apiwright.kit.permissions import public, requires
from apiwright.kit.tables import Account
from tests.kit.conftest import Settings, TwoUsers
from tests.kit.models import User
from tests.postgres import execute

pytestmark = pytest.mark.anyio


async def nothing() -> None: ...


# routes that say nothing


def a_get(app: FastAPI) -> None:
    app.get("/x")(nothing)


def nested_routers(app: FastAPI) -> None:
    outer, inner = APIRouter(prefix="/outer"), APIRouter(prefix="/inner")
    inner.get("/x")(nothing)
    outer.include_router(inner)
    app.include_router(outer, prefix="/api")


def a_websocket(app: FastAPI) -> None:
    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None: ...


def a_websocket_of_a_router(app: FastAPI) -> None:
    router = APIRouter()

    @router.websocket("/ws")
    async def ws(socket: WebSocket) -> None: ...

    app.include_router(router, prefix="/api")


def an_app_in_the_app(app: FastAPI) -> None:
    inner = FastAPI()
    inner.get("/x")(nothing)
    app.mount("/inner", inner)


def an_app_in_a_router(app: FastAPI) -> None:
    inner, router = FastAPI(), APIRouter()
    inner.get("/x")(nothing)
    router.mount("/inner", inner)
    app.include_router(router, prefix="/api")


def a_plain_app_deep_inside(app: FastAPI) -> None:
    app.mount("/a", Starlette(routes=[Mount("/b", routes=[Route("/x", plain)])]))


def a_plain_route(app: FastAPI) -> None:
    app.add_route("/x", plain)


def a_plain_class(app: FastAPI) -> None:
    class X(HTTPEndpoint): ...

    app.router.routes.append(Route("/x", X))


def one_that_is_not_in_the_document(app: FastAPI) -> None:
    app.get("/x", include_in_schema=False)(nothing)


def one_that_takes_an_anonymous_session(app: FastAPI) -> None:
    @app.get("/x")
    async def x(session: AnonymousSession) -> None: ...


async def plain(request: Request) -> PlainTextResponse:
    return PlainTextResponse("")


@pytest.mark.parametrize(
    ("add", "name"),
    [
        (a_get, "GET /x"),
        (nested_routers, "GET /api/outer/inner/x"),
        (a_websocket, "/ws"),
        (a_websocket_of_a_router, "/api/ws"),
        (an_app_in_the_app, "GET /inner/x"),
        (an_app_in_a_router, "GET /api/inner/x"),
        (a_plain_app_deep_inside, "GET /a/b/x"),
        (a_plain_route, "GET /x"),
        (a_plain_class, "/x"),
        (one_that_is_not_in_the_document, "GET /x"),
        (one_that_takes_an_anonymous_session, "GET /x"),
    ],
)
async def test_a_route_that_says_nothing_is_refused(
    add: Callable[[FastAPI], None], name: str
) -> None:
    app = FastAPI()
    add(app)
    with pytest.raises(ApiwrightError) as error:
        permissions.check(app)
    assert error.value.happened == f"{name} does not say who may call it."


async def test_an_app_with_such_a_route_does_not_start_and_so_opens_nothing() -> None:
    entered = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        entered.append(app)
        yield

    app = FastAPI(lifespan=lifespan)
    permissions.install(app)
    app.get("/x")(nothing)  # after it, as routes are
    with pytest.raises(ApiwrightError, match="GET /x does not say"):
        async with app.router.lifespan_context(app):
            pass
    assert entered == []


async def test_a_lifespan_of_ones_own_is_entered_and_its_state_kept() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"own": "state"}

    app = FastAPI(lifespan=lifespan)
    permissions.install(app)
    async with app.router.lifespan_context(app) as state:
        assert state == {"own": "state"}


# routes that say something


async def needs_somebody(session: UserSession) -> UUID:
    return session.user_id


async def test_a_login_may_be_asked_for_anywhere_among_the_dependencies() -> None:
    app = FastAPI()

    @app.get("/parameter")
    async def parameter(session: UserSession) -> None: ...

    @app.get("/deep")
    async def deep(user_id: Annotated[UUID, Depends(needs_somebody)]) -> None: ...

    app.get("/dependencies", dependencies=[requires("edit")])(nothing)
    router = APIRouter(dependencies=[Depends(needs_somebody)])
    router.get("/router")(nothing)
    app.include_router(router)
    permissions.check(app)

    guarded = FastAPI(dependencies=[requires("edit")])
    guarded.get("/app")(nothing)
    permissions.check(guarded)


async def test_public_may_stand_above_or_below_another_decorator() -> None:
    def noted(function: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        @wraps(function)
        async def noting() -> None:
            await function()

        return noting

    app = FastAPI()

    @app.get("/above")
    @public
    @noted
    async def above() -> None: ...

    @app.get("/below")
    @noted
    @public
    async def below() -> None: ...

    @public
    @app.get("/outside")
    async def outside() -> None: ...

    permissions.check(app)


async def test_one_public_route_does_not_open_its_neighbours() -> None:
    app = FastAPI()

    @app.get("/x")
    @public
    async def open_to_all() -> None: ...

    app.post("/x")(nothing)
    with pytest.raises(ApiwrightError, match="POST /x does not say"):
        permissions.check(app)


@pytest.mark.parametrize("dependency", [Depends(needs_somebody), requires("edit")])
async def test_what_is_public_and_needs_a_login_is_refused(dependency: Any) -> None:
    app = FastAPI()

    @app.get("/x", dependencies=[dependency])
    @public
    async def both() -> None: ...

    with pytest.raises(ApiwrightError, match="GET /x is public, and needs a login all the same"):
        permissions.check(app)


async def test_the_log_lists_what_is_public(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    app, inner = FastAPI(docs_url=None, redoc_url=None), FastAPI(openapi_url=None)

    @app.get("/private")
    async def private(session: UserSession) -> None: ...

    @app.post("/sign-up")
    @public
    async def sign_up() -> None: ...

    @app.websocket("/ws")
    @public
    async def ws(socket: WebSocket) -> None: ...

    @inner.get("/x")
    @public
    async def x() -> None: ...

    app.mount("/inner", inner)
    app.mount("/files", StaticFiles(directory=tmp_path))
    permissions.check(app)
    assert caplog.messages == [
        "public routes: GET /openapi.json; POST /sign-up; /ws; GET /inner/x; /files/*"
    ]


async def test_the_log_says_so_when_nothing_is_public(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    permissions.check(FastAPI(openapi_url=None))
    assert caplog.messages == ["public routes: none"]


# permissions


class Entry(BaseModel):
    name: str


def an_app(configured: Settings, database: Database) -> FastAPI:
    app = FastAPI()
    logins.install(app, configured)
    permissions.install(app)
    kit_database.install(app)
    problems.install(app)
    app.state.database = database

    @app.get("/open")
    @public
    async def opened() -> str:
        return "open"

    @app.get("/mine")
    async def mine(session: UserSession) -> UUID:
        return session.user_id

    @app.put("/catalogue/{number}", dependencies=[requires("catalogue:edit")])
    async def edit(number: int, entry: Entry) -> str:
        return entry.name

    return app


@pytest.fixture
async def client(configured: Settings, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(an_app(configured, database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.fixture
def ada(configured: Settings, database: Database, users: TwoUsers) -> dict[str, str]:
    """The headers of Ada, signed in."""
    token = an_app(configured, database).state.tokens.issue(users.ada).access_token
    return {"Authorization": f"Bearer {token}"}


async def may(url: str, user_id: UUID, what: str) -> None:
    await execute(url, f"UPDATE \"user\" SET may = '{what}' WHERE id = '{user_id}'")


ENTRY: dict[str, Any] = {"url": "/catalogue/1", "json": {"name": "one"}}


async def test_who_has_the_permission_may_and_who_has_not_may_not(
    client: httpx2.AsyncClient, ada: dict[str, str], users: TwoUsers, url: str
) -> None:
    answer = await client.put(**ENTRY, headers=ada)
    assert (answer.status_code, answer.json()["detail"]) == (403, "You may not do this.")
    await may(url, users.bob, "catalogue:edit")
    assert (await client.put(**ENTRY, headers=ada)).status_code == 403
    await may(url, users.ada, "catalogue:edit")
    assert (await client.put(**ENTRY, headers=ada)).json() == "one"


async def test_a_permission_that_is_taken_away_is_gone_at_once(
    client: httpx2.AsyncClient, ada: dict[str, str], users: TwoUsers, url: str
) -> None:
    await may(url, users.ada, "other catalogue:edit")
    assert (await client.put(**ENTRY, headers=ada)).status_code == 200
    await may(url, users.ada, "other")
    assert (await client.put(**ENTRY, headers=ada)).status_code == 403


@pytest.mark.parametrize("what", ["catalogue:edit-own", "catalogue", "CATALOGUE:EDIT", "*", "edit"])
async def test_a_permission_is_the_whole_word(
    client: httpx2.AsyncClient, ada: dict[str, str], users: TwoUsers, url: str, what: str
) -> None:
    await may(url, users.ada, what)
    assert (await client.put(**ENTRY, headers=ada)).status_code == 403


async def test_a_text_where_several_belong_permits_nothing(
    client: httpx2.AsyncClient,
    ada: dict[str, str],
    users: TwoUsers,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(User, "permissions", property(lambda user: user.may))
    await may(url, users.ada, "catalogue:edit-nothing")  # it has "catalogue:edit" in it
    assert (await client.put(**ENTRY, headers=ada)).status_code == 403


async def test_nobody_has_permissions_where_the_model_says_nothing() -> None:
    assert list(Account().permissions) == []


async def test_who_is_asked_before_what_they_may_and_that_before_what_they_sent(
    client: httpx2.AsyncClient, ada: dict[str, str], users: TwoUsers, url: str
) -> None:
    wrong: dict[str, Any] = {"url": "/catalogue/one", "json": {"nome": 1}}
    assert (await client.put(**wrong)).status_code == 401
    assert (await client.put(**wrong, headers=ada)).status_code == 403
    await may(url, users.ada, "catalogue:edit")
    assert (await client.put(**wrong, headers=ada)).status_code == 422


async def test_the_document_says_what_is_public_and_what_may_be_forbidden(
    configured: Settings, database: Database
) -> None:
    app = an_app(configured, database)
    for _ in range(2):  # made, and remembered
        paths = app.openapi()["paths"]
        opened, mine = paths["/open"]["get"], paths["/mine"]["get"]
        edit = paths["/catalogue/{number}"]["put"]
        assert opened["security"] == []
        assert mine["security"] == edit["security"] == [{"login": []}]
        assert not {"401", "403"} & opened["responses"].keys()
        assert "401" in mine["responses"]
        assert "403" not in mine["responses"]
        assert {"401", "403", "422"} <= edit["responses"].keys()


async def test_the_document_is_made_though_routes_are_not_in_it() -> None:
    app, inner = FastAPI(), FastAPI()
    permissions.install(app)

    @app.get("/hidden", include_in_schema=False)
    @public
    async def hidden() -> None: ...

    @inner.get("/x")
    @public
    async def x() -> None: ...

    app.mount("/inner", inner)
    assert app.openapi()["paths"] == {}
