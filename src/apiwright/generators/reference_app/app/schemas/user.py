from datetime import datetime
from uuid import UUID

from apiwright.kit.passwords import NewPassword
from pydantic import BaseModel, EmailStr

from app.permissions import Role


class UserCreate(BaseModel):
    email: EmailStr
    password: NewPassword


class UserPublic(BaseModel):
    id: UUID
    email: str
    role: Role
    created_at: datetime


class PasswordChange(BaseModel):
    password: str
    new_password: NewPassword
