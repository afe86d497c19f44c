from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import Column, Enum
from sqlmodel import Field, SQLModel


class EntryMood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Entry(SQLModel, table=True):
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    title: str = Field(max_length=100)
    mood: EntryMood = Field(
        default=EntryMood.GOOD, sa_column=Column(Enum(EntryMood, name="entry_mood"), nullable=False)
    )
    account_id: UUID = Field(foreign_key="account.id", ondelete="CASCADE", index=True)
