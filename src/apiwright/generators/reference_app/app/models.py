"""The tables. Each says who may see it by what it inherits from."""

from apiwright.kit.tables import Account, Owned, Timestamps
from sqlmodel import Field


class User(Account, Timestamps, table=True):
    email: str = Field(max_length=254, unique=True)
    password_hash: str = Field(max_length=255)


class Task(Owned, Timestamps, table=True):
    title: str = Field(max_length=200)
    description: str | None = Field(default=None, max_length=2000)
    done: bool = False
