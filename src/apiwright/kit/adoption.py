"""The migration by which a table that somebody else made becomes an owned one: it goes behind the
wall, its keys lead with the owner, and its rows stay.

`python -m apiwright.kit.rehearsal adopt FILE`, in a copy of the project in which the model says
what the table is to be, is how the tools write it.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alembic import command
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.operations.ops import (
    AlterColumnOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateTableOp,
    DropConstraintOp,
    ExecuteSQLOp,
    MigrateOperation,
)
from sqlalchemy import Connection, DefaultClause, ForeignKeyConstraint, MetaData, Table, text
from sqlalchemy.dialects.postgresql import ENUM

from apiwright.kit import migrations
from apiwright.kit.postgres_url import engine_of
from apiwright.kit.settings import Settings
from apiwright.kit.statement import DIALECT
from apiwright.kit.tables import CURRENT_USER
from apiwright.kit.testing import empty_database

Steps = list[MigrateOperation]


def adopt(
    settings: Settings, message: str, made_by: Sequence[str], name: str, owner: str
) -> Path | None:
    """`made_by`: SQL that makes the table as it is; `owner`: the column that refers to the
    accounts. The migration makes the table only where it is not there yet, as in the databases of
    tests; its way back drops it only where it is empty."""
    with empty_database(settings) as url:
        config = migrations.config(url)
        command.upgrade(config, "head")
        config.attributes[migrations.AROUND] = asyncio.run(_prepared(url, made_by, name, owner))
        return migrations.revise(config, message)


async def _prepared(
    url: str, made_by: Sequence[str], name: str, owner: str
) -> Callable[[Settings], tuple[Steps, Steps]]:
    """What goes before the difference that Alembic sees, and after the way back from it."""

    def prepare(connection: Connection) -> Callable[[Settings], tuple[Steps, Steps]]:
        for statement in made_by:
            connection.exec_driver_sql(statement)
        context = MigrationContext.configure(connection)
        table = _as_it_is(connection, context, name)
        forth, back = _to_the_owner(table, owner)
        for step in forth:
            Operations(context).invoke(step)
        steps = [*_types(table), *_making(table), *forth]
        last = [*back, _dropping(table)]
        return lambda settings: (steps, [*_without_guards(table, settings), *last])

    engine = engine_of(url)
    async with engine.begin() as connection:
        around = await connection.run_sync(prepare)
    await engine.dispose()
    return around


def _as_it_is(connection: Connection, context: MigrationContext, name: str) -> Table:
    def read(inspector: Any, table: Table, column: Any) -> None:
        impl: Any = context.impl  # not typed
        impl.autogen_column_reflect(inspector, table, column)  # knows serial columns

    table = Table(name, MetaData(), autoload_with=connection, listeners=[("column_reflect", read)])
    for column in table.columns:
        if isinstance(column.type, ENUM):
            column.type.create_type = False
    return table


def _types(table: Table) -> Steps:
    """The table's enums; there is no CREATE TYPE IF NOT EXISTS."""
    quote = DIALECT.identifier_preparer.quote
    steps: Steps = []
    for kind in _enums(table):
        values = ", ".join("'" + value.replace("'", "''") + "'" for value in kind.enums)
        steps.append(
            ExecuteSQLOp(
                f"DO $$ BEGIN CREATE TYPE {quote(str(kind.name))} AS ENUM ({values});"
                " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
            )
        )
    return steps


def _enums(table: Table) -> list[ENUM]:
    kinds = [column.type for column in table.columns if isinstance(column.type, ENUM)]
    return list({str(kind.name): kind for kind in kinds}.values())


def _making(table: Table) -> Steps:
    making = CreateTableOp.from_table(table)
    making.if_not_exists = True
    steps: Steps = [making]
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        step = CreateIndexOp.from_index(index)
        step.if_not_exists = True
        steps.append(step)
    return steps


def _dropping(table: Table) -> MigrateOperation:
    names = DIALECT.identifier_preparer
    name = names.format_table(table)
    types = "".join(f" DROP TYPE {names.quote(str(kind.name))};" for kind in _enums(table))
    return ExecuteSQLOp(
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM {name}) THEN DROP TABLE {name};{types}"
        " END IF; END $$"
    )


def _to_the_owner(table: Table, owner: str) -> tuple[Steps, Steps]:
    """Steps that Alembic's comparison does not see: the owner's column and the primary key. And
    back again."""
    name, key = table.name, table.primary_key
    forth: Steps = []
    back: Steps = []
    for constraint in _to_itself(table):
        forth.append(DropConstraintOp(str(constraint.name), name, type_="foreignkey"))
        back.insert(0, CreateForeignKeyOp.from_constraint(constraint))
    if owner != "owner_id":
        forth.append(AlterColumnOp(name, owner, modify_name="owner_id"))
        back.insert(0, AlterColumnOp(name, "owner_id", modify_name=owner))
    column, before = table.c[owner], table.c[owner].server_default
    who = DefaultClause(text(CURRENT_USER))
    forth.append(AlterColumnOp(name, "owner_id", modify_nullable=False, modify_server_default=who))
    back.insert(
        0,
        AlterColumnOp(
            name,
            "owner_id",
            modify_nullable=column.nullable,
            modify_server_default=before,
        ),
    )
    keys = [one.name for one in key.columns]
    if owner not in keys:
        forth += [
            DropConstraintOp(str(key.name), name, type_="primary"),
            _primary_key(table, f"pk_{name}", ["owner_id", *keys]),
        ]
        back[:0] = [
            DropConstraintOp(f"pk_{name}", name, type_="primary"),
            _primary_key(table, str(key.name), keys),
        ]
    return forth, back


def _primary_key(table: Table, name: str, columns: Sequence[str]) -> MigrateOperation:
    """Alembic has an operation for it, and cannot write it into a migration."""
    names = DIALECT.identifier_preparer
    listed = ", ".join(map(names.quote, columns))
    return ExecuteSQLOp(
        f"ALTER TABLE {names.format_table(table)}"
        f" ADD CONSTRAINT {names.quote(name)} PRIMARY KEY ({listed})"
    )


def _to_itself(table: Table) -> list[ForeignKeyConstraint]:
    """Foreign keys that need the primary key as it is."""
    found = [one for one in table.foreign_key_constraints if one.referred_table is table]
    return sorted(found, key=lambda one: str(one.name))


def _without_guards(table: Table, settings: Settings) -> Steps:
    name = DIALECT.identifier_preparer.format_table(table)
    return [
        ExecuteSQLOp(statement)
        for statement in (
            f"DROP POLICY visible ON {name}",
            f"DROP POLICY system ON {name}",
            f"REVOKE ALL ON {name} FROM {settings.user_role}, {settings.system_role}",
            f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY",
        )
    ]
