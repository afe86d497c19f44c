from datetime import datetime
from uuid import UUID

from apiwright.kit.knowledge import State
from pydantic import BaseModel


class DocumentPublic(BaseModel):
    id: UUID
    title: str
    media_type: str
    size: int
    state: State
    reason: str | None
    passages: int
    embedded: int
    created_at: datetime
    updated_at: datetime
