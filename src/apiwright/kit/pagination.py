"""Pages: every list is capped, in a stable order, and continued by a cursor."""

import base64
from typing import Annotated, Generic, TypeVar, cast
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from apiwright.kit.problems import FieldError, Invalid

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """Some rows, newest first, and where the next ones begin."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    items: list[T]
    next_cursor: str | None = Field(
        None, description="Ask for the next page with it; null: the end."
    )


class PageQuery(BaseModel):
    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")


PageParams = Annotated[PageQuery, Query()]


Key = TypeVar("Key", UUID, int)


def encode_cursor(last: UUID | int) -> str:
    """`last`: the `id` of a page's last row."""
    stored = last.bytes if isinstance(last, UUID) else last.to_bytes(8, signed=True)
    return base64.urlsafe_b64encode(stored).rstrip(b"=").decode()


def decode_cursor(cursor: str, kind: type[Key]) -> Key:
    """Raises a 422 problem for anything that is not one of our cursors of that kind."""
    try:
        stored = base64.urlsafe_b64decode(cursor + "==")
        last = UUID(bytes=stored) if kind is UUID else int.from_bytes(stored, signed=True)
        known = encode_cursor(last) == cursor  # the decoder skips what is not base64
    except (ValueError, OverflowError):
        known = False
    if not known:
        error = FieldError(field="query.cursor", message="This is not a cursor from this list.")
        raise Invalid([error])
    return cast(Key, last)
