"""Mistakes that clients make, sent to every route: what an app answers with 500."""

import json as jsons
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from apiwright.checks.app import Answer, Error, Request
from apiwright.checks.nouns import is_user, referred
from apiwright.checks.operations import Operation
from apiwright.checks.things import (
    Thing,
    Things,
    as_far_as_time_allows,
    canaries_for,
    spare,
    things_of,
)
from apiwright.checks.users import User, is_refused
from apiwright.checks.values import PASSWORD
from apiwright.checks.world import World

_LAST_SECONDS = 12.0  # are left for other probes
_SECONDS_OF_ONE = 4.0
_SLOW, _MOST_SLOW_ONES = 0.15, 6
_MOST_USERS = 3
_HUGE = 2**63
_DEEP = 20_000
_FRAME = re.compile(r'File "[^"]*?/project/([^"]+)", line (\d+)')
_SURROUNDINGS = re.compile(
    r"not allowed here|refused|unreachable|timed? ?out|getaddrinfo|name resolution|Connect|SMTP"
    r"|redis|no such table|does not exist|No such file|api[_ ]?key|credential|NotImplemented",
    re.IGNORECASE,
)
_OF_DATA = re.compile(
    r"IndexError|KeyError|ZeroDivisionError|IntegrityError|NoResultFound|MultipleResultsFound"
    r"|DataError|StopIteration|UnicodeE|OverflowError|StatementError"
)
_OF_FASTAPI = re.compile(r"UnicodeEncodeError|ValueError")
"""Its own answer of 422 repeats the input, which may be what JSON cannot say."""
_GOODBYE = re.compile(r"log_?-?out|sign_?-?out|deactivat|close|revoke|unregist|logins|sessions")


@dataclass(frozen=True)
class Hit:
    """A request that was answered with 500."""

    operation: Operation
    mistake: str
    """In words: null as price. Empty: it is an ordinary request."""
    answer: Answer
    type: str
    message: str
    file: str | None
    line: int | None

    @property
    def cause(self) -> tuple[object, ...]:
        """What is one mistake in the app, whichever request shows it."""
        if self.file is None:
            return (self.operation, self.type)
        constraint = self.message.partition("\n")[0] if "Integrity" in self.type else ""
        return (self.file, self.line, self.type, re.sub(r"Key \(.*", "", constraint))


@lru_cache(maxsize=1)
def mistakes(world: World) -> tuple[Hit, ...]:
    """As users who are made for this: what they are and have may be spoilt."""
    return as_far_as_time_allows(world, _Hunt(world).hits())


