"""For a project's own tests: a database that is made for them, migrated, and thrown away."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from alembic import command
from pydantic import SecretStr

from apiwright.kit import migrations, postgres_url
from apiwright.kit.database import url_of
from apiwright.kit.settings import Settings


@contextmanager
def temporary_database(settings: Settings) -> Iterator[None]:
    """`settings` name a new, migrated database for as long as the block runs. It is on the server
    that they name otherwise: DATABASE_URL's, whose login must be allowed to create databases, or
    the project's embedded Postgres."""
    with empty_database(settings) as url:
        command.upgrade(migrations.config(url), "head")
        before, settings.database_url = settings.database_url, SecretStr(url)
        try:
            yield
        finally:
            settings.database_url = before


@contextmanager
def empty_database(settings: Settings) -> Iterator[str]:
    """The URL of a new database on the server that the settings name, before any migration."""
    with url_of(settings) as server:
        name = f"test_{secrets.token_hex(6)}"
        asyncio.run(_execute(server, f"CREATE DATABASE {name}"))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await postgres_url.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
