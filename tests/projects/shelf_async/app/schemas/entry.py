from uuid import UUID

from pydantic import BaseModel, Field

from app.models.entry import EntryMood


class EntryCreate(BaseModel):
    title: str = Field(min_length=1, max_length=100)
    mood: EntryMood = EntryMood.GOOD


class EntryUpdate(BaseModel):
    title: str | None = Field(default=None, min_length=1, max_length=100)
    mood: EntryMood | None = None


class EntryRead(BaseModel):
    id: UUID
    title: str
    mood: EntryMood


class EntryAnswer(BaseModel):
    message: str
    data: EntryRead


class EntriesAnswer(BaseModel):
    message: str
    data: list[EntryRead]
