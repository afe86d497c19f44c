"""The app's database: connections, start-up checks, and the end of each request's transaction."""

import gc
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from anyio.to_thread import run_sync
from asyncpg import Connection
from fastapi import Depends, FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as ASGIScope

from apiwright.kit import embedded, postgres_url, row_security
from apiwright.kit.pool import CUT, Pool
from apiwright.kit.problems import Problem, may_answer
from apiwright.kit.session import Scope, Session
from apiwright.kit.settings import DATA, Settings
from apiwright.kit.tables import USER_SETTING

logger = logging.getLogger("apiwright.database")

_TIMEOUTS = ", ".join(
    f"set_config('{name}', '{value}', true)"
    for name, value in {
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "60s",
    }.items()
)
"""Set in each transaction, because poolers refuse them as parameters of a connection."""

_REVISION = "SELECT version_num FROM public.alembic_version LIMIT 1"
_MAY_ASK_REVISION = "SELECT has_table_privilege(to_regclass('public.alembic_version'), 'SELECT')"

_SILENT_FOR = 60.0  # seconds without an answer: the network is gone

SESSIONS = "apiwright.sessions"  # in the ASGI scope: the sessions of the request


class Database:
    """One per app, in `app.state.database` while it runs."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self._settings = settings
        self._pool = Pool(self.connect, settings.pool_size)
        take_on = "BEGIN; SELECT set_config('role', '{}', true), " + _TIMEOUTS
        self._system = Scope(take_on.format(settings.system_role))
        as_user = (
            f"{take_on.format(settings.user_role)}, set_config('{USER_SETTING}', '{{0}}', true)"
        )
        self._anonymous = Scope(as_user.format(""), system=self._system)
        self._as_user = f"{as_user} FROM public.\"user\" WHERE id = '{{0}}' AND is_active"
        self._in_login = (
            f"{self._as_user} AND EXISTS"
            " (SELECT FROM public.login WHERE owner_id = '{0}' AND id = '{1}')"
        )

    async def connect(self) -> Connection:
        """A new connection, bound by nothing: the pool's way to the server."""
        connection = await postgres_url.connect(self.url, command_timeout=_SILENT_FOR)
        try:
            async with connection.transaction():  # one server behind a pooler, for many questions
                for name, prefix in (("json", b""), ("jsonb", b"\x01")):
                    # as SQLAlchemy's dialect does it: its JSON types expect text
                    await connection.set_type_codec(
                        name,
                        schema="pg_catalog",
                        format="binary",
                        encoder=partial(_prefixed, prefix),
                        decoder=partial(_parsed, prefix),
                    )
        except BaseException:
            connection.terminate()
            raise
        return connection

    def scope(self, user_id: UUID | None, login_id: UUID | None = None) -> Scope:
        """Who is asking: a user, in a login that must not have ended; or nobody in particular."""
        if user_id is None:
            return self._anonymous
        begin = self._in_login if login_id else self._as_user
        text = begin.format(str(user_id), str(login_id))  # which takes each several times
        return Scope(text, user_id, login_id, self._system)

    def request_session(
        self, scope: ASGIScope, user_id: UUID | None, login_id: UUID | None = None
    ) -> Session:
        """The session of whoever is asking, which ends with the request of this ASGI scope."""
        try:
            opened: list[Session] = scope[SESSIONS]
        except KeyError:
            raise RuntimeError(
                "Add `database.install(app)`: it commits what requests write."
            ) from None
        asking = self.scope(user_id, login_id)
        for session in opened:  # such as the one of kit.idempotency: one transaction for both
            if session.is_of(asking):
                return session
        return self._session(asking, opened)

    def _session(self, scope: Scope, opened: list[Session]) -> Session:
        settings = self._settings
        slow = settings.slow_statement_ms / 1000
        return Session(self._pool, scope, opened, watch=settings.development, slow=slow)

    @asynccontextmanager
    async def session(self, user_id: UUID | None) -> AsyncIterator[Session]:
        """A session outside a request, or longer than one: committed at the end, rolled back
        on an exception."""
        opened: list[Session] = []
        try:
            yield self._session(self.scope(user_id), opened)
        except BaseException:
            await _end(opened, keep=False)
            raise
        await _end(opened, keep=True)

    async def check(self) -> None:
        """Raises when the database does not answer, or lacks what isolation rests on."""
        for attempt in range(2):
            try:
                async with self._pool.taken() as connection:
                    await row_security.check(connection, self._settings)
            except CUT:  # while nobody used it, perhaps
                if attempt == 1:
                    raise
                self._pool.forget_idle()

    async def revision(self) -> str | None:
        """The migration that the database is at; None when it does not tell."""
        async with self._pool.taken() as connection:
            if await connection.fetchval(_MAY_ASK_REVISION):
                at: str | None = await connection.fetchval(_REVISION)
                return at
        return None

    async def close(self) -> None:
        await self._pool.close()


