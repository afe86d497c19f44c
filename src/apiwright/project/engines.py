"""Leads a project's databases to a throwaway one; executed by its own interpreter, as server.py."""

# ruff: noqa: PTH118, PTH119

from __future__ import annotations

import contextlib
import datetime
import functools
import gc
import importlib
import importlib.util
import inspect
import os
import re
import sys
import uuid
from typing import Any

_ASYNC_DRIVERS = ("asyncpg", "aiosqlite", "aiomysql", "asyncmy", "psycopg_async")
_DRIVERS = {
    ("postgresql", False): ("psycopg2", "psycopg", "pg8000"),
    ("postgresql", True): ("asyncpg", "psycopg"),
    ("sqlite", False): ("pysqlite",),
    ("sqlite", True): ("aiosqlite",),
}
_NOT_FOR_POSTGRES = ("host", "port", "check_same_thread")
_OF_ANOTHER_SERVER = re.compile(
    r"pool_|max_overflow|poolclass|isolation_level|creator|async_creator|connect_args|json_"
    r"|executemany|insertmanyvalues|use_insertmanyvalues|encoding|client_encoding|server_side"
)


class Databases:
    """Leads every engine that is made to the throwaway database, whatever URL it was made with."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.postgres: str | None = job["postgres"]  # the folder of its socket
        self.folder: str = job["databases"]
        self.engines: list[Any] = []
        self.notes: list[str] = []
        self._asking_async = False

    def lead(self) -> None:
        with contextlib.suppress(ImportError):
            self._lead_sqlalchemy()
        for name, functions in (
            ("asyncpg", ("connect", "create_pool")),
            ("psycopg2", ("connect",)),
        ):
            with contextlib.suppress(ImportError):
                module = importlib.import_module(name)
                for function in functions:
                    setattr(module, function, self._led(getattr(module, function), name))
        with contextlib.suppress(ImportError):
            psycopg: Any = importlib.import_module("psycopg")
            for one in (psycopg.Connection, psycopg.AsyncConnection):  # as a pool calls them
                one.connect = classmethod(self._led_by_class(one.connect.__func__))
            psycopg.connect = psycopg.Connection.connect

    def _lead_sqlalchemy(self) -> None:
        import sqlalchemy
        import sqlalchemy.engine.create as create

        original = create.create_engine

        @functools.wraps(original)
        def create_engine(url: Any, **options: Any) -> Any:
            is_async = self._asking_async or options.get("_is_async", False)
            engine = original(*self._instead(url, options, is_async), **options)
            self.engines.append(engine)
            return engine

        sqlalchemy.event.listen(
            sqlalchemy.engine.Engine, "before_cursor_execute", self._without_extension, retval=True
        )
        for module in (sqlalchemy, sqlalchemy.engine, create):
            module.create_engine = create_engine  # type: ignore[attr-defined]
        with contextlib.suppress(ImportError):
            import sqlalchemy.ext.asyncio as exported
            import sqlalchemy.ext.asyncio.engine

            asynchronous: Any = sqlalchemy.ext.asyncio.engine

            original_async = asynchronous.create_async_engine

            @functools.wraps(original_async)
            def create_async_engine(*arguments: Any, **options: Any) -> Any:
                options.pop("async_creator", None)
                self._asking_async = True
                try:
                    return original_async(*arguments, **options)
                finally:
                    self._asking_async = False

            asynchronous._create_engine = create_engine
            asynchronous.create_async_engine = create_async_engine
            exported.create_async_engine = create_async_engine

    def _instead(self, given: Any, options: dict[str, Any], is_async: bool) -> tuple[Any]:
        from sqlalchemy.engine import URL, make_url

        url = make_url(given)
        if not hasattr(url, "set"):  # SQLAlchemy 1.3
            return (given,)
        dialect, _, driver = url.drivername.partition("+")
        dialect = "postgresql" if dialect == "postgres" else dialect
        is_async = is_async or driver in _ASYNC_DRIVERS
        if dialect == "postgresql" and self.postgres and self._driver(dialect, driver, is_async):
            for name in ("creator", "async_creator"):
                options.pop(name, None)
            arguments = dict(options.get("connect_args") or {})
            for name in [one for one in arguments if "ssl" in one or one in _NOT_FOR_POSTGRES]:
                del arguments[name]
            if arguments or "connect_args" in options:
                options["connect_args"] = arguments
            return (self._postgres_url(driver, is_async),)
        if str(url.database).startswith(self.folder):  # led before
            return (url,)
        if dialect != "sqlite":
            self._note(f"its {dialect} database was replaced by SQLite")
            for name in [one for one in options if _OF_ANOTHER_SERVER.match(one)]:
                del options[name]
        name = (
            re.sub(r"\W+", "_", os.path.basename(url.database or "memory")).strip("_") or "memory"
        )
        return (
            URL.create(
                "sqlite+aiosqlite" if is_async else "sqlite",
                database=os.path.join(self.folder, name + ".db"),
            ),
        )

    def _without_extension(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        """The throwaway server has none; it has a function that the most wanted one is for."""
        found = re.match(r"\s*CREATE EXTENSION\s+(?:IF NOT EXISTS\s+)?(\S+)", statement, re.I)
        if found is None or not self.postgres or found[1].strip('";') == "vector":
            return statement, parameters
        self._note(f"the extension {found[1]} was left out")
        return "SELECT 1", parameters

    def _postgres_url(self, driver: str, is_async: bool) -> Any:
        from sqlalchemy.engine import URL

        found = self._driver("postgresql", driver, is_async)
        query = {"host": str(self.postgres)}
        if found == "pg8000":
            query = {"unix_sock": f"{self.postgres}/.s.PGSQL.5432"}
        return URL.create(
            f"postgresql+{found}", username="postgres", database="postgres", query=query
        )

    def _driver(self, dialect: str, driver: str, is_async: bool) -> str | None:
        """The given one where it is there and fits, else another that does."""
        fitting = _DRIVERS[dialect, is_async]
        ordered = [driver, *fitting] if driver in fitting else list(fitting)
        ordered += _DRIVERS[dialect, not is_async]
        return next((one for one in ordered if _is_installed(one)), None)

    def _led_by_class(self, original: Any) -> Any:
        @functools.wraps(original)
        def connect(cls: Any, conninfo: Any = None, **options: Any) -> Any:
            led = self._led(functools.partial(original, cls), "psycopg")
            return led(conninfo or None, **options)

        return connect

    def _led(self, original: Any, module: str) -> Any:
        database = "database" if module == "asyncpg" else "dbname"

        def connect(dsn: Any = None, **options: Any) -> Any:
            if not self.postgres:  # libpq, which is C, asks no cage
                raise ConnectionRefusedError("there is no throwaway Postgres")
            if str(self.postgres) in str(dsn) or options.get("host") == self.postgres:
                given = () if dsn is None else (dsn,)
                return original(*given, **options)
            for name in ("host", "port", "user", "password", "database", "dbname", "service"):
                options.pop(name, None)
            for name in [one for one in options if "ssl" in one or one == "passfile"]:
                del options[name]
            return original(
                **options, host=self.postgres, user="postgres", **{database: "postgres"}
            )

        return connect

    def _note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)

    async def create_tables(self) -> tuple[list[str], list[str]]:
        """Whatever table of the app's metadata is not there yet; and columns that are not there
        in tables that are."""
        if "sqlalchemy" not in sys.modules:
            return [], []
        from sqlalchemy import MetaData, inspect

        known = [one for one in gc.get_objects() if isinstance(one, MetaData) and _is_theirs(one)]
        url, is_async = self._last() if known else (None, False)
        if url is None:
            return [], []
        made: list[str] = []
        lacking: list[str] = []

        def create(connection: Any) -> None:
            for metadata in known:
                for schema in {table.schema for table in metadata.tables.values()} - {None}:
                    if connection.dialect.name == "postgresql":
                        connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
                there = inspect(connection)
                new = [
                    table
                    for table in metadata.sorted_tables
                    if not there.has_table(table.name, schema=table.schema)
                ]
                metadata.create_all(connection, tables=new, checkfirst=True)
                there = inspect(connection)  # which remembers what it saw
                made.extend(table.name for table in new)
                for table in metadata.sorted_tables:
                    columns = there.get_columns(table.name, schema=table.schema)
                    stored = {column["name"] for column in columns}
                    lacking.extend(
                        f"{table.name}.{c.name}" for c in table.c if c.name not in stored
                    )

        await self._within(url, is_async, create)
        return made, lacking

    async def insert(self, model: Any, given: dict[str, Any]) -> dict[str, Any]:
        """A row with these values; what else it needs is filled in."""
        from sqlalchemy import inspect
        from sqlalchemy.orm import Session

        values = dict(given)
        for attribute in inspect(model).column_attrs:
            column = attribute.columns[0]
            name = attribute.key
            has_default = column.default is not None or column.server_default is not None
            if name not in values and not (column.nullable or has_default or column.primary_key):
                values[name] = _some(column)
        told: dict[str, Any] = {}

        def add(connection: Any) -> None:
            with Session(connection, expire_on_commit=False) as session:
                row = model(**values)
                session.add(row)
                session.flush()
                for attribute in inspect(model).column_attrs:
                    told[attribute.key] = getattr(row, attribute.key)
                session.commit()

        await self._within(*self._last(), add)
        return told

    async def _within(self, url: Any, is_async: bool, work: Any) -> None:
        """By an engine like the app's, whose own pool would be bound to this moment's loop."""
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        if is_async:
            from sqlalchemy.ext.asyncio import create_async_engine

            async with create_async_engine(url, poolclass=NullPool).begin() as connection:
                await connection.run_sync(work)
        else:
            with create_engine(url, poolclass=NullPool).begin() as opened:
                work(opened)

    def _last(self) -> tuple[Any, bool]:
        if self.engines:
            engine = self.engines[-1]
            return engine.url, getattr(engine.dialect, "is_async", False)
        if self.postgres and self._driver("postgresql", "", False):
            return "postgresql://", self._driver("postgresql", "", False) == "asyncpg"
        return None, False


def _some(column: Any) -> Any:
    """A value of a column's type."""
    try:
        kind = column.type.python_type
    except NotImplementedError:
        kind = str
    if getattr(column.type, "enums", None):
        return (list(column.type.enum_class) if column.type.enum_class else column.type.enums)[0]
    if kind is bool:
        return True
    if kind in (datetime.datetime, datetime.date, datetime.time):
        now = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017
        zone = now if getattr(column.type, "timezone", False) else now.replace(tzinfo=None)
        return {datetime.datetime: zone, datetime.date: now.date(), datetime.time: zone.time()}[
            kind
        ]
    if kind is uuid.UUID:
        return uuid.uuid4()
    if kind is str:
        return f"text {uuid.uuid4().hex[:8]}"[: getattr(column.type, "length", None)]
    return kind()


def _is_theirs(metadata: Any) -> bool:
    """SQLAlchemy describes the system's tables, too."""
    schemas = {table.schema for table in metadata.tables.values()}
    return bool(schemas) and not schemas & {"pg_catalog", "information_schema"}


def _is_installed(driver: str) -> bool:
    return driver == "pysqlite" or importlib.util.find_spec(driver) is not None


def do_not_wait_for_redis() -> None:
    """Its client waits longer and longer between attempts, for a server that will not come."""
    with contextlib.suppress(ImportError):
        backoff = importlib.import_module("redis.backoff")
        for one in list(vars(backoff).values()):
            if inspect.isclass(one) and hasattr(one, "compute"):
                setattr(one, "compute", lambda self, failures: 0)  # noqa: B010  # of any class
