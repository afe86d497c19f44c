from typing import Annotated
from uuid import UUID

from apiwright.kit.schemas import NotBlank
from pydantic import BaseModel, StringConstraints

Name = Annotated[NotBlank, StringConstraints(max_length=50)]


class TagCreate(BaseModel):
    name: Name


class TagPublic(BaseModel):
    id: UUID
    name: str
