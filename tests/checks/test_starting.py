"""Apps of other people are started: with a database of their own kind, and in a cage."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apiwright.checks.starting import Started, running_app
from apiwright.errors import ApiwrightError
from apiwright.project.load import read
from tests.project.projects import write

MODELS = """
from sqlalchemy import String, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase): ...

class Task(Base):
    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(80))
"""
ASYNC = """
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from models import *

engine = create_async_engine("{url}", connect_args={{"ssl": True}}, pool_size=5)
app = FastAPI()

@app.post("/tasks")
async def create(title: str):
    async with AsyncSession(engine) as session:
        session.add(Task(title=title))
        await session.commit()
        return (await session.execute(text("select {version}"))).scalar()
"""
SYNC = """
import os
from fastapi import FastAPI
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from models import *

engine = create_engine(os.environ["DATABASE_URL"], connect_args={"check_same_thread": False})
app = FastAPI()

@app.post("/tasks")
def create(title: str):
    with Session(engine) as session:
        session.add(Task(title=title))
        session.commit()
        return session.execute(text("select sqlite_version()")).scalar()
"""
DIRECT = """
import os
import asyncpg
from fastapi import FastAPI
app = FastAPI()

@app.post("/tasks")
async def create(title: str):
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.execute("CREATE TABLE tasks (title text)")
    await connection.execute("INSERT INTO tasks VALUES ($1)", title)
"""
POSTGRES = "postgresql+asyncpg://shop:secret@db.example.com:5432/shop"


@contextmanager
def started(folder: Path, **files: str) -> Iterator[Started]:
    texts = {f"{name}.py": text for name, text in files.items()}
    with running_app(read(write(folder, texts)), Path(sys.executable), 60) as found:
        yield found


def test_a_url_in_the_source_leads_to_a_throwaway_postgres(tmp_path: Path) -> None:
    main = ASYNC.format(url=POSTGRES, version="version()")
    with started(tmp_path, main=main, models=MODELS) as found:
        answer = found.app.request("POST", "/tasks?title=one")
        assert answer.json.startswith("PostgreSQL")
        assert found.database.kind == "Postgres"
        assert found.database.tables() == {"public.tasks": ("id", "title")}
        assert found.database.rows("public.tasks") == [{"id": 1, "title": "one"}]
        found.database.set("public.tasks", {"title": "it's"}, "id", 1)
        assert found.database.rows("public.tasks") == [{"id": 1, "title": "it's"}]
        found.database.delete("public.tasks", "id", 1)
        assert found.database.rows("public.tasks") == []
        assert "Tables made from its metadata: tasks." in found.notes


def test_a_driver_without_sqlalchemy_is_led_there_too(tmp_path: Path) -> None:
    with started(tmp_path, main=DIRECT) as found:
        assert found.app.request("POST", "/tasks?title=one").ok
        assert found.database.rows("public.tasks") == [{"title": "one"}]


def test_a_database_that_cannot_be_had_becomes_sqlite(tmp_path: Path) -> None:
    main = ASYNC.format(url="mysql+aiomysql://root@db/shop", version="sqlite_version()")
    with started(tmp_path, main=main, models=MODELS) as found:
        assert found.app.request("POST", "/tasks?title=one").json.startswith("3.")
        assert found.database.rows("tasks") == [{"id": 1, "title": "one"}]
        assert "The database: its mysql database was replaced by SQLite." in found.notes


def test_a_url_that_is_missing_is_made_up(tmp_path: Path) -> None:
    with started(tmp_path, main=SYNC, models=MODELS) as found:
        assert found.app.request("POST", "/tasks?title=one").json.startswith("3.")
        assert found.environment["DATABASE_URL"]
        assert found.database.kind == "SQLite"
        assert found.database.rows("tasks") == [{"id": 1, "title": "one"}]
    assert not list(tmp_path.glob("*.db"))


def test_migrations_make_the_tables(tmp_path: Path) -> None:
    main = SYNC + '\n@app.get("/color")\ndef color():\n    with Session(engine) as session:\n'
    main += '        return session.execute(text("select color from colors")).scalar()\n'
    files = {
        "main.py": main,
        "models.py": MODELS,
        "alembic.ini": "[alembic]\nscript_location = migrations\n",
        "migrations/env.py": """
