"""Idempotency: a POST that is sent once more with its `Idempotency-Key` is answered as before, and
not carried out again (draft-ietf-httpapi-idempotency-key-header).

What was answered is a row, written in the request's own transaction: what the request wrote and
the row are kept together or not at all.
"""

import re
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request
from sqlalchemy import JSON, BigInteger, LargeBinary, String, bindparam, delete, func, null, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, col, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apiwright.kit.conditional import may_be_held
from apiwright.kit.database import SESSIONS, CommitFailed, Database
from apiwright.kit.logins import claims_of
from apiwright.kit.problems import FieldError, Invalid, Problem, Unauthorized, may_answer
from apiwright.kit.session import Session
from apiwright.kit.statement import Shape
from apiwright.kit.tables import OwnedLink
from apiwright.kit.tokens import AccessClaims

_KEY = re.compile(rb'("?)([!#-\[\]-~]{1,255})\1')  # bare, or a string of RFC 9651
_KEPT_FOR = timedelta(hours=24)
_MOST_FORGOTTEN = 100  # old keys at a time, so that a request does not pay for very many


class KeptAnswer(OwnedLink):
    """What was answered to a POST with an `Idempotency-Key`. A project that has the table,
    `class IdempotencyKey(KeptAnswer, table=True)`, honours the header."""

    __tablename__ = "idempotency_key"

    key: str = Field(primary_key=True, max_length=255)
    request: bytes
    """A digest of what was asked."""
    status: int | None = None
    """None: it was carried out, and the answer is not kept."""
    headers: list[list[str]] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    body: bytes | None = None
    created_at: datetime = Field(
        default=None, index=True, sa_column_kwargs={"server_default": func.now()}
    )


def install(app: FastAPI) -> None:
    """Honour the header `Idempotency-Key`, if the project has a table of `KeptAnswer`. Call it
    before `database.install(app)`, whose transaction it is part of."""
    for model in KeptAnswer.__subclasses__():
        if hasattr(model, "__table__"):
            app.add_middleware(_Idempotency, model=model)


@may_answer(409)
class _Idempotency:
    def __init__(self, app: ASGIApp, model: type[KeptAnswer]) -> None:
        self._app = app
        self._keys = _Keys(model)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            given = [value for name, value in scope["headers"] if name == b"idempotency-key"]
            if given and (claims := claims_of(scope)) is not None:
                await self._once(given, claims, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _once(
        self, given: list[bytes], claims: AccessClaims, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Carry the request out, or answer as before."""
        database: Database = scope["app"].state.database
        session = database.request_session(scope, claims.user_id, claims.login_id)
        try:
            key = _key(given)
            body = await Request(scope, receive).body()
            known = await self._keys.take(session, key, _digest(scope, body))
        except Unauthorized:  # the login has ended, which not every route minds
            scope[SESSIONS].remove(session)
            await self._app(scope, _again(body, receive), send)
            return
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        if known is not None:
            await _repeat(known, send)
            return
        answer = _Answer(self._keys, session, key, send)
        await self._app(scope, _again(body, receive), answer.send)


class _Keys:
    """The table, in the transaction of a request."""

    def __init__(self, model: type[KeptAnswer]) -> None:
        self._model = model
        self._is_old = col(model.created_at) < func.now() - _KEPT_FOR
        # names a lock, which statements of a user's session may not
        self._taken = Shape(self._take(), ["key", "request", "lock"], scoped=False)

    def _take(self) -> Any:
        model = self._model
        if_free = select(
            bindparam("key", type_=String), bindparam("request", type_=LargeBinary)
        ).where(func.pg_try_advisory_xact_lock(bindparam("lock", type_=BigInteger)))
        taken = insert(model).from_select(["key", "request"], if_free)
        return taken.on_conflict_do_update(
            index_elements=["owner_id", "key"],
            set_={
                "request": taken.excluded.request,
                "created_at": func.now(),
                **dict.fromkeys(("status", "headers", "body"), null()),
            },
            where=self._is_old,
        ).returning(col(model.key))

    async def take(self, session: Session, key: str, digest: bytes) -> KeptAnswer | None:
        """Take a key for this request; or what was answered, if it was taken before.

        The lock ends with the transaction, whatever becomes of it. Who does not get it does not
        wait: to insert the same key would mean to wait for the other request.

        Raises the 409 problem while another request has it or when the answer was not kept, and
        the 422 problem when it was taken for another request.
        """
        lock = _lock(session.user_id, key)
        if (await session._run(self._taken, [key, digest, lock])).first():
            return None
        model = self._model
        known = await session.exec(select(model).where(model.key == key, ~self._is_old))
        answer = known.first()
        if answer is None:
            raise Problem(
                409,
                "A request with this Idempotency-Key is being carried out.",
                headers={"Retry-After": "1"},
            )
        if answer.request != digest:
            raise _invalid("It was used for another request.")
        if answer.status is None:
            raise Problem(409, "This was carried out before. Its answer is not kept.")
        return answer

    async def keep(self, session: Session, key: str, start: Message, body: bytes) -> None:
        """Write down what is answered, and forget some old ones."""
        model = self._model
        # passing over what another request is forgetting just now, which it would wait for
        old = select(model.key).where(self._is_old).limit(_MOST_FORGOTTEN)
        forget = delete(model).where(col(model.key).in_(old.with_for_update(skip_locked=True)))
        headers = [[part.decode("latin-1") for part in pair] for pair in start["headers"]]
        answer = {"status": start["status"], "headers": headers, "body": body}
        keep = update(model).where(col(model.key) == key).values(answer)
        await session.exec(keep.add_cte(forget.cte()))


class _Answer:
    """What a request is answered, on its way: held until it is complete and written down."""

    def __init__(self, keys: _Keys, session: Session, key: str, send: Send) -> None:
        self._keys = keys
        self._session = session
        self._key = key
        self._send = send
        self._start: Message | None = None  # held
        self._body = b""

    async def send(self, message: Message) -> None:
        start = self._start
        if message["type"] == "http.response.start" and _is_kept(message):
            self._start = message
            return
        if start is not None:
            self._body += message.get("body", b"")
            if message.get("more_body", False):
                return
            self._start = None
            try:
                await self._keys.keep(self._session, self._key, start, self._body)
            except Exception as error:
                raise CommitFailed from error
            await self._send(start)
            message = {"type": "http.response.body", "body": self._body}
        await self._send(message)


def _is_kept(start: Message) -> bool:
    """Errors are not, as nothing of them is."""
    return start["status"] < 400 and may_be_held(start)


async def _repeat(known: KeptAnswer, send: Send) -> None:
    assert known.headers is not None
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in known.headers]
    headers.append((b"idempotency-replayed", b"true"))
    await send({"type": "http.response.start", "status": known.status, "headers": headers})
    await send({"type": "http.response.body", "body": known.body})


def _key(given: list[bytes]) -> str:
    """Raises the 422 problem for what is no key."""
    found = _KEY.fullmatch(given[0])
    if found is None or len(given) > 1:
        raise _invalid("It should be one string of 1 to 255 ASCII characters, without spaces.")
    return found[2].decode()


def _invalid(message: str) -> Invalid:
    return Invalid([FieldError(field="header.Idempotency-Key", message=message)])


def _lock(user_id: UUID, key: str) -> int:
    return int.from_bytes(sha256(user_id.bytes + key.encode()).digest()[:8], signed=True)


def _digest(scope: Scope, body: bytes) -> bytes:
    asked = repr((scope["method"], scope["path"], scope["query_string"]))
    return sha256(asked.encode() + body).digest()


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that begins with the body that was read already."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again
