from datetime import datetime, timezone

from sqlmodel import Field, Relationship, SQLModel


class User(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    books: list["Book"] = Relationship(back_populates="owner", cascade_delete=True)


class BookBase(SQLModel):
    title: str = Field(min_length=1, max_length=100, index=True)
    pages: int | None = Field(default=None, ge=1)


class Book(BookBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(foreign_key="user.id", index=True)
    created_at: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))
    owner: User | None = Relationship(back_populates="books")


class BookUpdate(SQLModel):
    title: str | None = Field(default=None, min_length=1, max_length=100)
    pages: int | None = Field(default=None, ge=1)


class BookPublic(BookBase):
    id: int
    created_at: datetime


class BooksPublic(SQLModel):
    books: list[BookPublic]
    count: int
