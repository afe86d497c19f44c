"""What pages are sorted by: one range of an index for each page, wherever it begins.

A cursor holds what the last row was sorted by, its `id` included, and continues after that place,
whether or not the row is still there. It is not signed. What is made up shows one's own rows at
most, from another place; and for it to be no more than that, its values are checked by the
columns' types before the database sees them.
"""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    NaiveDatetime,
    StringConstraints,
    TypeAdapter,
)
from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Numeric,
    Select,
    SmallInteger,
    String,
    Time,
    UnaryExpression,
    Uuid,
    and_,
    bindparam,
    false,
    inspect,
    or_,
    tuple_,
)
from sqlalchemy.sql import operators
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from apiwright.kit.pagination import InvalidCursor, decode_cursor, encode_cursor

_MARK = 4  # bytes
_MOST_CHARACTERS = 600


class Order:
    """What the pages of a query are sorted by, ties broken by `id`, and their cursors."""

    def __init__(self, query: Select[Any], sort: str | None) -> None:
        """`sort`: a column's name, after `-` for descending. Without it the query's own
        `order_by()` counts, and without that the newest come first, by their `id`.

        Raises TypeError for a query that is not a plain select of one model with an `id`, and
        for what a page cannot be sorted by.
        """
        entity = _entity_of(query)
        mapper = inspect(entity).mapper
        columns = {name: getattr(entity, name).expression for name in mapper.column_attrs.keys()}  # noqa: SIM118  # no dict
        clauses = list(query._order_by_clauses)
        if sort is not None:
            if clauses:
                raise TypeError("A page has one order: the `sort` of its query, or order_by().")
            column = columns.get(sort.removeprefix("-"))
            if column is None:
                raise TypeError(f"{mapper.class_.__name__} has no column to sort by {sort!r}.")
            clauses = [column.desc() if sort.startswith("-") else column]
        keys = [_key_of(clause, columns) for clause in clauses]
        if all(key.name != "id" for key in keys):
            # in the direction of the key before it, so that one index serves both
            newest = not keys or keys[-1].descending
            keys.append(_Key("id", columns["id"], newest, newest))
        self._keys = keys
        self.clauses = [key.clause for key in keys]
        self.parameters = [f"page_after_{number}" for number in range(len(keys))]
        """What brings the values of a cursor."""
        self._by_id = [(key.name, key.descending) for key in keys] == [("id", True)]
        self._id_kind = entity.id.type.python_type
        self._values = _adapter(keys)
        named = [(key.name, key.descending, key.nulls_first) for key in keys]
        self._seed = zlib.crc32(f"{mapper.local_table}{named}".encode())

    def cursor(self, row: Any) -> str:
        """For the page after this row."""
        if self._by_id:
            return encode_cursor(row.id)
        return self._encoded(tuple([getattr(row, key.name) for key in self._keys]))

    def values(self, cursor: str) -> tuple[Any, ...]:
        """What the cursor's row was sorted by. Raises InvalidCursor."""
        if self._by_id:
            return (decode_cursor(cursor, self._id_kind),)
        try:
            values = self._values.validate_json(base64.urlsafe_b64decode(cursor + "==")[_MARK:])
            known = self._encoded(values) == cursor
        except (ValueError, OverflowError):
            known = False
        if not known:
            raise InvalidCursor()
        return values

    def _encoded(self, values: tuple[Any, ...]) -> str:
        stored = self._values.dump_json(values)
        mark = zlib.crc32(stored, self._seed)  # a cursor of another order has another
        return base64.urlsafe_b64encode(mark.to_bytes(_MARK) + stored).rstrip(b"=").decode()

    def after(self, nulls: Sequence[bool]) -> Any:
        """SQL: whether a row follows the cursor's. `nulls`: which of its values are null."""
        keys = self._keys
        binds = [
            bindparam(name, type_=_stored(key))
            for name, key in zip(self.parameters, keys, strict=True)
        ]
        descending = keys[0].descending
        if not any(nulls) and all(
            key.descending is descending and not key.nulls_follow for key in keys
        ):  # rows with a null compare with nothing, and are those that came before
            row, last = tuple_(*[key.column for key in keys]), tuple_(*binds)
            return row < last if descending else row > last
        follows = _after(keys, binds, nulls)
        if nulls[0] or keys[0].nulls_follow:
            return follows
        # says nothing new, but an index can begin there
        first = keys[0].column
        return and_(first <= binds[0] if descending else first >= binds[0], follows)


@dataclass(frozen=True)
class _Key:
    """A column that rows are sorted by."""

    name: str
    column: Any
    descending: bool
    nulls_first: bool

    @property
    def clause(self) -> Any:
        clause = self.column.desc() if self.descending else self.column.asc()
        if self.nulls_first is self.descending:  # as Postgres has it
            return clause
        return clause.nulls_first() if self.nulls_first else clause.nulls_last()

    @property
    def nulls_follow(self) -> bool:
        return self.column.nullable and not self.nulls_first


