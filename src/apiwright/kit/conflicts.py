"""What a client is told when the database finds a conflict: which fields, by their names in the
model, and neither a value nor a word of the database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from asyncpg import IntegrityConstraintViolationError
from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, inspect
from sqlalchemy.schema import ColumnCollectionConstraint

from apiwright.kit.problems import Conflict, FieldError
from apiwright.kit.statement import DIALECT
from apiwright.kit.tables import audiences, stored


@dataclass(frozen=True)
class _Constraint:
    fields: tuple[str, ...]
    """Whose values are unique, or refer to another row; the owner, whom nobody chooses, is left
    out."""
    referred: tuple[str, ...] = ()
    """The fields that they refer to."""
    tables: tuple[str, ...] = ()
    """The one that refers, and the one referred to."""


def conflict_of(error: IntegrityConstraintViolationError) -> Conflict:
    """The 409 problem for what violates a constraint. That it is somebody else's row that stands
    in the way is not told."""
    constraint = _constraints().get((error.table_name, error.constraint_name))
    if constraint is None:  # made by hand in the database
        return Conflict()
    if not constraint.tables:
        several = ", together with the others named here" if len(constraint.fields) > 1 else ""
        return _conflict("This exists already.", constraint.fields, f"is taken already{several}")
    if _is_in_use(error, constraint):
        return _conflict("This is still in use.", constraint.referred, "is still in use")
    return _conflict(
        "This refers to something that does not exist.",
        constraint.fields,
        "refers to something that does not exist",
    )


def _conflict(detail: str, fields: Iterable[str], message: str) -> Conflict:
    errors = [FieldError(field=field, message=message) for field in fields]
    return Conflict(detail, errors=errors or None)


def _is_in_use(error: IntegrityConstraintViolationError, constraint: _Constraint) -> bool:
    """Whether a row that is referred to was to go. Postgres tells by its sentence alone, in the
    server's language: it then names both tables."""
    said = re.findall(r"\w+", (error.message or "").replace(error.constraint_name or "", ""))
    return sum(word in constraint.tables for word in said) > 1


@cache
def _constraints() -> dict[tuple[str | None, str | None], _Constraint]:
    """What the tables declare, by table and name as the database has them."""
    return {
        (table.name, _stored_name(item)): _described(item)
        for table in stored().sorted_tables
        for item in (*table.constraints, *table.indexes)
        if isinstance(item, ColumnCollectionConstraint | Index) and item.name is not None
    }


def _stored_name(item: ColumnCollectionConstraint | Index) -> str:
    name = DIALECT.identifier_preparer.format_constraint(item)  # long names are cut
    return (name or "").strip('"')


def _described(item: ColumnCollectionConstraint | Index) -> _Constraint:
    if not isinstance(item, ForeignKeyConstraint):
        return _Constraint(_fields(item.columns))
    referred = tuple(element.column for element in item.elements)
    tables = (item.table.name, item.referred_table.name)
    return _Constraint(_fields(item.columns), _fields(referred), tables)


def _fields(columns: Iterable[Column[object]]) -> tuple[str, ...]:
    return tuple(_field(column) for column in columns if column.name != "owner_id")


def _field(column: Column[object]) -> str:
    """The attribute of the model, which a column's name may differ from."""
    table: Table = column.table
    mapper = inspect(audiences()[table.name])
    return str(mapper.get_property_by_column(mapper.local_table.c[column.key]).key)
