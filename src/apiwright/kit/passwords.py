"""Passwords: hashed with bcrypt off the event loop, verified in equal time. Touches no storage."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from pydantic import AfterValidator, Field, StringConstraints

_LONGEST = 72  # bytes; bcrypt reads no more, and its library refuses more
_ROUNDS = 12
_hashes = PasswordHash([BcryptHasher(_ROUNDS), Argon2Hasher()])

# One thread: a storm of logins queues here, and the other requests keep their processor.
_thread = ThreadPoolExecutor(1, "apiwright-passwords")
_NOBODYS = "$2b$12$34nFX8//4IngYVuLe9k01e64m6wLBMVM0K6.VM9TZn78bFd8uSWO6"


def _not_too_long(password: str) -> str:
    if not _fits(password):
        raise ValueError(f"A password may have {_LONGEST} bytes; this one has more.")
    return password


NewPassword = Annotated[
    str,
    StringConstraints(min_length=8),
    AfterValidator(_not_too_long),
    Field(json_schema_extra={"maxLength": _LONGEST}),  # as near as a document can say it
]
"""The type of a password that is being chosen."""


async def hash_password(password: str) -> str:
    """Raises ValueError for more than 72 bytes; see NewPassword. Takes about 200 ms."""
    return await asyncio.get_running_loop().run_in_executor(
        _thread, _hashes.hash, _bytes(_not_too_long(password))
    )


async def verify_password(password: str, hashed: str | None) -> bool:
    """Whether the password is the hash's (bcrypt's or Argon2's). Without a hash, when there is no
    such user, it takes as long and is False, so that the time does not tell who has an account.
    So it is for a hash of another kind."""
    return await asyncio.get_running_loop().run_in_executor(_thread, _verify, password, hashed)


async def verify_and_upgrade(password: str, hashed: str | None) -> tuple[bool, str | None]:
    """As `verify_password`; and, when the password is right and its hash is an old one (Argon2,
    or bcrypt of fewer rounds), a new hash to store in its place."""
    right = await verify_password(password, hashed)
    old = right and hashed is not None and _is_old(hashed) and _fits(password)
    return right, await hash_password(password) if old else None


def _verify(password: str, hashed: str | None) -> bool:
    if hashed and Argon2Hasher.identify(hashed):
        return _hashes.verify(_bytes(password), hashed)
    known = hashed if hashed and BcryptHasher.identify(hashed) else None
    usable = _fits(password)
    try:
        right = _hashes.verify(_bytes(password) if usable else b"", known or _NOBODYS)
    except ValueError:  # it looks like bcrypt's, but bcrypt has no such cost
        return _verify(password, None)
    return right and usable and known is not None


def _fits(password: str) -> bool:
    return len(_bytes(password)) <= _LONGEST


def _bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")  # JSON can hold half a character: just wrong


def _is_old(hashed: str) -> bool:
    return Argon2Hasher.identify(hashed) or int(hashed.split("$")[2]) < _ROUNDS
