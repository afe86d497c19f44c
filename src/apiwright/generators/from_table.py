"""`apiwright add resource --from-table notes`: a resource of a table that is there, in Postgres or
SQLite, as SQLAlchemy's Inspector reads it. Nothing is written to the database."""

import re
import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Connection,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    Table,
    UniqueConstraint,
    inspect,
    types,
)
from sqlalchemy import Column as Stored
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import NoSuchTableError, SAWarning

from apiwright.errors import ApiwrightError, Refused
from apiwright.generators import existing, resource_code
from apiwright.generators.existing import Column
from apiwright.generators.fields import (
    LIST_ITEMS,
    NUMBERS,
    Existing,
    Resource,
    has,
    model_of,
    singular,
)
from apiwright.generators.resource_code import quoted
from apiwright.project.facts import Model, Project

TIMES = ("created_at", "updated_at")
_OWNERS = ("owner_id", "user_id", "author_id", "created_by_id", "created_by", "creator_id")
_CAST = r"(?:::[\w \"\[\].(),]+)*"
_TEXT = re.compile(rf"'((?:[^']|'')*)'{_CAST}")
_NUMBER = re.compile(rf"\(?'?(-?\d+(?:\.\d+)?)'?\)?{_CAST}")
_COMPARED = re.compile(rf"\(*(\w+)\)*{_CAST}\s*(>=|<=|>|<)\s*\(*'?(-?\d+(?:\.\d+)?)'?\)*{_CAST}\)*")
_BOUNDS = {">=": "ge", "<=": "le", ">": "gt", "<": "lt"}


def resource(connection: Connection, project: Project, table: str, name: str = "") -> Resource:
    """`name` is that of the resource; the table's own in the singular if it is left out.

    Raises ApiwrightError for a table that there is not; Refused for one that cannot be served.
    """
    found = read(connection, table)
    model = model_of(name or singular(re.sub(r"\W+", "_", table).strip("_").lower()))
    for other in project.models:
        if other.table == table and other.name != model:
            raise Refused(
                f"{other.name} is the model of {table!r} already ({other.at}).",
                f"Say: apiwright add resource --from-model {other.module}:{other.name}",
            )
    return _Reading(project, found, model).resource()


def read(connection: Connection, name: str) -> Table:
    names = inspect(connection).get_table_names()
    if name not in names:
        near = get_close_matches(name, names, 1)
        raise ApiwrightError(
            f"There is no table {name!r} in this database.",
            f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names) or 'none'}.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # a type it does not know is NullType
            table = Table(name, MetaData(), autoload_with=connection)
    except NoSuchTableError as error:
        raise Refused(
            f"{name} refers to a table that this login does not see: {error}.",
            "Use a login that sees both.",
        ) from None
    if connection.dialect.name == "sqlite":
        _add_unnamed(connection, table)
    return table


def _add_unnamed(connection: Connection, table: Table) -> None:
    """`name VARCHAR(9) UNIQUE`, of which SQLAlchemy sees the index alone, if asked."""
    seen: Any = inspect(connection)
    seen = seen.dialect.get_indexes(connection, table.name, include_auto_indexes=True)
    known = [_names(one) for one in table.constraints if isinstance(one, UniqueConstraint)]
    for index in seen:
        names = index["column_names"]
        is_ours = index["name"].startswith("sqlite_autoindex_") and index["unique"]
        if is_ours and names not in [*known, _names(table.primary_key)]:
            table.append_constraint(UniqueConstraint(*names))


