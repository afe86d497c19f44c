"""The key that signs tokens can be guessed.

## What it finds

Keys of tokens, cookies and messages that are short or one of those that everybody tries
(`secret`, `changeme`), that are empty unless something else is set, that come from `random`, which
is no source of secrets, or that are made of fewer than 16 random bytes; also through settings,
constants and variables. Where such a key is a text of the source, `hard-coded-secret` says it.

## Why it matters

A token that the server gave is enough to try keys at home, millions a second. Whoever finds it
signs tokens for any user. `openssl rand -hex 32` makes a key; keep it in the environment.

## References

- https://cwe.mitre.org/data/definitions/521.html
- https://datatracker.ietf.org/doc/html/rfc7518#section-3.2
"""

import ast
from collections.abc import Iterator

from apiwright.checks.findings import Finding, Where
from apiwright.checks.literals import literals, written
from apiwright.checks.rule import rule, where
from apiwright.checks.signing import Signing, signings
from apiwright.checks.taint import routes_by_call
from apiwright.project.code import Code
from apiwright.project.values import Const, Function, Scope

BAD = (
    """
import jwt
from fastapi import FastAPI

KEY = "secret"
app = FastAPI()

@app.post("/login")
def login(name: str) -> str:
    return jwt.encode({"sub": name, "exp": 1}, KEY, algorithm="HS256")
""",
    {
        "app/settings.py": """
import random
import string
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    jwt_key: str = "".join(random.choices(string.ascii_letters, k=64))

settings = Settings()
""",
        "app/main.py": """
import jwt
from fastapi import FastAPI

from app.settings import settings

app = FastAPI()

@app.post("/login")
def login(name: str) -> str:
    return jwt.encode({"sub": name, "exp": 1}, settings.jwt_key, algorithm="HS256")
""",
    },
    """
import os
import secrets
import jwt
from fastapi import FastAPI

KEY = os.getenv("KEY", "")
OTHER = secrets.token_hex(4)
app = FastAPI()

@app.post("/login")
def login(name: str) -> list[str]:
    first = jwt.encode({"sub": name, "exp": 1}, KEY, algorithm="HS256")
    return [first, jwt.encode({"sub": name, "exp": 1}, OTHER, algorithm="HS256")]
""",
)
GOOD = """
import os
import random
import secrets
import jwt
from fastapi import FastAPI

KEY = os.environ["KEY"]
OTHER = secrets.token_urlsafe(32)
COLOUR = random.choice(["red", "blue"])
app = FastAPI()

@app.post("/login")
def login(name: str) -> list[str]:
    first = jwt.encode({"sub": name, "exp": 1}, KEY, algorithm="HS256")
    return [first, jwt.encode({"sub": name, "exp": 1}, OTHER, algorithm="HS256"), COLOUR]
"""
_RANDOM = (
    "random.",
    "numpy.random.",
    "uuid.getnode",
    "time.time",
    "os.getpid",
    "socket.gethostname",
)
_BYTES = {"secrets.token_hex", "secrets.token_bytes", "secrets.token_urlsafe", "os.urandom"}
_FEWEST = 16
_SHORTEST = 16
_TRIED = ("secret", "changeme", "change-me", "change_me", "password", "your", "example", "test")


@rule(severity="high")
def weak_secret(code: Code) -> Iterator[Finding]:
    seen: set[object] = set()
    for signing in signings(code):
        for finding in (*_texts(code, signing), *_made(code, signing)):
            key = (finding.where.file, finding.where.line)
            if key not in seen:
                seen.add(key)
                yield finding


def _texts(code: Code, signing: Signing) -> Iterator[Finding]:
    for one in literals(code, signing.key, signing.spot.within):
        if "://" in one.value or "BEGIN" in one.value:
            continue
        lowered = one.value.lower()
        if not one.value:
            said = "The key is empty wherever nothing else is set: anybody can sign with it."
        elif len(one.value) < _SHORTEST:
            said = f"The key has {len(one.value)} characters: it is guessed in no time."
        elif any(word in lowered for word in _TRIED):
            said = "The key is one of those that are tried first."
        else:
            continue
        yield weak_secret.finding(
            one.at,
            f"{said} Make one with `openssl rand -hex 32`, and read it from the environment.",
            evidence=one.name or None,
            related=_uses(code, signing),
        )


def _uses(code: Code, signing: Signing) -> list[Where]:
    return [where(signing.spot.at), *routes_by_call(code).get(signing.spot.node, ())]


def _made(code: Code, signing: Signing) -> Iterator[Finding]:
    """Of keys that are made while the app starts."""
    for expression, within in written(code, signing.key, signing.spot.within):
        said = _weakly_made(code, expression, within)
        if said is not None:
            source = within.scope.source if isinstance(within, Function) else within.source
            yield weak_secret.finding(
                source.at(expression),
                f"{said} Make one with `openssl rand -hex 32`, and read it from the environment.",
                related=_uses(code, signing),
            )


def _weakly_made(code: Code, expression: ast.expr, within: Function | Scope) -> str | None:
    for node in ast.walk(expression):
        if not isinstance(node, ast.Call):
            continue
        name = code.name_of(node.func, within) or ""
        if name.startswith(_RANDOM) and not name.startswith("random.SystemRandom"):
            return f"The key comes from `{name}`, which is no source of secrets."
        if name in _BYTES and node.args:
            count = code.value_of(node.args[0], within)
            if isinstance(count, Const) and isinstance(count.value, int) and count.value < _FEWEST:
                return f"The key holds {count.value} random bytes: it can be guessed."
    return None
