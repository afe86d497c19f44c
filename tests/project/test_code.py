"""What calls and types of a project's source are resolved to."""

from pathlib import Path

import pytest

from apiwright.project.code import Code
from apiwright.project.load import read
from apiwright.project.values import Function
from tests.project.projects import write

DATABASE = """from typing import Annotated, AsyncGenerator, Generator
from fastapi import Depends
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

engine = create_engine("sqlite://")
SessionLocal = sessionmaker(bind=engine)
AsyncLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"))

def get_db():
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()

async def get_session():
    async with AsyncLocal() as session:
        yield session

Db = Annotated[Session, Depends(get_db)]
"""
APP = """from fastapi import FastAPI, Depends
from database import *
app = FastAPI()
"""


def opened(folder: Path, **files: str) -> Code:
    files = {f"{name}.py": text for name, text in files.items()}
    return read(write(folder, {"database.py": DATABASE, **files}))


def called(code: Code, name: str) -> list[str]:
    """What a function calls, in words."""
    return [
        site.name or (site.target.qualified if site.target else "?")
        for site in code.calls(function(code, name))
    ]


def function(code: Code, name: str) -> Function:
    return next(one for one in code.functions() if one.qualified == name)


@pytest.mark.parametrize(
    ("parameters", "line", "name"),
    [
        ("db: Session", "db.query(1)", "sqlalchemy.orm.Session.query"),
        ("db: 'Session | None'", "db.query(1)", "sqlalchemy.orm.Session.query"),
        ("db: Session = Depends(get_db)", "db.query(1)", "sqlalchemy.orm.Session.query"),
        ("db=Depends(get_db)", "db.query(1)", "sqlalchemy.orm.Session.query"),
        ("db: Db", "db.query(1)", "sqlalchemy.orm.Session.query"),
        ("", "engine.connect()", "sqlalchemy.Engine.connect"),
        ("s=Depends(get_session)", "s.execute(1)", "sqlalchemy.ext.asyncio.AsyncSession.execute"),
        ("db", "db.query(1)", "?"),
        ("", "requests.get(1)", "requests.get"),
        ("", "sleep(1)", "time.sleep"),
        ("", "open('x')", "open"),
        ("", "Path('x').resolve().read_text()", "pathlib.Path.read_text"),
    ],
)
def test_calls_are_named_by_imports_and_types(
    tmp_path: Path, parameters: str, line: str, name: str
) -> None:
    text = f"""{APP}
import requests
from pathlib import Path
from time import sleep
@app.get("/")
def handler({parameters}):
    {line}
"""
    assert called(opened(tmp_path, main=text), "handler")[-1] == name


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("db = SessionLocal()\n    db.execute(1)", "sqlalchemy.orm.Session.execute"),
        ("with SessionLocal() as db:\n        db.execute(1)", "sqlalchemy.orm.Session.execute"),
        ("with SessionLocal.begin() as db:\n        db.add(1)", "sqlalchemy.orm.Session.add"),
        ("with Session(engine) as db:\n        db.commit()", "sqlalchemy.orm.Session.commit"),
        ("with engine.begin() as c:\n        c.execute(1)", "sqlalchemy.Connection.execute"),
        ("for db in get_db():\n        db.get(1, 2)", "sqlalchemy.orm.Session.get"),
        ("next(get_db()).get(1, 2)", "sqlalchemy.orm.Session.get"),
        ("db = None\n    if 1:\n        db = SessionLocal()\n    db.get(1, 2)",
         "sqlalchemy.orm.Session.get"),
        ("with opened() as db:\n        db.get(1, 2)", "sqlalchemy.orm.Session.get"),
        ("db = made()\n    db.get(1, 2)", "sqlalchemy.orm.Session.get"),
        ("db = SessionLocal()\n    db = input()\n    db.get(1)", "input().get"),
        ("all_of()[0].get(1, 2)", "sqlalchemy.orm.Session.get"),
        ("[db.get(1, 2) for db in all_of()]", "sqlalchemy.orm.Session.get"),
    ],
)  # fmt: skip
def test_local_variables_have_types(tmp_path: Path, lines: str, name: str) -> None:
    text = f"""{APP}
from contextlib import contextmanager
@contextmanager
def opened():
    with SessionLocal() as db:
        yield db
def made():
    return SessionLocal()
def all_of() -> list[Session]: ...
def handler():
    {lines}
"""
    assert called(opened(tmp_path, main=text), "handler")[-1] == name


