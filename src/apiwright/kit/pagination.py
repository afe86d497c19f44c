"""Pages: every list is capped, in a stable order, and continued by a cursor."""

import base64
from typing import Annotated, Generic, TypeVar, cast
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from apiwright.kit.problems import FieldError, Invalid

T = TypeVar("T")

MOST_COUNTED = 10_000


def _is_none(value: object) -> bool:
    return value is None


class Page(BaseModel, Generic[T]):
    """Some rows, and where the next ones begin."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    items: list[T]
    next_cursor: str | None = Field(
        default=None, description="Ask for the next page with it; null: the end."
    )
    total: int | None = Field(
        default=None,
        exclude_if=_is_none,
        description="With `count=true`: how many there are in all.",
    )
    total_is_capped: bool | None = Field(
        default=None,
        exclude_if=_is_none,
        description=f"Beside `total`: there are more, counting stopped at {MOST_COUNTED}.",
    )


class PageQuery(BaseModel):
    """The query parameters of a list. A list with filters has a model of its own that inherits
    from this one; a field `sort` in it is the order. A parameter that is in no model is a 422
    problem, because a list without its filter would show everything."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(
        default=None,
        max_length=6000,
        pattern="^[A-Za-z0-9_-]+$",
        description="`next_cursor` of the page before.",
    )
    count: bool = Field(default=False, description=f"Add `total`, {MOST_COUNTED} at most.")


PageParams = Annotated[PageQuery, Query()]


class InvalidCursor(Invalid):
    """What is no cursor of this list in this order."""

    def __init__(self) -> None:
        message = "This is not a cursor from this list in this order."
        super().__init__([FieldError(field="query.cursor", message=message)])


Key = TypeVar("Key", UUID, int)


def encode_cursor(last: UUID | int) -> str:
    """`last`: the `id` of a page's last row."""
    stored = last.bytes if isinstance(last, UUID) else last.to_bytes(8, signed=True)
    return base64.urlsafe_b64encode(stored).rstrip(b"=").decode()


def decode_cursor(cursor: str, kind: type[Key]) -> Key:
    """Raises InvalidCursor for anything that is not one of our cursors of that kind."""
    try:
        stored = base64.urlsafe_b64decode(cursor + "==")
        last = UUID(bytes=stored) if kind is UUID else int.from_bytes(stored, signed=True)
        known = encode_cursor(last) == cursor  # the decoder skips what is not base64
    except (ValueError, OverflowError):
        known = False
    if not known:
        raise InvalidCursor()
    return cast(Key, last)
