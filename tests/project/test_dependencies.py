"""What protects a route, as far as reading tells."""

# ruff: noqa: E501  # other people's code, in one line each

from pathlib import Path

import pytest

from apiwright.project.load import load
from tests.project.projects import served, write

AUTH = """from typing import Annotated
from fastapi import Depends, Header, HTTPException, Request, Security
from fastapi.security import HTTPBearer, OAuth2PasswordBearer, OAuth2PasswordRequestForm

bearer = HTTPBearer()
optional_bearer = HTTPBearer(auto_error=False)

class NotSignedIn(Exception): ...

def get_user(token=Depends(bearer)): ...

def strict(token=Depends(optional_bearer)):
    if token is None:
        raise NotSignedIn()
    return token

def lenient(token=Depends(optional_bearer)):
    if token is None:
        return None
    if token == "bad":
        raise NotSignedIn()
    return token

def by_hand(request: Request):
    if "authorization" not in request.headers:
        raise HTTPException(401)

def by_header(x_api_key: str = Header()):
    if x_api_key != "k":
        raise HTTPException(403)

def admin(user=Depends(get_user)):
    if not user.is_superuser:
        raise HTTPException(403)
    return user

def with_role(role: str):
    def check(user=Depends(get_user)):
        if role:
            if user.role != role:
                raise HTTPException(403)
        return user
    return check

class Role:
    def __init__(self, name): ...
    def __call__(self, user=Depends(get_user)):
        if user.role not in self.name:
            raise HTTPException(403)

class Custom(HTTPBearer): ...

def pages(skip: int = 0): ...
def through(a=Depends(pages), b=Depends(get_user)): ...
User = Annotated[str, Depends(get_user)]
Quoted = Annotated["str", Depends(get_user)]
"""


@pytest.mark.parametrize(
    ("parameters", "protection"),
    [
        ("x: int", "none"),
        ("x=Depends(pages)", "none"),
        ("x=Depends(bearer)", "login"),
        ("x=Depends(optional_bearer)", "none"),
        ("x=Depends(get_user)", "login"),
        ("x: Annotated[str, Depends(get_user)]", "login"),
        ("x: User", "login"),
        ("x: 'User'", "login"),
        ("x: Quoted", "login"),
        ("*, x=Depends(through)", "login"),
        ("x=Depends(strict)", "login"),
        ("x=Depends(lenient)", "none"),
        ("x=Depends(by_hand)", "login"),
        ("x=Depends(by_header)", "login"),
        ("x=Depends(admin)", "admin"),
        ("x=Depends(with_role('boss'))", "admin"),
        ("x=Depends(with_role(None))", "login"),
        ("x=Depends(Role('boss'))", "admin"),
        ("x=Depends(Custom())", "login"),
        ("x=Security(get_user, scopes=['a'])", "login"),
        ("x: OAuth2PasswordRequestForm = Depends()", "none"),
        ("x=Depends(nowhere)", "unknown"),
        ("x=Depends(elsewhere.guard)", "unknown"),
        ("x=Depends(elsewhere.get_current_user)", "login"),
        ("x=Depends(elsewhere.current_user(optional=True))", "none"),
        ("x=Depends(elsewhere.current_user(superuser=True))", "admin"),
        ("x=Depends(elsewhere.RateLimiter(times=2))", "none"),
    ],
)
def test_what_a_parameter_asks_for(tmp_path: Path, parameters: str, protection: str) -> None:
    main = f"""import elsewhere
from fastapi import FastAPI
from auth import *
app = FastAPI()
@app.get("/")
def read({parameters}): ...
"""
    (route,) = load(write(tmp_path, {"auth.py": AUTH, "main.py": main})).routes
    assert route.protection == protection


@pytest.mark.parametrize(
    ("body", "protection"),
    [
        ("if not user.is_superuser:\n        raise HTTPException(403)", "admin"),
        ("item = 1\n    if not user.is_superuser and item != user.id:\n        raise HTTPException(403)", "login"),
        ("if user.is_superuser:\n        raise HTTPException(403)", "login"),
    ],
)  # fmt: skip
def test_an_owners_check_is_not_an_admins(tmp_path: Path, body: str, protection: str) -> None:
    main = f"""from fastapi import FastAPI
from auth import *
app = FastAPI()
@app.get("/")
def read(user: User):
    {body}
"""
    (route,) = load(write(tmp_path, {"auth.py": AUTH, "main.py": main})).routes
    assert route.protection == protection


@pytest.mark.parametrize(
    ("app", "include", "router", "route"),
    [
        ("dependencies=[Depends(get_user)]", "", "", ""),
        ("", ", dependencies=[Depends(get_user)]", "", ""),
        ("", "", "dependencies=[Depends(get_user)]", ""),
        ("", "", "", ", dependencies=[Depends(get_user)]"),
    ],
    ids=["app", "include", "router", "route"],
)
def test_protection_comes_from_every_level(
    tmp_path: Path, app: str, include: str, router: str, route: str
) -> None:
    main = f"""from fastapi import APIRouter, FastAPI
from auth import *
app = FastAPI({app})
router = APIRouter({router})
@router.get("/"{route})
def read(): ...
app.include_router(router{include})
"""
    (read,) = load(write(tmp_path, {"auth.py": AUTH, "main.py": main})).routes
    assert read.protection == "login"
    assert [one.level for one in read.dependencies] == [
        next(level for level, text in zip(("app", "include", "router", "route"), (app, include, router, route), strict=True) if text)
    ]  # fmt: skip


def test_a_middleware_that_may_protect_is_said(tmp_path: Path) -> None:
    main = """from fastapi import FastAPI
from somewhere import AuthMiddleware
app = FastAPI()
app.add_middleware(AuthMiddleware)
@app.get("/")
def read(): ...
"""
    project = load(write(tmp_path, {"main.py": main}))
    assert [(one.what, one.why) for one in project.not_seen] == [
        ("what AuthMiddleware protects (main.py:4)", "it is a middleware")
    ]


def test_bases_of_a_class_of_routes_and_of_routers_protect(tmp_path: Path) -> None:
    files = {
        "auth.py": AUTH,
        "main.py": """from fastapi import APIRouter, Depends, FastAPI
from fastapi_utils.cbv import cbv
from auth import admin, get_user

class Signed:
    user = Depends(get_user)
    who: dict = Depends(get_user)

class Admins(Signed):
    who: dict = Depends(admin)

class AdminRouter(APIRouter):
    def __init__(self, **more):
        super().__init__(dependencies=[Depends(admin)], **more)

classes = APIRouter()

@cbv(classes)
class Tasks(Admins):
    @classes.get("/tasks")
    def tasks(self): ...

router = AdminRouter(prefix="/users")

@router.get("")
def users(): ...

app = FastAPI()
app.include_router(classes)
app.include_router(router)
""",
    }
    assert served(load(write(tmp_path, files))) == ["GET /tasks admin", "GET /users admin"]