class _Reading:
    """Of one table."""

    def __init__(self, project: Project, table: Table, name: str) -> None:
        self.project, self.table, self.name = project, table, name
        self.owner = self._owner()
        self.choices: dict[str, list[str]] = {}
        self.bounds: dict[str, list[str]] = {}
        self.notes: list[str] = []
        for check in table.constraints:
            if isinstance(check, CheckConstraint):
                self._understand(str(check.sqltext))

    def resource(self) -> Resource:
        id_type = self._id_type()
        attributes: dict[str, str] = {}
        for column in self.table.columns:
            attributes[column.name] = _attribute(column.name, attributes.values())
        columns = [
            self._column(column, attributes[column.name])
            for column in self.table.columns
            if column.name not in ("id", self.owner)
        ]
        read = existing.fields_of(columns, self.table.name)
        if self.owner:
            self.notes.insert(0, existing.of_an_owner(self.owner))
        self.notes += [
            f"{each.name} is called {each.attribute} in the model"
            for each in columns
            if each.attribute != each.name
        ]
        unique, indexes = self._together()
        return Resource(
            self.name,
            read.fields,
            Existing(
                "",
                self.table.name,
                id_type=id_type,
                timestamps=False,
                owner=self.owner,
                together=unique,
                indexes=indexes,
                identity=_identity(self.table.c.id),
                notes=(*self.notes, *read.notes),
            ),
        )

    # keys

    def _id_type(self) -> str:
        name = self.table.name
        keys = [column.name for column in self.table.primary_key.columns]
        if not keys:
            raise Refused(
                f"{name} has no primary key: no route could name one of its rows.",
                f"Give it one first: ALTER TABLE {name} ADD COLUMN id uuid PRIMARY KEY …",
            )
        if [key for key in keys if key != self.owner] != ["id"]:
            raise Refused(
                f"The primary key of {name} is ({', '.join(keys)}), and not one `id`.",
                "Routes and pages go by an `id`: give it one, or write this resource by hand.",
            )
        kind = self.table.c.id.type
        if isinstance(kind, types.Uuid) or (isinstance(kind, types.CHAR) and kind.length == 32):
            return "uuid"
        if isinstance(kind, types.Integer):
            return "int"
        raise Refused(
            f"The id of {name} is neither a UUID nor an integer, but {kind}.",
            "Write this resource by hand.",
        )

    def _owner(self) -> str:
        """The column that refers to the accounts; with accounts elsewhere, the one that is called
        so."""
        user = self.project.user_model
        found = [
            column.name
            for column in self.table.columns
            if any(user and key.column.table.name == user.table for key in column.foreign_keys)
            or (not column.foreign_keys and column.name in _OWNERS[:2])
        ]
        if len(found) > 1:
            found = [name for name in _OWNERS if name in found][:1] or found
        if len(found) > 1:
            raise Refused(
                f"{', '.join(found)} of {self.table.name} refer to the accounts, and nothing says"
                " which is whose a row is.",
                "Call that one owner_id or user_id.",
            )
        return found[0] if found else ""

    def _together(self) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
        """Of several columns: those that are unique, and those that are indexed."""
        groups: dict[bool, list[tuple[str, ...]]] = {True: [], False: []}
        for item in self._unique_and_indexed():
            names = tuple(name for name in _names(item) if name != self.owner)
            if len(names) > 1:
                groups[not isinstance(item, UniqueConstraint) and not item.unique].append(names)
        return tuple(groups[False]), tuple(groups[True])

    def _unique_and_indexed(self) -> list[Any]:
        unique = [one for one in self.table.constraints if isinstance(one, UniqueConstraint)]
        found = [*unique, *self.table.indexes]
        return sorted(found, key=lambda one: str(one.name))

    def _alone(self, column: Stored[Any], *, unique: bool) -> bool:
        """Whether it is unique, or indexed, by itself or for one owner."""
        for item in self._unique_and_indexed():
            names = [name for name in _names(item) if name != self.owner]
            is_unique = isinstance(item, UniqueConstraint) or bool(item.unique)
            if names == [column.name] and is_unique == unique:
                return True
        return False

    # columns

    def _column(self, column: Stored[Any], attribute: str) -> Column:
        kind, stored = self._kind(column)
        default = _default(column, kind)
        filled = column.computed is not None or column.identity is not None
        if (server := _server_default(column)) is not None and default is None:
            filled = True
        kind = "" if kind == "datetime" and _is_naive(column) and not filled else kind
        if refers := self._to_a_user(column):
            stored |= {"foreign_key": quoted(refers.target_fullname)}
            stored |= {"ondelete": quoted(refers.ondelete)} if refers.ondelete else {}
        return Column(
            name=column.name,
            attribute=attribute,
            type=str(column.type),
            kind=kind,
            optional=bool(column.nullable),
            unique=self._alone(column, unique=True),
            index=self._alone(column, unique=False),
            default=default,
            filled=filled,
            of_a_user=refers is not None,
            stored=tuple(stored.items())
            + tuple(_filling(column, attribute, server if filled else None)),
        )

    def _kind(self, column: Stored[Any]) -> tuple[str, dict[str, str]]:
        """As on the command line, and the code of a type that is not written for that."""
        unique = self._alone(column, unique=True) or self._alone(column, unique=False)
        kind, stored = _kind(column.type, bool(unique))
        if reference := self._reference(column):
            return reference, {}
        name = kind.partition(":")[0]
        if column.name in self.choices and name in ("str", "text"):
            return f"enum:{','.join(self.choices[column.name])}", {"sa_type": _code(column.type)}
        if name in NUMBERS and column.name in self.bounds:
            kind = ":".join([kind, *self.bounds[column.name]])
        return kind, stored

    def _reference(self, column: Stored[Any]) -> str:
        """To one of the project's models: by this column, or by it and the owner's."""
        for constraint in self.table.foreign_key_constraints:
            names = [name for name in constraint.column_keys if name != self.owner]
            model = self._model(constraint)
            if names == [column.name] and model is not None:
                if model == self.name and not column.nullable:
                    raise Refused(
                        f"{column.name} of {self.table.name} refers to its own rows, and must have"
                        " a value: nobody could make the first.",
                        "Let it be null.",
                    )
                deleted = (constraint.ondelete or "RESTRICT").upper().partition(" (")[0]
                becomes = deleted.lower().replace(" ", "-").replace("no-action", "restrict")
                return f"ref:{model}:on-delete={becomes}"
        return ""

    def _model(self, constraint: ForeignKeyConstraint) -> str | None:
        referred = constraint.referred_table
        if referred is self.table:
            return self.name
        found: list[Model] = [
            each for each in self.project.models if each.table == referred.name and not each.is_user
        ]
        return found[0].name if found else None

    def _to_a_user(self, column: Stored[Any]) -> ForeignKey | None:
        user = self.project.user_model
        for key in column.foreign_keys:
            if user is not None and key.column.table.name == user.table:
                return key
        return None

    # checks

    def _understand(self, sql: str) -> None:
        """A choice, or bounds of numbers; others are told."""
        bare = re.sub(r"'(?:[^']|'')*'", "''", sql)
        for column in self.table.columns:
            name = re.escape(column.name)
            chosen = rf"\(*\"?{name}\"?\)*{_CAST}\)*\s*(?:=\s*ANY|IN)\b"
            if re.match(chosen, bare, re.I) and not re.search(r"\b(AND|OR|NOT)\b", bare, re.I):
                self.choices[column.name] = re.findall(r"'((?:[^']|'')*)'", sql)
                return
        compared = [_COMPARED.fullmatch(part.strip()) for part in re.split(r"\bAND\b", sql)]
        names = {found[1] for found in compared if found}
        if None in compared or len(names) != 1:
            self.notes.append(f"the schemas do not know of a check of the table: {sql}")
            return
        for found in compared:
            assert found is not None
            self.bounds.setdefault(found[1], []).append(f"{_BOUNDS[found[2]]}={found[3]}")