class _Hunt:
    def __init__(self, world: World) -> None:
        self.world = world
        self.things: Things = things_of(world)
        self._user = spare(world) if world.a is not None else world.anonymous
        self._users = 1
        self._parents: dict[Operation, Thing | None] = {}

    def hits(self) -> Iterator[Hit]:
        operations = sorted(self.world.operations, key=_harm)
        for operation in operations:
            found = list(self._of(operation))
            plain = {one.cause for one in found if not one.mistake}
            yield from (one for one in found if _is_counted(one, plain))
            self._renewed(operation)
        yield from self._deleted_parents()
        yield from self._deleted_subject()

    def _of(self, operation: Operation) -> Iterator[Hit]:
        began, slow = time.monotonic(), 0
        first: Request | None = None
        found = False
        for mistake, request in self._requests(operation):
            now = time.monotonic()
            late = now > self.world.app.deadline - _LAST_SECONDS
            if late or now - began > _SECONDS_OF_ONE or slow > _MOST_SLOW_ONES:
                break
            answer = self.world.app.send(request)
            slow += answer.seconds > _SLOW  # a password is hashed
            first = first or request
            hit = _hit(operation, mistake, answer)
            if hit is not None:
                found = True
                yield hit
        if found and first is not None:  # what fails now for everybody is not a client's mistake
            hit = _hit(operation, "", self.world.app.send(first))
            if hit is not None and operation.method == "GET":
                yield hit

    def _renewed(self, operation: Operation) -> None:
        """Another user, when the last one has logged himself out."""
        if self.world.a is None or self._user is None or self._users >= _MOST_USERS:
            return
        if re.search(_GOODBYE.pattern + "|passw|/me$", operation.path.lower()):
            guard = self.world.guards[0].operation
            if is_refused(self.world.app.send(guard.request(self._user))):
                self._users += 1
                self._user = self.world.enter("C") or self._user
                self._parents.clear()

    def _requests(self, operation: Operation) -> Iterator[tuple[str, Request]]:
        user = self._allowed(operation)
        if user is None:
            return
        known = self._known(operation, user)
        texts = canaries_for(operation)
        plain = operation.request(user, {**texts, **known})
        yield "", plain
        if operation.method == "POST":
            yield "the same twice", plain
        yield from self._of_path(operation, user, known)
        yield from self._of_query(operation, user, known)
        if operation.content is not None:
            body = operation.request(user, {**texts, **known}, whole=True)
            yield from _of_body(operation, body, self._taken(operation, user))
        elif operation.method in ("POST", "PUT", "PATCH"):  # it may read one all the same
            yield from _of_text(plain)
        yield from _of_headers(plain)

    def _allowed(self, operation: Operation) -> User | None:
        """Who does what only admins may."""
        if operation.route.protection == "admin":
            return self.world.admin
        return self._user

    def _known(self, operation: Operation, user: User) -> dict[str, Any]:
        """Ids of things of his own, for the path and what the body refers to."""
        known: dict[str, Any] = {}
        for name in (*operation.path_names, *operation.fields):
            if name in operation.fields and referred(name) is None and name not in ("ids", "id"):
                continue
            maker = self.things.maker_of(operation, name)
            if maker is not None and maker is not operation:
                thing = self._thing(maker, user, fresh=_deletes(operation))
                if thing is not None:
                    several = _type(operation, name) == "array"
                    known[name] = [thing.id] if several else thing.id
                    known |= {
                        one: parent.id
                        for parent in thing.parents
                        for one in operation.path_names
                        if self.things.maker_of(operation, one) is parent.maker
                    }
            elif is_user(name, operation.path) and self._user is not None:
                known |= {name: self._user.id} if self._user.id is not None else {}
        for name in operation.fields:
            if re.search("passw", name, re.IGNORECASE):
                known[name] = PASSWORD
        return known

    def _thing(self, maker: Operation, user: User, fresh: bool) -> Thing | None:
        if fresh or maker not in self._parents:
            thing = self.things.make(maker, user)
            if thing is None and self.world.admin is not None:
                thing = self.things.make(maker, self.world.admin)
            if fresh:
                return thing
            self._parents[maker] = thing
        return self._parents[maker]

    def _of_path(
        self, operation: Operation, user: User, known: dict[str, Any]
    ) -> Iterator[tuple[str, Request]]:
        for name in operation.path_names:
            for words, value in _PARTS:
                yield f"{words} as {name}", operation.request(user, {**known, name: value})

    def _of_query(
        self, operation: Operation, user: User, known: dict[str, Any]
    ) -> Iterator[tuple[str, Request]]:
        for one in operation.parameters:
            if one["in"] != "query":
                continue
            name, schema = one["name"], operation.values.resolved(one.get("schema", {}))
            kind = schema.get("type")
            cases = _NUMBERS if kind in ("integer", "number") else _WORDS
            for words, value in cases:
                yield f"{words} as {name}", operation.request(user, {**known, name: value})

    def _taken(self, operation: Operation, user: User) -> dict[str, Any]:
        """What another user has already, for fields that may have to be unique."""
        other = self.world.b
        if other is None:
            return {}
        return {name: other.known[name] for name in operation.fields if name in other.known
                and not re.search("passw", name, re.IGNORECASE)}  # fmt: skip

    def _deleted_parents(self) -> Iterator[Hit]:
        """What others refer to is deleted."""
        for maker in self.things.makers:
            for operation in self.things.addressed_by(maker):
                if operation.method != "DELETE" or is_user(operation.path_names[-1]):
                    continue
                user = self._allowed(operation)
                thing = self.things.make(maker, user) if user is not None else None
                if thing is None or self._user is None:
                    continue
                children = [
                    self.things.make(one, self._user, (thing, *thing.parents))
                    for one in self.things.makers
                    if one is not maker and self._refers(one, maker)
                ]
                if any(children):
                    known = self.things.known(operation, thing) or {}
                    answer = self.world.app.send(operation.request(user, known))
                    hit = _hit(operation, "what others refer to is deleted", answer)
                    if hit is not None:
                        yield hit

    def _refers(self, one: Operation, maker: Operation) -> bool:
        names = (*one.path_names, *one.fields)
        return any(self.things.maker_of(one, name) is maker for name in names if referred(name))

    def _deleted_subject(self) -> Iterator[Hit]:
        """A token outlives its user."""
        gone = self.world.enter("gone") if self.world.a is not None else None
        if gone is None or gone.table is None or not gone.row or not self.world.guards:
            return
        name = next((one for one in ("id", "uuid", "pk") if one in gone.row), None)
        if name is None:
            return
        quoted = gone.table if self.world.database.uses_postgres else f'"{gone.table}"'
        try:
            self.world.database.execute(
                f"DELETE FROM {quoted} WHERE CAST({name} AS TEXT) = '{gone.row[name]}'"  # noqa: S608
            )
        except Exception:  # something refers to him: of whatever driver
            return
        for guard in self.world.guards[:3]:
            answer = self.world.app.send(guard.operation.request(gone))
            hit = _hit(guard.operation, "the token of a user who is gone", answer)
            if hit is not None:
                yield hit


