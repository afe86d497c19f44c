"""Who may see a table is said on the table, by the class it inherits from.

| class | who reads | who writes |
|---|---|---|
| `Owned`, `OwnedLink` | its owner | its owner |
| `Shared` | everybody signed in | `session.unscoped(…)`, behind a permission |
| `Public` | everybody | `session.unscoped(…)`, behind a permission |
| `Internal` | `session.unscoped(…)` | `session.unscoped(…)` |
| `Account` | the person it is | `session.unscoped(…)` |

A table that says nothing is refused when the app starts.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    Enum,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    event,
    func,
    text,
)
from sqlmodel import Field, SQLModel

from apiwright.errors import ApiwrightError
from apiwright.kit.identifiers import uuid7

NAMING = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
SQLModel.metadata.naming_convention = NAMING

USER_SETTING = "apiwright.user_id"
CURRENT_USER = f"nullif(current_setting('{USER_SETTING}', true), '')::uuid"
"""SQL: who is signed in, null for nobody."""

ACROSS_OWNERS = "across_owners"


class Audience(SQLModel):
    """What every table inherits from, through one of its children."""

    visible: ClassVar[str | None]
    """SQL: which rows a signed-in user sees. None: none."""
    writable: ClassVar[bool] = False
    """Whether a signed-in user may also write the rows that are visible."""
    owner_column: ClassVar[str | None] = None


class Timestamps(SQLModel):
    """When a row was made and last written, by the database's clock, in UTC."""

    created_at: datetime = Field(default=None, sa_column_kwargs={"server_default": func.now()})
    updated_at: datetime = Field(
        default=None, sa_column_kwargs={"server_default": func.now(), "onupdate": func.now()}
    )


class Account(Audience):
    """A person who signs in, in the table `user`. Signed in, one sees one's own row and cannot
    write it; sign-up, login and the like go through `session.unscoped(…)`."""

    owner_column = "id"
    visible = f"id = {CURRENT_USER}"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    is_active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    """False: no request of theirs reaches the database any more."""

    @property
    def permissions(self) -> Collection[str]:
        """What this person may do besides; `requires(…)` of kit.permissions asks. A project says
        it in its own model."""
        return ()


class OwnedLink(Audience):
    """Pairs of owned rows, for many-to-many: the two foreign keys are the primary key."""

    owner_column = "owner_id"
    visible = f"owner_id = {CURRENT_USER}"
    writable = True

    owner_id: UUID = Field(
        default=None,
        foreign_key="user.id",
        ondelete="CASCADE",
        sa_column_kwargs={"server_default": text(CURRENT_USER)},
    )


class Owned(OwnedLink):
    """Rows that belong to one user and that nobody else sees. The database fills `owner_id`,
    keeps what refers to them under the same owner, and `unique` means unique for one owner."""

    id: UUID = Field(default_factory=uuid7, primary_key=True)


class AccountLogin(Owned, Timestamps):
    """A person signed in on one device, in the table `login`. Its tokens end when the row goes."""

    generation: int = 0
    """How often its tokens have been refreshed."""
    user_agent: str | None = Field(default=None, max_length=400)


class Shared(Audience):
    """Rows that everybody signed in reads, such as a catalogue."""

    visible = f"{CURRENT_USER} IS NOT NULL"


class Public(Audience):
    """Rows that everybody reads, signed in or not."""

    visible = "true"


class Internal(Audience):
    """Rows that no request sees."""

    visible = None


@event.listens_for(Table, "after_parent_attach")
def _enums_as_text(table: Table, metadata: MetaData) -> None:
    """Values of an enum are stored as text with a check: Postgres's own enum types outlive their
    tables, and cannot lose a member."""
    if metadata is not SQLModel.metadata:
        return
    for column in table.columns:
        if isinstance(column.type, Enum) and column.type.native_enum and column.type.enum_class:
            values = [str(member.value) for member in column.type.enum_class]
            column.type = Enum(
                column.type.enum_class,
                native_enum=False,
                length=max(map(len, values)),
                values_callable=lambda members: [str(member.value) for member in members],
            )
            table.append_constraint(CheckConstraint(one_of(column, values), name=column.name))


def one_of(column: Column[Any], values: list[str]) -> str:
    """SQL: a check that the column holds one of these."""
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column.name} IN ({quoted})"


