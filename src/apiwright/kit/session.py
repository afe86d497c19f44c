"""The session: the one way to the data, bound to who is asking when it is made.

It reads like SQLModel's session, awaited. A signed-in user's session reaches that user's rows
only: every transaction takes on a plain role and sets the user before its first statement, and
row level security does the rest. There is no unit of work, no identity map and no lazy loading:
rows are detached instances, and what is not added is not written.

A read is a short transaction of its own. The first write opens the request's transaction, which
is committed before the response is sent.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar, overload
from uuid import UUID

from asyncpg import Connection, ForeignKeyViolationError, UniqueViolationError
from sqlalchemy import Delete, Insert, Select, Update, bindparam, delete, insert, inspect, update
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import SQLModel, select
from sqlmodel.sql.expression import Select as SelectOfTuples
from sqlmodel.sql.expression import SelectOfScalar

from apiwright.kit.pagination import Page, PageQuery, decode_cursor, encode_cursor
from apiwright.kit.pool import Pool
from apiwright.kit.problems import Conflict, NotFound, Unauthorized
from apiwright.kit.statement import Shape, shape_of

T = TypeVar("T")
M = TypeVar("M", bound=SQLModel)

logger = logging.getLogger("apiwright.session")


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
        row = self.one_or_none()
        if row is None:
            raise NoResultFound("No row was found when one was required")
        return row

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
    system: "Scope | None" = None
    """What `unscoped` changes to."""


class Session:
    """Made by `kit.database`, one per request. Not for two tasks at once."""

    def __init__(self, pool: Pool, scope: Scope, opened: list["Session"]) -> None:
        """`opened`: the sessions of the same request, which end together with it."""
        self._pool = pool
        self._scope = scope
        self._opened = opened
        self._connection: Connection | None = None  # of the open transaction
        self._busy = self._failed = self._ended = False
        opened.append(self)

    @property
    def user_id(self) -> UUID:
        """Who is asking. Raises the 401 problem when nobody is signed in."""
        if self._scope.user_id is None:
            raise Unauthorized()
        return self._scope.user_id

    @overload
    async def exec(self, statement: SelectOfScalar[T]) -> Rows[T]: ...
    @overload
    async def exec(self, statement: SelectOfTuples[T]) -> Rows[T]: ...
    @overload
    async def exec(self, statement: Select[Any] | Insert | Update | Delete) -> Rows[Any]: ...
    async def exec(self, statement: Any) -> Rows[Any]:
        """Execute a select, insert, update or delete."""
        if not isinstance(statement, (Select, SelectOfScalar, Insert, Update, Delete)):
            raise TypeError(
                f"The session executes select(), insert(), update() and delete(), not a"
                f" {type(statement).__name__}."
            )
        return await self._run(*shape_of(statement))

    async def get(self, model: type[M], key: Any) -> M | None:
        """The row with this primary key; None when it is not there, or not yours."""
        row: M | None = (await self._run(_get(model), [key])).first()
        return row

    async def get_one(self, model: type[M], key: Any) -> M:
        """As `get`, but raises the 404 problem when there is no such row."""
        row = await self.get(model, key)
        if row is None:
            raise NotFound(f"There is no such {model.__name__.lower()}.")
        return row

    async def add(self, row: M) -> M:
        """Write a new row, or the changed columns of a loaded one, and bring back what the
        database filled in. Raises the 404 problem for a loaded row that is gone, and the 409
        problem for one that exists already or refers to what does not."""
        model, state = type(row), inspect(row)
        attributes: Mapper[Any] = inspect(model)
        names = [attribute.key for attribute in attributes.column_attrs]
        if state.key is None:
            # None leaves the column to its default; without one, it is null either way
            given = [name for name in names if getattr(row, name, None) is not None]
            shape, values = _insert(model, tuple(given)), []
        else:
            given = [name for name in names if name not in state.unmodified]
            if not given:
                return row
            shape, values = _update(model, tuple(given)), list(state.key[1])
        values += [getattr(row, name) for name in given]
        stored = (await self._run(shape, values)).first()
        if stored is None:
            raise NotFound(f"There is no such {model.__name__.lower()}.")
        for name in names:
            set_committed_value(row, name, getattr(stored[0], name))
        state.key = inspect(stored[0]).key
        return row

    async def delete(self, row: SQLModel) -> None:
        """Delete a loaded row. Raises the 404 problem when it is gone already."""
        done = await self._run(_delete(type(row)), list(inspect(row).key[1]))
        if done.rowcount == 0:
            raise NotFound(f"There is no such {type(row).__name__.lower()}.")

    async def page(self, query: SelectOfScalar[M], page: PageQuery) -> Page[M]:
        """One page of a select of one model, newest first by its `id`."""
        (described,) = query.column_descriptions
        key = described["entity"].id
        query = query.order_by(key.desc()).limit(page.limit + 1)
        if page.cursor is not None:
            query = query.where(key < decode_cursor(page.cursor))
        rows: list[Any] = (await self.exec(query)).all()
        more = len(rows) > page.limit
        rows = rows[: page.limit]
        return Page[Any].model_construct(
            items=rows, next_cursor=encode_cursor(rows[-1].id) if more else None
        )

    def unscoped(self, *, reason: str) -> "Session":
        """A session that sees everybody's rows, in a transaction of its own. Logged."""
        if self._scope.system is None:
            return self
        logger.info("unscoped session: %s", reason)
        return Session(self._pool, self._scope.system, self._opened)

    async def end(self, *, keep: bool) -> None:
        """Commit what was written, or, unless `keep`, roll it back; the session is of no use
        afterwards. Called by `kit.database`, which knows when a request is over."""
        connection, self._connection, self._ended = self._connection, None, True
        if self._failed and keep:
            raise RuntimeError("a statement failed, so nothing of this request is kept")
        if connection is None:
            return
        try:
            # a transaction that Postgres gave up answers ROLLBACK, without an error
            if keep and await connection.execute("COMMIT") != "COMMIT":
                raise RuntimeError("the transaction could not be committed")
            if not keep:
                await connection.execute("ROLLBACK")
        except BaseException:
            self._pool.drop(connection)
            raise
        self._pool.give(connection)

    async def _run(self, shape: Shape, values: Sequence[Any]) -> Rows[Any]:
        if self._ended:
            raise RuntimeError(
                "This session has ended: the response has begun. Do the work before it, or use"
                " `async with database.session(…)`."
            )
        if self._failed:
            raise RuntimeError(
                "An earlier statement failed, so nothing of this request is kept, and nothing"
                " more can be written in it."
            )
        if self._busy:
            raise RuntimeError(
                "Two tasks use one session at once. Await one after the other, or give each a"
                " session of its own."
            )
        self._busy = True
        try:
            return await self._run_alone(shape, values)
        finally:
            self._busy = False

    async def _run_alone(self, shape: Shape, values: Sequence[Any]) -> Rows[Any]:
        writing = self._connection is not None
        connection = self._connection or await self._begin()
        try:
            if shape.returns_rows:
                rows = await shape.rows(connection, values)
                result = Rows[Any](rows, len(rows))
            else:
                result = Rows[Any]([], await shape.count(connection, values))
            if not (writing or shape.writes):
                await connection.execute("COMMIT")
        except BaseException as error:
            self._connection = None
            self._failed = writing or shape.writes
            await self._abandon(connection, error)
            if isinstance(error, UniqueViolationError | ForeignKeyViolationError):
                raise Conflict() from error
            raise
        if writing or shape.writes:
            self._connection = connection
        else:
            self._pool.give(connection)
        return result

    async def _begin(self) -> Connection:
        connection = await self._pool.take()
        try:
            if await connection.execute(self._scope.begin) != "SELECT 1":
                raise Unauthorized("This account is not active.")
        except BaseException as error:
            await self._abandon(connection, error)
            raise
        return connection

    async def _abandon(self, connection: Connection, error: BaseException) -> None:
        if isinstance(error, Exception) and not connection.is_closed():
            try:
                await connection.execute("ROLLBACK")
            except BaseException:
                self._pool.drop(connection)
                raise
            self._pool.give(connection)
        else:  # cancelled in the middle of a query, or cut off
            self._pool.drop(connection)


@lru_cache(maxsize=1000)
def _get(model: type[SQLModel]) -> Shape:
    table = inspect(model)
    (key,) = table.primary_key
    return Shape(select(model).where(key == bindparam("key", type_=key.type)), ["key"])


# the combinations of columns that clients may send are many: bounded


@lru_cache(maxsize=1000)
def _insert(model: type[SQLModel], given: tuple[str, ...]) -> Shape:
    values: dict[str, Any] = {name: bindparam(name) for name in given}
    return Shape(insert(model).values(values).returning(model), given)


@lru_cache(maxsize=1000)
def _update(model: type[SQLModel], given: tuple[str, ...]) -> Shape:
    (key,) = inspect(model).primary_key
    values: dict[str, Any] = {name: bindparam(name) for name in given}
    statement = update(model).where(key == bindparam("_key", type_=key.type)).values(values)
    return Shape(statement.returning(model), ["_key", *given])


@lru_cache(maxsize=1000)
def _delete(model: type[SQLModel]) -> Shape:
    (key,) = inspect(model).primary_key
    return Shape(delete(model).where(key == bindparam("_key", type_=key.type)), ["_key"])