def _after(keys: Sequence[_Key], binds: Sequence[Any], nulls: Sequence[bool]) -> Any:
    key, column, last = keys[0], keys[0].column, binds[0]
    if nulls[0]:
        tied = column.is_(None)
        beyond = column.is_not(None) if key.nulls_first else false()
    else:
        tied = column == last
        beyond = column < last if key.descending else column > last
        if key.nulls_follow:
            beyond = or_(beyond, column.is_(None))
    if len(keys) == 1:
        return beyond
    return or_(beyond, and_(tied, _after(keys[1:], binds[1:], nulls[1:])))


def _entity_of(query: Select[Any]) -> Any:
    if query._has_row_limiting_clause:
        raise TypeError("A page has its own limit: leave limit() and offset() out.")
    described = query.column_descriptions
    entity = described[0].get("entity")
    is_entity = len(described) == 1 and described[0]["expr"] is entity
    if is_entity and hasattr(entity, "id") and entity.id.type.python_type in (UUID, int):
        return entity
    raise TypeError("A page is of one model with an `id`, UUID or int: `select(Task).where(…)`.")


def _key_of(clause: Any, columns: dict[str, Any]) -> _Key:
    descending, nulls_first, column = False, None, clause
    while isinstance(column, UnaryExpression):
        if column.modifier is operators.desc_op:
            descending = True
        elif column.modifier in (operators.nulls_first_op, operators.nulls_last_op):
            nulls_first = column.modifier is operators.nulls_first_op
        elif column.modifier is not operators.asc_op:
            break
        column = column.element
    for name, known in columns.items():
        if known.compare(column):
            return _Key(name, known, descending, descending if nulls_first is None else nulls_first)
    raise TypeError(
        f"A page is sorted by columns of its model, and {clause} is none. The database can compute"
        " one: `sa_column=Column(String(200), Computed(…))`."
    )


# the values in a cursor


def _adapter(keys: Sequence[_Key]) -> TypeAdapter[tuple[Any, ...]]:
    kinds = [_kind(key) | None if key.column.nullable else _kind(key) for key in keys]
    if sum(_length(_stored(key)) for key in keys) > _MOST_CHARACTERS:
        raise TypeError(
            f"A page cannot be sorted by {', '.join(key.name for key in keys)}: a cursor carries"
            f" {_MOST_CHARACTERS} characters of text or digits. Say max_length, or max_digits."
        )
    kind: Any = tuple[*kinds]  # type: ignore[valid-type]  # made of what the columns are
    return TypeAdapter(kind, config=ConfigDict(ser_json_inf_nan="strings"))


def _stored(key: _Key) -> Any:
    kind = key.column.type
    return kind.impl if isinstance(kind, AutoString | UTCDateTime) else kind


def _length(stored: Any) -> int:
    if isinstance(stored, String):
        return stored.length or _MOST_CHARACTERS + 1
    if isinstance(stored, Numeric):
        return stored.precision or _MOST_CHARACTERS + 1
    return 0


def _kind(key: _Key) -> Any:
    """A type of which every value can be compared with the column."""
    match stored := _stored(key):
        case Enum():
            return stored.enum_class or Literal[*stored.enums]
        case String():
            return Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
        case Boolean():
            return bool
        case Integer():
            bits = 16 if isinstance(stored, SmallInteger) else 32
            bits = 64 if isinstance(stored, BigInteger) else bits
            return Annotated[int, Field(ge=-(2 ** (bits - 1)), lt=2 ** (bits - 1))]
        case Float(asdecimal=False):
            return float
        case Numeric(asdecimal=True):
            held = AfterValidator(partial(_held, stored.precision or 0, stored.scale or 0))
            return Annotated[Decimal, Field(allow_inf_nan=True), held]
        case Uuid(as_uuid=True):
            return UUID
        case DateTime(timezone=True):
            return Annotated[datetime, AfterValidator(_in_utc)]
        case DateTime():
            return NaiveDatetime
        case Date():
            return date
        case Time(timezone=False):
            return Annotated[time, AfterValidator(_without_zone)]
    raise TypeError(f"A page cannot be sorted by {key.name}, of type {stored!r}.")


_INFINITIES = (datetime.min, datetime.max)  # noqa: DTZ901  # as asyncpg reads them


def _held(precision: int, scale: int, value: Decimal) -> Decimal:
    if not value.is_qnan():
        digits, exponent = value.adjusted() + 1, value.as_tuple().exponent
        if isinstance(exponent, str) or digits > precision - scale or exponent < -scale:
            raise ValueError("too many digits")
    return value


def _in_utc(value: datetime) -> datetime:
    if value.utcoffset() != timedelta(0) and value not in _INFINITIES:
        raise ValueError("not in UTC")
    return value


def _without_zone(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("with a zone")
    return value
