"""What a request's headers say, by its ASGI scope."""

from starlette.types import Scope


def header(scope: Scope, wanted: bytes) -> bytes:
    """The first of this name, in lower case; empty when there is none."""
    for name, value in scope["headers"]:  # names are in lower case (ASGI)
        if name == wanted:
            found: bytes = value
            return found
    return b""
