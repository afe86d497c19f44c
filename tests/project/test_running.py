"""Other people's apps, imported in a cage."""

# ruff: noqa: E501  # other people's code, in one line each

import os
import shutil
import socket
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from apiwright.errors import ApiwrightError
from apiwright.project import running
from apiwright.project.facts import Project, Ran
from apiwright.project.load import load
from tests.project.projects import PROJECTS, REFERENCE_APP, served, write

PYTHON = Path(sys.executable)
APP = """from fastapi import FastAPI
app = FastAPI()
@app.get("/read")
def read(): ...
"""


def run(project: Project, seconds: int = 20) -> tuple[Project, Ran]:
    project = running.run(project, PYTHON, seconds)
    assert project.ran is not None
    return project, project.ran


def ran(folder: Path, main: str, seconds: int = 20, **files: str) -> tuple[Project, Ran]:
    others = {f"{name}.py": text for name, text in files.items()}
    return run(load(write(folder, {"main.py": main} | others)), seconds)


@pytest.mark.parametrize("name", ["single_file", "routers_sync", "versioned_async", "src_layout"])
def test_the_app_says_what_reading_said(name: str) -> None:
    read = load(PROJECTS / name)
    project, told = run(read)
    assert told.error is None
    assert {route.seen for route in project.routes} == {"both"}
    assert sorted(served(project)) == sorted(served(read))
    assert [route.status for route in project.routes] == [route.status for route in read.routes]
    assert told.versions is not None
    assert told.versions.python == ".".join(map(str, sys.version_info[:3]))
    assert told.versions.fastapi is not None
    assert told.openapi is not None
    assert set(told.openapi["paths"]) == {r.path for r in project.routes if r.in_schema}
    assert project.not_seen == ()


def test_our_own_app_is_imported_and_its_health_is_seen() -> None:
    project, told = run(load(REFERENCE_APP))
    assert told.error is None
    seen = {(route.method, route.path): route.seen for route in project.routes}
    assert seen["GET", "/api/v1/tasks"] == "both"
    assert seen["GET", "/health/ready"] == "ran"
    assert {route.path for route in project.routes if route.protection == "unknown"} == set()


def test_routes_that_only_running_tells_are_added(tmp_path: Path) -> None:
    main = (
        APP
        + """from made import things
for name in things():
    app.add_api_route("/" + name, read, name=name)
"""
    )
    project, _ = ran(tmp_path, main, made="def things():\n    yield 'a'\n    yield 'b'\n")
    assert [(r.path, r.seen, str(r.at)) for r in project.routes] == [
        ("/read", "both", "main.py:4"),
        ("/a", "ran", "main.py:3"),
        ("/b", "ran", "main.py:3"),
    ]


def test_an_app_inside_a_middleware_is_found(tmp_path: Path) -> None:
    main = APP + "from starlette.middleware.gzip import GZipMiddleware\napp = GZipMiddleware(app)\n"
    project, told = ran(tmp_path, main)
    assert told.error is None
    assert [(route.path, route.seen) for route in project.routes] == [("/read", "both")]


def test_a_form_to_log_in_asks_for_no_login(tmp_path: Path) -> None:
    main = (
        APP
        + """from typing import Annotated
from fastapi import Depends
from fastapi.security import HTTPBearer, OAuth2PasswordRequestForm
def forms():
    yield "/log-in"
for path in forms():
    @app.post(path)
    def log_in(form: Annotated[OAuth2PasswordRequestForm, Depends()]): ...
    @app.get(path)
    def whoami(token: Annotated[str, Depends(HTTPBearer())]): ...
@app.post("/login")
def log_in_too(form: Annotated[OAuth2PasswordRequestForm, Depends()]): ...
"""
    )
    project, told = ran(tmp_path, main)
    assert told.error is None
    assert [(route.path, route.protection, route.seen) for route in project.routes] == [
        ("/read", "none", "both"),
        ("/log-in", "none", "ran"),
        ("/log-in", "login", "ran"),
        ("/login", "none", "both"),
    ]


def test_a_route_that_is_written_but_not_served_is_said(tmp_path: Path) -> None:
    main = APP + "if False:\n    @app.get('/never')\n    def never(): ...\n"
    project, _ = ran(tmp_path, main)
    assert served(project) == ["GET /read none"]
    assert project.not_seen[0].what == "GET /never (main.py:7)"


def test_routes_of_a_fastapi_before_the_tree_are_read_from_the_flat_list(tmp_path: Path) -> None:
    main = "import fastapi.routing\ndel fastapi.routing.iter_route_contexts\n" + APP
    project, told = ran(tmp_path, main)
    assert told.ok
    assert [route.seen for route in project.routes] == ["both"]