def _prefixed(prefix: bytes, text: str) -> bytes:
    return prefix + text.encode()


def _parsed(prefix: bytes, stored: bytes) -> Any:
    return json.loads(stored.removeprefix(prefix))


@contextmanager
def url_of(settings: Settings) -> Iterator[str]:
    """DATABASE_URL; in development without one, the embedded Postgres in .data/postgres, which
    runs as long as somebody uses it."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
    else:
        with embedded.running(DATA / "postgres") as url:
            yield url


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database outside an app: for jobs and scripts. Raises ApiwrightError when it cannot be
    reached, or lacks what isolation rests on."""
    with ExitStack() as stack:
        url = await run_sync(lambda: stack.enter_context(url_of(settings)))
        database = Database(url, settings)
        try:
            await database.check()
            yield database
        finally:
            await database.close()


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def lifespan(settings: Settings) -> Lifespan:
    """Opens the database for as long as the app runs: `FastAPI(lifespan=lifespan(settings))`.

    Start-up fails when the database lacks what isolation rests on.
    """

    @asynccontextmanager
    async def serving(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings) as app.state.database:
            if not settings.development:
                # what is here now stays; a collection that looks through all of it would stop
                # every request for the time
                gc.collect()
                gc.freeze()
                gc.set_threshold(10_000, 20, 20)  # as for a process that makes and drops requests
            yield

    return serving


@may_answer(409, 503)
async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


AppDatabase = Annotated[Database, Depends(_database)]
"""For what needs a transaction that is not the request's: `async with database.session(…)`."""


def install(app: FastAPI) -> None:
    """Commit what a request wrote before its response is sent; roll back when it failed."""
    app.add_middleware(_EndOfRequest)


class CommitFailed(Exception):
    """What a request wrote was not kept, for the reason that it was raised from. It passes through
    the app, and its answer is a problem instead of the app's."""


class _EndOfRequest:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        opened: list[Session] = []
        scope[SESSIONS] = opened

        async def end_then_send(message: Message) -> None:
            if opened and message["type"] == "http.response.start":
                try:
                    await _end(opened, keep=message["status"] < 400)
                except Exception as error:
                    raise CommitFailed from error
            await send(message)

        try:
            await self._app(scope, receive, end_then_send)
        except CommitFailed as error:
            logger.error("what a request wrote was not committed", exc_info=error.__cause__)
            cause = error.__cause__
            if not isinstance(cause, Problem):
                cause = Problem(500, "This was not saved. Please try again.")
            await cause.response()(scope, receive, send)
        finally:
            if opened:  # the app failed, or was cancelled, before it answered
                await _end(opened, keep=False)


async def _end(opened: list[Session], *, keep: bool) -> None:
    """End the sessions, the last opened first; once one cannot be kept, none is."""
    failed: Exception | None = None
    if keep:
        try:
            for session in opened:
                session.refuse_to_forget()
        except Exception as error:
            failed = error
    while opened:
        try:
            await opened.pop().end(keep=keep and failed is None)
        except Exception as error:
            failed = failed or error
    if failed is not None:
        raise failed
