from datetime import datetime
from uuid import UUID

from apiwright.kit.passwords import NewPassword
from pydantic import BaseModel, EmailStr


class UserCreate(BaseModel):
    email: EmailStr
    password: NewPassword


class UserPublic(BaseModel):
    id: UUID
    email: str
    created_at: datetime
