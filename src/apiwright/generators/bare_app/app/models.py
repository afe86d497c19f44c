"""The tables. Each says who may see it by what it inherits from."""

from collections.abc import Collection

from apiwright.kit.idempotency import KeptAnswer
from apiwright.kit.tables import Account, AccountLogin, Timestamps
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
