"""The session: the one way to the data, bound to who is asking when it is made.

It reads like SQLModel's session, awaited. A signed-in user's session reaches that user's rows
only: every transaction takes on a plain role and sets the user before its first statement, and
row level security does the rest. There is no unit of work, no identity map and no lazy loading:
rows are detached instances, and what is not added is not written.

A read is a short transaction of its own. The first write opens the request's transaction, which
is committed before the response is sent.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from math import inf
from time import perf_counter
from typing import Any, Generic, NoReturn, Protocol, TypeVar, TypeVarTuple, overload
from uuid import UUID

import asyncpg
from asyncpg import Connection
from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Delete,
    Insert,
    Select,
    Update,
    bindparam,
    delete,
    insert,
    inspect,
    update,
)
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import InstanceState, Mapper
from sqlmodel import SQLModel, select
from sqlmodel.sql.expression import Select as SelectOfTuples
from sqlmodel.sql.expression import SelectOfScalar

from apiwright.kit.conflicts import conflict_of
from apiwright.kit.instead import INSTEAD, Call
from apiwright.kit.pagination import MOST_COUNTED, Page, PageQuery
from apiwright.kit.pool import CUT, Pool
from apiwright.kit.problems import Conflict, Forbidden, Invalid, NotFound, Unauthorized, Unavailable
from apiwright.kit.statement import Shape, become, count_of, page_of, shape_of

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
M = TypeVar("M", bound=SQLModel)
D = TypeVar("D", contravariant=True)

logger = logging.getLogger("apiwright.session")

_ATTEMPTS = 3
_STALE = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
_AT_THE_SAME_TIME = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_TOO_LONG = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
_VIOLATIONS = (
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.RestrictViolationError,
    asyncpg.ExclusionViolationError,
)
_TWO_TASKS = (
    "Two tasks use one session at once. Await one after the other, or give each a session of its"
    " own."
)
_UNFIT = (asyncpg.DataError, asyncpg.NotNullViolationError, asyncpg.CheckViolationError)


_AnyPage = Page[Any]  # held, because pydantic makes the class anew when nobody does


class Rows(Generic[T]):
    """What a statement brought back."""

    def __init__(self, rows: list[T], count: int) -> None:
        self._rows = rows
        self.rowcount = count
        """How many rows came back, or were changed by a statement that returns none."""

    def all(self) -> list[T]:
        return self._rows

    def first(self) -> T | None:
        return self._rows[0] if self._rows else None

    def one(self) -> T:
        """Raises SQLAlchemy's NoResultFound or MultipleResultsFound."""
        if not self._rows:
            raise NoResultFound("No row was found when one was required")
        self.one_or_none()
        return self._rows[0]

    def one_or_none(self) -> T | None:
        """Raises SQLAlchemy's MultipleResultsFound."""
        if len(self._rows) > 1:
            raise MultipleResultsFound("Multiple rows were found when at most one was required")
        return self.first()

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows)


@dataclass(frozen=True, slots=True)
class Scope:
    """Who is asking."""

    begin: str
    """SQL that begins a transaction, takes on the role and sets the user, in one round trip. Its
    last statement returns a row, or none for an account that may not sign in (any more)."""
    user_id: UUID | None = None
    login_id: UUID | None = None
    system: "Scope | None" = None
    """What `unscoped` changes to."""


class Enqueued(Protocol[D]):
    """A task of kit.jobs."""

    def enqueuing(
        self,
        data: D,
        *,
        key: str | None,
        delay: timedelta | None,
        owner_id: UUID | None,
        is_system: bool,
    ) -> Any: ...