_PARTS: tuple[tuple[str, Any], ...] = (
    ("a number past 64 bits", _HUGE),
    ("a negative number", -1),
    ("a text", "x"),
    ("a NUL byte", "a\x00b"),
    ("an id of nothing", 987654321),
    ("an id of nothing", "01900000-0000-7000-8000-0000000fffff"),
)
_NUMBERS: tuple[tuple[str, Any], ...] = (
    ("a number past 64 bits", _HUGE),
    ("a number past 64 bits", 10**30),
    ("a negative number", -1),
    ("zero", 0),
    ("a text", "x"),
)
_WORDS: tuple[tuple[str, Any], ...] = (
    ("a name of nothing", "nothing_of_that_name"),
    ("a NUL byte", "a\x00b"),
    ("a quote", "it's \"%\\"),
    ("nothing", ""),
)


def _harm(operation: Operation) -> tuple[int, bool]:
    """Reading first, goodbyes last."""
    if _GOODBYE.search(operation.path.lower()):
        return 3, True
    return 0 if operation.method == "GET" else 2 if _deletes(operation) else 1, bool(
        operation.path_names
    )


def _deletes(operation: Operation) -> bool:
    return operation.method == "DELETE" or bool(
        re.search("delet|remov|clear|purge", operation.path.lower())
    )


def _type(operation: Operation, name: str) -> Any:
    return operation.values.resolved(operation.fields.get(name, {})).get("type")


def _of_body(
    operation: Operation, whole: Request, taken: dict[str, Any]
) -> Iterator[tuple[str, Request]]:
    try:
        body = jsons.loads(whole.body)
    except ValueError:
        yield from _of_text(whole)
        return
    if isinstance(body, dict):
        for name, value in sorted(body.items(), key=lambda one: "passw" not in one[0].lower()):
            schema = operation.values.resolved(operation.fields.get(name, {}))
            kind = schema.get("type")
            for words, other in _others(kind, value):
                yield f"{words} as {name}", _with(whole, {**body, name: other})
            if name in taken:
                yield f"what another user has as {name}", _with(whole, {**body, name: taken[name]})
        for name in body:
            without = {one: value for one, value in body.items() if one != name}
            yield f"no {name}", _with(whole, without)
    yield from _of_text(whole)