def _names(item: Any) -> list[str]:
    """Of the columns of a constraint or an index."""
    return [column.name for column in item.columns]


def _attribute(name: str, taken: Any) -> str:
    """The column's own name, where a model can have it."""
    if name in ("id", *TIMES):
        return name
    reserved = {*taken, *resource_code.IN_MODELS}
    return existing.free_name(name, reserved)


def _identity(column: Stored[Any]) -> str:
    return f"Identity(always={column.identity.always})" if column.identity is not None else ""


def _kind(kind: types.TypeEngine[Any], unique: bool) -> tuple[str, dict[str, str]]:
    code = {"sa_type": _code(kind)}
    match kind:
        case types.Enum():
            values = ",".join(kind.enums)
            return f"enum:{values}", code
        case types.CHAR() if kind.length == 32:
            return "uuid", code  # as SQLAlchemy keeps one in SQLite
        case types.CHAR() if kind.length:
            return f"str:min={kind.length}:max={kind.length}", code
        case types.String() if kind.length:
            return f"str:max={kind.length}", {}
        case types.String():
            return "str" if unique else "text", code
        case types.SmallInteger():
            return "int:ge=-32768:le=32767", code
        case types.BigInteger():
            return "int", code
        case types.Integer():
            return "int", {}
        case types.Float() | types.REAL():
            return "float", code if isinstance(kind, types.REAL) else {}
        case types.Numeric():
            if kind.precision is None:
                return "decimal", code
            return f"decimal:digits={kind.precision}.{kind.scale or 0}", {}
        case types.Boolean():
            return "bool", {}
        case types.Date():
            return "date", {}
        case types.DateTime():
            naive = {"annotation": "datetime", "sa_type": "DateTime"}
            return "datetime", {} if kind.timezone else naive
        case types.Time() if not kind.timezone:
            return "time", {}
        case types.Uuid():
            return "uuid", {}
        case types.JSON():
            return "json", code if isinstance(kind, postgresql.JSONB) else {}
        case types.ARRAY():
            item = _kind(kind.item_type, True)[0].partition(":")[0]
            if item in LIST_ITEMS and not kind.dimensions:
                return f"list:{item}", {"sa_type": f"ARRAY({_code(kind.item_type)})"}
    return "", {"annotation": "Any", "sa_type": _code(kind)}


