"""All rows of the app's database at a moment, and what a request changed."""

import json as jsons
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apiwright.checks.database import Database

_MOST = 1000
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    table: str
    before: Row | None
    """None: it is new."""
    after: Row | None
    """None: it is gone."""

    @property
    def row(self) -> Row:
        return self.after if self.after is not None else self.before or {}

    def __str__(self) -> str:
        if self.before is None:
            return f"a new row in {self.table}"
        if self.after is None:
            return f"a row of {self.table} is gone"
        changed = [name for name, one in self.after.items() if self.before.get(name) != one]
        return f"{', '.join(changed)} of a row of {self.table} changed"


class Stored:
    def __init__(self, database: Database) -> None:
        self.tables: dict[str, list[Row]] = {}
        for table, row in _rows(database):
            self.tables.setdefault(table, []).append(row)

    def changes(self, later: "Stored") -> list[Change]:
        found = []
        for table in {**self.tables, **later.tables}:
            gone = _without(self.tables.get(table, []), later.tables.get(table, []))
            new = _without(later.tables.get(table, []), self.tables.get(table, []))
            for after in new:
                before = next((one for one in gone if _key(one) == _key(after)), None)
                if before is not None:
                    gone.remove(before)
                found.append(Change(table, before, after))
            found += [Change(table, one, None) for one in gone]
        return found


def _rows(database: Database) -> Iterator[tuple[str, Row]]:
    tables = [one for one in database.tables() if "alembic" not in one]
    if not database.uses_postgres:
        for table in tables:
            for row in database.rows(table, _MOST):
                yield table, row
        return
    statement = " UNION ALL ".join(
        f"(SELECT '{table}' AS of_table, row_to_json(one)::text AS row"  # noqa: S608  # names
        f" FROM {table} AS one LIMIT {_MOST})"
        for table in tables
    )
    for found in database.execute(statement) if tables else ():
        yield found["of_table"], jsons.loads(found["row"])


def _without(rows: list[Row], others: list[Row]) -> list[Row]:
    left = Counter(map(_text, others))
    kept = []
    for row in rows:
        if left[_text(row)] > 0:
            left[_text(row)] -= 1
        else:
            kept.append(row)
    return kept


def _text(row: Row) -> str:
    return jsons.dumps(row, default=str, sort_keys=True)


def _key(row: Row) -> Any:
    for name in ("id", "uuid", "pk"):
        if name in row:
            return row[name]
    return next(iter(row.values()), None)
