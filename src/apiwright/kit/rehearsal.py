"""The project's migrations, tried out on databases that are made for it and thrown away.

`python -m apiwright.kit.rehearsal` in a copy of the project is how the tools, which may be another
Python's, write a migration and see whether it holds. DATABASE_URL names a server to throw away.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Enum, MetaData, Table, insert, select

from apiwright.kit import migrations
from apiwright.kit.adoption import adopt
from apiwright.kit.identifiers import uuid7
from apiwright.kit.postgres_url import engine_of
from apiwright.kit.settings import Settings
from apiwright.kit.tables import stored
from apiwright.kit.testing import empty_database

_VALUES: dict[type, Any] = {
    str: "x",
    int: 1,
    float: 1.0,
    bool: True,
    bytes: b"x",
    Decimal: Decimal(1),
    dict: {},
    list: [],
    date: date(2030, 1, 1),
    datetime: datetime(2030, 1, 1, tzinfo=UTC),
    time: time(12),
}


def revise(settings: Settings, message: str) -> Path | None:
    """A migration from those that there are to what the models say; None when that is nothing."""
    with empty_database(settings) as url:
        config = migrations.config(url)
        command.upgrade(config, "head")
        return migrations.revise(config, message)


def on_empty(settings: Settings) -> None:
    """Up, all down, and up again; what is there then is what the models say."""
    with empty_database(settings) as url:
        config = migrations.config(url)
        command.upgrade(config, "head")
        command.downgrade(config, "base")
        command.upgrade(config, "head")
        command.check(config)


def on_rows(settings: Settings) -> None:
    """The last migration up, down and up, on a row in every table; the rows that were there before
    are there afterwards."""
    with empty_database(settings) as url:
        config = migrations.config(url)
        scripts = ScriptDirectory.from_config(config)
        last = scripts.get_revision("head")
        before = last.down_revision or "base"
        command.upgrade(config, str(before))
        counted = asyncio.run(_on(url, fill))
        command.upgrade(config, "head")
        asyncio.run(_on(url, fill))
        command.downgrade(config, str(before))
        may_stay = "if_not_exists=True" in Path(last.path).read_text()  # kit.adoption
        _compare(counted, asyncio.run(_on(url, _count)), may_stay)
        command.upgrade(config, "head")


def _compare(before: dict[str, int], after: dict[str, int], may_stay: bool) -> None:
    lost = [name for name, rows in before.items() if after.get(name, 0) < rows]
    left = [name for name in after if name not in before and not may_stay]
    if lost or left:
        what = f"lost rows of {', '.join(lost)}" if lost else f"left {', '.join(left)} behind"
        raise RuntimeError(f"the way down {what}")


async def _on(url: str, do: Any) -> dict[str, int]:
    engine = engine_of(url)
    async with engine.begin() as connection:
        found: dict[str, int] = await connection.run_sync(do)
    await engine.dispose()
    return found


def fill(connection: Connection) -> dict[str, int]:
    """A row in each table that has none; how many each has then."""
    declared = stored().tables
    rows: dict[str, dict[str, Any]] = {}
    for table in _tables(connection):
        row = connection.execute(select(table).limit(1)).mappings().first()
        if row is None:
            values = dict(_values(table, declared.get(table.name), rows))
            row = connection.execute(insert(table).values(values).returning(table)).mappings().one()
        rows[table.name] = dict(row)
    return _count(connection)


def _count(connection: Connection) -> dict[str, int]:
    return {
        table.name: len(connection.execute(select(table)).all()) for table in _tables(connection)
    }


def _tables(connection: Connection) -> list[Table]:
    """As the database has them, parents first."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _values(
    table: Table, declared: Table | None, rows: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, Any]]:
    referring = {
        element.parent.name: rows[element.column.table.name][element.column.name]
        for constraint in table.foreign_key_constraints
        for element in constraint.elements
        if element.column.table.name in rows
    }
    for column in table.columns:
        if column.name in referring:
            yield column.name, referring[column.name]
        elif not (column.nullable or column.server_default is not None or column.identity):
            said = declared.c.get(column.name) if declared is not None else None
            kind = column.type.python_type
            if said is not None and isinstance(said.type, Enum):
                yield column.name, said.type.enums[0]
            else:
                yield column.name, uuid7() if kind is UUID else _VALUES[kind]


def main(arguments: list[str]) -> dict[str, Any]:
    settings = Settings()
    sys.path.insert(0, str(Path.cwd()))
    if arguments[:1] == ["revise"]:
        written = revise(settings, arguments[1])
        return {"written": str(written) if written else None}
    if arguments[:1] == ["adopt"]:
        job = json.loads(Path(arguments[1]).read_text())
        return {"written": str(adopt(settings, **job))}
    return {"on_empty": _said(on_empty, settings), "on_rows": _said(on_rows, settings)}


def _said(tried: Any, settings: Settings) -> str | None:
    """What went wrong, in a line; None: nothing."""
    try:
        tried(settings)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())[:400]
    return None


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
