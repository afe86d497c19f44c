"""Nobody is asked for a login, where there is something to protect.

## What it finds

In an app that has logins, requests without any:

- that change what is stored: a POST that writes rows, a change or a deletion of what a user made,
  a change of a user,
- that show what a user made, where another route gives the same to logged-in users only,
- that show the e-mail address of a user, or answer "who am I" to nobody,
- that open a route for admins.

What is there for everybody is left alone: registering, logging in, health, webhooks, contact forms;
a catalogue that all its routes show to all.

## Why it matters

Anybody on the network reads or changes the data. A guard that is written on every route but one is
forgotten on that one; a guard of the router cannot be: `APIRouter(dependencies=[Depends(…)])`.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa2-broken-authentication/
- https://fastapi.tiangolo.com/tutorial/bigger-applications/
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiwright.checks.app import Answer
from apiwright.checks.findings import Finding
from apiwright.checks.nouns import is_user
from apiwright.checks.operations import Operation
from apiwright.checks.probe import probe
from apiwright.checks.reach import is_entrance, reach
from apiwright.checks.stored import Stored
from apiwright.checks.telling import place
from apiwright.checks.things import Thing, Things, things_of
from apiwright.checks.users import User, is_me, is_refused
from apiwright.checks.world import World

_FOR_ALL = re.compile(
    r"contact|feedback|newsletter|subscri|web_?hook|callback|track|event|analytic|metric|telemetry"
    r"|search|health|ping|public|captcha|invit|graphql|apply|support|consent|report"
)
_ADMIN = re.compile(r"(^|[/_-])(admin|internal|debug|management)([/_-]|$)")

_APP = """
import os
import time

import jwt
from fastapi import Depends, FastAPI, Form, HTTPException
from fastapi.security import OAuth2PasswordBearer
from sqlmodel import Field, Session, SQLModel, create_engine, select

