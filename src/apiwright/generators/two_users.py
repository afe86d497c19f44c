"""Two users and somebody who is not signed in, at the routes of a new resource.

`python -B two_users.py JOB` imports the app in the project's own interpreter, with the standard
library and what the project has, and calls it without a server, on a throwaway database. What is
asked of the routes comes from the plan, not from the tests that it holds. The answer is written to
the file that the job names.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import itertools
import json
import re
import secrets
import sys
import uuid
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, AsyncIterator, Callable, Iterator, get_type_hints  # noqa: UP035  # older
from urllib.parse import urlencode

from sqlalchemy import Boolean, Enum, MetaData, Table, insert, select, update
from sqlalchemy import inspect as inspected
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

try:
    from sqlalchemy.ext.asyncio import AsyncEngine
except ImportError:  # before 1.4
    AsyncEngine = None  # type: ignore[assignment, misc]

_TOKENS = ("access_token", "token", "accessToken", "jwt", "auth_token", "id_token")
_ACTIVE = re.compile(r"(is_|email_)*(active|verified|confirmed|enabled)")
_OF_A_USER = re.compile(r"\b(user|owner|author|account)_?(id|name)\b")
_SECONDS = 20
_NEVER_THERE = {int: 2**31 - 2, uuid.UUID: uuid.UUID("01900000-0000-7000-8000-00000000dead")}
_VALUES: dict[type, Any] = {
    float: 1.0,
    bytes: b"x",
    Decimal: Decimal(1),
    dict: {},
    list: [],
    date: date(2030, 1, 1),
    datetime: datetime(2030, 1, 1, tzinfo=timezone.utc),  # noqa: UP017  # older interpreters
    time: time(12),
}

Check = list[Any]  # what, whether it passed, and why not


class Answer:
    def __init__(self, status: int, content: bytes, headers: list[Any]) -> None:
        self.status = status
        self.text = content.decode("utf-8", "replace")
        self.cookies = [
            value.decode("latin-1").partition(";")[0]
            for name, value in headers
            if name.lower() == b"set-cookie"
        ]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.status}: {' '.join(self.text.split())[:160]}".rstrip(": ")


class Client:
    """Calls the app as a server would."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: Any = None,
        form: bool = False,
    ) -> Answer:
        content, kind = b"", ""
        if body is not None:
            content = urlencode(body).encode() if form else json.dumps(body, default=str).encode()
            kind = "application/x-www-form-urlencoded" if form else "application/json"
        sent = {"host": "testserver", **(headers or {})}
        if kind:
            sent |= {"content-type": kind, "content-length": str(len(content))}
        raw, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": raw, "raw_path": raw.encode(), "query_string": query.encode(),
            "root_path": "", "client": ("127.0.0.1", 50000), "server": ("testserver", 80),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        }  # fmt: skip
        answer: dict[str, Any] = {"status": 500, "headers": []}
        received, content_sent = bytearray(), False

        async def receive() -> dict[str, Any]:
            nonlocal content_sent
            if content_sent:
                await asyncio.sleep(_SECONDS)
                return {"type": "http.disconnect"}
            content_sent = True
            return {"type": "http.request", "body": content, "more_body": False}

        async def respond(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.update(status=message["status"], headers=message.get("headers", []))
            elif message["type"] == "http.response.body":
                received.extend(message.get("body", b""))

        try:
            await asyncio.wait_for(self.app(scope, receive, respond), _SECONDS)
        except Exception as error:  # the app's own, which a server would have logged
            words = f"{type(error).__name__}: {error}".encode()
            return Answer(500, words, [])
        return Answer(answer["status"], bytes(received), answer["headers"])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str | None]:
        """The app, started; or why it could not be, when it answers all the same."""
        leaving, started = asyncio.Event(), asyncio.get_running_loop().create_future()
        asked = iter(["lifespan.startup"])

        async def receive() -> dict[str, Any]:
            kind = next(asked, None)
            if kind is None:
                await leaving.wait()
                return {"type": "lifespan.shutdown"}
            return {"type": kind}

        async def respond(message: dict[str, Any]) -> None:
            if message["type"].startswith("lifespan.startup.") and not started.done():
                failed = message["type"].endswith("failed")
                started.set_result(message.get("message", "")[-300:] if failed else None)

        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        life = asyncio.ensure_future(self.app(scope, receive, respond))
        await asyncio.wait({started, life}, timeout=_SECONDS, return_when="FIRST_COMPLETED")
        yield started.result() if started.done() else None
        leaving.set()
        await asyncio.wait({life}, timeout=2)
        life.cancel()
        with suppress(BaseException):
            await life


