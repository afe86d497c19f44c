"""The tables of the kit's tests. All test modules share them: SQLModel has one registry."""

from uuid import UUID

from sqlmodel import Field

from apiwright.kit.tables import Account, Owned, Timestamps


class User(Account, Timestamps, table=True):
    email: str = Field(max_length=254, unique=True)


class Project(Owned, table=True):
    name: str


class Task(Owned, Timestamps, table=True):
    title: str = Field(max_length=200)
    done: bool = False
    points: int | None = None
    project_id: UUID | None = Field(default=None, foreign_key="project.id")