class User(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(unique=True)
    password: str

class NoteCreate(SQLModel):
    text: str

class Note(NoteCreate, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(foreign_key="user.id")

engine = create_engine("sqlite:///notes.db")
app = FastAPI()
bearer = OAuth2PasswordBearer("login")
KEY = os.environ["SECRET_KEY"]

def database():
    with Session(engine) as session:
        yield session

@app.post("/register", status_code=201)
def register(email: str, password: str, session: Session = Depends(database)):
    session.add(User(email=email, password=password))
    session.commit()

@app.post("/login")
def login(
    username: str = Form(), password: str = Form(), session: Session = Depends(database)
):
    user = session.exec(select(User).where(User.email == username)).first()
    if user is None or user.password != password:
        raise HTTPException(401)
    claims = {"sub": str(user.id), "exp": time.time() + 900}
    return {"access_token": jwt.encode(claims, KEY, "HS256")}

def user_id(token: str = Depends(bearer)):
    try:
        return int(jwt.decode(token, KEY, algorithms=["HS256"])["sub"])
    except jwt.PyJWTError:
        raise HTTPException(401)

@app.post("/notes", status_code=201)
def create(
    data: NoteCreate, user: int = Depends(user_id), session: Session = Depends(database)
):
    note = Note(text=data.text, owner_id=user)
    session.add(note)
    session.commit()
    return {"id": note.id, "text": note.text}

def own(session, note_id, user):
    note = session.get(Note, note_id)
    if note is None or note.owner_id != user:
        raise HTTPException(404)
    return note

@app.get("/notes/{note_id}")
def get(
    note_id: int, user: int = Depends(user_id), session: Session = Depends(database)
):
    return own(session, note_id, user)

"""
BAD = (
    _APP
    + """
@app.delete("/notes/{note_id}", status_code=204)
def delete(note_id: int, session: Session = Depends(database)):
    session.delete(session.get(Note, note_id))
    session.commit()
""",
    _APP
    + """
@app.get("/notes")
def every_note(session: Session = Depends(database)):
    return session.exec(select(Note)).all()
""",
    _APP
    + """
@app.get("/people")
def people(session: Session = Depends(database)):
    return [{"id": user.id, "email": user.email} for user in session.exec(select(User))]
""",
)
GOOD = (
    _APP
    + """
@app.delete("/notes/{note_id}", status_code=204)
def delete(
    note_id: int, user: int = Depends(user_id), session: Session = Depends(database)
):
    session.delete(own(session, note_id, user))
    session.commit()

@app.get("/health")
def health():
    return {"status": "ok"}

@app.post("/contact", status_code=202)
def contact(text: str, session: Session = Depends(database)):
    return {}
""",
)


@dataclass(frozen=True)
class Opened:
    """A route that answered nobody as it should not, and why that is wrong."""

    operation: Operation
    answer: Answer
    why: str


@probe(severity="high")
def missing_authentication(world: World) -> Iterator[Finding]:
    if not world.guards and not world.logins:
        return
    found: dict[Operation, Opened] = {}
    for one in _opened(world):
        found.setdefault(one.operation, one)
    for group in _of_one_cause(world, list(found.values())):
        first = group[0]
        yield missing_authentication.finding(
            first.operation.route.at,
            f"{first.why}, without a login. Let the route, or its router, depend on the user.",
            evidence="\n".join(str(one.answer) for one in group[:3]),
            curl=first.answer.request.curl,
            route=first.operation.route,
            related=[place(one.operation) for one in group[1:]],
        )


def _opened(world: World) -> Iterator[Opened]:
    yield from _shown(world)
    yield from _written(world)
    things = things_of(world)
    if world.a is not None:
        for maker in things.makers:
            thing = things.make(maker, world.a)
            if thing is None and world.admin is not None:
                thing = things.make(maker, world.admin)
            if thing is not None:
                yield from _reads(world, things, thing)
                yield from _changes(world, things, thing)
    yield from _users_changed(world)


# what is shown


def _shown(world: World) -> Iterator[Opened]:
    """Without an id: mail addresses, oneself, what is an admin's."""
    mails = _mails(world)
    for operation in world.operations:
        if operation.method != "GET" or is_entrance(operation):
            continue
        known = _users_in(operation, world.a)
        if operation.path_names and not known:
            continue
        answer = world.app.send(operation.request(world.anonymous, known))
        if not answer.ok or "html" in (answer.header("content-type") or ""):
            continue
        if any(mail in answer.text for mail in mails):
            yield Opened(operation, answer, "It shows the e-mail address of a user")
        elif is_me(operation.path) and isinstance(answer.json, dict) and answer.json.get("id"):
            yield Opened(operation, answer, "It takes whoever asks for a user")
        elif _ADMIN.search(operation.path.lower()) and world.guards:
            yield Opened(operation, answer, "It is a route for admins and answers anybody")


def _mails(world: World) -> list[str]:
    users = [one for one in (world.a, world.b) if one is not None]
    texts = [str(value) for user in users for value in user.known.values()]
    return [text for text in texts if "@" in text]


def _users_in(operation: Operation, user: User | None) -> dict[str, Any]:
    """A's id, where all of the path's names mean a user."""
    if user is None or user.id is None:
        return {}
    names = [name for name in operation.path_names if is_user(name, operation.path)]
    if len(names) != len(operation.path_names):
        return {}
    return {name: user.known.get(name, user.id) for name in names}


def _reads(world: World, things: Things, thing: Thing) -> Iterator[Opened]:
    """Of what a user made, where another route keeps it from nobody."""
    opened, refused = [], False
    for operation, known in _readers(world, things, thing):
        mine = world.app.send(operation.request(thing.owner, known))
        if not mine.ok or not _holds(thing, mine):
            continue
        answer = world.app.send(operation.request(world.anonymous, known))
        if answer.ok and _holds(thing, answer):
            why = f"Anybody reads what a user made by {thing.maker.method} {thing.maker.path}"
            opened.append(Opened(operation, answer, why))
        refused = refused or is_refused(answer)
    if refused:
        yield from opened


def _readers(
    world: World, things: Things, thing: Thing
) -> Iterator[tuple[Operation, dict[str, Any]]]:
    """Those that take its id, and lists."""
    for operation in things.addressed(thing):
        known = things.known(operation, thing)
        if operation.method == "GET" and known is not None:
            yield operation, known
    for operation in world.operations:
        known = _users_in(operation, thing.owner)
        if operation.method == "GET" and (known or not operation.path_names):
            yield operation, known


def _holds(thing: Thing, answer: Answer) -> bool:
    if thing.canaries:
        return thing.stands_in(answer.text)
    shown = thing.answer.json
    return isinstance(shown, dict) and len(shown) > 1 and _is_part(shown, answer.json)


def _is_part(value: Mapping[str, Any], json: Any) -> bool:
    if isinstance(json, dict):
        return json == value or any(_is_part(value, one) for one in json.values())
    return isinstance(json, list) and any(_is_part(value, one) for one in json)


# what is written


def _written(world: World) -> Iterator[Opened]:
    """By a POST that takes no id of a thing."""
    refused = _refused(world)
    for operation in world.operations:
        if operation.method != "POST" or operation in refused or _is_for_all(operation):
            continue
        if operation.path_names or any("passw" in name.lower() for name in operation.fields):
            continue
        before = Stored(world.database)
        answer = world.app.send(operation.request(world.anonymous))
        if answer.ok and before.changes(Stored(world.database)):
            yield Opened(operation, answer, "Anybody writes to the database")


def _changes(world: World, things: Things, thing: Thing) -> Iterator[Opened]:
    writers = [one for one in things.addressed(thing) if one.method != "GET"]
    writers.sort(key=lambda one: one.method == "DELETE")
    for operation in writers:
        if _is_for_all(operation):
            continue
        fresh = things.make(thing.maker, thing.owner)
        known = things.known(operation, fresh) if fresh is not None else None
        if known is None:
            continue
        before = Stored(world.database)
        answer = world.app.send(operation.request(world.anonymous, known))
        if answer.ok and before.changes(Stored(world.database)):
            what = "deletes" if operation.method == "DELETE" else "changes"
            why = f"Anybody {what} what a user made by {thing.maker.method} {thing.maker.path}"
            yield Opened(operation, answer, why)


def _users_changed(world: World) -> Iterator[Opened]:
    refused = _refused(world)
    for operation in sorted(world.operations, key=lambda one: one.method == "DELETE"):
        if operation.method in ("GET", "POST") or not operation.path_names:
            continue
        if _is_for_all(operation) or not _users_in(operation, world.a):
            continue
        if operation in refused or (user := world.enter("C")) is None:
            continue
        before = Stored(world.database)
        answer = world.app.send(operation.request(world.anonymous, _users_in(operation, user)))
        if answer.ok and before.changes(Stored(world.database)):
            what = "deletes" if operation.method == "DELETE" else "changes"
            yield Opened(operation, answer, f"Anybody {what} a user")


def _refused(world: World) -> set[Operation]:
    return {one.operation for one in reach(world) if is_refused(one.nobody)}


def _is_for_all(operation: Operation) -> bool:
    text = f"{operation.path} {operation.route.name}".lower()
    return is_entrance(operation) or bool(_FOR_ALL.search(text))


# one cause


def _of_one_cause(world: World, opened: Sequence[Opened]) -> Iterator[list[Opened]]:
    """Of a router that guards nothing, all routes; else each."""
    guarded = {
        one.operation.route.router
        for one in reach(world)
        if one.is_guarded and one.operation.route.router
    }
    groups: dict[object, list[Opened]] = {}
    for one in opened:
        router = one.operation.route.router
        alone = router is None or router in guarded
        groups.setdefault(one.operation if alone else router, []).append(one)
    yield from groups.values()