class Session:
    """Made by `kit.database`, one per request. Not for two tasks at once."""

    def __init__(
        self,
        pool: Pool,
        scope: Scope,
        opened: list["Session"],
        *,
        watch: bool = False,
        slow: float = inf,
    ) -> None:
        """`opened`: the sessions of the same request, which end together with it. `watch`: make
        an error of what was changed and not added, or not awaited; for development. `slow`:
        seconds; statements that take longer are logged."""
        self._pool = pool
        self._scope = scope
        self._is_scoped = scope.user_id is not None
        self._opened = opened
        self._watch = watch
        self._slow = slow
        self._connection: Connection | None = None  # of the open transaction
        self._savepoints = 0
        self._busy = self._failed = self._ended = False
        self._seen: list[Any] = []  # rows and pending calls, when watching
        opened.append(self)

    @property
    def user_id(self) -> UUID:
        """Who is asking. Raises the 401 problem when nobody is signed in."""
        if self._scope.user_id is None:
            raise Unauthorized()
        return self._scope.user_id

    @property
    def login_id(self) -> UUID | None:
        """The login that the request came with, if its token belongs to one."""
        return self._scope.login_id

    def is_of(self, scope: Scope) -> bool:
        return self._scope == scope

    @overload
    def exec(self, statement: SelectOfScalar[T]) -> Awaitable[Rows[T]]: ...
    @overload
    def exec(self, statement: SelectOfTuples[*Ts]) -> Awaitable[Rows[tuple[*Ts]]]: ...
    @overload
    def exec(self, statement: Select[Any] | Insert | Update | Delete) -> Awaitable[Rows[Any]]: ...
    def exec(self, statement: Any) -> Awaitable[Rows[Any]]:
        """Execute a select, insert, update or delete."""
        return self._call("exec", self._exec(statement))

    def get(self, model: type[M], key: Any) -> Awaitable[M | None]:
        """The row with this primary key; None when it is not there, or not yours."""
        return self._call("get", self._get(model, key))

    def get_one(self, model: type[M], key: Any) -> Awaitable[M]:
        """As `get`, but raises the 404 problem when there is no such row."""
        return self._call("get_one", self._get_one(model, key))

    def add(self, row: M) -> Awaitable[M]:
        """Write a new row, or the changed columns of a loaded one, and bring back what the
        database filled in. Raises the 404 problem for a loaded row that is gone, and the 409
        problem for one that exists already or refers to what does not."""
        return self._call("add", self._add(row))

    def delete(self, row: SQLModel) -> Awaitable[None]:
        """Delete a loaded row. Raises the 404 problem when it is gone already."""
        return self._call("delete", self._delete(row))

    def refresh(self, row: SQLModel) -> Awaitable[None]:
        """Read the row's columns again. Raises the 404 problem when it is gone."""
        return self._call("refresh", self._refresh(row))

    def page(self, query: SelectOfScalar[M], page: PageQuery) -> Awaitable[Page[M]]:
        """One page of a select of one model, sorted by the `sort` of `page`, else by the select's
        own `order_by()`, else newest first. Raises the 422 problem for what is no cursor of it."""
        return self._call("page", self._page(query, page))

    def enqueue(
        self,
        task: Enqueued[D],
        data: D,
        *,
        key: str | None = None,
        delay: timedelta | None = None,
        owner_id: UUID | None = None,
    ) -> Awaitable[int | None]:
        """Have a worker do a task of `kit.jobs` as whoever is asking, once this request is
        committed, or `delay` later. Returns the job's number; None when a job of theirs with this
        task and `key` is waiting or under way. `owner_id` is for sessions of `unscoped`: whom the
        job is done as. Raises the 401 problem when nobody is signed in."""
        return self._call("enqueue", self._enqueue(task, data, key, delay, owner_id))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """All of the block or nothing: after an exception in it, what it wrote is undone, and
        what was written before it stays. What is kept is committed with the request."""
        self._check_usable()
        if self._connection is None:
            self._busy = True
            try:
                begun = await self._begin()
            finally:
                self._busy = False
            if self._ended:  # meanwhile, by another task
                self._pool.drop(begun)
                raise RuntimeError("The session ended before its transaction began.")
            self._connection = begun
        connection, block = self._connection, self._savepoints + 1
        await self._command(f"SAVEPOINT s{block}")
        self._savepoints = block
        try:
            yield
        except BaseException:
            if self._leaves(block) and self._connection is connection:
                self._failed = False
                await self._command(f"ROLLBACK TO SAVEPOINT s{block}")
            raise
        if not self._leaves(block):
            raise RuntimeError(_TWO_TASKS)
        self._check_usable()
        await self._command(f"RELEASE SAVEPOINT s{block}")

    def _leaves(self, block: int) -> bool:
        """Leave a block of `transaction()`. False when one is open in it, which is another
        task's: then nothing is kept of either."""
        innermost = self._savepoints == block
        self._failed = self._failed or not innermost
        self._savepoints -= 1
        return innermost

    def unscoped(self, *, reason: str) -> "Session":
        """A session that sees everybody's rows, in a transaction of its own. Logged."""
        if self._scope.system is None:
            return self
        logger.info("unscoped session: %s", reason)
        return Session(
            self._pool, self._scope.system, self._opened, watch=self._watch, slow=self._slow
        )

    async def end(self, *, keep: bool) -> None:
        """Commit what was written, or, unless `keep`, roll it back; the session is of no use
        afterwards. Called by `kit.database`, which knows when a request is over.

        Raises the 409 problem for what the commit itself refuses, and the 503 problem when the
        database was lost, in which case it may or may not have been written.
        """
        connection, self._connection, self._ended = self._connection, None, True
        try:
            if keep:
                self.refuse_to_forget()
            if connection is not None and self._busy:  # another task is in a statement
                self._pool.drop(connection)
                if keep:
                    raise RuntimeError(_TWO_TASKS)
            elif connection is not None:
                # a transaction that Postgres gave up answers ROLLBACK, without an error
                said = await connection.execute("COMMIT" if keep else "ROLLBACK")
                if keep and said != "COMMIT":
                    raise RuntimeError("the transaction could not be committed")
        except BaseException as error:
            if connection is not None:
                self._pool.drop(connection)
            _raise_problem(error)
        if connection is not None:
            self._pool.give(connection)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(INSTEAD.get(name, f"A session has no {name!r}."))

    def _call(self, name: str, work: Coroutine[Any, Any, T]) -> Call[T]:
        call = Call(name, work)
        if self._watch:
            self._seen.append(call)
        return call

    async def _exec(self, statement: Any) -> Rows[Any]:
        if not isinstance(statement, Select | Insert | Update | Delete):
            raise TypeError(
                f"The session executes select(), insert(), update() and delete(), not a"
                f" {type(statement).__name__}."
            )
        shape, values = shape_of(statement, scoped=self._is_scoped)
        return await self._run(shape, values)

    async def _get(self, model: type[M], key: Any) -> M | None:
        values = key if isinstance(key, tuple) else (key,)
        shape = _get(model, self._is_scoped)
        row: M | None = (await self._run(shape, values)).one_or_none()
        return row

    async def _get_one(self, model: type[M], key: Any) -> M:
        row = await self._get(model, key)
        if row is None:
            raise _no_such(model)
        return row

    async def _add(self, row: M) -> M:
        state, columns = inspect(row), _columns(type(row))
        _refuse_related(state)
        present = state.dict
        if state.key is None:
            given = [
                name
                for name, column in columns
                if present.get(name) is not None or _is_given_none(column, name in present)
            ]
            key: tuple[Any, ...] = ()
        else:
            unmodified, key = state.unmodified, state.key[1]
            given = [name for name, _ in columns if name not in unmodified]
            if not given:
                return row
        values = {name: present.get(name) for name in given}
        if any(isinstance(value, ClauseElement) for value in values.values()):
            rows = await self._exec(_write(type(row), values, key).returning(type(row)))
        else:
            shape = _written(type(row), tuple(given), key != (), self._is_scoped)
            rows = await self._run(shape, [*key, *values.values()])
        stored = rows.first()
        if stored is None:
            raise _no_such(type(row))
        become(row, stored[0])
        return row

    async def _delete(self, row: SQLModel) -> None:
        done = await self._run(_deleted(type(row), self._is_scoped), _stored_key(row))
        if done.rowcount == 0:
            raise _no_such(type(row))

    async def _enqueue(
        self,
        task: Enqueued[D],
        data: D,
        key: str | None,
        delay: timedelta | None,
        owner_id: UUID | None,
    ) -> int | None:
        is_system = self._scope.system is None
        if not is_system and owner_id not in (None, self.user_id):
            raise ValueError("A job of somebody else is enqueued by session.unscoped(…).")
        statement = task.enqueuing(
            data, key=key, delay=delay, owner_id=owner_id, is_system=is_system
        )
        number: int | None = (await self._exec(statement)).one()
        return number

    async def _refresh(self, row: SQLModel) -> None:
        become(row, await self._get_one(type(row), tuple(_stored_key(row))))

    async def _page(self, query: SelectOfScalar[M], page: PageQuery) -> Page[M]:
        shape, values = page_of(query, page, scoped=self._is_scoped)
        rows: list[Any] = (await self._run(shape, values)).all()
        more = len(rows) > page.limit
        rows = rows[: page.limit]
        total = await self._count(query) if page.count else None
        return _AnyPage.model_construct(
            items=rows,
            next_cursor=shape.cursor(rows[-1]) if more else None,
            total=total if total is None else min(total, MOST_COUNTED),
            total_is_capped=total if total is None else total > MOST_COUNTED,
        )

    async def _count(self, query: SelectOfScalar[M]) -> int:
        shape, values = count_of(query, scoped=self._is_scoped)
        count: int = (await self._run(shape, values)).one()
        return count

    async def _run(self, shape: Shape, values: Sequence[Any]) -> Rows[Any]:
        self._check_usable()
        self._busy = True
        try:
            rows = await self._persist(shape, values)
        finally:
            self._busy = False
        if self._watch and shape.returns_rows:
            self._seen += rows.all()
        for loader in shape.loaders:
            await self._load(loader, rows.all())
        return rows

    async def _load(self, loader: Any, rows: Sequence[Any]) -> None:
        model = loader.relationship.parent.class_
        parts = [part for row in rows for part in (row if isinstance(row, tuple) else (row,))]
        parents = [part for part in parts if isinstance(part, model)]
        keys = list({tuple(inspect(parent).key[1]): None for parent in parents})
        related = await self._exec(loader.statement(keys)) if keys else Rows[Any]([], 0)
        children = loader.attach(parents, related)
        for below in loader.below:
            await self._load(below, children)

    def _check_usable(self) -> None:
        if self._ended:
            raise RuntimeError(
                "This session has ended: the response has begun. Do the work before it, or use"
                " `async with database.session(…)`."
            )
        if self._failed:
            raise RuntimeError(
                "An earlier statement failed, so nothing of this request is kept, and nothing"
                " more can be done in it. What may fail belongs into"
                " `async with session.transaction():`."
            )
        if self._busy:
            raise RuntimeError(_TWO_TASKS)

    async def _persist(self, shape: Shape, values: Sequence[Any]) -> Rows[Any]:
        """Execute; once more when that is safe, which it is while nothing else is at stake."""
        for attempt in range(_ATTEMPTS):
            first = self._connection is None
            try:
                return await self._execute(shape, values)
            except (*_STALE, *_AT_THE_SAME_TIME, *CUT) as error:
                if not first or attempt == _ATTEMPTS - 1:
                    self._failed = self._failed or shape.writes
                    _raise_problem(error)
                if isinstance(error, _AT_THE_SAME_TIME):
                    await asyncio.sleep(random.random() * 0.05)  # noqa: S311  # no secret
            except BaseException as error:
                self._failed = self._failed or shape.writes or not first
                _raise_problem(error)
        raise AssertionError("unreachable")

    async def _execute(self, shape: Shape, values: Sequence[Any]) -> Rows[Any]:
        kept = self._connection is not None
        connection = self._connection or await self._begin()
        user_id = self._scope.user_id
        started = perf_counter()
        try:
            if shape.returns_rows:
                rows = await shape.rows(connection, values, user_id)
                result: Rows[Any] = Rows(rows, len(rows))  # Rows[Any](…) would cost as much again
            else:
                result = Rows([], await shape.count(connection, values, user_id))
            if self._ended:  # meanwhile, by another task
                raise RuntimeError("The session ended before its statement did.")
        except BaseException as error:
            refused = isinstance(error, Exception) and not isinstance(error, CUT)
            if self._savepoints and refused and not connection.is_closed():
                _raise_problem(error)  # the block of the savepoint undoes it
            self._connection = None
            self._failed = kept
            await self._abandon(connection, error)
            if isinstance(error, asyncpg.InsufficientPrivilegeError):
                raise (Forbidden() if self._is_scoped else Unauthorized()) from error
            raise
        finally:
            seconds = perf_counter() - started
            if seconds > self._slow:  # the text has no values: they are parameters
                said = {"statement": " ".join(shape.text.split()), "ms": round(seconds * 1000)}
                logger.warning("slow statement", extra=said)
        if kept or shape.writes:
            self._connection = connection
        else:
            self._pool.give_reading(connection, self)
        return result

    async def _begin(self) -> Connection:
        for attempt in range(_ATTEMPTS):
            try:
                connection = await self._pool.begin(self._scope.begin, self)
                break
            except CUT as error:
                if attempt == _ATTEMPTS - 1:
                    _raise_problem(error)
        if connection is None:
            raise Unauthorized("This login has ended, or the account is not active.")
        return connection

    async def _command(self, text: str) -> None:
        assert self._connection is not None
        self._busy = True
        try:
            await self._connection.execute(text)
        except BaseException:
            self._pool.drop(self._connection)
            self._connection, self._failed = None, True
            raise
        finally:
            self._busy = False

    async def _abandon(self, connection: Connection, error: BaseException) -> None:
        if isinstance(error, CUT):
            self._pool.drop(connection)
            self._pool.forget_idle()
        elif isinstance(error, Exception) and not connection.is_closed():
            try:
                await connection.execute("ROLLBACK")
            except BaseException:
                self._pool.drop(connection)
                raise
            self._pool.give(connection)
        else:  # cancelled in the middle of a query
            self._pool.drop(connection)

    def refuse_to_forget(self) -> None:
        """Raises RuntimeError when what was done in it cannot be kept."""
        if self._failed:
            raise RuntimeError("a statement failed, so nothing of this request is kept")
        for seen in self._seen:
            if isinstance(seen, Call):
                seen.refuse_to_be_forgotten()
            elif isinstance(seen, SQLModel) and (changed := _changed(seen)):
                raise RuntimeError(
                    f"A {type(seen).__name__} was changed ({', '.join(changed)}) and never added,"
                    " so this was not written. Write it with `await session.add(…)`."
                )


