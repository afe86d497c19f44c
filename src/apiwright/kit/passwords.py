"""Passwords: hashed with bcrypt off the event loop, verified in equal time. Touches no storage."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher
from pydantic import AfterValidator, StringConstraints

_LONGEST = 72  # bytes; bcrypt reads no more, and its library refuses more
_hashes = PasswordHash([BcryptHasher(rounds=12)])

# One thread: a storm of logins queues here, and the other requests keep their processor.
_thread = ThreadPoolExecutor(1, "apiwright-passwords")
_NOBODYS = "$2b$12$34nFX8//4IngYVuLe9k01e64m6wLBMVM0K6.VM9TZn78bFd8uSWO6"


def _not_too_long(password: str) -> str:
    if len(password.encode()) > _LONGEST:
        raise ValueError(f"A password may have {_LONGEST} bytes; this one has more.")
    return password


NewPassword = Annotated[str, StringConstraints(min_length=8), AfterValidator(_not_too_long)]
"""The type of a password that is being chosen."""


async def hash_password(password: str) -> str:
    """Raises ValueError for more than 72 bytes; see NewPassword. Takes about 200 ms."""
    return await asyncio.get_running_loop().run_in_executor(
        _thread, _hashes.hash, _not_too_long(password)
    )


async def verify_password(password: str, hashed: str | None) -> bool:
    """Whether the password is the hash's. Without a hash, when there is no such user, it takes as
    long and is False, so that the time does not tell who has an account. So it is for a hash that
    is not bcrypt's."""
    usable = len(password.encode()) <= _LONGEST
    known = hashed if hashed and BcryptHasher.identify(hashed) else None
    right = await asyncio.get_running_loop().run_in_executor(
        _thread, _hashes.verify, password if usable else "", known or _NOBODYS
    )
    return right and usable and known is not None
