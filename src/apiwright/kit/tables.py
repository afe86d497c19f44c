"""Who may see a table is said on the table, by the class it inherits from.

`Account` is the table of the people who sign in; `Owned` rows belong to one of them. A table
that says nothing is refused when the app starts.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, Table, event, func, text
from sqlmodel import Field, SQLModel

from apiwright.kit.identifiers import uuid7

SQLModel.metadata.naming_convention = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

USER_SETTING = "apiwright.user_id"
CURRENT_USER = f"nullif(current_setting('{USER_SETTING}', true), '')::uuid"
"""SQL: who is signed in, null for nobody."""


class Account(SQLModel):
    """A person who signs in, in the table `user`. Signed in, one sees one's own row and cannot
    write it; sign-up, login and the like go through `session.unscoped(…)`."""

    owner_column: ClassVar[str] = "id"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    is_active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    """False: no request of theirs reaches the database any more."""


class Owned(SQLModel):
    """Rows that belong to one user and that nobody else sees. The database fills `owner_id`."""

    owner_column: ClassVar[str] = "owner_id"

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    owner_id: UUID = Field(
        default=None,
        foreign_key="user.id",
        ondelete="CASCADE",
        sa_column_kwargs={"server_default": text(CURRENT_USER)},
    )


class Timestamps(SQLModel):
    """When a row was made and last written, by the database's clock, in UTC."""

    created_at: datetime = Field(default=None, sa_column_kwargs={"server_default": func.now()})
    updated_at: datetime = Field(
        default=None, sa_column_kwargs={"server_default": func.now(), "onupdate": func.now()}
    )


@event.listens_for(Table, "after_parent_attach")
def _index_by_owner(table: Table, metadata: Any) -> None:
    # every list of owned rows is "mine, newest first"
    if metadata is SQLModel.metadata and {"owner_id", "id"} <= set(table.columns.keys()):
        Index(None, table.c.owner_id, table.c.id, unique=True)