from alembic import context
from main import engine
from models import Base
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
""",
        "migrations/versions/a1_first.py": """
from alembic import op
revision, down_revision = "a1", None
def upgrade():
    op.execute("create table colors (color text)")
    op.execute("insert into colors values ('green')")
    op.execute("create table tasks (id integer primary key, title text)")
""",
    }
    with running_app(read(write(tmp_path, files)), Path(sys.executable), 60) as found:
        assert found.app.request("GET", "/color").json == "green"
        assert "Its migrations made the tables." in found.notes
    broken = "from alembic import context\nraise ValueError('no such thing')\n"
    (tmp_path / "migrations/env.py").write_text(broken)
    with running_app(read(tmp_path), Path(sys.executable), 60) as found:
        assert found.app.request("POST", "/tasks?title=one").ok
        assert any(note.startswith("Its migrations were left out: ") for note in found.notes)


def test_migrations_that_leave_a_column_out_are_not_used(tmp_path: Path) -> None:
    files = {
        "main.py": SYNC,
        "models.py": MODELS,
        "alembic.ini": "[alembic]\nscript_location = migrations\n",
        "migrations/env.py": """
from alembic import context
from main import engine
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
""",
        "migrations/versions/a1_first.py": """
from alembic import op
revision, down_revision = "a1", None
def upgrade():
    op.execute("create table tasks (id integer primary key)")
""",
    }
    with running_app(read(write(tmp_path, files)), Path(sys.executable), 60) as found:
        assert found.app.request("POST", "/tasks?title=one").ok
        assert "Its migrations were left out: they leave out tasks.title." in found.notes


def test_a_startup_that_fails_is_said_and_the_app_is_asked_all_the_same(tmp_path: Path) -> None:
    main = """
from fastapi import FastAPI
from contextlib import asynccontextmanager
@asynccontextmanager
async def lifespan(app):
    raise ConnectionError("no redis")
    yield
app = FastAPI(lifespan=lifespan)
@app.get("/")
def root(): return "here"
"""
    with started(tmp_path, main=main) as found:
        assert found.app.request("GET", "/").json == "here"
        said = "Its startup failed, it was asked all the same: ConnectionError: no redis."
        assert said in found.notes


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import os; os.fork()", "start a program"),
        ("import subprocess; subprocess.run(['true'])", "start a program"),
        (f"open({os.path.expanduser('~/made-by-an-app')!r}, 'w')", "write to"),  # noqa: PTH111
        ("import socket; socket.create_connection(('192.0.2.1', 80))", "reach the network"),
        ("raise SystemExit(3)", "ends the process"),
    ],
)
def test_an_app_that_does_what_it_may_not_says_so(line: str, why: str, tmp_path: Path) -> None:
    main = f"from fastapi import FastAPI\napp = FastAPI()\n{line}\n"
    with pytest.raises(ApiwrightError, match=why), started(tmp_path, main=main):
        pass


def test_root_is_nobody_in_there(tmp_path: Path) -> None:
    main = """
import ctypes, os
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def root(path: str):
    with open("inside", "w") as file:
        file.write("in the copy")
    made = ctypes.CDLL(None).open(path.encode(), os.O_CREAT | os.O_WRONLY, 0o600)
    return {"user": os.getuid(), "made": made >= 0}
"""
    path = tmp_path / "outside"
    tmp_path.chmod(0o755)
    with started(tmp_path / "app", main=main) as found:
        answer = found.app.request("GET", f"/?path={path}")
    if os.getuid() == 0 and _reads_everything():
        assert answer.json == {"user": 65534, "made": False}
    else:  # an ordinary user's own folder: it is no sandbox
        assert answer.json == {"user": os.getuid(), "made": True}


def _reads_everything() -> bool:
    """Which root may not in many containers."""
    held = re.search(r"CapPrm:\s*(\w+)", Path("/proc/self/status").read_text())
    return held is not None and bool(int(held[1], 16) & 1 << 2)


def test_an_app_that_never_ends_to_be_imported_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apiwright.checks.starting._IMPORT_SECONDS", -14)
    main = "from fastapi import FastAPI\napp = FastAPI()\nwhile True: pass\n"
    with pytest.raises(ApiwrightError, match="ended the process"), started(tmp_path, main=main):
        pass
