"""Paths, and the ways in which routers reach the app."""

# ruff: noqa: E501  # other people's code, in one line each

from pathlib import Path

import pytest

from apiwright.errors import ApiwrightError
from apiwright.project.load import load
from tests.project.projects import served, write

ROUTER = """from fastapi import APIRouter

router = APIRouter({prefix})


@router.get("/{name}")
def read():
    return {{}}
"""


def router(name: str, prefix: str = "") -> str:
    return ROUTER.format(name=name, prefix=f'prefix="{prefix}"' if prefix else "")


def read(folder: Path, main: str, others: dict[str, str] | None = None) -> list[str]:
    files = {f"app/{name}": text for name, text in (others or {}).items()}
    return [
        one.rsplit(" ", 1)[0] for one in served(load(write(folder, files | {"app/main.py": main})))
    ]


MAIN = "from fastapi import APIRouter, FastAPI\napp = FastAPI()\n"


@pytest.mark.parametrize(
    ("main", "others"),
    [
        ("from app.a import router\napp.include_router(router)", {}),
        ("from app import a\napp.include_router(a.router)", {}),
        ("import app.a as a\napp.include_router(a.router)", {}),
        ("from app.a import router as other\napp.include_router(other)", {}),
        ("from .a import router\napp.include_router(router)", {}),
        ("from . import a as b\napp.include_router(router=b.router)", {}),
        ("from app.routers import router\napp.include_router(router)", {"routers.py": "from app.a import *"}),
        ("from app.pkg import a_router\napp.include_router(a_router)", {"pkg/__init__.py": "from ..a import router as a_router"}),
        ("from app.a import router\nfor one in (router,):\n    app.include_router(one)", {}),
        ("from app import a\nrouters = []\nrouters += [a.router]\n[app.include_router(r) for r in []]\nfor r in routers:\n    app.include_router(r)", {}),
        ("from app.a import router\ndef install(to):\n    to.include_router(router)\ninstall(app)", {}),
        ("from app.a import router\nif True:\n    app.include_router(router)", {}),
        ("try:\n    from app.a import router\nexcept ImportError:\n    router = None\napp.include_router(router)", {}),
        ("from app.all import everything\napp.include_router(everything)", {"all.py": "from fastapi import APIRouter\nfrom app.a import router\neverything = APIRouter()\neverything.include_router(router)"}),
        ("from app.a import router\napp.router.include_router(router)", {}),
    ],
)  # fmt: skip
def test_a_router_is_found_however_it_is_included(
    tmp_path: Path, main: str, others: dict[str, str]
) -> None:
    assert read(tmp_path, MAIN + main, {"a.py": router("x", "/a"), **others}) == ["GET /a/x"]


@pytest.mark.parametrize(
    ("main", "path"),
    [
        ('app.include_router(router, prefix="/api")', "/api/a/x"),
        ('V = "v1"\napp.include_router(router, prefix=f"/api/{V}")', "/api/v1/a/x"),
        ('outer = APIRouter(prefix="/o")\nouter.include_router(router, prefix="/i")\napp.include_router(outer, prefix="/p")', "/p/o/i/a/x"),
        ('import os\napp.include_router(router, prefix=os.getenv("PREFIX", "/d"))', "/d/a/x"),
        ('from app.config import settings\napp.include_router(router, prefix=settings.PREFIX)', "/s/a/x"),
        ('from app.config import get\napp.include_router(router, prefix=get().PREFIX + "/y")', "/s/y/a/x"),
        ('PREFIXES = {"a": "/t"}\napp.include_router(router, prefix=PREFIXES["a"])', "/t/a/x"),
        ('options = {"prefix": "/k"}\napp.include_router(router, **options)', "/k/a/x"),
        ('sub = FastAPI()\nsub.include_router(router)\napp.mount("/m", sub)', "/m/a/x"),
    ],
)  # fmt: skip
def test_prefixes_add_up(tmp_path: Path, main: str, path: str) -> None:
    config = """from pydantic_settings import BaseSettings
class Settings(BaseSettings):
    PREFIX: str = "/s"
settings = Settings()
def get():
    return Settings()
"""
    main = MAIN + "from app.a import router\n" + main
    assert read(tmp_path, main, {"a.py": router("x", "/a"), "config.py": config}) == [f"GET {path}"]


def test_a_prefix_that_cannot_be_told_is_marked(tmp_path: Path) -> None:
    main = "import secrets\n" + MAIN + "from app.a import router\n"
    main += "app.include_router(router, prefix=secrets.token_hex())"
    assert read(tmp_path, main, {"a.py": router("x", "/a")}) == ["GET {…}/a/x"]


def test_a_router_whose_own_prefix_cannot_be_told_is_marked(tmp_path: Path) -> None:
    main = (
        "import secrets\n"
        + MAIN
        + """router = APIRouter(prefix=secrets.token_hex())
@router.get("/x")
def x(): ...
app.include_router(router, prefix="/api")
"""
    )
    assert read(tmp_path, main) == ["GET /api{…}/x"]


