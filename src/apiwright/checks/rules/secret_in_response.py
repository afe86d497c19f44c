"""An answer holds a password, its hash, or another secret of the account.

## What it finds

Response models, at any depth, with a field such as `password`, `hashed_password`, `salt`,
`totp_secret` or `reset_token`; rows of a model with such a column that a route returns without a
response model; and dictionaries in which such a column is put by name. Fields with `exclude=True`
or `SecretStr`, and routes that leave them out with `response_model_exclude`, are fine. So are the
tokens that a login answers with.

## Why it matters

A hash that the API gives away is tried at home until it opens. Responses end in caches, in logs of
browsers and in other people's screenshots. Answer with a schema of its own that names what may be
seen.

## References

- https://cwe.mitre.org/data/definitions/200.html
- https://owasp.org/API-Security/editions/2023/en/0xa3-broken-object-property-level-authorization/
- https://fastapi.tiangolo.com/tutorial/response-model/
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.answers import column_of, models_in, parts, response_class
from apiwright.checks.findings import Finding
from apiwright.checks.reading import name_in, own_nodes
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Place, Route
from apiwright.project.values import Class, Instance

_MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    hashed_password: Mapped[str]
"""
_MAIN = """
from typing import Annotated
from fastapi import Depends, FastAPI
from pydantic import BaseModel, Field
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from app.models import User

app = FastAPI()
engine = create_engine("sqlite://")

def session():
    with Session(engine) as opened:
        yield opened

Db = Annotated[Session, Depends(session)]
{code}
"""


def _program(code: str) -> dict[str, str]:
    return {"app/models.py": _MODELS, "app/main.py": _MAIN.format(code=code)}


BAD = (
    _program(
        """
class UserBase(BaseModel):
    name: str

class UserOut(UserBase):
    hashed_password: str

class Team(BaseModel):
    members: list[UserOut]

@app.get("/team", response_model=Team)
def team(db: Db):
    return {"members": db.scalars(select(User)).all()}
"""
    ),
    _program(
        """
@app.get("/users/{user_id}")
def user(user_id: int, db: Db):
    return db.get(User, user_id)
"""
    ),
    _program(
        """
@app.get("/users/{user_id}")
def user(user_id: int, db: Db):
    found = db.get(User, user_id)
    return {"name": found.name, "password": found.hashed_password}
"""
    ),
)
GOOD = _program(
    """
class UserOut(BaseModel):
    name: str
    hashed_password: str = Field(exclude=True)

class Token(BaseModel):
    access_token: str

class UserCreate(BaseModel):
    name: str
    password: str

@app.get("/users", response_model=list[UserOut])
def users(db: Db):
    return db.scalars(select(User)).all()

@app.post("/users", status_code=201)
def create(data: UserCreate, db: Db) -> UserOut:
    return db.get(User, 1)

@app.post("/login")
def login(data: UserCreate) -> Token:
    return Token(access_token=data.name)

@app.get("/names")
def names(db: Db):
    return [user.name for user in db.scalars(select(User)).all()]
"""
)
_SECRET = re.compile(
    r"^(hashed_?|encrypted_?)?(password|passwd|pwd)(_?(hash|hashed|salt|digest))?$|^pass_?hash$"
    r"|^(password_?)?salt$|^(totp|otp|mfa|two_?factor|2fa)_?(secret|key|seed)$"
    r"|^(password_?)?reset_?(token|code)(_?hash)?$|^(email_?)?(verification|activation)_?(token|code)$"
    r"|^private_?key$|^(api|secret)_?key_?hash$|^security_?answer$|^(refresh|session)_?token_?hash$",
    re.IGNORECASE,
)


@rule(severity="high")
def secret_in_response(code: Code) -> Iterator[Finding]:
    by_cause: dict[tuple[str, Place | None], list[Route]] = {}
    for handler in code.handlers():
        for at, message in _found(code, handler):
            by_cause.setdefault((message, at), []).append(handler.route)
    for (message, at), several in by_cause.items():
        first = several[0]
        yield secret_in_response.finding(
            at if len(several) > 1 or at is None else _nearest(at, first),
            message,
            route=first if len(several) == 1 else None,
            related=[where(one.at, one) for one in several],
        )


def _nearest(at: Place, route: Route) -> Place:
    """The line of the handler, unless the cause stands in it."""
    if route.at is None or at.file == route.at.file:
        return at
    return route.at


def _found(code: Code, handler: Handler) -> Iterator[tuple[Place | None, str]]:
    """The place of the field, for all the routes that answer with it, and what to say."""
    left_out = _left_out(handler)
    declared = response_class(code, handler)
    if declared is not None:
        for name, field, at in models_in(code, declared):
            if _SECRET.match(field) and field not in left_out:
                yield (
                    at,
                    f"The answer is a `{name}`, which holds `{field}`. Answer with a schema that"
                    " names what may be seen.",
                )
                return
        if any(isinstance(one, Class) for one in parts(declared)):
            return  # FastAPI cuts the answer to what the class names
    body = code.body(handler.function)
    for returned in body.returned:
        for cls in _rows(returned):
            column = column_of(code, cls, _SECRET)
            if column is not None and column not in left_out:
                yield (
                    handler.route.at,
                    f"A whole `{cls.node.name}` is answered with, `{column}` included. Declare a"
                    " response model that names what may be seen.",
                )
                return
    for node in own_nodes(handler.function.node):
        if isinstance(node, ast.Return) and node.value is not None:
            for field in _put_by_name(code, node.value, handler):
                at = handler.function.scope.source.at(node)
                yield at, f"The answer holds `{field}`. Leave it out."
                return


def _left_out(handler: Handler) -> set[str]:
    """response_model_exclude={"hashed_password"}"""
    given = handler.endpoint.call.node.keywords
    found: set[str] = set()
    for keyword in given:
        if keyword.arg in {"response_model_exclude", "response_model_include"}:
            names = {
                str(node.value)
                for node in ast.walk(keyword.value)
                if isinstance(node, ast.Constant)
            }
            if keyword.arg == "response_model_exclude":
                found |= names
            elif not any(_SECRET.match(name) for name in names):
                found |= _Everything()
    return found


class _Everything(set[str]):
    def __contains__(self, name: object) -> bool:
        return True


def _rows(value: object) -> Iterator[Class]:
    if isinstance(value, Instance):
        yield value.of
    for inner in getattr(value, "arguments", ()) or getattr(value, "values", ()):
        if isinstance(inner, Instance):
            yield inner.of


def _put_by_name(code: Code, returned: ast.expr, handler: Handler) -> Iterator[str]:
    for node in ast.walk(returned):
        if not isinstance(node, ast.Dict):
            continue
        for value in node.values:
            if isinstance(value, ast.Attribute) and _SECRET.match(name_in(value)):
                owner = code.value_of(value.value, handler.function)
                if isinstance(owner, Instance) and column_of(code, owner.of, _SECRET):
                    yield value.attr
