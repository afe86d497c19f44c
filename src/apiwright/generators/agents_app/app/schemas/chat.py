from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from apiwright.kit.schemas import NotBlank, Text
from pydantic import BaseModel, StringConstraints


class ThreadCreate(BaseModel):
    title: Annotated[Text, StringConstraints(max_length=200)] = ""


class ThreadPublic(BaseModel):
    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime


class MessageCreate(BaseModel):
    text: Annotated[NotBlank, StringConstraints(max_length=10_000)]


class ItemPublic(BaseModel):
    id: UUID
    item: dict[str, Any]
    """As OpenAI's API has it: a message, a call of a tool, or what it returned."""
