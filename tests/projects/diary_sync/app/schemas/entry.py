from pydantic import BaseModel, ConfigDict, Field


class EntryCreate(BaseModel):
    title: str = Field(max_length=100)
    body: str | None = None


class EntryUpdate(BaseModel):
    title: str | None = Field(default=None, max_length=100)
    body: str | None = None


class EntryRead(EntryCreate):
    model_config = ConfigDict(from_attributes=True)

    id: int
    owner_id: int
