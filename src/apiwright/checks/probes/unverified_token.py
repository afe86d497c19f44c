"""A token that the app never gave opens its routes.

## What it finds

Routes that refuse nobody's request and answer one with a forged token as they answer a user:

- the token of a real login with other claims under the old signature,
- the same claims signed with another key,
- a text that is no token at all, for API keys too,
- another user's name in a token that is made of names.

Each route is asked, so that one which reads the token by itself is seen among others which verify
it.

## Why it matters

Whoever sends a request writes the token, so he is whoever he says. Verify the signature with a key
that only the app has, in one place through which every route goes: `jwt.decode(token, key,
algorithms=["HS256"])`, without `verify_signature` or `options` that turn it off.

## References

- https://cwe.mitre.org/data/definitions/347.html
- https://datatracker.ietf.org/doc/html/rfc8725
"""

from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.forgeries import unverified
from apiwright.checks.probe import probe
from apiwright.checks.telling import one_finding
from apiwright.checks.users import NO_TOKEN
from apiwright.checks.world import World

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
        return jwt.decode(token, KEY, algorithms=["HS256"]DECODE)["sub"]
    except jwt.PyJWTError:
        raise HTTPException(401)

@app.get("/me")
def me(user: str = Depends(current_user)):
    return {"username": user}
"""
BAD = (
    _APP.replace("DECODE", ', options={"verify_signature": False}'),
    """
from fastapi import Depends, FastAPI
from fastapi.security import APIKeyHeader

app = FastAPI()
api_key = APIKeyHeader(name="X-API-Key")

@app.get("/stock")
def stock(key: str = Depends(api_key)):
    return {"apples": 3}
""",
)
GOOD = _APP.replace("DECODE", "")


@probe(severity="high")
def unverified_token(world: World) -> Iterator[Finding]:
    answers = unverified(world)
    message = (
        "A forged token is taken for a user's: its signature is not verified. Verify it with the"
        " app's key wherever a token is read."
    )
    if answers and any(NO_TOKEN in value for _, value in answers[0].request.headers):
        message = "Any text is taken for a token or a key. Compare it with one that was given out."
    yield from one_finding(unverified_token, world, answers, message)
