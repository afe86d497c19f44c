"""Conditional requests (RFC 9110, section 13): 304 for what a client has already, 412 for a change
of what it has not seen.

`install(app)` gives reads an `ETag` and answers 304; nothing in a route is needed for that.
`Match` is for routes that change a row: with `If-Match` they change it only as the client knows it.
"""

import re
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from operator import attrgetter
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Request
from sqlalchemy import inspect
from sqlmodel import SQLModel, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apiwright.kit.problems import Problem, may_answer
from apiwright.kit.session import Session

M = TypeVar("M", bound=SQLModel)

_SHOWN = "apiwright.shown"  # in the ASGI scope: a list, of the row's state that the answer shows
_LARGEST = 1_000_000  # bytes of a body that is looked at
_STRONG = re.compile(r'(?<!W/)"(\w+)-\w+"')  # the row's state, of a tag that may stand in If-Match
_NOT_OF_304 = (b"content-length", b"content-type")


def install(app: FastAPI) -> None:
    """Give what is read an `ETag`, and answer 304 to who has it already."""
    app.add_middleware(_Conditional)


class _Conditional:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = _Answer(scope, send).send
        await self._app(scope, receive, send)


class _Answer:
    """One answer, on its way: held until its body is there, of which the tag is made."""

    __slots__ = ("_is_read", "_scope", "_send", "_shown", "_start")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._is_read = scope["method"] == "GET"
        self._shown: list[str] = []
        self._start: Message | None = None
        scope[_SHOWN] = self._shown

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if (self._is_read or self._shown) and _has_tag(message):
                self._start = message
                return
        elif self._start is not None:
            start, self._start = self._start, None
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                message = self._tag(start, message)
            await self._send(start)
        await self._send(message)

    def _tag(self, start: Message, message: Message) -> Message:
        """Adds the tag to `start`, or makes it 304. Brings what is sent after it."""
        body = sha256(message.get("body", b"")).hexdigest()[:24]
        tag = f'"{self._shown[-1]}-{body}"' if self._shown else f'W/"{body}"'
        start["headers"] = [*start["headers"], (b"etag", tag.encode())]
        if self._is_read and _is_known(self._scope, tag):
            start["status"] = 304
            start["headers"] = [one for one in start["headers"] if one[0] not in _NOT_OF_304]
            return {"type": "http.response.body", "body": b""}
        return message


def _has_tag(start: Message) -> bool:
    """Not those that have one of their own."""
    return (
        start["status"] in (200, 201)
        and may_be_held(start)
        and b"etag" not in dict(start["headers"])
    )


def may_be_held(start: Message) -> bool:
    """Not streams, which tell no length, nor what nobody may store, such as tokens."""
    headers = dict(start["headers"])
    length = headers.get(b"content-length", b"0" if start["status"] == 204 else b"")
    return (
        length.isdigit()
        and int(length) <= _LARGEST
        and b"no-store" not in headers.get(b"cache-control", b"").lower()
    )


def _is_known(scope: Scope, tag: str) -> bool:
    given = _header(scope, b"if-none-match")
    return given == "*" or (given != "" and tag.removeprefix("W/") in given)


class _Match:
    """What a request says of the row that it is about."""

    def __init__(self, scope: Scope) -> None:
        try:
            self._shown: list[str] = scope[_SHOWN]
        except KeyError:
            raise RuntimeError(
                "This route is conditional, but its app is not: call `conditional.install(app)`."
            ) from None
        self._wanted = _header(scope, b"if-match")

    async def check(self, session: Session, model: type[SQLModel], key: Any) -> None:
        """Raises the 412 problem when the request has an `If-Match` and the row with this primary
        key is not as it says. Otherwise nobody else changes the row before the request has ended.

        Without `If-Match` it does nothing; nor for a row that is not there.
        """
        if self._wanted in ("", "*"):
            return
        values = key if isinstance(key, tuple) else (key,)
        columns = inspect(model).primary_key
        this = [column == value for column, value in zip(columns, values, strict=True)]
        row = (await session.exec(select(model).where(*this).with_for_update())).one_or_none()
        if row is not None and _state(row) not in _STRONG.findall(self._wanted):
            raise Problem(412, "This was changed since you read it. Read it again.")

    def tag(self, row: M) -> M:
        """Says that the answer shows this row; its `ETag` may then stand in `If-Match`. Brings
        the row back."""
        self._shown.append(_state(row))
        return row


def _state(row: SQLModel) -> str:
    """Tells one state of a row from all others, by all its columns."""
    values = repr(_columns(type(row))(row))
    return sha256(values.encode(errors="surrogatepass")).hexdigest()[:24]


@cache
def _columns(model: type[SQLModel]) -> Callable[[SQLModel], Any]:
    return attrgetter(*inspect(model).column_attrs.keys())


def _header(scope: Scope, wanted: bytes) -> str:
    values = [value for name, value in scope["headers"] if name == wanted]
    return b", ".join(values).decode("latin-1") if values else ""


@may_answer(412)
async def _match(request: Request) -> _Match:
    return _Match(request.scope)


Match = Annotated[_Match, Depends(_match)]
"""For the routes of a row: `match.tag(row)` where it is read, `await match.check(…)` before it is
changed."""
