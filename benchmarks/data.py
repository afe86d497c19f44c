"""The data every contestant serves: the same users and tasks in the same tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from asyncpg import Connection

USERS, TASKS = 10_000, 100_000
OWNERS = 1_000
"""The users who sign in are number 1 to this; each has `TASKS_EACH`."""
TASKS_EACH = 60

_START = datetime(2020, 1, 1, tzinfo=UTC)
_END = "2021-01-01"  # after this only what the load has written
PASSWORD = "correct horse battery"  # noqa: S105  # not a secret
_HASH = "$2b$12$owzeQi1NVVjgnQnC9zK5Ce38n5EkaCj71gP974cDJlO/it5QPI9rq"  # everybody's


def identifier(number: int) -> UUID:
    """The id of that user or task: of version 7, so that, as among ours, order is time."""
    milliseconds = int(_made(number).timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62 | number)


def owner_of(task: int) -> int:
    """The number of the user whose task this is."""
    if task <= OWNERS * TASKS_EACH:
        return (task - 1) % OWNERS + 1
    return OWNERS + 1 + task % (USERS - OWNERS)


def tasks_of(owner: int) -> list[UUID]:
    """The tasks of one of the users who sign in, newest first."""
    return [identifier(owner + OWNERS * n) for n in reversed(range(TASKS_EACH))]


def email_of(user: int) -> str:
    return f"user{user}@example.com"


def title_of(task: int) -> str:
    return f"Task number {task}"


async def version(url: str) -> str:
    connection = await asyncpg.connect(url)
    answer: str = await connection.fetchval("SHOW server_version")
    await connection.close()
    return answer


async def create_database(server: str, name: str, schema: str = "") -> str:
    """Its URL. Vacuuming is left to us, so that it does not fall into somebody's round."""
    connection = await asyncpg.connect(server)
    await connection.execute("ALTER SYSTEM SET autovacuum = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    if schema:
        connection = await asyncpg.connect(url)
        await connection.execute(schema)
        await connection.close()
    return url


async def fill(url: str) -> None:
    """A table of logins gets one, with the user's own id, of each user who signs in."""
    connection = await asyncpg.connect(url)
    await connection.copy_records_to_table("user", records=_users(), columns=_USER_COLUMNS)
    await connection.copy_records_to_table("task", records=_tasks(), columns=_TASK_COLUMNS)
    if await _has_logins(connection):
        await connection.copy_records_to_table("login", records=_logins(), columns=_LOGIN_COLUMNS)
    await _vacuum(connection)
    await connection.close()


async def clean(url: str) -> None:
    """Remove what the load has created, and what its updates have left behind."""
    connection = await asyncpg.connect(url)
    await connection.execute(f"DELETE FROM task WHERE created_at > '{_END}'")
    if await _has_logins(connection):
        await connection.execute(f"DELETE FROM login WHERE created_at > '{_END}'")
    await _vacuum(connection)
    await connection.close()


async def _vacuum(connection: Connection) -> None:
    await connection.execute('VACUUM ANALYZE "user"')
    await connection.execute("VACUUM ANALYZE task")
    if await _has_logins(connection):
        await connection.execute("VACUUM ANALYZE login")


async def _has_logins(connection: Connection) -> bool:
    return bool(await connection.fetchval("SELECT to_regclass('login') IS NOT NULL"))


_USER_COLUMNS = ["id", "email", "password_hash", "is_active", "role", "created_at", "updated_at"]
_LOGIN_COLUMNS = ["id", "owner_id", "generation", "created_at", "updated_at"]
_TASK_COLUMNS = ["id", "owner_id", "title", "description", "done", "created_at", "updated_at"]


def _users() -> Iterator[tuple[object, ...]]:
    for number in range(1, USERS + 1):
        made = _made(number)
        yield identifier(number), email_of(number), _HASH, True, "member", made, made


def _logins() -> Iterator[tuple[object, ...]]:
    for number in range(1, OWNERS + 1):
        # refreshed just now: one that has not been for a month ends when its user logs in again
        yield identifier(number), identifier(number), 0, _made(number), datetime.now(UTC)


def _tasks() -> Iterator[tuple[object, ...]]:
    for number in range(1, TASKS + 1):
        made = _made(number)
        about = f"A few words about task {number}, about as many as one would type in practice."
        done = number % 3 == 0
        yield (
            *(identifier(number), identifier(owner_of(number)), title_of(number), about, done),
            *(made, made),
        )


def _made(number: int) -> datetime:
    return _START + timedelta(minutes=number)