class Database:
    """The app's own, through the engine that it has made."""

    def __init__(self, model: tuple[str, str]) -> None:
        module, name = model
        self.table: Table = getattr(importlib.import_module(module), name).__table__
        self.key = key_of(self.table)
        self.written: dict[str, Any] = {}
        """What was said of the row that was made last."""
        self.declared: dict[str, Table] = {
            name: found
            for metadata in gc.get_objects()
            if isinstance(metadata, MetaData)
            for name, found in metadata.tables.items()
        }

    async def do(self, work: Callable[[Any], Any]) -> Any:
        """`work` is given a connection in a transaction."""
        engine = self._engine()
        if getattr(engine.dialect, "is_async", False):
            async with AsyncEngine(engine).begin() as connection:
                return await connection.run_sync(work)
        with engine.begin() as connection:
            return work(connection)

    def _engine(self) -> Engine:
        found = [one for one in gc.get_objects() if isinstance(one, Engine)]
        if not found:
            raise LookupError("the app has made no engine")
        return found[-1]

    async def make_tables(self) -> None:
        def make(connection: Any) -> None:
            there = set(inspected(connection).get_table_names())
            if self.table.name not in there:
                self.table.metadata.create_all(connection)

        await self.do(make)

    async def rows(self) -> dict[Any, dict[str, Any]]:
        def read(connection: Any) -> dict[Any, dict[str, Any]]:
            found = connection.execute(select(self.table)).mappings().all()
            return {row[self.key.name]: dict(row) for row in found}

        read_rows: dict[Any, dict[str, Any]] = await self.do(read)
        return read_rows

    async def activate(self, table: str) -> None:
        """Accounts that somebody would have to confirm first."""
        found = self.declared.get(table)
        if found is None:
            return
        flags = {
            column.name: True
            for column in found.columns
            if isinstance(column.type, Boolean) and _ACTIVE.fullmatch(column.name)
        }
        if flags:
            await self.do(lambda connection: connection.execute(update(found).values(flags)))

    async def make(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """A row, with those that it refers to. `given`: keys of rows that there are, by table."""
        found = self.declared[name]
        values: dict[str, Any] = {}
        self.written = values
        for column in found.columns:
            needed = not (column.nullable or column.server_default)
            needed = needed and (column.default is None or _is_a_time(column))
            keys = [key for key in column.foreign_keys if key.column.table.name != name]
            if keys and (needed or keys[0].column.table.name in given):
                other = keys[0].column.table.name
                if other not in given:
                    row = await self.make(other, given)
                    given = {**given, other: row[keys[0].column.name]}
                values[column.name] = given[other]
            elif needed and column is not found._autoincrement_column:
                values[column.name] = _value(column)

        def write(connection: Any) -> dict[str, Any]:
            done = connection.execute(insert(found).values(values))
            this = key_of(found) == done.inserted_primary_key[0]
            return dict(connection.execute(select(found).where(this)).mappings().one())

        made: dict[str, Any] = await self.do(write)
        return made


def key_of(table: Table) -> Any:
    return next(iter(table.primary_key.columns))


_numbers = itertools.count(1)


def _is_a_time(column: Any) -> bool:
    """Of which a default may be of the wrong kind: there are those with a zone and without."""
    return "DATETIME" in type(column.type).__name__.upper()


def _value(column: Any) -> Any:
    kind = column.type
    if isinstance(kind, Enum):
        return next(iter(kind.enum_class)) if kind.enum_class else kind.enums[0]
    python = _python_of(kind)
    if python is bool:
        return True
    if python is int:
        return next(_numbers)
    if python is uuid.UUID:
        return uuid.uuid4()
    if python in _VALUES:
        return _VALUES[python]
    text = f"x{next(_numbers)}"
    if "mail" in column.name:
        text += "@example.com"
    return text[: getattr(kind, "length", None) or 200]


def _python_of(kind: Any) -> type:
    known: list[Any] = [kind, getattr(kind, "impl", None)]
    for one in known:  # of a type that is made of another
        with suppress(NotImplementedError, AttributeError):
            python: type = one.python_type
            return python
    return str


# who asks


class Somebody:
    def __init__(self, name: str, headers: dict[str, str], row: dict[str, Any], user: Any) -> None:
        self.name, self.headers, self.row = name, headers, row
        self.user = user
        """Their row, for what is overridden to give; None: they have really signed in."""
        self.key: Any = None
        self.needed: dict[str, Any] = {}
        """What had to be said of the row."""


class Door:
    """How two users come in."""

    def __init__(self, client: Client, database: Database, job: dict[str, Any]) -> None:
        self.client, self.database, self.job = client, database, job
        self.how: dict[str, Any] | None = None
        self.tried: list[str] = []

    async def people(self) -> list[Somebody]:
        for login in self.job["logins"]:
            found = [await self.sign_in(login, name) for name in ("ada", "bob")]
            if None not in found:
                self.how = login
                return [somebody for somebody in found if somebody is not None]
        if self.job["user"] and self.job["dependencies"]:
            return await self.let_in()
        raise LookupError("; ".join(self.tried) or "there is no way to sign in that is understood")

    async def sign_in(self, login: dict[str, Any], name: str) -> Somebody | None:
        name += secrets.token_hex(4)
        before = await self.users()
        if login["register"]:
            account = evaluated(login["account"], name=name)
            answer = await self.client.send("POST", login["register"], None, account)
            if not answer.ok:
                self.tried.append(f"POST {login['register']} answered {answer}")
                return None
            await self.database.activate(self.job["user_table"])
        credentials = evaluated(login["credentials"], name=name)
        answer = await self.client.send("POST", login["path"], None, credentials, login["form"])
        found = token_in(answer.json)
        if not answer.ok or found is None:
            self.tried.append(f"POST {login['path']} answered {answer}")
            return None
        path, token = found
        for scheme in ("Bearer", "Token"):
            headers = {"Authorization": f"{scheme} {token}"}
            if await self.is_in(headers):
                login.update(token=path, scheme=scheme)
                after = await self.users()
                new = [row for key, row in after.items() if key not in before]
                return Somebody(name, headers, new[0] if new else {}, None)
        self.tried.append(f"what POST {login['path']} gave was not taken")
        return None

    async def users(self) -> dict[Any, dict[str, Any]]:
        table = self.database.declared.get(self.job["user_table"] or "")
        if table is None:
            return {}
        key = key_of(table).name

        def read(connection: Any) -> dict[Any, dict[str, Any]]:
            found = connection.execute(select(table)).mappings().all()
            return {row[key]: dict(row) for row in found}

        rows: dict[Any, dict[str, Any]] = await self.database.do(read)
        return rows

    async def is_in(self, headers: dict[str, str]) -> bool:
        method, path = self.job["guarded"]
        body: Any = {} if method in ("POST", "PUT", "PATCH") else None
        answer = await self.client.send(method, filled(path, lambda name: "1"), headers, body)
        return answer.status not in (401, 403)

    async def let_in(self) -> list[Somebody]:
        """Without a login: what asks for one gives whom we say."""
        module, name = self.job["user"]
        model = getattr(importlib.import_module(module), name)
        people = []
        for _ in range(2):
            row = await self.database.make(self.job["user_table"], {})
            needed = self.database.written
            key = [row[column.name] for column in model.__table__.primary_key.columns]

            def loaded(connection: Any, key: list[Any] = key) -> Any:
                with Session(connection, expire_on_commit=False) as session:
                    user = session.get(model, key[0])
                    session.expunge_all()
                    return user

            await self.database.activate(self.job["user_table"])
            user = await self.database.do(loaded)
            people.append(Somebody(str(key[0]), {}, row, user))
            people[-1].key = key[0]
            people[-1].needed = needed
        return people

    def givers(self) -> list[Any]:
        module, name = self.job["model"]
        model = getattr(importlib.import_module(module), name)
        found = [giver(found_by_name(*each), model) for each in self.job["dependencies"]]
        return list(dict.fromkeys(each for each in found if each is not None))

    def enter(self, somebody: Somebody | None) -> dict[str, str]:
        """Their headers; whoever is let in is in from now on."""
        if self.how is not None:
            return somebody.headers if somebody else {}
        overrides = inmost(self.client.app).dependency_overrides
        for called in self.givers():
            if somebody is None:
                overrides.pop(called, None)
            else:
                who = as_given(called, somebody)
                overrides[called] = lambda who=who: who
        return {}


def found_by_name(module: str, name: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def asked_by(called: Any) -> list[Any]:
    """What a function depends on, by its parameters."""
    with suppress(Exception):
        hints = get_type_hints(called, include_extras=True)
        given = [
            *(each.default for each in inspect.signature(called).parameters.values()),
            *(extra for hint in hints.values() for extra in getattr(hint, "__metadata__", ())),
        ]
        return [each.dependency for each in given if getattr(each, "dependency", None)]
    return []


def knows_who(called: Any, model: Any) -> bool:
    """Whether it could give the user: no session, no token, no row of the resource."""
    if not inspect.isfunction(called) or inspect.isgeneratorfunction(called):
        return False
    if inspect.isasyncgenfunction(called):
        return False
    with suppress(Exception):
        return get_type_hints(called).get("return") not in (str, bytes, model)
    return True


def looks_at_request(called: Any) -> bool:
    """Itself, or by what it depends on: a header, a cookie, a token."""
    kinds = [each.default for each in inspect.signature(called).parameters.values()]
    with suppress(Exception):
        hints = get_type_hints(called, include_extras=True)
        kinds += [one for hint in hints.values() for one in getattr(hint, "__metadata__", (hint,))]
    named = {kind.__name__ if inspect.isclass(kind) else type(kind).__name__ for kind in kinds}
    if named & {"Header", "Cookie", "Request", "HTTPConnection"}:
        return True
    return any(
        not inspect.isfunction(each) or looks_at_request(each)
        for each in asked_by(called)
        if not inspect.isgeneratorfunction(each) and not inspect.isasyncgenfunction(each)
    )


def giver(called: Any, model: Any) -> Any:
    """The function, of those that it depends on or itself, that says who is asking."""
    for each in asked_by(called):
        if inspect.isfunction(each) and looks_at_request(each):
            inner = giver(each, model)
            if inner is not None:
                return inner
    return called if knows_who(called, model) else None


def as_given(called: Any, somebody: Somebody) -> Any:
    """What it says that it gives: the user, claims about them, or their key."""
    with suppress(Exception):
        kind: Any = get_type_hints(called).get("return")
        row, key = somebody.row, somebody.key
        claims = {**row, "id": key, "user_id": key, "sub": str(key), "uid": key}
        if kind in (str, int, uuid.UUID):
            return kind(str(key))
        if kind is dict or getattr(kind, "__origin__", None) is dict:
            return claims
        names = getattr(kind, "model_fields", None) or getattr(kind, "__fields__", None)
        names = names or getattr(kind, "__dataclass_fields__", None)
        if names and not isinstance(somebody.user, kind):
            return kind(**{name: claims[name] for name in names if name in claims})
    return somebody.user


def token_in(answer: Any, path: tuple[str, ...] = ()) -> tuple[list[str], str] | None:
    if not isinstance(answer, dict):
        return None
    for name in _TOKENS:
        if isinstance(answer.get(name), str):
            return [*path, name], answer[name]
    for name, value in answer.items():
        if (found := token_in(value, (*path, name))) is not None:
            return found
    return None


# what is asked


class Trial:
    def __init__(self, client: Client, database: Database, door: Door, job: dict[str, Any]) -> None:
        self.client, self.database, self.door, self.job = client, database, door, job
        self.routes: list[tuple[str, str]] = [tuple(each) for each in job["routes"]]
        self.guarded = {tuple(each) for each in job["guarded_routes"]}
        self.words: str = job["many"]
        self.seen: dict[str, Any] = {}
        """What the routes answer, for the tests that will expect it."""

    def of_one(self) -> list[tuple[str, str]]:
        order = {"GET": 0, "PUT": 1, "PATCH": 2, "DELETE": 3}
        found = [each for each in self.routes if each[1].rstrip("/").endswith("}")]
        return sorted(found, key=lambda each: order.get(each[0], 2))

    def of_all(self, method: str) -> tuple[str, str] | None:
        found = [each for each in self.routes if each not in self.of_one() and each[0] == method]
        return found[0] if found else None

    async def ask(
        self,
        route: tuple[str, str],
        somebody: Somebody | None,
        key: Any = None,
        body: Any = None,
        whose: Somebody | None = None,
    ) -> Answer:
        """Where a path names a user, it is `whose`, or somebody."""
        method, path = route
        named = whose or somebody

        def value(name: str) -> str:
            if name == parameters[-1] and key is not None:
                return str(key)
            return str(self.id_of(named)) if named and _OF_A_USER.search(name) else "1"

        parameters = re.findall(r"\{([^}:]+)", path)
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = await self.body(somebody, changed=method != "POST")
        headers = self.door.enter(somebody)
        return await self.client.send(method, filled(path, value), headers, body)

    def id_of(self, somebody: Somebody) -> Any:
        table = self.database.declared.get(self.job["user_table"] or "")
        return somebody.row.get(key_of(table).name, 1) if table is not None else 1

    async def body(self, somebody: Somebody | None, changed: bool = False) -> Any:
        """What fits; rows that it refers to are made."""
        keys = {}
        users = self.job["user_table"]
        for model, table in self.job["parents"].items():
            given = {}
            if somebody and somebody.row and users:
                given[users] = self.id_of(somebody)
            row = await self.database.make(table, given)
            keys[model] = row[key_of(self.database.declared[table]).name]
        return evaluated(self.job["changed" if changed else "body"], parent=keys.__getitem__)

    async def create(self, somebody: Somebody | None) -> tuple[Answer, Any]:
        """The answer, and the key of the row that came of it."""
        route = self.of_all("POST")
        assert route is not None
        before = await self.database.rows()
        answer = await self.ask(route, somebody)
        new = [key for key in await self.database.rows() if key not in before]
        return answer, new[0] if new else None

    def is_in(self, key: Any, answer: Answer) -> bool:
        """Whether a list shows the row."""
        names = {"id", "uuid", "pk", self.database.key.name, f"{self.job['one']}_id"}
        found = [
            value for one in objects(answer.json) for name, value in one.items() if name in names
        ]
        return str(key) in [str(value) for value in found]

    def missing(self) -> Any:
        with suppress(Exception):
            python = self.database.key.type.python_type
            return _NEVER_THERE.get(python, "nothing-like-this")
        return "nothing-like-this"

    async def all(self, people: list[Somebody]) -> AsyncIterator[Check]:
        trials = [self.works(people[0] if people else None)]
        if people:
            trials.insert(0, self.asks())
        if people and self.job["owned"]:
            trials.append(self.isolated(*people))
        for each in trials:
            try:
                async for check in each:
                    yield check
            except Exception as error:  # ours, or the database's
                what = f"{self.words} do what they are for, for their user alone"
                yield [what, None, f"{type(error).__name__}: {error}"]

    def see(self, what: str, answer: Answer) -> None:
        self.seen[what] = {"status": answer.status, "json": answer.json}

    # each of these is a check

    async def works(self, ada: Somebody | None) -> AsyncIterator[Check]:
        what = f"{self.words} can be created, read, listed, changed and deleted"
        if self.of_all("POST") is None:
            yield [what, None, "no route creates one"]
            return
        answer, key = await self.create(ada)
        self.see("create", answer)
        self.seen["key"] = key
        if not answer.ok:
            # what was sent may not be all that it wants; a crash is a crash
            yield [what, False if answer.status >= 500 else None, f"creating one answered {answer}"]
            return
        if key is None:
            yield [what, False, "creating one stored nothing"]
            return
        refused = await self.ask(self.of_all("POST") or ("", ""), ada, None, [])
        self.see("invalid", refused)
        said = [word async for word in self.wrong_with_own(ada, key)]
        yield [what, not said, "; ".join(said)]
        said = [
            f"{method} {path} answered {answer}"
            for method, path in self.of_one()
            for answer in [await self.ask((method, path), ada, self.missing())]
            if answer.status != 404
        ]
        yield ["what is not there is a 404", not said, "; ".join(said)]

    async def wrong_with_own(self, ada: Somebody | None, key: Any) -> AsyncIterator[str]:
        route = self.of_all("GET")
        if route is not None:
            answer = await self.ask(route, ada)
            self.see("list", answer)
            if not answer.ok:
                yield f"listing answered {answer}"
            elif not self.is_in(key, answer):
                yield "the list does not show what was created"
        may_be_changed = self.job["changes"]
        for method, path in self.of_one():
            before = (await self.database.rows()).get(key)
            answer = await self.ask((method, path), ada, key)
            self.see(method, answer)
            after = (await self.database.rows()).get(key)
            if not answer.ok:
                yield f"{method} {path} answered {answer}"
            elif method in ("PUT", "PATCH"):
                if before == after and may_be_changed:
                    yield f"{method} {path} changed nothing"
                may_be_changed = False  # the next one sends the same
            elif method == "DELETE":
                again = await self.ask((method, path), ada, key)
                if again.status != 404:
                    yield f"a second {method} {path} answered {again}"

    async def isolated(self, ada: Somebody, bob: Somebody) -> AsyncIterator[Check]:
        what = f"one user has no access to {self.words} of another"
        answer, key = await self.create(ada)
        _, other = await self.create(bob)
        if key is None or other is None:
            yield [what, None, f"creating one answered {answer}"]
            return
        before = await self.database.rows()
        said = []
        for route in self.of_one():
            if route not in self.guarded:
                continue  # all may see it
            answer = await self.ask(route, bob, key)
            self.see(f"other {route[0]}", answer)
            if answer.status not in (403, 404):
                said.append(f"{route[0]} {route[1]} of another's answered {answer.status}")
        for route in self.routes:
            if _OF_A_USER.search(route[1]) and route in self.guarded:
                answer = await self.ask(route, bob, key, None, whose=ada)
                if answer.status not in (403, 404):
                    said.append(f"{route[0]} {route[1]} in another's name answered {answer.status}")
        if before != await self.database.rows():
            said.append("a row of another user was changed")
        listing = self.of_all("GET")
        if listing in self.guarded and listing is not None and not said:
            for somebody, own, others in ((ada, key, other), (bob, other, key)):
                answer = await self.ask(listing, somebody)
                if self.is_in(others, answer):
                    said.append(f"{listing[0]} {listing[1]} shows another's")
                elif not self.is_in(own, answer):
                    said.append(f"{listing[0]} {listing[1]} does not show one's own")
        yield [what, not said, "; ".join(dict.fromkeys(said))]
        if self.job["owner"] and ada.row and bob.row and not said:
            yield await self.keeps_owner(ada, bob, key)

    async def keeps_owner(self, ada: Somebody, bob: Somebody, key: Any) -> Check:
        what = "nobody can say whose it is"
        column = self.database.table.c[self.job["owner"]]
        (foreign,) = list(column.foreign_keys) or [None]
        name = foreign.column.name if foreign is not None else self.database.key.name
        before = await self.database.rows()
        false = {self.job["owner"]: bob.row[name]}
        create = self.of_all("POST")
        assert create is not None
        await self.ask(create, ada, None, {**await self.body(ada), **false})
        for route in self.of_one():
            if route[0] in ("PUT", "PATCH"):
                await self.ask(route, ada, key, {**await self.body(ada, changed=True), **false})
        new = {k: row for k, row in (await self.database.rows()).items() if k not in before}
        changed = (await self.database.rows()).get(key, before[key])
        owners = [row[self.job["owner"]] for row in (*new.values(), changed)]
        wrong = [owner for owner in owners if owner != ada.row[name]]
        return [what, not wrong, "the owner that a request names is taken" if wrong else ""]

    async def asks(self) -> AsyncIterator[Check]:
        what = "who is not signed in is refused"
        said = []
        for route in self.routes:
            if route in self.guarded:
                answer = await self.ask(route, None, self.missing())
                self.see(f"anonymous {route[0]}", answer)
                if answer.status not in (401, 403):
                    said.append(f"{route[0]} {route[1]} answered {answer.status}")
        yield [what, not said, "; ".join(said)]


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from objects(one)


def filled(path: str, value: Callable[[str], str]) -> str:
    return re.sub(r"\{([^}:]+)[^}]*\}", lambda match: value(match[1]), path)


def evaluated(code: str, **names: Any) -> Any:
    """Values for a request, as code: what a test would send."""
    known = {
        "secrets": secrets,
        "numbers": _numbers,
        "date": date,
        "timedelta": timedelta,
        "uuid4": uuid.uuid4,
    }
    return eval(code, {**known, **names})  # noqa: S307  # Apiwright's own


def inmost(app: Any) -> Any:
    """Without what is wrapped around it."""
    for name in ("app", "other_asgi_app", "_app") * 5:
        if hasattr(app, "dependency_overrides"):
            break
        app = getattr(app, name, app)
    return app


def imported(job: dict[str, Any]) -> Any:
    found: Any = importlib.import_module(job["module"])
    for name in job["variable"].split("."):
        found = getattr(found, name)
    return found() if job["factory"] else found


async def tried(job: dict[str, Any]) -> dict[str, Any]:
    client = Client(imported(job))
    async with client.running() as failed:
        database = Database(job["model"])
        await database.make_tables()
        door = Door(client, database, job)
        people: list[Somebody] = []
        answer: dict[str, Any] = {"checks": [], "login": None, "seen": {}, "started": failed}
        if job["guarded_routes"]:
            people = await door.people()
            answer["login"] = door.how or "override"
            answer["givers"] = [
                (each.__module__, each.__qualname__) for each in (() if door.how else door.givers())
            ]
            answer["needed"] = [
                {name: (type(value).__name__, str(value)) for name, value in each.needed.items()}
                for each in people[:1]
                if all(as_given(called, each) is each.user for called in door.givers())
            ]
        trial = Trial(client, database, door, job)
        answer["checks"] = [check async for check in trial.all(people)]
        answer["seen"] = trial.seen
    return answer


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        job = json.load(file)
    answer: dict[str, Any] = {"error": None}
    try:
        answer.update(asyncio.run(tried(job)))
    except BaseException as error:
        words = " ".join(str(error).split())[:400]
        answer["error"] = (
            words if isinstance(error, LookupError) else f"{type(error).__name__}: {words}"
        )
    with open(job["answer"], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(answer, file, default=str)


if __name__ == "__main__":
    main()
