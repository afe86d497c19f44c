"""A database with the tables of tests/kit/models.py behind their policies, and two users in it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy.schema import CreateIndex, CreateTable

from apiwright.kit import row_security, settings
from apiwright.kit.database import Database
from apiwright.kit.statement import DIALECT
from apiwright.kit.tables import stored
from tests.kit.models import User
from tests.postgres import execute, new_database


class Settings(settings.Settings):
    app_name: ClassVar[str] = "kit_tests"


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """The name of a database that tests copy."""
    with new_database(server) as url:
        asyncio.run(execute(url, *tables()))
        yield urlsplit(url).path[1:]


@pytest.fixture
def url(server: str, template: str) -> Iterator[str]:
    """The URL of a new database, its tables empty, as a superuser."""
    with new_database(server, template) as url:
        yield url


@pytest.fixture
def configured(url: str) -> Settings:
    return Settings(
        fastapi_env="development", database_url=SecretStr(url), secret_key=SecretStr("k" * 32)
    )


@pytest.fixture
async def database(configured: Settings, url: str) -> AsyncIterator[Database]:
    database = Database(url, configured)
    await database.check()
    yield database
    await database.close()


@dataclass(frozen=True)
class TwoUsers:
    ada: UUID
    bob: UUID


@pytest.fixture
async def users(database: Database) -> TwoUsers:
    async with database.session(None) as session:
        everyone = session.unscoped(reason="two users for a test")
        ada = await everyone.add(User(email="ada@example.com"))
        bob = await everyone.add(User(email="bob@example.com"))
    return TwoUsers(ada.id, bob.id)


def tables() -> Iterator[str]:
    """SQL that makes every table behind its policies, as migrations do."""
    configured = Settings(fastapi_env="development")
    yield from row_security.create_roles(configured)
    for table in stored().sorted_tables:
        yield str(CreateTable(table).compile(dialect=DIALECT))
        yield from (str(CreateIndex(index).compile(dialect=DIALECT)) for index in table.indexes)
        yield from row_security.protect(table, configured)
