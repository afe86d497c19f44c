"""A table that is there, as an owned one of a project on the kit: what must hold for that, and the
SQL that makes the table as it is, for databases that do not have it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Table, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from apiwright.errors import Refused
from apiwright.generators.fields import Resource, command
from apiwright.generators.from_table import TIMES, read
from apiwright.project.facts import Project

_BY_HAND = "Write its model, and a migration, by hand."


def adopted(connection: Connection, project: Project, resource: Resource) -> Resource:
    """The same resource, with what its migration needs. Raises Refused where the table cannot
    become an owned one without a risk to its rows, or to what else uses it."""
    there = resource.existing
    assert there is not None
    if connection.dialect.name != "postgresql":
        raise Refused(
            f"{there.table} is in {connection.dialect.name}, and this project keeps its data in"
            " Postgres.",
            f"Make the table anew, and copy its rows: {command(resource)}",
        )
    table = read(connection, there.table)
    if any(model.table == there.table for model in project.models):
        return _with_times(resource, table)  # a second run
    _refuse_without_accounts(project, resource, table)
    _refuse_unknown(resource, table)
    _refuse_what_a_model_cannot_say(project, table)
    _refuse_what_is_there(connection, table)
    _refuse_rows(connection, table, there.owner)
    resource = _with_times(resource, table)
    assert resource.existing is not None
    notes = list(resource.existing.notes)
    notes += _consequences(connection, table, there.owner)
    existing = replace(
        resource.existing, made_by=tuple(_made_by(connection, table)), notes=tuple(notes)
    )
    return replace(resource, existing=existing)


def _refuse_without_accounts(project: Project, resource: Resource, table: Table) -> None:
    user = project.user_model
    there = resource.existing
    assert there is not None
    keys = table.c[there.owner].foreign_keys if there.owner else ()
    if user is None or f"{user.table}.id" not in {key.target_fullname for key in keys}:
        accounts = f"{user.table if user else 'user'}.id"
        raise Refused(
            f"{table.name} has no column that refers to {accounts}: nothing says whose its rows"
            " are.",
            f"Give it one and fill it: ALTER TABLE {table.name} ADD COLUMN owner_id uuid REFERENCES"
            f' "{user.table if user else "user"}" (id). Or make a new table: {command(resource)}',
        )


def _refuse_unknown(resource: Resource, table: Table) -> None:
    for field in resource.columns:
        stored = dict(field.stored)
        if "sa_type" in stored and not stored["sa_type"]:
            name = field.attribute or field.name
            raise Refused(f"{name} of {table.name} is of a type that a model cannot say.", _BY_HAND)


def _refuse_what_a_model_cannot_say(project: Project, table: Table) -> None:
    columns = {column.name for column in table.columns}
    for index in table.indexes:
        using = index.dialect_options["postgresql"]
        plain = all(not using[key] for key in ("where", "include", "ops")) and using["using"] in (
            False, "btree", None,
        )  # fmt: skip
        if (
            not plain
            or {column.name for column in index.columns} - columns
            or len(index.columns) != len(index.expressions)
        ):
            raise Refused(f"The index {index.name} of {table.name} is no plain one.", _BY_HAND)
    models = {model.table for model in project.models} | {table.name}
    for constraint in table.foreign_key_constraints:
        if constraint.referred_table.name not in models:
            raise Refused(
                f"{table.name} refers to {constraint.referred_table.name}, of which there is no"
                " model.",
                "Begin with that one.",
            )


def _refuse_what_is_there(connection: Connection, table: Table) -> None:
    if inspect(connection).default_schema_name != "public":
        raise Refused(
            f"{table.name} is in the schema {inspect(connection).default_schema_name}.",
            "The kit's tables are in public.",
        )
    told = connection.execute(_FACTS, {"name": f'public."{table.name}"'}).mappings().one()
    if told["policies"] or told["rls"]:
        raise Refused(f"{table.name} has row level security of its own.", _BY_HAND)
    if told["referring"]:
        raise Refused(
            f"{', '.join(told['referring'])} refers to {table.name} by its id alone, and keys of"
            " owned tables lead with the owner.",
            f"Drop these foreign keys first, or leave {table.name} as it is.",
        )
    if told["sequence"] and told["sequence"] not in (
        f"public.{table.name}_id_seq", f'public."{table.name}_id_seq"',
    ):  # fmt: skip
        raise Refused(
            f"The ids of {table.name} come from the sequence {told['sequence']}.",
            f"ALTER SEQUENCE {told['sequence']} RENAME TO {table.name}_id_seq",
        )


_FACTS = text("""\
SELECT c.relrowsecurity AS rls,
    (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) AS policies,
    ARRAY(SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
        WHERE confrelid = c.oid AND conrelid <> c.oid AND contype = 'f') AS referring,
    ARRAY(SELECT tgname::text FROM pg_trigger
        WHERE tgrelid = c.oid AND NOT tgisinternal) AS triggers,
    pg_get_serial_sequence(:name, 'id') AS sequence
