"""What schemas need beyond pydantic."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

T = TypeVar("T")

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""Text that can be stored: Postgres takes every character but NUL."""

NotBlank = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"),
]
"""`Text` with something in it. White space around it is cut off."""


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
