from datetime import datetime
from uuid import UUID

from pydantic import BaseModel


class Credentials(BaseModel):
    email: str
    password: str


class Refresh(BaseModel):
    refresh_token: str


class LoginPublic(BaseModel):
    id: UUID
    user_agent: str | None
    created_at: datetime
    updated_at: datetime