SERVICES = f"""{APP}
class Base:
    def __init__(self, db):
        self.db = db
    def load(self):
        return self.db.query(1)

class Repository(Base):
    def __init__(self, db: Session = Depends(get_db)):
        super().__init__(db)
        self.other = db

class Service:
    repository: Repository
    def __init__(self, repository: Repository = Depends()):
        self.repo = repository
    def items(self):
        return self.repo.load()
    @property
    def again(self) -> Repository:
        return self.repo
    @staticmethod
    def plain(db):
        return db.query(1)
    @classmethod
    def of_class(cls, db):
        return cls.plain(db)

def get_service(repository: Repository = Depends()):
    return Service(repository)

class Unit:
    async def __aenter__(self):
        self.session = AsyncLocal()
        return self
    async def __aexit__(self, *a): ...

@app.get("/")
async def handler(service=Depends(get_service), db: Session = Depends(get_db)):
    service.items()
    service.again.load()
    service.repository.load()
    Service.of_class(db)
    async with Unit() as unit:
        await unit.session.execute(1)
"""


def test_methods_are_followed_through_attributes_and_bases(tmp_path: Path) -> None:
    code = opened(tmp_path, main=SERVICES)
    assert called(code, "handler") == [
        "Service.items", "Base.load", "Base.load", "Service.of_class",
        "?", "sqlalchemy.ext.asyncio.AsyncSession.execute",
    ]  # fmt: skip


def test_what_is_reached_comes_with_the_way(tmp_path: Path) -> None:
    code = opened(tmp_path, main=SERVICES)
    ways = {
        one.qualified: [site.at.line for site in way]
        for one, way in code.reached(function(code, "handler"))
    }
    names = {
        site.name
        for one, _ in code.reached(function(code, "handler"))
        for site in code.calls(one)
        if site.name
    }
    assert ways["Service.plain"] == [46, 30]
    assert ways["Base.load"] == [44]
    assert "sqlalchemy.orm.Session.query" in names


def test_what_unannotated_parameters_are_is_told_by_the_call(tmp_path: Path) -> None:
    text = f"""{APP}
def first(db, number): return second(db)
def second(session): return session.execute(1)
@app.get("/")
def handler(db: Session): first(db, 1)
"""
    code = opened(tmp_path, main=text)
    *_, (last, _) = code.reached(function(code, "handler"))
    assert [site.name for site in code.calls(last)] == ["sqlalchemy.orm.Session.execute"]
    assert called(code, "second") == ["?"]


def test_what_is_handed_to_a_thread_is_not_called_here(tmp_path: Path) -> None:
    text = f"""{APP}
import asyncio, functools
from fastapi import BackgroundTasks
from fastapi.concurrency import run_in_threadpool
def slow(x): ...
def quick(): ...
async def later(): ...
@app.get("/")
async def handler(tasks: BackgroundTasks):
    await asyncio.to_thread(slow, 1)
    await run_in_threadpool(functools.partial(slow, 1))
    await asyncio.get_running_loop().run_in_executor(None, lambda: slow(1))
    tasks.add_task(quick)
    tasks.add_task(later)
    quick()
"""
    code = opened(tmp_path, main=text)
    handler = function(code, "handler")
    handed = [
        (site.target.qualified.rpartition(".")[2], site.in_thread, site.later)
        for site in code.calls(handler)
        if site.target
    ]
    assert handed == [
        ("slow", True, False), ("slow", True, False), ("<lambda>", True, False),
        ("quick", True, True), ("later", False, True), ("quick", False, False),
    ]  # fmt: skip
    assert [one.qualified for one, _ in code.reached(handler)] == ["handler", "later", "quick"]
    assert {one.qualified for one, _ in code.reached(handler, threads=True)} >= {"slow", "quick"}


def test_dependencies_are_those_of_the_routers_too(tmp_path: Path) -> None:
    text = f"""{APP}
from fastapi import APIRouter
def low(): ...
def user(token=Depends(low)): ...
def guard(): ...
router = APIRouter(dependencies=[Depends(guard)])
@router.get("/x")
def handler(user=Depends(user)): ...
app.include_router(router)
"""
    code = opened(tmp_path, main=text)
    (handler,) = code.handlers()
    assert {one.qualified for one in code.all_dependencies(handler)} == {"guard", "user", "low"}


def test_rows_have_the_type_of_their_model(tmp_path: Path) -> None:
    text = f"""{APP}
from sqlalchemy import select
class Task:
    def close(self): ...
async def handler(db: Session, s: AsyncSession):
    db.get(Task, 1).close()
    db.query(Task).filter(1).first().close()
    (await s.execute(select(Task))).scalars().first().close()
    (await s.scalar(select(Task))).close()
    for task in db.query(Task).all():
        task.close()
"""
    assert called(opened(tmp_path, main=text), "handler").count("Task.close") == 5


def test_a_function_that_calls_itself_is_read_once(tmp_path: Path) -> None:
    text = f"{APP}def again(n):\n    return again(n - 1)\n"
    assert called(opened(tmp_path, main=text), "again") == ["again"]
