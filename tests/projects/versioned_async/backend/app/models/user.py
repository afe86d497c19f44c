from typing import TYPE_CHECKING

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Timestamps

if TYPE_CHECKING:
    from app.models.item import Item


class User(Timestamps, Base):
    email: Mapped[str] = mapped_column(String(254), unique=True, index=True)
    hashed_password: Mapped[str]
    role: Mapped[str] = mapped_column(default="member")
    items: Mapped[list["Item"]] = relationship(back_populates="owner")