def _raise_problem(error: BaseException) -> NoReturn:
    """What a client may be told of an error of the database."""
    if isinstance(error, _VIOLATIONS):
        raise conflict_of(error) from error
    if isinstance(error, _UNFIT):
        raise Invalid(
            [], "A value cannot be stored: it is too large, missing, or not allowed."
        ) from error
    if isinstance(error, _AT_THE_SAME_TIME):
        raise Conflict("This was changed by someone else at the same time. Try again.") from error
    if isinstance(error, (*CUT, *_STALE, *_TOO_LONG)):
        raise Unavailable() from error
    raise error


def _no_such(model: type[SQLModel]) -> NotFound:
    return NotFound(f"There is no such {model.__name__.lower()}.")


def _mapper(model: type[Any]) -> Mapper[Any]:
    mapper = inspect(model, raiseerr=False)
    if not isinstance(mapper, Mapper):
        raise TypeError(f"{model.__name__} is no table: `class {model.__name__}(…, table=True)`.")
    return mapper


def _stored_key(row: SQLModel) -> list[Any]:
    key = inspect(row).key
    if key is None:
        raise TypeError(f"This {type(row).__name__} was never stored: `await session.add(…)` it.")
    return list(key[1])


def _changed(row: SQLModel) -> list[str]:
    state = inspect(row)
    if state.key is None or not state.modified:
        return []
    return [attribute.key for attribute in state.attrs if attribute.history.has_changes()]


