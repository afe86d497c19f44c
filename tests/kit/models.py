"""The tables of the kit's tests. All test modules share them: SQLModel has one registry."""

from collections.abc import Collection
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from uuid import UUID

from pydantic import NaiveDatetime
from sqlalchemy import Column, Computed, Index, String, func
from sqlmodel import Field, Relationship

from apiwright.kit.agents import EventTable, ItemTable, ThreadTable
from apiwright.kit.idempotency import KeptAnswer
from apiwright.kit.knowledge import ChunkTable, ContentTable, DocumentTable
from apiwright.kit.tables import (
    Account,
    AccountLogin,
    Internal,
    Owned,
    OwnedLink,
    Public,
    Timestamps,
)


class User(Account, Timestamps, table=True):
    email: str = Field(max_length=254, unique=True)
    may: str = Field(default="", sa_column_kwargs={"server_default": ""})  # parted by spaces

    @property
    def permissions(self) -> Collection[str]:
        return self.may.split()


class Login(AccountLogin, table=True):
    pass


class IdempotencyKey(KeptAnswer, table=True):
    pass


class Document(DocumentTable, table=True):
    folder: str = Field(default="", max_length=50)


class DocumentContent(ContentTable, table=True):
    pass


class Chunk(ChunkTable, table=True):
    pass


class Thread(ThreadTable, table=True):
    pass


class ThreadItem(ItemTable, table=True):
    pass


class ThreadEvent(EventTable, table=True):
    pass


class TaskTag(OwnedLink, table=True):
    task_id: UUID = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
    tag_id: UUID = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")


class Project(Owned, table=True):
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Task(Owned, Timestamps, table=True):
    title: str = Field(max_length=200)
    done: bool = False
    points: int | None = None
    project_id: UUID | None = Field(default=None, foreign_key="project.id", ondelete="SET NULL")
    project: Project | None = Relationship(back_populates="tasks")
    tags: list["Tag"] = Relationship(
        link_model=TaskTag, sa_relationship_kwargs={"order_by": "Tag.label"}
    )


class Urgency(Enum):
    HIGH = "high"
    LOW = "low"
    NONE = "none"


class Parcel(Owned, table=True):
    """A column of every kind that pages are sorted by."""

    __table_args__ = (
        Index(None, "name", "id"),
        Index(None, "urgency", "id"),
        Index(None, "size", "id"),
        Index(None, "weight", "id"),
        Index(None, "is_sent", "name", "id"),
    )

    name: str = Field(max_length=200)
    code: str | None = Field(default=None, sa_type=String(20, collation="C"))
    urgency: Urgency = Urgency.NONE
    is_sent: bool = False
    size: int | None = None
    weight: Decimal = Field(default=0, max_digits=10, decimal_places=2)
    price: Decimal | None = Field(default=None, max_digits=30, decimal_places=10)
    height: float = 0.0
    made_at: datetime = Field(default=None, sa_column_kwargs={"server_default": func.now()})
    opened_at: NaiveDatetime | None = None
    due_on: date | None = None
    alarm: time | None = None
    group_id: UUID | None = None
    note: str | None = None
    folded: str = Field(
        default=None,
        sa_column=Column(String(200), Computed("lower(name)", persisted=True), nullable=False),
    )


class Tag(Owned, table=True):
    label: str = Field(unique=True)


class Country(Public, table=True):
    code: str = Field(primary_key=True)
    name: str


class Notice(Internal, table=True):
    id: int = Field(primary_key=True)
    note: str


class Team(Owned, table=True):
    name: str = Field(index=True)
    heroes: list["Hero"] = Relationship(back_populates="team")


class Hero(Owned, table=True):
    name: str = Field(index=True)
    secret_name: str
    age: int | None = Field(default=None, index=True)
    team_id: UUID | None = Field(default=None, foreign_key="team.id")
    team: Team | None = Relationship(back_populates="heroes")
