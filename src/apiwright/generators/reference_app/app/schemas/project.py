from datetime import datetime
from typing import Annotated
from uuid import UUID

from apiwright.kit.schemas import NotBlank, unset
from pydantic import BaseModel, StringConstraints

Name = Annotated[NotBlank, StringConstraints(max_length=200)]


class ProjectCreate(BaseModel):
    name: Name


class ProjectUpdate(BaseModel):
    """What is left out stays as it is."""

    name: Name = unset()


class ProjectPublic(BaseModel):
    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime
