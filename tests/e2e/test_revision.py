"""`apiwright db revision` on a database that holds rows: what it writes goes up, down and up."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiwright.generators import new
from apiwright.kit import postgres_url
from tests.e2e.conftest import APIWRIGHT, environment
from tests.postgres import execute, new_database

TASK = """\
class Task(Owned, Timestamps, table=True):
"""
ENUM = """\
from enum import StrEnum


class Priority(StrEnum):
    LOW = "low"
    HIGH = "high"


"""


class Shop:
    """A project on a database of its own that holds a user and a task."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.models = folder / "app" / "models.py"
        self.run("upgrade")
        asyncio.run(
            execute(
                url,
                'INSERT INTO "user" (id, email, password_hash, role)'
                " VALUES (uuid_nil(), 'a@b.c', '', 'member')",
                "INSERT INTO task (id, owner_id, title, done) VALUES"
                " (uuid_nil(), uuid_nil(), 'Buy milk', false)",
            )
        )

    def run(self, *action: str) -> str:
        done = subprocess.run(
            [*APIWRIGHT, "db", *action],
            cwd=self.folder,
            env=environment(FASTAPI_ENV="development", DATABASE_URL=self.url),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def revise(self, old: str, new: str) -> str:
        """Change the models; the text of the migration, which has gone up, down and up."""
        self.models.write_text(self.models.read_text().replace(old, new))
        before = set(self.folder.glob("migrations/versions/*.py"))
        self.run("revision", "-m", "change")
        (migration,) = set(self.folder.glob("migrations/versions/*.py")) - before
        self.run("upgrade")
        self.run("downgrade", "-1")
        self.run("upgrade")
        return migration.read_text()

    def fetch(self, query: str) -> list[Any]:
        async def fetch() -> list[Any]:
            connection = await postgres_url.connect(self.url)
            try:
                return [tuple(row) for row in await connection.fetch(query)]
            finally:
                await connection.close()

        return asyncio.run(fetch())


@pytest.fixture
def shop(tmp_path: Path, server: str) -> Iterator[Shop]:
    new.write("shop", tmp_path)
    with new_database(server) as url:
        asyncio.run(
            execute(
                url,
                "CREATE FUNCTION uuid_nil() RETURNS uuid LANGUAGE sql AS"
                " $$ SELECT '00000000-0000-0000-0000-000000000000'::uuid $$",
            )
        )
        yield Shop(tmp_path / "shop", url)


def test_a_required_column_is_filled_with_its_default(shop: Shop) -> None:
    migration = shop.revise(TASK, f"{TASK}    points: int = 3\n")
    assert "UPDATE task SET points = 3 WHERE points IS NULL" in migration
    assert shop.fetch("SELECT points FROM task") == [(3,)]


def test_an_enum_is_text_with_a_check_and_takes_new_members(shop: Shop) -> None:
    shop.revise(TASK, f"{ENUM}{TASK}    priority: Priority = Priority.LOW\n")
    assert shop.fetch("SELECT priority FROM task") == [("low",)]
    with pytest.raises(Exception, match="ck_task_priority"):
        asyncio.run(execute(shop.url, "UPDATE task SET priority = 'none'"))
    shop.revise('    HIGH = "high"\n', '    HIGH = "high"\n    NONE = "none"\n')
    asyncio.run(execute(shop.url, "UPDATE task SET priority = 'none'"))


def test_keys_between_owned_tables_carry_the_owner(shop: Shop) -> None:
    folder = "class Folder(Owned, table=True):\n    name: str = Field(unique=True)\n\n\n"
    reference = "    folder_id: UUID | None = Field(default=None, foreign_key='folder.id')\n"
    migration = shop.revise(TASK, f"{folder}{TASK}{reference}")
    plain = " ".join(migration.split())
    assert '["owner_id", "folder_id"], ["owner_id", "id"]' in plain
    assert 'sa.UniqueConstraint("owner_id", "name"' in plain
    assert "CREATE POLICY visible ON folder" in migration


def test_another_audience_is_another_guard(shop: Shop) -> None:
    country = "(table=True):\n    code: str = Field(primary_key=True)\n\n\n"
    shared = f"class Country{country}".replace("(", "(Shared, ", 1)
    public = f"class Country{country}".replace("(", "(Public, ", 1)
    shop.models.write_text(
        shop.models.read_text().replace("import Account", "import Public, Account")
    )
    shop.revise(TASK, f"{shared}{TASK}")
    migration = shop.revise(shared, public)
    assert 'DROP POLICY "visible" ON country' in migration
    assert "CREATE POLICY visible ON country TO shop_user USING (true)" in migration


def test_a_database_behind_the_migrations_is_refused(shop: Shop) -> None:
    shop.revise(TASK, f"{TASK}    points: int = 3\n")
    shop.run("downgrade", "-1")
    with pytest.raises(AssertionError, match="not up to date"):
        shop.run("revision", "-m", "more")
