from datetime import datetime
from uuid import UUID

from apiwright.kit.schemas import Text
from pydantic import BaseModel


class Credentials(BaseModel):
    email: Text
    password: str


class Refresh(BaseModel):
    refresh_token: str


class LoginPublic(BaseModel):
    id: UUID
    user_agent: str | None
    created_at: datetime
    updated_at: datetime