FROM pg_class c WHERE c.oid = CAST(CAST(:name AS text) AS regclass)""")


def _refuse_rows(connection: Connection, table: Table, owner: str) -> None:
    names = connection.dialect.identifier_preparer
    name, column = names.format_table(table), names.quote(owner)
    lost = connection.scalar(text(f"SELECT count(*) FROM {name} WHERE {column} IS NULL"))  # noqa: S608  # quoted
    if lost:
        raise Refused(
            f"{lost} rows of {table.name} have no {owner}, and would be nobody's.",
            f"Fill it, or delete them: … FROM {name} WHERE {column} IS NULL",
        )
    for constraint in table.foreign_key_constraints:
        if constraint.referred_table is not table:
            continue
        to = " AND ".join(
            f"child.{names.quote(element.parent.name)} = parent.{names.quote(element.column.name)}"
            for element in constraint.elements
        )
        query = f"SELECT count(*) FROM {name} child JOIN {name} parent ON {to}"  # noqa: S608  # quoted
        strange = connection.scalar(text(f"{query} WHERE child.{column} <> parent.{column}"))
        if strange:
            raise Refused(
                f"{strange} rows of {table.name} refer to a row of somebody else, by"
                f" {', '.join(constraint.column_keys)}.",
                "An owned row cannot: decide first what becomes of them.",
            )


def _with_times(resource: Resource, table: Table) -> Resource:
    """The two times are the kit's where they are as the kit would make them."""
    for name in TIMES:
        column = table.c.get(name)
        default: Any = None if column is None else column.server_default
        if (
            column is None
            or column.nullable
            or not getattr(column.type, "timezone", False)
            or str(getattr(default, "arg", "")).lower() not in ("now()", "current_timestamp")
        ):
            return resource
    assert resource.existing is not None
    notes = [
        note
        for note in resource.existing.notes
        if not note.startswith(tuple(f"{name} " for name in TIMES))
    ]
    return replace(
        resource,
        fields=tuple(field for field in resource.fields if field.column not in TIMES),
        existing=replace(resource.existing, timestamps=True, notes=tuple(notes)),
    )


def _consequences(connection: Connection, table: Table, owner: str) -> Iterator[str]:
    if owner != "owner_id":
        yield (
            f"the column {owner} is renamed to owner_id: whatever else uses {table.name} must know"
        )
    told = connection.execute(_FACTS, {"name": f'public."{table.name}"'}).mappings().one()
    if told["triggers"]:
        yield f"the triggers of {table.name} stay as they are: {', '.join(told['triggers'])}"
    yield (
        f"{table.name} goes behind row level security: other logins than its owner's see no rows of"
        " it any more"
    )
    yield (
        f"what is unique in {table.name}, or refers to an owned row, leads with the owner from"
        " then on"
    )


def _made_by(connection: Connection, table: Table) -> Iterator[str]:
    postgres = connection.dialect
    kinds = {
        str(column.type.name): column.type
        for column in table.columns
        if isinstance(column.type, postgresql.ENUM)
    }
    for kind in kinds.values():
        yield str(postgresql.CreateEnumType(kind).compile(dialect=postgres))
    default: Any = table.c.id.server_default
    if default is not None and str(getattr(default, "arg", "")).startswith("nextval("):
        table.c.id.server_default = None  # SERIAL, which makes its sequence
    yield str(CreateTable(table).compile(dialect=postgres))
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        yield str(CreateIndex(index).compile(dialect=postgres))
