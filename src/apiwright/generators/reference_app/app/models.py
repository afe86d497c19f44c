"""The tables. Each says who may see it by what it inherits from."""

from collections.abc import Collection
from uuid import UUID

from apiwright.kit.idempotency import KeptAnswer
from apiwright.kit.tables import Account, AccountLogin, Owned, OwnedLink, Shared, Timestamps
from sqlalchemy import Index
from sqlmodel import Field

from app.permissions import PERMISSIONS, Role


class User(Account, Timestamps, table=True):
    email: str = Field(max_length=254, unique=True)
    password_hash: str = Field(max_length=255)
    role: Role = Role.MEMBER

    @property
    def permissions(self) -> Collection[str]:
        return PERMISSIONS[self.role]


class Login(AccountLogin, table=True):
    """A user signed in on one device."""


class IdempotencyKey(KeptAnswer, table=True):
    """What was answered to a POST that may be sent again."""


class Project(Owned, Timestamps, table=True):
    name: str = Field(max_length=200, unique=True)


class TaskTag(OwnedLink, table=True):
    task_id: UUID = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
    tag_id: UUID = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")


class Tag(Owned, table=True):
    name: str = Field(max_length=50, unique=True)


class Task(Owned, Timestamps, table=True):
    __table_args__ = (Index(None, "title", "id"),)

    title: str = Field(max_length=200)
    description: str | None = Field(default=None, max_length=2000)
    done: bool = False
    project_id: UUID | None = Field(default=None, foreign_key="project.id", ondelete="CASCADE")


class Template(Shared, Timestamps, table=True):
    """A task to begin with, from the catalogue that everybody reads."""

    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=200, unique=True)
    description: str | None = Field(default=None, max_length=2000)
