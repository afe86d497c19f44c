from datetime import datetime
from typing import Annotated
from uuid import UUID

from apiwright.kit.schemas import unset
from pydantic import BaseModel, StringConstraints

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Description = Annotated[str, StringConstraints(max_length=2000)]


class TaskCreate(BaseModel):
    title: Title
    description: Description | None = None
    done: bool = False


class TaskUpdate(BaseModel):
    """What is left out stays as it is."""

    title: Title = unset()
    description: Description | None = unset()
    done: bool = unset()


class TaskPublic(BaseModel):
    id: UUID
    title: str
    description: str | None
    done: bool
    created_at: datetime
    updated_at: datetime
