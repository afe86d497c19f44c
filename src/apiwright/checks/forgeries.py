"""Tokens that an app must refuse, made from one that it gave."""

from collections.abc import Iterator
from functools import lru_cache

from apiwright.checks import tokens
from apiwright.checks.app import Answer
from apiwright.checks.insiders import secrets_in
from apiwright.checks.reach import let_in
from apiwright.checks.tokens import Token
from apiwright.checks.users import NO_TOKEN
from apiwright.checks.world import World

GUESSES = (
    "secret", "secretkey", "secret-key", "secret_key", "SECRET", "SECRET_KEY", "supersecret",
    "super-secret", "super_secret", "supersecretkey", "super-secret-key", "super_secret_key",
    "mysecret", "mysecretkey", "my-secret", "my_secret", "my-secret-key", "my_secret_key",
    "your-secret-key", "your_secret_key", "your-secret", "yoursecretkey", "YOUR_SECRET_KEY",
    "your-secret-key-here", "your-super-secret-key", "your-256-bit-secret", "a-secret-key",
    "changeme", "change-me", "change_me", "changethis", "change-this", "change_this",
    "CHANGE_ME", "changeit", "please-change-me", "change-me-in-production", "jwt", "jwtsecret",
    "jwt-secret", "jwt_secret", "jwt-secret-key", "JWT_SECRET", "JWT_SECRET_KEY", "key", "private",
    "password", "passwd", "admin", "test", "testing", "test-secret", "test-key", "dev", "develop",
    "development", "dev-secret", "dev-secret-key", "insecure", "insecure-secret", "default",
    "example", "demo", "fastapi", "api", "token", "auth", "auth-secret", "hello", "foo", "bar",
    "abc", "abc123", "123", "1234", "12345", "123456", "1234567890", "qwerty", "topsecret", "",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
)  # fmt: skip  # the last is that of FastAPI's tutorial
ATTACKER = b"a key of the attacker's own, of 32 bytes and more"


@lru_cache(maxsize=1)
def token_of(world: World) -> Token | None:
    """What A's login gave, where it is a JSON Web Token."""
    return tokens.read(world.a.token) if world.a else None


@lru_cache(maxsize=1)
def key_of(world: World) -> bytes | None:
    """What A's token is signed with, where the app was given it, or it can be found out."""
    token = token_of(world)
    if token is None or not token.algorithm.startswith("HS"):
        return None
    written = [text for text, _ in secrets_in(world.code)]
    candidates = [*world.environment.values(), *GUESSES, *written]
    return next((one.encode() for one in candidates if token.is_signed_with(one.encode())), None)


@lru_cache(maxsize=1)
def unverified(world: World) -> tuple[Answer, ...]:
    """Answers to tokens whose signature is wrong: the first kind that any route takes."""
    if world.a is None or world.a.credential is None:
        return ()
    for text in _unsigned(world, world.a.credential.token):
        if answers := let_in(world, world.a.with_token(text)):
            return tuple(answers)
    return ()


def _unsigned(world: World, given: str) -> Iterator[str]:
    token = token_of(world)
    if token is not None:
        yield token.changed(forged=True)
        if token.algorithm.startswith("HS"):
            yield token.signed(ATTACKER)
    yield NO_TOKEN
    yield from _renamed(world, given)


def _renamed(world: World, given: str) -> Iterator[str]:
    """A's token with B's name in it, where it is made of the name."""
    if world.a is None or world.b is None or token_of(world) is not None:
        return
    for name, value in world.a.known.items():
        other = world.b.known.get(name)
        if isinstance(value, str) and isinstance(other, str) and value in given and "@" in value:
            yield given.replace(value, other)
