"""The key that signs tokens is one that everybody tries first.

## What it finds

The token of a real login is signed with a key from a short list: `secret`, `changeme`,
`your-secret-key`, that of FastAPI's tutorial and the like. A new token, signed with it, is sent to
show that it is taken.

## Why it matters

One token that the server gave is enough to try keys at home, millions a second. Whoever finds it
signs tokens for any user. `openssl rand -hex 32` makes a key; keep it in the environment, with no
default.

## References

- https://cwe.mitre.org/data/definitions/521.html
- https://datatracker.ietf.org/doc/html/rfc7518#section-3.2
"""

from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.forgeries import GUESSES, key_of, token_of, unverified
from apiwright.checks.insiders import secrets_in
from apiwright.checks.probe import probe
from apiwright.checks.reach import let_in
from apiwright.checks.telling import one_finding
from apiwright.checks.world import World

_APP = """
import os

import jwt
from fastapi import Depends, FastAPI, Form, HTTPException
from fastapi.security import OAuth2PasswordBearer

app = FastAPI()
bearer = OAuth2PasswordBearer("login")
KEY = GIVEN
users = {}

@app.post("/register")
def register(username: str, password: str):
    users[username] = password
    return {"username": username}

@app.post("/login")
def login(username: str = Form(), password: str = Form()):
    if users.get(username) != password:
        raise HTTPException(401)
    return {"access_token": jwt.encode({"sub": username}, KEY, "HS256")}

def current_user(token: str = Depends(bearer)):
    try:
        return jwt.decode(token, KEY, algorithms=["HS256"])["sub"]
    except jwt.PyJWTError:
        raise HTTPException(401)

@app.get("/me")
def me(user: str = Depends(current_user)):
    return {"username": user}
"""
BAD = _APP.replace("GIVEN", 'os.getenv("SECRET_KEY", "changeme")')
GOOD = _APP.replace("GIVEN", 'os.environ["SECRET_KEY"]')


@probe(severity="high", same_as=("hard-coded-secret",))
def weak_secret(world: World) -> Iterator[Finding]:
    token, key = token_of(world), key_of(world)
    if token is None or key is None or world.a is None or unverified(world):
        return
    guess = key.decode()
    if guess not in GUESSES:
        return
    written = next((place for text, place in secrets_in(world.code) if text == guess), None)
    answers = let_in(world, world.a.with_token(token.signed(key, forged=True)))
    yield from one_finding(
        weak_secret,
        world,
        answers,
        f"Tokens are signed with the key {guess!r}, which can be guessed. Make one with"
        " `openssl rand -hex 32`, and read it from the environment.",
        at=written,
    )
