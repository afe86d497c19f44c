from uuid import UUID

from pydantic import BaseModel, Field


class AccountCreate(BaseModel):
    username: str = Field(min_length=3, max_length=40)
    password: str = Field(min_length=8)


class AccountRead(BaseModel):
    id: UUID
    username: str


class Credentials(BaseModel):
    username: str
    password: str