def test_routes_of_a_tree_that_cannot_be_walked_are_those_that_were_read(tmp_path: Path) -> None:
    main = "import fastapi.routing\ndel fastapi.routing.iter_route_contexts\n" + APP
    main += "from fastapi import APIRouter\nr = APIRouter()\n@r.get('/in')\ndef inner(): ...\n"
    project, told = ran(tmp_path, main + "app.include_router(r)\n")
    assert told.ok
    assert [(route.path, route.seen) for route in project.routes] == [
        ("/read", "both"),
        ("/in", "read"),
    ]
    assert "0.137.2" in project.not_seen[0].why


# what goes wrong is a sentence, and what was read stands


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("import not_there_at_all", "not_there_at_all is not installed in this interpreter"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "it ends the process (sys.exit(3)) while it is imported"),
        ("import os; os._exit(3)", "importing it ended the process (exit status 3)."),
        ("import os; os.fork()", "it wants to start a program"),
        ("import subprocess; subprocess.run(['true'])", "it wants to start a program"),
        ("import os; os.system('true')", "it wants to start a program"),
        ("open('OUTSIDE', 'w')", "it wants to write to"),
        ("import os; os.mkdir('OUTSIDE')", "it wants to write to"),
        ("import os; os.remove('OUTSIDE')", "it wants to write to"),
        ("import os; os.rename('here', 'OUTSIDE')", "it wants to write to"),
        ("import sqlite3; sqlite3.connect('OUTSIDE')", "it wants to write to"),
        ("import os; os.kill(os.getppid(), 0)", "it wants to signal another process"),
        ("import socket; socket.create_connection(('127.0.0.1', 80))", "it wants to reach the network"),
        ("import socket; socket.socket().bind(('127.0.0.1', 0))", "it wants to reach the network"),
        ("bytearray(64 * 1024 ** 3)", "it needs more memory than it may have"),
        ("def again(): again()\nagain()", "RecursionError"),
    ],
)  # fmt: skip
def test_what_an_app_must_not_do_ends_in_a_sentence(tmp_path: Path, line: str, says: str) -> None:
    outside = tmp_path / "outside"
    project, told = ran(tmp_path, APP + line.replace("OUTSIDE", str(outside)) + "\n")
    assert not told.ok
    assert told.error is not None
    assert says in told.error
    assert not outside.exists()
    assert [route.seen for route in project.routes] == ["read"]


def test_the_place_of_an_error_is_named(tmp_path: Path) -> None:
    _, told = ran(tmp_path, "import db\n" + APP, db="x = 1\nraise RuntimeError('no database')\n")
    assert told.error == "db.py:2: RuntimeError: no database"


def test_the_real_home_and_environment_are_out_of_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "x")
    main = (
        APP
        + """import os, pathlib
assert "SECRET_OF_MINE" not in os.environ
(pathlib.Path.home() / "note").write_text("x")
@app.get("/" + pathlib.Path.home().name)
def home(): ...
"""
    )
    project, told = ran(tmp_path, main)
    assert told.error is None
    assert [route.path for route in project.routes] == ["/read", "/home"]
    assert not (Path.home() / "note").exists()


def test_writing_beside_the_app_happens_in_a_copy(tmp_path: Path) -> None:
    main = APP + "open('app.log', 'w').write('x')\n"
    _, told = ran(tmp_path, main)
    assert told.error is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["main.py"]


def test_its_env_file_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, {".env": "DATABASE_URL=postgresql://production\n", ".env.example": "A=1\n"})
    main = APP + "import os\nassert os.listdir('.') and '.env' not in os.listdir('.')\n"
    _, told = ran(tmp_path, main)
    assert told.error is None


