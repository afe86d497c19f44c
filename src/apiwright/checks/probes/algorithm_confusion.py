"""The sender of a token chooses how it is verified.

## What it finds

Tokens that a route takes though they are not signed with the app's key:

- `"alg": "none"` in any letters, with no signature,
- signed as HS256 with the app's public key as if it were a shared secret, where the app signs with
  a private one (RS256, ES256, EdDSA) and the public one can be read.

Where a signature is not verified at all, `unverified-token` says it.

## Why it matters

The header of a token is written by whoever sends it. A public key is public: who signs with it, and
is believed, is any user. Name the algorithms: `jwt.decode(token, key, algorithms=["RS256"])`, one
that fits the key, and never what the header says.

## References

- https://datatracker.ietf.org/doc/html/rfc8725#section-3.1
- https://cwe.mitre.org/data/definitions/347.html
"""

import re
from collections.abc import Iterator

from apiwright.checks import tokens
from apiwright.checks.findings import Finding
from apiwright.checks.forgeries import token_of, unverified
from apiwright.checks.probe import probe
from apiwright.checks.reach import let_in
from apiwright.checks.telling import one_finding
from apiwright.checks.tokens import Token
from apiwright.checks.world import World

_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)

_APP = """
import jwt
from fastapi import Depends, FastAPI, Form, HTTPException
from fastapi.security import OAuth2PasswordBearer

app = FastAPI()
bearer = OAuth2PasswordBearer("login")
KEY = "9f2c7be0d1a84c55b6e3a1f07d92c4e8"
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
        DECODE
    except jwt.PyJWTError:
        raise HTTPException(401)

@app.get("/me")
def me(user: str = Depends(current_user)):
    return {"username": user}
"""
BAD = _APP.replace(
    "DECODE",
    """if jwt.get_unverified_header(token)["alg"] == "none":
            return jwt.decode(token, options={"verify_signature": False})["sub"]
        return jwt.decode(token, KEY, algorithms=["HS256"])["sub"]""",
)
GOOD = _APP.replace("DECODE", 'return jwt.decode(token, KEY, algorithms=["HS256"])["sub"]')


@probe(severity="high")
def algorithm_confusion(world: World) -> Iterator[Finding]:
    token = token_of(world)
    if token is None or world.a is None or unverified(world):
        return
    for text, why in _forged(world, token):
        if answers := let_in(world, world.a.with_token(text)):
            yield from one_finding(
                algorithm_confusion,
                world,
                answers,
                f"A token {why} is taken for a user's. Name the algorithm when a token is decoded:"
                f' algorithms=["{token.algorithm}"].',
            )
            return


def _forged(world: World, token: Token) -> Iterator[tuple[str, str]]:
    for name in ("none", "None", "NONE", "nOnE"):
        yield token.signed(b"", {"alg": name}), f'with "alg": "{name}" and no signature'
    if not token.algorithm.startswith("HS"):
        for key in _public_keys(world):
            header = {"alg": "HS256", "typ": "JWT"}
            text = tokens.signed(header, token.claims, key.encode())
            yield text, "signed with the public key as a shared secret"


def _public_keys(world: World) -> Iterator[str]:
    """As the app reads them: of its settings, its source and its files."""
    texts = [value.replace("\\n", "\n") for value in world.environment.values()]
    texts += [one.content.decode(errors="replace") for one in world.code.sources]
    for ending in ("*.pem", "*.pub"):
        for file in world.database.copy.rglob(ending):
            texts.append(file.read_text(errors="replace"))
    for text in texts:
        for match in _PUBLIC.finditer(text):
            yield match[0]
            yield match[0].rstrip("\n")
