from pydantic import BaseModel

from app.schemas.task import Description, Title


class TemplateCreate(BaseModel):
    title: Title
    description: Description | None = None


class TemplatePublic(BaseModel):
    id: int
    title: str
    description: str | None
