from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from apiwright.kit.pagination import PageQuery
from apiwright.kit.schemas import NotBlank, Text, unset
from pydantic import BaseModel, StringConstraints

Title = Annotated[NotBlank, StringConstraints(max_length=200)]
Description = Annotated[Text, StringConstraints(max_length=2000)]


class TaskCreate(BaseModel):
    title: Title
    description: Description | None = None
    done: bool = False
    project_id: UUID | None = None


class TaskUpdate(BaseModel):
    """What is left out stays as it is."""

    title: Title = unset()
    description: Description | None = unset()
    done: bool = unset()
    project_id: UUID | None = unset()


class TaskQuery(PageQuery):
    done: bool | None = None
    project_id: UUID | None = None
    search: Annotated[Text, StringConstraints(max_length=200)] | None = None
    sort: Literal["id", "-id", "title", "-title"] = "-id"


class TaskPublic(BaseModel):
    id: UUID
    title: str
    description: str | None
    done: bool
    project_id: UUID | None
    created_at: datetime
    updated_at: datetime