def _others(kind: Any, value: Any) -> Iterator[tuple[str, Any]]:
    if kind == "string" and isinstance(value, str):
        yield "100 characters", "Aa-1" * 25
    yield "null", None
    if kind == "string":
        yield "a NUL byte", "a\x00b"
        yield "a long text", "x" * 80 + "é" * 5000
        yield "nothing", ""
    elif kind in ("integer", "number"):
        yield "a number past 64 bits", _HUGE
        yield "a huge number", 10**40
        yield "a negative number", -1
        yield "zero", 0
        yield "an id of nothing", 987654321
    elif kind == "array":
        yield "a list of null", [None]
        yield "a number past 64 bits", [_HUGE]
    elif kind is None or kind == "object":
        yield "an empty object", {}
    if isinstance(value, str) and len(value) == 36:
        yield "an id of nothing", "01900000-0000-7000-8000-0000000fffff"


def _of_text(request: Request) -> Iterator[tuple[str, Request]]:
    json = {"content-type": "application/json"}
    yield "no body", _sent(request, b"", json)
    yield "half of a JSON body", _sent(request, b'{"a": ', json)
    yield "a list as the body", _sent(request, b"[1, null]", json)
    yield "an empty object as the body", _sent(request, b"{}", json)
    yield "not a number in the body", _sent(request, b'{"a": NaN, "price": NaN}', json)
    yield "deep JSON", _sent(request, b"[" * _DEEP + b"]" * _DEEP, json)
    yield "bytes that are no text", _sent(request, b'{"a": "\xff\xfe"}', json)
    yield "a body that is said to be text", _sent(request, b"a=b", {"content-type": "text/plain"})
    yield (
        "a form without its boundary",
        _sent(request, b"a=b", {"content-type": "multipart/form-data"}),
    )


def _of_headers(request: Request) -> Iterator[tuple[str, Request]]:
    for name, value in request.headers:
        if name == "authorization":
            scheme = value.partition(" ")[0]
            for words, text in (
                ("a token that is no token", f"{scheme} x"),
                ("a token in the shape of one", f"{scheme} a.b.c"),
                ("no token behind the scheme", scheme),
            ):
                headers = tuple(
                    (one, text if one == name else other) for one, other in request.headers
                )
                yield words, replace(request, headers=headers, hidden=(), user=None)


def _with(request: Request, body: Any) -> Request:
    return _sent(request, jsons.dumps(body).encode(), {})


def _sent(request: Request, body: bytes, changed: dict[str, str]) -> Request:
    headers = {**dict(request.headers), **changed, "content-length": str(len(body))}
    return replace(request, body=body, headers=tuple(headers.items()))


def _hit(operation: Operation, mistake: str, answer: Answer) -> Hit | None:
    if answer.status != 500 and not (answer.status is None and answer.error is not None):
        return None
    error = answer.error or _logged(answer)
    if error is None:
        error = Error("", "", None, None)
    said = f"{error.type}: {error.message}"
    if error.type == "process" or _SURROUNDINGS.search(said):
        return None
    if error.file is None and _OF_FASTAPI.fullmatch(error.type):
        return None
    return Hit(operation, mistake, answer, error.type, error.message, error.file, error.line)


def _is_counted(hit: Hit, plain: set[tuple[object, ...]]) -> bool:
    """An ordinary request may fail because something is not there that the app needs."""
    return hit.cause not in plain or bool(_OF_DATA.search(hit.type))


def _logged(answer: Answer) -> Error | None:
    """Of the traceback in a log record, where the app answers every exception itself."""
    for text in [one.text for one in answer.logs] + [answer.output]:
        frames = _FRAME.findall(text)
        last = [
            line for line in text.splitlines() if re.match(r"[\w.]+(Error|Exception|\w)(:|$)", line)
        ]
        if frames and "Traceback" in text:
            kind, _, message = (last[-1] if last else "").partition(": ")
            file, line = frames[-1]
            return Error(kind, message, file, int(line))
    return None
