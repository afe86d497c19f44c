from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shop.models import ParcelState

T = TypeVar("T")


class Envelope(BaseModel, Generic[T]):
    message: str
    data: T


class UserIn(BaseModel):
    name: str


class ParcelCreate(BaseModel):
    number: str = Field(min_length=1, max_length=40)
    weight: int | None = Field(default=None, ge=0)

    @field_validator("number")
    @classmethod
    def without_spaces(cls, value: str) -> str:
        return value.replace(" ", "")


class ParcelUpdate(BaseModel):
    number: str | None = Field(default=None, min_length=1, max_length=40)
    weight: int | None = Field(default=None, ge=0)
    state: ParcelState | None = None


class ParcelOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    number: str
    weight: int | None
    state: ParcelState
    created_at: datetime
