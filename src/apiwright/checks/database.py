"""A database that is thrown away, of the project's own kind, for its running app."""

import asyncio
import contextlib
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from apiwright.project.code import Code

_POSTGRES = re.compile(rb"postgres|asyncpg|psycopg", re.IGNORECASE)
_KIT = re.compile(rb"apiwright\.kit")
_START_SECONDS = 60
_UUID = "CREATE FUNCTION uuid_generate_v4() RETURNS uuid AS 'SELECT gen_random_uuid()' LANGUAGE sql"
"""What the extension uuid-ossp is wanted for, which the embedded server does not have."""
_FILES = (".db", ".sqlite", ".sqlite3")


@dataclass(frozen=True)
class Database:
    """Where the app's rows are; what is written here by the checks, the app finds."""

    folder: Path
    """Of SQLite's files."""
    copy: Path
    """The project's, where an app may make a file without asking."""
    server: "Server | None"
    """Where the project speaks of Postgres."""

    def tables(self) -> Mapping[str, tuple[str, ...]]:
        """Their columns."""
        if self.uses_postgres:
            rows = self._postgres(
                "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name,"
                " column_name FROM information_schema.columns WHERE table_schema NOT IN"
                " ('pg_catalog', 'information_schema') ORDER BY 1, ordinal_position"
            )
            found: dict[str, list[str]] = {}
            for row in rows:
                found.setdefault(row["name"], []).append(row["column_name"])
            return {name: tuple(columns) for name, columns in found.items()}
        return {name: columns for file in self._files() for name, columns in _tables(file)}

    def rows(self, table: str, most: int = 1000) -> list[dict[str, Any]]:
        """Of a table as `tables` names it."""
        return self.execute(f"SELECT * FROM {self._quoted(table)} LIMIT {most}")  # noqa: S608

    def set(self, table: str, values: Mapping[str, Any], column: str, value: Any) -> None:
        """Values, written as SQL's own text, into the rows where a column has a value."""
        changes = ", ".join(f'"{name}" = {_literal(one)}' for name, one in values.items())
        self.execute(
            f"UPDATE {self._quoted(table)} SET {changes}"  # noqa: S608
            f' WHERE CAST("{column}" AS TEXT) = {_literal(str(value))}'
        )

    def delete(self, table: str, column: str, value: Any) -> None:
        """The rows where a column has a value, whatever refers to them."""
        self.execute(
            f"DELETE FROM {self._quoted(table)}"  # noqa: S608
            f' WHERE CAST("{column}" AS TEXT) = {_literal(str(value))}'
        )

    def execute(self, statement: str) -> list[dict[str, Any]]:
        if self.uses_postgres:
            return self._postgres(statement)
        failed: Exception | None = None
        for file in self._files():
            with contextlib.closing(sqlite3.connect(file, timeout=5)) as connection:
                connection.row_factory = sqlite3.Row
                try:
                    with connection:
                        return [dict(row) for row in connection.execute(statement)]
                except sqlite3.OperationalError as error:  # it is in another file
                    failed = error
        raise failed or LookupError("there is no database yet")

    @property
    def uses_postgres(self) -> bool:
        return self.server is not None and not any(self._files())

    @property
    def kind(self) -> str:
        return "Postgres" if self.uses_postgres else "SQLite"

    def empty(self) -> None:
        """As it was at first."""
        for file in self._files():
            file.unlink()
        if self.server is not None:
            self._postgres("DROP SCHEMA public CASCADE")
            self._postgres("CREATE SCHEMA public")
            self.prepare()

    def prepare(self) -> None:
        if self.server is not None:
            self._postgres(_UUID)

    def _files(self) -> list[Path]:
        found = [file for file in self.folder.iterdir() if file.suffix in _FILES]
        return found or [file for file in self.copy.rglob("*") if file.suffix in _FILES]

    def _quoted(self, table: str) -> str:
        return table if self.uses_postgres else f'"{table}"'

    def _postgres(self, statement: str) -> list[dict[str, Any]]:
        assert self.server is not None
        return self.server.execute(statement)


class Server:
    """A throwaway Postgres, by one connection."""

    def __init__(self, socket_folder: str) -> None:
        self.socket_folder = socket_folder
        self._loop = asyncio.new_event_loop()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    def execute(self, statement: str) -> list[dict[str, Any]]:
        return self._loop.run_until_complete(self._execute(statement))

    async def _execute(self, statement: str) -> list[dict[str, Any]]:
        if self._connection is None:
            self._connection = await asyncpg.connect(
                host=self.socket_folder,
                user="postgres",
                database="postgres",
                statement_cache_size=0,  # the tables change
            )
            # what refers to a row that is deleted stays
            await self._connection.execute("SET session_replication_role = replica")
        return [dict(row) for row in await self._connection.fetch(statement, timeout=10)]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


def _tables(file: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    with contextlib.closing(sqlite3.connect(file, timeout=5)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            columns = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
            yield name, tuple(column[1] for column in columns)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def uses_kit(code: Code) -> bool:
    return _mentions(code, _KIT)


def speaks_of_postgres(code: Code) -> bool:
    return _mentions(code, _POSTGRES) or uses_kit(code)


def _mentions(code: Code, pattern: re.Pattern[bytes]) -> bool:
    return any(pattern.search(one.content) for one in code.sources if not one.is_test)


@contextmanager
def postgres() -> Iterator[Server | None]:
    """None where none can be started here."""
    with tempfile.TemporaryDirectory(prefix="apiwright-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "postgres"
        with subprocess.Popen(
            [sys.executable, "-m", "apiwright.kit.embedded", str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for us to hear, who then closes its input
        ) as server:
            assert server.stdout is not None
            try:
                url = server.stdout.readline().strip()
                hosts = parse_qs(urlsplit(url).query).get("host")
                if not hosts:
                    yield None
                    return
                with contextlib.closing(Server(hosts[0])) as found:
                    yield found
            finally:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    server.communicate(timeout=_START_SECONDS)
