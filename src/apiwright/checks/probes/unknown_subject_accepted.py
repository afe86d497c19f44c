"""The token of somebody who is not there opens the routes.

## What it finds

- A user logs in, the row is deleted, and the token is still answered as before.
- A token for a user who never was, signed with the app's own key where the app was given it or it
  can be guessed, is answered.

Routes count that answer a real user well (2xx) and then answer this one the same. Apps that keep no
users themselves, since another service gives the tokens, are not looked at.

## Why it matters

Somebody who was deleted, or locked out, is out when he asks the next time, not when the token ends.
And where a row is made for whatever subject comes, nobody has decided who may be a user. Look the
user up in the dependency that reads the token, and refuse when there is none.

## References

- https://cwe.mitre.org/data/definitions/613.html
- https://datatracker.ietf.org/doc/html/rfc8725#section-3.10
"""

from collections.abc import Iterator
from uuid import UUID, uuid4

from apiwright.checks.app import Answer
from apiwright.checks.findings import Finding
from apiwright.checks.forgeries import key_of, token_of, unverified
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
from sqlmodel import Field, Session, SQLModel, create_engine, select

class User(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    username: str = Field(unique=True)
    password: str

engine = create_engine("sqlite:///users.db")
app = FastAPI()
bearer = OAuth2PasswordBearer("login")
KEY = os.environ["SECRET_KEY"]

@app.post("/register")
def register(username: str, password: str):
    with Session(engine) as session:
        session.add(User(username=username, password=password))
        session.commit()
    return {"username": username}

@app.post("/login")
def login(username: str = Form(), password: str = Form()):
    with Session(engine) as session:
        user = session.exec(select(User).where(User.username == username)).first()
    if user is None or user.password != password:
        raise HTTPException(401)
    claims = {"sub": str(user.id), "exp": time.time() + 900}
    return {"access_token": jwt.encode(claims, KEY, "HS256")}

def current_user(token: str = Depends(bearer)):
    try:
        user_id = int(jwt.decode(token, KEY, algorithms=["HS256"])["sub"])
    except jwt.PyJWTError:
        raise HTTPException(401)
    LOOK
    return user_id

@app.get("/mine")
def mine(user_id: int = Depends(current_user)):
    return []
"""
BAD = _APP.replace("LOOK", "")
GOOD = _APP.replace(
    "LOOK",
    """with Session(engine) as session:
        if session.get(User, user_id) is None:
            raise HTTPException(401)""",
)


@probe(severity="medium")
def unknown_subject_accepted(world: World) -> Iterator[Finding]:
    if world.a is None or world.a.row is None or unverified(world):
        return
    answers, who = _of_the_deleted(world), "has been deleted"
    if not answers:
        answers, who = _of_nobody(world), "never was"
    yield from one_finding(
        unknown_subject_accepted,
        world,
        answers,
        f"The token of a user who {who} is taken. Look the user up where the token is read, and"
        " answer 401 when there is none.",
        before=[f"The user {who}."],
    )


def _of_the_deleted(world: World) -> list[Answer]:
    user = world.enter("C")
    if user is None or user.row is None or user.table is None:
        return []
    name = next(iter(user.row)) if "id" not in user.row else "id"
    world.database.delete(user.table, name, user.row[name])
    return let_in(world, user, only_ok=True)


def _of_nobody(world: World) -> list[Answer]:
    """Whatever claims say who A is, under whatever names, say somebody else."""
    token, key, user = token_of(world), key_of(world), world.a
    if token is None or key is None or user is None or user.row is None:
        return []
    who = {str(user.id), *(str(one) for one in (*user.known.values(), *user.row.values()))}
    others = {
        name: _another(value)
        for name, value in token.claims.items()
        if isinstance(value, int | str) and not isinstance(value, bool) and str(value) in who
    }
    if not others:
        return []
    return let_in(world, user.with_token(token.signed(key, **others)), only_ok=True)


def _another(subject: object) -> object:
    """Of the same kind, and of nobody."""
    if isinstance(subject, int):
        return 987_654
    text = str(subject)
    if text.isdigit():
        return "987654"
    try:
        UUID(text)
    except ValueError:
        return f"{uuid4().hex}@example.com" if "@" in text else uuid4().hex
    return str(uuid4())