def _refuse_related(state: InstanceState[Any]) -> None:
    """What belongs to a row is written by itself: nothing cascades."""
    for relationship in state.mapper.relationships:
        if state.attrs[relationship.key].history.has_changes():
            raise TypeError(
                f"{state.class_.__name__}.{relationship.key} was set, and add() writes one row"
                " alone. Add the other row by itself, and set the foreign key"
                " (many-to-many: add a row of the link table)."
            )


def _is_given_none(column: Any, is_set: bool) -> bool:
    """Whether None is a value, and not the wish for a default, as SQLAlchemy's session sees it."""
    if column.type.should_evaluate_none:
        return is_set
    return not (
        column.primary_key
        or column.default
        or column.server_default
        or column.computed
        or column.identity
    )


def _write(model: type[SQLModel], values: dict[str, Any], key: Sequence[Any]) -> Insert | Update:
    if not key:
        return insert(model).values(values)
    changed: Update = _with_key(update(model).values(values), model, key)
    return changed


def _with_key(statement: Any, model: type[SQLModel], key: Sequence[Any]) -> Any:
    """The statement, for the row with this primary key alone."""
    for column, value in zip(_mapper(model).primary_key, key, strict=True):
        statement = statement.where(column == value)
    return statement


def _key_parameters(model: type[SQLModel]) -> list[BindParameter[Any]]:
    columns = _mapper(model).primary_key
    return [bindparam(f"_key_{number}", type_=column.type) for number, column in enumerate(columns)]


@lru_cache(maxsize=1000)
def _columns(model: type[SQLModel]) -> list[tuple[str, Any]]:
    """The columns of a model, by the names of their attributes."""
    return [(attribute.key, attribute.columns[0]) for attribute in _mapper(model).column_attrs]


# the combinations of columns that clients may send are many: bounded


@lru_cache(maxsize=1000)
def _get(model: type[SQLModel], scoped: bool) -> Shape:
    keys = _key_parameters(model)
    return Shape(_with_key(select(model), model, keys), [key.key for key in keys], scoped=scoped)


@lru_cache(maxsize=1000)
def _written(model: type[SQLModel], given: tuple[str, ...], stored: bool, scoped: bool) -> Shape:
    keys = _key_parameters(model) if stored else []
    statement = _write(model, {name: bindparam(name) for name in given}, keys).returning(model)
    return Shape(statement, [*(key.key for key in keys), *given], scoped=scoped)


@lru_cache(maxsize=1000)
def _deleted(model: type[SQLModel], scoped: bool) -> Shape:
    keys = _key_parameters(model)
    return Shape(_with_key(delete(model), model, keys), [key.key for key in keys], scoped=scoped)
