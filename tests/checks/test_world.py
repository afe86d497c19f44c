"""Users of other people's apps: however they come in, they are found to be in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apiwright.checks.app import Answer
from apiwright.checks.world import World, world
from apiwright.project.load import read
from tests.project.projects import write

_USERS = """
import base64
import os
from fastapi import APIRouter, Cookie, Depends, FastAPI, Form, Header, HTTPException, Response
from fastapi.security import APIKeyHeader, HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, EmailStr, Field
from sqlmodel import Field as Column, Session, SQLModel, create_engine, select

class User(SQLModel, table=True):
    id: int | None = Column(default=None, primary_key=True)
    email: str = Column(unique=True)
    hashed_password: str
    is_active: bool = True
    role: str = "member"

engine = create_engine("sqlite:///users.db")
app = FastAPI()

def stored(email):
    with Session(engine) as session:
        return session.exec(select(User).where(User.email == email)).first()

def by_token(token):
    user = stored(token.removeprefix("of-")) if token and token.startswith("of-") else None
    if user is None:
        raise HTTPException(401)
    return user

def get_password_hash(password):
    return "hash of " + password[::-1] + " " * 10

class Credentials(BaseModel):
    email: EmailStr
    password: str = Field(min_length=10)

def add(email, password):
    with Session(engine) as session:
        session.add(User(email=email, hashed_password=get_password_hash(password)))
        session.commit()

def checked(email, password):
    user = stored(email)
    if user is None or user.hashed_password != get_password_hash(password):
        raise HTTPException(401)
    return user
"""
_ADMIN = """
@app.get("/admin")
def admin(user: User = Depends(current)):
    if user.role != "admin":
        raise HTTPException(403)
"""
NESTED = (
    _USERS
    + """
class Wrapped(BaseModel):
    user: Credentials

def current(authorization: str = Header("")):
    if not authorization.startswith("Token "):
        raise HTTPException(403)
    return by_token(authorization[6:])

@app.post("/api/users", status_code=201)
def create_user(body: Wrapped):
    add(body.user.email, body.user.password)

@app.post("/api/users/login")
def login(body: Wrapped):
    user = checked(body.user.email, body.user.password)
    return {"user": {"email": user.email, "token": "of-" + user.email}}

@app.get("/api/user")
def who(user: User = Depends(current)):
    return user
"""
    + _ADMIN
)
COOKIE = (
    _USERS
    + """
def current(session: str = Cookie("")):
    return by_token(session)

@app.post("/signup")
def signup(email: EmailStr = Form(), password: str = Form(), confirm_password: str = Form()):
    if password != confirm_password:
        raise HTTPException(400)
    add(email, password)

@app.post("/signin")
def signin(response: Response, email: str = Form(), password: str = Form()):
    response.set_cookie("session", "of-" + checked(email, password).email)
    return {}

@app.get("/me")
def me(user: User = Depends(current)):
    return user
"""
    + _ADMIN
)
BASIC = (
    _USERS
    + """
def current(credentials: HTTPBasicCredentials = Depends(HTTPBasic())):
    return checked(credentials.username, credentials.password)

@app.post("/register")
def register(body: Credentials):
    add(body.email, body.password)

@app.get("/me")
def me(user: User = Depends(current)):
    return user
"""
    + _ADMIN
)
INACTIVE = NESTED.replace("is_active: bool = True", "is_active: bool = False").replace(
    "    user = checked(body.user.email, body.user.password)\n",
    """    user = checked(body.user.email, body.user.password)
    if not user.is_active:
        raise HTTPException(400, "Inactive user")
""",
)
WITHOUT_REGISTER = NESTED.replace('@app.post("/api/users", status_code=201)\n', "")
WITHOUT_LOGIN = (
    _USERS
    + """
def create_access_token(subject: str, expires_minutes: int) -> str:
    return "of-" + subject + "..".replace("..", "")

def create_token(data: dict):
    import jwt
    return jwt.encode(data, os.environ["JWT_SECRET"], "HS256")

def current(authorization: str = Header("")):
    import jwt
    try:
        token = authorization.removeprefix("Bearer ")
        claims = jwt.decode(token, os.environ["JWT_SECRET"], ["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(401)
    return by_token("of-" + claims["sub"])

@app.get("/me")
def me(user: User = Depends(current)):
    return user
"""
    + _ADMIN
)
ONE_KEY = """
import os
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import APIKeyHeader

app = FastAPI()

def known(key: str = Depends(APIKeyHeader(name="X-API-Key"))):
    if key != os.environ["API_KEY"]:
        raise HTTPException(403)

@app.get("/stock", dependencies=[Depends(known)])
def stock():
    return {"apples": 3}
"""


@contextmanager
def opened(folder: Path, main: str) -> Iterator[World]:
    with world(read(write(folder, {"main.py": main})), Path(sys.executable)) as made:
        yield made


WAYS = {
    "nested": (NESTED, "registered by POST /api/users", "authorization: Token …"),
    "cookie": (COOKIE, "registered by POST /signup", "cookie: session=…"),
    "basic": (BASIC, "registered by POST /register", "authorization: Basic …"),
    "inactive": (INACTIVE, "registered by POST /api/users", "authorization: Token …"),
    "without-register": (
        WITHOUT_REGISTER,
        "written to the table of users, and logged in",
        "authorization: Token …",
    ),
    "without-login": (
        WITHOUT_LOGIN,
        "given tokens by create_token of the project",
        "authorization: Bearer …",
    ),
}


@pytest.mark.parametrize(("main", "way", "shown"), WAYS.values(), ids=WAYS)
def test_two_users_and_an_admin_are_in(main: str, way: str, shown: str, tmp_path: Path) -> None:
    with opened(tmp_path, main) as made:
        assert f"Its users were {way}; they show {shown}." in made.notes
        assert made.a is not None
        assert made.b is not None
        assert made.admin is not None
        assert [user.id for user in (made.a, made.b, made.admin)] == [1, 2, 3]
        assert status(made, "/admin", made.a) == 403
        assert status(made, "/admin", made.admin) == 200
        assert made.not_analysed == ()


def test_one_key_for_everybody_is_one_user(tmp_path: Path) -> None:
    with opened(tmp_path, ONE_KEY) as made:
        assert made.a is not None
        assert made.app.request("GET", "/stock", user=made.a).ok
        assert made.b is None
        assert [one.what for one in made.not_analysed] == ["what one user may do to another"]


def test_routes_that_are_not_in_the_document_are_asked_too(tmp_path: Path) -> None:
    main = """
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

class Thing(BaseModel):
    name: str

app = FastAPI()
router = APIRouter(prefix="/things", include_in_schema=False)

@router.post("/{number}")
def create(number: int, thing: Thing, color: str):
    return {"thing": thing, "color": color}

app.include_router(router)
"""
    with opened(tmp_path, main) as made:
        operation = made.operation("POST", "/things/{number}")
        assert operation is not None
        answer = made.ask(operation, number=3, name="lamp")
        assert answer.json["thing"] == {"name": "lamp"}
        assert answer.request.path.startswith("/things/3?color=")
        assert made.app.request("GET", "/openapi.json").json["paths"] == {}


def test_an_app_without_logins_has_no_users(tmp_path: Path) -> None:
    main = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef root(): ...\n"
    with opened(tmp_path, main) as made:
        assert (made.guards, made.a, made.b) == ((), None, None)
        assert "No route asks for a login." in made.notes


def status(made: World, path: str, user: object) -> int | None:
    answer: Answer = made.app.request("GET", path, user=user)  # type: ignore[arg-type]  # not None
    return answer.status
