from uuid import UUID, uuid4

from sqlmodel import Field, SQLModel


class Account(SQLModel, table=True):
    id: UUID = Field(default_factory=uuid4, primary_key=True)
    username: str = Field(max_length=40, unique=True, index=True)
    password_hash: str
    is_active: bool = False
