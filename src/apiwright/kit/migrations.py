"""Alembic, on the app's own settings and driver: what `migrations/env.py` calls, and what
`apiwright db` and the tests call."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

from alembic import command, context
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations.ops import (
    AddColumnOp,
    AlterColumnOp,
    CreateTableOp,
    DowngradeOps,
    ExecuteSQLOp,
    MigrateOperation,
    MigrationScript,
    ModifyTableOps,
    UpgradeOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Enum, MetaData, Table, literal, text
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from apiwright.errors import ApiwrightError
from apiwright.kit import row_security
from apiwright.kit.postgres_url import engine_of
from apiwright.kit.settings import Settings
from apiwright.kit.statement import DIALECT
from apiwright.kit.tables import one_of, stored

AROUND = "apiwright.around"
"""Of a configuration: what gives, for the app's settings, steps before the difference that Alembic
sees and after the way back from it."""
_URL = "apiwright.url"
_UNLESS_EMPTY = "apiwright.unless_empty"


def config(url: str, folder: Path = Path()) -> Config:
    """Alembic's configuration for the project in `folder`, on the database at `url`."""
    file = folder / "alembic.ini"
    if not file.exists():
        raise ApiwrightError(
            f"There is no alembic.ini in {folder.absolute()}.",
            "Run this in the project's folder, next to its pyproject.toml.",
        )
    return Config(file, attributes={_URL: url})


def revise(config: Config, message: str) -> Path | None:
    """Write a migration from the database to what the models say. None when that is nothing."""
    config.attributes[_UNLESS_EMPTY] = True
    written = command.revision(config, message, autogenerate=True)
    if not written:
        return None
    file = Path(cast(Any, written).path)
    said = re.sub(r"^ *# ### .* ###\n", "", file.read_text(), flags=re.MULTILINE)
    file.write_text(said)  # without Alembic's reminders: the docs say that one reads a migration
    return file


def run(settings: Settings) -> None:
    """Run the migrations that Alembic was asked for; the body of migrations/env.py."""
    _refuse_several_heads(context.script)
    url = context.config.attributes.get(_URL)
    if url is None:  # called as `alembic …`
        if settings.database_url is None:
            raise ApiwrightError("DATABASE_URL is not set.", "Set it, or use `apiwright db`.")
        url = settings.database_url.get_secret_value()
    asyncio.run(_migrate(url, settings))


def _refuse_several_heads(scripts: ScriptDirectory) -> None:
    last = sorted(Path(script.path).name for script in scripts.get_revisions("heads"))
    if len(last) > 1:
        raise ApiwrightError(
            f"Two migrations continue from the same one: {' and '.join(last)} are both the last.",
            "Let one follow the other, by its down_revision; or, where both have been applied, join"
            " them: `alembic merge heads`.",
        )


async def _migrate(url: str, settings: Settings) -> None:
    engine = engine_of(url)
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
            assert script.downgrade_ops is not None
            _complete(script.upgrade_ops, script.downgrade_ops, tables, connection, settings)
            if around := context.config.attributes.get(AROUND):
                first, last = around(settings)
                script.upgrade_ops.ops[:0] = first
                script.downgrade_ops.ops += last
        if context.config.attributes.get(_UNLESS_EMPTY):
            scripts[:] = [one for one in scripts if not cast(Any, one.upgrade_ops).is_empty()]

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


def _complete(
    upgrade: UpgradeOps,
    downgrade: DowngradeOps,
    tables: MetaData,
    connection: Connection,
    settings: Settings,
) -> None:
    """What Alembic does not see: the guards of new and of changed tables, the members of enums,
    and that a table may hold rows."""
    operations: list[MigrateOperation] = []
    for operation in upgrade.ops:
        if isinstance(operation, ModifyTableOps):
            table = tables.tables[operation.table_name]
            operation.ops = [step for op in operation.ops for step in _on_rows(op, table)]
        operations.append(operation)
        if isinstance(operation, CreateTableOp):
            operation.columns = sorted(operation.columns, key=_rank)
            table = tables.tables[operation.table_name]
            operations += map(ExecuteSQLOp, row_security.protect(table, settings))
    found = connection.exec_driver_sql(row_security.GUARDS, (settings.user_role,))
    guards = row_security.by_table(found.mappings().all())
    for table in tables.sorted_tables:
        if table.name not in guards:
            continue  # a new one
        if row_security.wrong(table.name, guards[table.name], settings):
            # a policy may need a column that goes, and its successor one that comes
            gone = row_security.unprotect(table, guards[table.name], settings)
            operations[:0] = map(ExecuteSQLOp, gone)
            operations += map(ExecuteSQLOp, row_security.protect(table, settings))
        for old, new in _changed_enums(table, connection):
            operations += map(ExecuteSQLOp, new)
            downgrade.ops[:0] = map(ExecuteSQLOp, old)
    upgrade.ops = operations


def _rank(item: Any) -> int:
    """Whose a row is comes first, when it was written last; the rest as the model has it."""
    if not isinstance(item, Column):
        return 4
    if item.name in ("created_at", "updated_at"):
        return 3
    return 0 if item.primary_key else 1 if item.name == "owner_id" else 2


def _on_rows(operation: MigrateOperation, table: Table) -> list[MigrateOperation]:
    """A column that may not be null, on a table that may hold rows, in steps: rows get the
    model's default first."""
    if isinstance(operation, AddColumnOp):
        column, fills = operation.column, not operation.column.nullable
        fills = fills and operation.column.server_default is None
    elif isinstance(operation, AlterColumnOp) and operation.modify_nullable is False:
        column, fills = table.c[operation.column_name], True
    else:
        return [operation]
    default = column.default
    if not fills or default is None or not default.is_scalar:
        return [operation]
    value = literal(cast(Any, default).arg, column.type)
    written = value.compile(dialect=DIALECT, compile_kwargs={"literal_binds": True})
    names = DIALECT.identifier_preparer
    name = names.quote(column.name)
    fill = ExecuteSQLOp(
        f"UPDATE {names.format_table(table)} SET {name} = {written} WHERE {name} IS NULL"  # noqa: S608  # a literal
    )
    if isinstance(operation, AlterColumnOp):
        return [fill, operation]
    column.nullable = True
    tighten = AlterColumnOp(
        table.name, column.name, existing_type=column.type, modify_nullable=False
    )
    return [operation, fill, tighten]


def _changed_enums(table: Table, connection: Connection) -> Iterator[tuple[list[str], list[str]]]:
    """SQL for each enum whose members are not those that the database allows: back, and forth."""
    name = DIALECT.identifier_preparer.format_table(table)
    for column in table.columns:
        if not isinstance(column.type, Enum) or column.type.native_enum:
            continue
        check = f"ck_{table.name}_{column.name}"
        found = connection.scalar(
            text(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conname = :check AND conrelid = to_regclass(:name)"
            ),
            {"check": check, "name": name},
        )
        drop = f"ALTER TABLE {name} DROP CONSTRAINT {check}"
        add = f"ALTER TABLE {name} ADD CONSTRAINT {check} "
        new = f"{add}CHECK ({one_of(column, column.type.enums)})"
        if found is None:
            yield [drop], [new]
        elif set(_QUOTED.findall(found)) != set(column.type.enums):
            yield [drop, add + found], [drop, new]


_QUOTED = re.compile(r"'((?:[^']|'')*)'::")


def _render(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """SQLModel's two types as what they are in the database."""
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String({item.length or ''})"
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False
