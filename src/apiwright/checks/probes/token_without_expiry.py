"""A token opens the door for ever.

## What it finds

- The token that a login gives, or the one that gets new ones, has no `exp`: it never ends.
- A token whose `exp` is past is taken. It is signed with the app's own key, where the app was given
  it or it can be guessed.

Tokens that are not JSON Web Tokens say nothing about their end, and are not looked at.

## Why it matters

A token gets into logs, into a browser's history, onto a lost telephone. Until it ends, whoever has
it is the user, and nothing but another key for everybody stops him. Give each an `exp`, minutes
away, and require it: `jwt.decode(…, options={"require": ["exp"]})`.

## References

- https://cwe.mitre.org/data/definitions/613.html
- https://datatracker.ietf.org/doc/html/rfc7519#section-4.1.4
"""

import json
import time
from collections.abc import Iterator

from apiwright.checks import tokens
from apiwright.checks.app import Answer
from apiwright.checks.findings import Finding
from apiwright.checks.forgeries import key_of, token_of, unverified
from apiwright.checks.probe import probe
from apiwright.checks.reach import let_in
from apiwright.checks.telling import one_finding
from apiwright.checks.tokens import Token
from apiwright.checks.world import World

_LONG_AGO = 86_400  # no clock is so wrong

_APP = """
import os
import time

import jwt
from fastapi import Depends, FastAPI, Form, HTTPException
from fastapi.security import OAuth2PasswordBearer

app = FastAPI()
bearer = OAuth2PasswordBearer("login")
KEY = os.environ["SECRET_KEY"]
users = {}

@app.post("/register")
def register(username: str, password: str):
    users[username] = password
    return {"username": username}

@app.post("/login")
def login(username: str = Form(), password: str = Form()):
    if users.get(username) != password:
        raise HTTPException(401)
    return {"access_token": jwt.encode({"sub": username EXPIRY}, KEY, "HS256")}

def current_user(token: str = Depends(bearer)):
    try:
        return jwt.decode(token, KEY, algorithms=["HS256"] OPTIONS)["sub"]
    except jwt.PyJWTError:
        raise HTTPException(401)

@app.get("/me")
def me(user: str = Depends(current_user)):
    return {"username": user}
"""
_EXPIRY = ', "exp": time.time() + 900'
BAD = (
    _APP.replace("EXPIRY", "").replace("OPTIONS", ""),
    _APP.replace("EXPIRY", _EXPIRY).replace("OPTIONS", ', options={"verify_exp": False}'),
)
GOOD = _APP.replace("EXPIRY", _EXPIRY).replace("OPTIONS", "")


@probe(severity="high")
def token_without_expiry(world: World) -> Iterator[Finding]:
    if world.a is None:
        return
    for text, name in ((world.a.token, "token"), (world.a.refresh, "refresh token")):
        token = tokens.read(text)
        if token is not None and "exp" not in token.claims:
            yield from one_finding(
                token_without_expiry,
                world,
                _given(world),
                f"The {name} of a login has no end. Give it an exp claim, and require it when it is"
                " read.",
                before=[f"its claims: {json.dumps(token.claims)}"],
            )
            return
    token, key = token_of(world), key_of(world)
    if token is not None and key is not None and not unverified(world):
        past = token.signed(key, exp=int(time.time()) - _LONG_AGO, **_started(token))
        yield from one_finding(
            token_without_expiry,
            world,
            let_in(world, world.a.with_token(past)),
            "A token that ended a day ago is taken. Do not turn the check of exp off.",
        )


def _given(world: World) -> list[Answer]:
    """The answer that gave it; where there was none, one that takes it."""
    if world.a is not None and world.a.login is not None:
        return [world.a.login]
    return let_in(world, world.a)[:1] if world.a else []


def _started(token: Token) -> dict[str, int]:
    """It began before it ended."""
    before = int(time.time()) - 2 * _LONG_AGO
    return {name: before for name in ("iat", "nbf") if name in token.claims}
