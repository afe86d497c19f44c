from typing import Any, Optional

from pydantic import BaseModel


class PostIn(BaseModel):
    title: str
    body: Optional[str] = None


class PostOut(PostIn):
    id: int
    author_id: int

    class Config:
        from_attributes = True


class Envelope(BaseModel):
    message: str
    data: Any = None


class UserIn(BaseModel):
    email: str
    password: str


class UserOut(BaseModel):
    id: int
    email: str

    class Config:
        from_attributes = True
