"""The token that is to get new tokens opens the routes itself.

## What it finds

The refresh token of a real login, sent where an access token belongs, is answered as the access
token is.

## Why it matters

An access token is short-lived because it cannot be taken back; a refresh token lives for weeks
because one route looks it up, rotates it and sees when it is used twice. Where it opens every route
it is an access token of weeks that nobody looks up. Write the kind of a token into it, and require
it where it is read.

## References

- https://datatracker.ietf.org/doc/html/rfc8725#section-3.12
- https://datatracker.ietf.org/doc/html/rfc6749#section-1.5
"""

from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.forgeries import unverified
from apiwright.checks.probe import probe
from apiwright.checks.reach import let_in
from apiwright.checks.telling import one_finding
from apiwright.checks.world import World

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

def made(username, kind, seconds):
    claims = {"sub": username, "type": kind, "exp": time.time() + seconds}
    return jwt.encode(claims, KEY, "HS256")

@app.post("/login")
def login(username: str = Form(), password: str = Form()):
    if users.get(username) != password:
        raise HTTPException(401)
    return {
        "access_token": made(username, "access", 900),
        "refresh_token": made(username, "refresh", 900_000),
    }

def current_user(token: str = Depends(bearer)):
    try:
        claims = jwt.decode(token, KEY, algorithms=["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(401)
    KIND
    return claims["sub"]

@app.get("/me")
def me(user: str = Depends(current_user)):
    return {"username": user}
"""
BAD = _APP.replace("KIND", "")
GOOD = _APP.replace("KIND", 'if claims["type"] != "access":\n        raise HTTPException(401)')


@probe(severity="high")
def refresh_token_as_access(world: World) -> Iterator[Finding]:
    user = world.a
    if user is None or user.refresh is None or user.refresh == user.token or unverified(world):
        return
    yield from one_finding(
        refresh_token_as_access,
        world,
        let_in(world, user.with_token(user.refresh)),
        "A refresh token is taken for an access token. Say in each token which kind it is, and"
        " require that of the route.",
    )
