"""Pages: every list is capped, in a stable order, and continued by a cursor."""

import base64
from typing import Annotated, Generic, TypeVar
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


def encode_cursor(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> UUID:
    """Raises a 422 problem for anything that is not one of our cursors."""
    try:
        last = UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except ValueError:
        last = None
    if last is None or encode_cursor(last) != cursor:  # the decoder skips what is not base64
        error = FieldError(field="query.cursor", message="This is not a cursor from this list.")
        raise Invalid([error])
    return last
