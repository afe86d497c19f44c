import enum
from datetime import datetime, timezone

from sqlalchemy import Enum, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from shop.database import Base


class User(Base):
    __tablename__ = "user"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)

    parcels: Mapped[list["Parcel"]] = relationship(
        back_populates="sender", cascade="all, delete-orphan"
    )


class ParcelState(str, enum.Enum):
    WAITING = "waiting"
    SENT = "sent"


class Parcel(Base):
    __tablename__ = "parcel"
    __table_args__ = (UniqueConstraint("user_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    number: Mapped[str] = mapped_column(String(40))
    state: Mapped[ParcelState] = mapped_column(Enum(ParcelState), default=ParcelState.WAITING)
    weight: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(timezone.utc))

    sender: Mapped[User] = relationship(back_populates="parcels")

    def __repr__(self) -> str:
        return f"<Parcel {self.number}>"
