"""What schemas need beyond pydantic."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Envelope(BaseModel, Generic[T]):
    """`{"data": …, "message": …}` around what a route returns."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    data: T
    message: str = "OK"


def unset() -> Any:
    """The default of a field that an update may leave out: `title: Title = unset()`.

    It stands in no document and is no value: null is refused unless the type allows it, and
    what was sent is `data.model_dump(exclude_unset=True)`.
    """
    return Field(default_factory=lambda: None)