def _code(kind: types.TypeEngine[Any]) -> str:
    """As it is written in a model; empty where it cannot be."""
    match kind:
        case postgresql.ENUM():
            values = ", ".join(map(quoted, kind.enums))
            return f"ENUM({values}, name={quoted(str(kind.name))}, create_type=False)"
        case types.TEXT():
            return "Text"
        case types.CHAR():
            return f"CHAR({kind.length})"
        case types.String() if type(kind).__name__ == "VARCHAR":
            return f"String({kind.length or ''})".replace("()", "")
        case types.SmallInteger():
            return "SmallInteger"
        case types.BigInteger():
            return "BigInteger"
        case types.Integer():
            return "Integer"
        case types.REAL():
            return "REAL"
        case types.Double() | types.Float():
            return "Float"
        case types.Numeric():
            return "Numeric"
        case types.JSON():
            return type(kind).__name__
        case types.ARRAY():
            inner = _code(kind.item_type)
            return f"ARRAY({inner})" if inner else ""
        case types.Boolean() | types.Date() | types.Uuid():
            return {"BOOLEAN": "Boolean", "DATE": "Date"}.get(type(kind).__name__, "Uuid")
    name = type(kind).__name__
    return name if resource_code.IN_MODELS.get(name, "").endswith("postgresql") else ""


def _is_naive(column: Stored[Any]) -> bool:
    """What is sent has an offset, and this would lose it."""
    kind = column.type
    return isinstance(kind, postgresql.TIMESTAMP) and not kind.timezone


# defaults


def _server_default(column: Stored[Any]) -> str | None:
    default: Any = column.server_default
    if default is None or column.computed is not None or column.identity is not None:
        return None
    sql = str(getattr(default, "arg", ""))
    return None if sql.upper().partition("::")[0] == "NULL" else sql


def _default(column: Stored[Any], kind: str) -> str | None:
    """As on the command line; None for one that only the database can make."""
    sql, name = _server_default(column), kind.partition(":")[0]
    if sql is None or not kind or not has(name, "default"):
        return None
    if name == "bool":
        word = sql.strip("()'").lower()
        return {"1": "true", "0": "false"}.get(word, word if word in ("true", "false") else None)
    found = (_NUMBER if name in NUMBERS else _TEXT).fullmatch(sql)
    if found is None or (name == "enum" and found[1] not in kind.split(":")[1].split(",")):
        return None
    return found[1].replace("''", "'")


def _filling(column: Stored[Any], attribute: str, server: str | None) -> Iterator[tuple[str, str]]:
    """What Field takes so that the database fills the column, and so that it keeps its name."""
    more = []
    if attribute != column.name:
        more.append(f'"name": {quoted(column.name)}')
    if server is not None:
        escaped = re.sub(r"(?<!:):(?=\w)", r"\\:", server)
        more.append(f'"server_default": text({quoted(escaped)})')
    if more:
        yield "sa_column_kwargs", f"{{{', '.join(more)}}}"
    if column.computed is not None:
        sql, kept = str(column.computed.sqltext), column.computed.persisted
        yield "sa_column_args", f"[Computed({quoted(sql)}, persisted={kept})]"
    elif column.identity is not None:
        yield "sa_column_args", f"[{_identity(column)}]"
