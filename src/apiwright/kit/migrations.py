"""Alembic, on the app's own settings and driver: what `migrations/env.py` calls, and what
`apiwright db` and the tests call."""

import asyncio
from pathlib import Path
from typing import Any, Literal

import asyncpg
from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations.ops import (
    CreateTableOp,
    ExecuteSQLOp,
    MigrateOperation,
    MigrationScript,
    UpgradeOps,
)
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from apiwright.errors import ApiwrightError
from apiwright.kit import postgres_url, row_security
from apiwright.kit.settings import Settings
from apiwright.kit.tables import stored

_URL = "apiwright.url"


def config(url: str, folder: Path = Path()) -> Config:
    """Alembic's configuration for the project in `folder`, on the database at `url`."""
    file = folder / "alembic.ini"
    if not file.exists():
        raise ApiwrightError(
            f"There is no alembic.ini in {folder.absolute()}.",
            "Run this in the project's folder, next to its pyproject.toml.",
        )
    return Config(file, attributes={_URL: url})


def run(settings: Settings) -> None:
    """Run the migrations that Alembic was asked for; the body of migrations/env.py."""
    url = context.config.attributes.get(_URL)
    if url is None:  # called as `alembic …`
        if settings.database_url is None:
            raise ApiwrightError("DATABASE_URL is not set.", "Set it, or use `apiwright db`.")
        url = settings.database_url.get_secret_value()
    asyncio.run(_migrate(url, settings))


async def _migrate(url: str, settings: Settings) -> None:
    async def connect() -> asyncpg.Connection:
        return await postgres_url.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_in_one_transaction, settings)
    await engine.dispose()


def _in_one_transaction(connection: Connection, settings: Settings) -> None:
    tables = stored()

    def complete(
        migration: MigrationContext, revision: Any, scripts: list[MigrationScript]
    ) -> None:
        for script in scripts:
            assert script.upgrade_ops is not None
            _add_row_security(script.upgrade_ops, tables, settings)

    context.configure(
        connection=connection,
        target_metadata=tables,
        process_revision_directives=complete,
        compare_server_default=False,
        render_item=_render,
    )
    with context.begin_transaction():
        # two deployments at once: the second waits, and finds nothing left to do
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('apiwright.migrations'))")
        for statement in row_security.create_roles(settings):
            connection.exec_driver_sql(statement)
        context.run_migrations()


def _add_row_security(upgrade: UpgradeOps, tables: MetaData, settings: Settings) -> None:
    """A new table is born behind its policies."""
    operations: list[MigrateOperation] = []
    for operation in upgrade.ops:
        operations.append(operation)
        if isinstance(operation, CreateTableOp):
            table = tables.tables[operation.table_name]
            operations += map(ExecuteSQLOp, row_security.protect(table, settings))
    upgrade.ops = operations


def _render(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """SQLModel's two types as what they are in the database."""
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String({item.length or ''})"
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False
