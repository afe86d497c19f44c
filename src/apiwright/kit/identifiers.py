"""Identifiers: time-ordered and not guessable."""

import os
import time
from inspect import Signature
from uuid import UUID


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562, section 5.7; method 3 of 6.2 for the order within a
    millisecond), 62 bits of it random."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random)


# pydantic asks for the signature of a default's factory at each new row, which costs more than
# the factory; this is where `inspect` looks first
setattr(uuid7, "__signature__", Signature(return_annotation=UUID))  # noqa: B010  # mypy knows none