def audiences() -> dict[str, type[Audience]]:
    """Every table of the project by name, and its model. Raises ApiwrightError for a table that
    does not say who may see it."""
    found: dict[str, type[Audience]] = {}
    for mapper in SQLModel._sa_registry.mappers:
        model = mapper.class_
        if not (issubclass(model, Audience) and hasattr(model, "visible")):
            raise ApiwrightError(
                f"The table of {model.__name__} does not say who may see it.",
                f"Let it inherit from Owned: `class {model.__name__}(Owned, table=True)`;"
                " or from Shared, Public or Internal.",
            )
        found[str(mapper.local_table.description)] = model
    for table in SQLModel.metadata.tables.values():
        if table.name not in found:
            raise ApiwrightError(
                f"The table {table.name!r} has no model that says who may see it.",
                "Write it as a class: `class …(OwnedLink, table=True)`.",
            )
    return found


def stored() -> MetaData:
    """The tables as the database holds them, which is what migrations are compared with: between
    owned tables the owner is part of every foreign key, unique constraint and index.

    Raises ApiwrightError as `audiences` does.
    """
    models = audiences()
    owned = {name for name, model in models.items() if issubclass(model, OwnedLink)}
    metadata = MetaData(naming_convention=NAMING)
    for table in SQLModel.metadata.sorted_tables:
        infos = {index.name: index.info for index in table.indexes}
        for index in table.to_metadata(metadata).indexes:
            index.info.update(infos[index.name])  # which a copy leaves out
    for table in metadata.sorted_tables:
        if table.name in owned:
            _lead_with_owner(table, owned)
    return metadata


def _lead_with_owner(table: Table, owned: set[str]) -> None:
    owner = table.c.owner_id
    _key_under_the_owner(table)
    for constraint in list(table.constraints):
        if isinstance(constraint, ForeignKeyConstraint):
            if constraint.referred_table.name in owned:
                _refer_under_the_same_owner(table, constraint)
        elif isinstance(constraint, UniqueConstraint) and not _across(constraint):
            table.constraints.remove(constraint)
            table.append_constraint(UniqueConstraint(owner, *_others(constraint.columns)))
    for index in list(table.indexes):
        columns = list(index.columns)
        if not _across(index) and len(columns) == len(index.expressions):
            table.indexes.remove(index)
            Index(None, owner, *_others(columns), unique=index.unique, **_options(index))
    _index_references(table)


def _key_under_the_owner(table: Table) -> None:
    """What one owner has tells nothing of what another has, identifiers included; it is what
    foreign keys refer to; and every list is "mine, newest first"."""
    keys, counted = list(table.primary_key.columns), table.autoincrement_column
    table.constraints.remove(table.primary_key)
    for column in keys:
        column.primary_key = False
    if counted is not None:
        counted.autoincrement = True
    table.append_constraint(PrimaryKeyConstraint(table.c.owner_id, *_others(keys)))
    if "id" in table.c:  # for `session.unscoped(…)`, which knows no owner
        Index(None, table.c.id, info={ACROSS_OWNERS: True})


def _refer_under_the_same_owner(table: Table, constraint: ForeignKeyConstraint) -> None:
    """A child cannot hang under a stranger's parent: foreign keys see no policies."""
    ondelete = constraint.ondelete
    if ondelete == "SET NULL":  # the reference, not the owner
        ondelete = f"SET NULL ({', '.join(constraint.column_keys)})"
    parent = constraint.referred_table
    for column in constraint.columns:
        column.foreign_keys -= set(constraint.elements)
    table.constraints.remove(constraint)
    table.append_constraint(
        ForeignKeyConstraint(
            ["owner_id", *constraint.column_keys],
            [parent.c.owner_id, *(element.column for element in constraint.elements)],
            ondelete=ondelete,
            onupdate=constraint.onupdate,
            deferrable=constraint.deferrable,
            initially=constraint.initially,
        )
    )


def _index_references(table: Table) -> None:
    """Deleting a parent looks for its children."""
    indexed = [list(index.columns) for index in table.indexes]
    indexed.append(list(table.primary_key.columns))
    # not table.foreign_key_constraints, which remembers those that were replaced
    keys = [one for one in table.constraints if isinstance(one, ForeignKeyConstraint)]
    for constraint in sorted(keys, key=lambda one: [*one.column_keys]):
        columns = list(constraint.columns)
        if len(columns) > 1 and not any(columns == index[: len(columns)] for index in indexed):
            Index(None, *columns)


def _across(item: UniqueConstraint | Index) -> bool:
    return bool(item.info.get(ACROSS_OWNERS))


def _others(columns: Any) -> list[Column[Any]]:
    return [column for column in columns if column.name != "owner_id"]


def _options(index: Index) -> dict[str, Any]:
    given = index.dialect_options["postgresql"].items()
    return {f"postgresql_{key}": value for key, value in given if value}