def test_tables_of_a_database_in_a_file_come_along_and_its_rows_stay(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "prod.env").write_text("SECRET=x")
    with closing(sqlite3.connect(folder / "shop.db")) as shop:
        shop.execute("CREATE TABLE person (name text)")
        shop.execute("INSERT INTO person VALUES ('Ada')")
        shop.commit()
    running.copy_into(folder, tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy" / "shop.db")) as copy:
        assert copy.execute("SELECT * FROM person").fetchall() == []
    assert not (tmp_path / "copy" / "prod.env").exists()


def test_an_app_that_never_ends_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    main = APP + "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()\n"
    started = time.monotonic()
    _, told = ran(tmp_path, main + "while True: pass\n", seconds=3)
    assert told.error == "importing it took longer than 3 seconds"
    assert time.monotonic() - started < 20


def test_an_app_that_prints_megabytes_is_read(tmp_path: Path) -> None:
    main = (
        APP + "import sys\nfor _ in range(300): print('x' * 100_000)\nprint('y', file=sys.stderr)\n"
    )
    _, told = ran(tmp_path, main)
    assert told.error is None


def test_a_thread_that_goes_on_does_not_keep_it(tmp_path: Path) -> None:
    main = APP + "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()\n"
    _, told = ran(tmp_path, main)
    assert told.ok


def test_what_was_refused_and_caught_is_noted(tmp_path: Path) -> None:
    main = (
        APP
        + "import socket\ntry:\n    socket.create_connection(('example.com', 80))\nexcept OSError:\n    pass\n"
    )
    _, told = ran(tmp_path, main)
    assert told.ok
    assert told.notes == (
        "While it was imported, it or a library tried to reach the network: refused.",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes the network away")
def test_libraries_in_c_do_not_reach_this_machine_either(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        main = (
            APP
            + f"""import ctypes, struct
libc = ctypes.CDLL(None)
address = struct.pack("=H", 2) + struct.pack("!H4B", {port}, 127, 0, 0, 1) + bytes(8)
assert libc.connect(libc.socket(2, 1, 0), address, 16) == -1
"""
        )
        _, told = ran(tmp_path, main)
    if told.error is not None and os.getuid() != 0:
        pytest.skip("this kernel does not let a user take its network away")
    assert told.error is None


# settings


def test_required_settings_get_dummies_of_their_type(tmp_path: Path) -> None:
    main = (
        APP
        + """import enum
from typing import Literal
from pydantic import AnyHttpUrl, EmailStr, PostgresDsn, RedisDsn, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
class Colour(enum.Enum):
    red = "red"
class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="APP_")
    text: str
    number: int
    share: float
    flag: bool
    names: list[str]
    table: dict[str, int]
    mail: EmailStr
    site: AnyHttpUrl
    database: PostgresDsn
    redis: RedisDsn
    secret: SecretStr
    kind: Literal["a", "b"]
    colour: Colour
    optional: int | None
Settings()
import os
os.environ["FROM_HAND"]
"""
    )
    _, told = ran(tmp_path, main)
    assert told.error is None


@pytest.mark.parametrize(
    "reads",
    [
        "import os\nos.environ[name]\n",
        "from starlette.config import Config\nconfig = Config()\nconfig(name)\nconfig('PLAIN')\n",
        "from pydantic import create_model\nfrom pydantic_settings import BaseSettings\n"
        "create_model('S', __base__=BaseSettings, **{name.lower(): (str, ...)})()\n",
    ],
    ids=["environ", "starlette", "pydantic"],
)
def test_a_setting_that_only_running_tells_of_is_tried_again(tmp_path: Path, reads: str) -> None:
    main = APP + 'name = "".join(["HID", "DEN"])\n' + reads
    _, told = ran(tmp_path, main)
    assert told.error is None


def test_a_database_at_import_is_one_in_the_scratch_folder(tmp_path: Path) -> None:
    main = (
        APP
        + """import os
from sqlalchemy import create_engine
url = os.environ["DATABASE_URL"]
assert "production" not in url
create_engine(url).connect().close()
"""
    )
    write(tmp_path, {".env.example": "DATABASE_URL=postgresql://production\n"})
    _, told = ran(tmp_path, main)
    assert told.error is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env.example", "main.py"]


# interpreters


def test_without_an_environment_it_says_which_option_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    project = running.run(load(write(tmp_path / "a" / "b" / "c", {"main.py": APP})))
    assert project.ran is not None
    assert project.ran.error == (
        "No virtual environment was found. Say which Python: --python PATH."
    )
    assert served(project) == ["GET /read none"]


@pytest.mark.parametrize("where", [".venv", "venv", "env", "../.venv"])
def test_the_projects_own_environment_is_found(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "project"
    (folder / where / "bin").mkdir(parents=True)
    (folder / where / "bin" / "python").symlink_to(PYTHON)
    found = running.find_interpreter(folder, None)
    assert found is not None
    assert found.samefile(PYTHON)
    assert found.is_symlink()


def test_the_active_environment_is_the_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "active" / "bin").mkdir(parents=True)
    (tmp_path / "active" / "bin" / "python").symlink_to(PYTHON)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    (tmp_path / "a" / "b").mkdir(parents=True)
    found = running.find_interpreter(tmp_path / "a" / "b", None)
    assert found == tmp_path / "active" / "bin" / "python"


def test_a_python_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ApiwrightError, match="There is no Python at"):
        running.find_interpreter(tmp_path, tmp_path / "python")


def test_a_python_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("not a program")
    project = running.run(load(write(tmp_path, {"main.py": APP})), tmp_path / "python")
    assert project.ran is not None
    assert project.ran.error == f"{tmp_path}/python cannot be started: Permission denied"


def test_an_interpreter_without_fastapi_is_said(tmp_path: Path) -> None:
    project = load(write(tmp_path, {"main.py": "import fastapi_that_is_not_here\n" + APP}))
    _, told = run(project)
    assert told.error == "main.py:1: fastapi_that_is_not_here is not installed in this interpreter"


def test_a_project_is_left_as_it_was(tmp_path: Path) -> None:
    folder = shutil.copytree(PROJECTS / "routers_sync", tmp_path / "copy")
    before = sorted(str(path) for path in folder.rglob("*"))
    run(load(folder))
    assert sorted(str(path) for path in folder.rglob("*")) == before