def test_a_router_that_something_else_makes_is_said(tmp_path: Path) -> None:
    main = MAIN + "from somewhere import users\napp.include_router(users.get_auth_router(1))\n"
    project = load(write(tmp_path, {"main.py": main}))
    assert [(one.what, one.why) for one in project.not_seen] == [
        ("routes included at main.py:4", "somewhere.users.get_auth_router makes them")
    ]


def test_an_include_inside_an_if_is_said(tmp_path: Path) -> None:
    main = MAIN + "from app.a import router\nif app.debug:\n    app.include_router(router)\n"
    write(tmp_path, {"app/main.py": main, "app/a.py": router("x")})
    (not_seen,) = load(tmp_path).not_seen
    assert "app/main.py:5" in not_seen.what


def test_decorators_methods_and_calls_make_routes(tmp_path: Path) -> None:
    main = """from fastapi import APIRouter, FastAPI
app = FastAPI()
@app.api_route("/both", methods=["GET", "POST"])
def both(): ...
@app.websocket("/ws")
async def ws(socket): ...
def plain(request): ...
app.add_route("/plain", plain)
app.get("/called")(plain)
class Things:
    router = APIRouter(prefix="/things")
    @router.get("")
    def all(): ...
app.include_router(Things.router)
"""
    assert read(tmp_path, main) == [
        "GET /both",
        "POST /both",
        "WEBSOCKET /ws",
        "GET /plain",
        "GET /called",
        "GET /things",
    ]


def test_status_codes_are_read_in_every_form(tmp_path: Path) -> None:
    main = """from http import HTTPStatus
import fastapi
from fastapi import FastAPI, status
app = FastAPI()
@app.post("/1", status_code=201)
def one(): ...
@app.post("/2", status_code=status.HTTP_202_ACCEPTED)
def two(): ...
@app.post("/3", status_code=HTTPStatus.NO_CONTENT)
def three(): ...
@app.post("/4", status_code=fastapi.status.HTTP_200_OK)
def four(): ...
"""
    project = load(write(tmp_path, {"main.py": main}))
    assert [route.status for route in project.routes] == [201, 202, 204, 200]


def test_class_based_routes_ask_for_what_their_class_does(tmp_path: Path) -> None:
    main = (
        MAIN
        + """from fastapi import Depends
from fastapi.security import HTTPBearer
from fastapi_utils.cbv import cbv
router = APIRouter()
@cbv(router)
class Views:
    token: str = Depends(HTTPBearer())
    @router.get("/mine")
    def mine(self): ...
app.include_router(router)
"""
    )
    assert served(load(write(tmp_path, {"main.py": main}))) == ["GET /mine login"]


# which app


def test_the_app_that_the_dockerfile_starts_is_chosen(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "one.py": MAIN + router("a") + "app.include_router(router)\n",
            "two.py": MAIN + router("b") + "app.include_router(router)\n",
            "Dockerfile": 'CMD ["uvicorn", "two:app", "--host", "0.0.0.0"]\n',
        },
    )
    project = load(tmp_path)
    assert (project.app.target, project.other_apps) == ("two:app", ("one:app",))
    assert project.app.chosen_because == "a file that starts it says so"


@pytest.mark.parametrize(
    "routes",
    [router("a") + "app.include_router(router)\n", '@app.get("/a")\ndef a(): ...\n'],
    ids=["included", "its own"],
)
def test_a_stray_app_without_routes_is_not_chosen(tmp_path: Path, routes: str) -> None:
    main = MAIN + routes
    write(tmp_path, {"main.py": main, "service.py": MAIN})
    assert load(tmp_path).app.target == "main:app"


def test_several_apps_are_a_question_that_an_option_answers(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            f"{n}/main.py": MAIN + f'@app.get("/{n}")\ndef read(): ...\n'
            for n in ("users", "orders")
        },
    )
    with pytest.raises(ApiwrightError) as raised:
        load(tmp_path)
    assert "orders.main:app (orders/main.py:2, 1 routes), users.main:app" in raised.value.happened
    assert "--app" in raised.value.todo
    assert served(load(tmp_path, "users.main:app")) == ["GET /users none"]


def test_apps_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for service in ("users", "orders"):
        write(
            tmp_path / service,
            {
                "app/main.py": MAIN + "from app.a import router\napp.include_router(router)\n",
                "app/a.py": router(service),
            },
        )
    with pytest.raises(ApiwrightError, match="Their names are the same") as raised:
        load(tmp_path)
    assert "app.main:app (users/app/main.py:2, 1 routes)" in raised.value.happened
    assert served(load(tmp_path / "orders")) == ["GET /orders none"]


def test_an_app_that_is_not_there_is_an_error_that_names_those_that_are(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": MAIN})
    with pytest.raises(ApiwrightError, match="Apps are main:app"):
        load(tmp_path, "other:app")
