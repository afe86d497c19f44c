"""One database session or connection that all requests share.

## What it finds

A SQLAlchemy or SQLModel session, or a connection of a driver, that is made once and used by
requests: in a module, in a class, as a parameter's default, in an object or a cached dependency
that lives as long as the process. Of a `scoped_session`: where async code uses it, or nothing ever
calls its `remove()`.

## Why it matters

A session is a conversation with the database for one unit of work. Two requests in it at a time
commit each other's half-done changes, roll back each other's work, and see rows that another
request loaded; after one error every later request fails until somebody restarts the process.

## References

- https://docs.sqlalchemy.org/en/20/orm/session_basics.html#is-the-session-thread-safe-is-asyncsession-safe-to-share-in-concurrent-tasks
- https://fastapi.tiangolo.com/tutorial/sql-databases/#create-a-session-dependency
"""

import ast
from collections.abc import Iterator

from apiwright.checks.event_loop import is_async
from apiwright.checks.findings import Finding, Where
from apiwright.checks.rule import rule, where
from apiwright.checks.sessions import SCOPED, Shared, session_name, shared, uses
from apiwright.project.code import Code
from apiwright.project.facts import Route
from apiwright.project.values import Function

_SETUP = """
from functools import lru_cache
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker
app = FastAPI()
engine = create_engine("postgresql://")
SessionLocal = sessionmaker(engine)
"""
BAD = (
    _SETUP
    + """
session = SessionLocal()

@app.get("/tasks")
def tasks():
    return session.execute(text("select 1")).all()
""",
    {
        "database.py": """
import sqlite3
connection = sqlite3.connect("tasks.db", check_same_thread=False)
""",
        "main.py": """
from fastapi import FastAPI
from database import connection
app = FastAPI()

class Tasks:
    def all(self):
        return connection.execute("select 1").fetchall()

@app.get("/tasks")
def tasks():
    return Tasks().all()
""",
    },
    _SETUP
    + """
class Repository:
    def __init__(self, session: Session):
        self.session = session
    def all(self):
        return self.session.query(1).all()

repository = Repository(SessionLocal())

@app.get("/tasks")
def tasks():
    return repository.all()
""",
    _SETUP
    + """
class Service:
    def __init__(self):
        self.db = Session(engine)

@lru_cache
def service():
    return Service()

@app.get("/tasks")
def tasks(service: Service = Depends(service)):
    return service.db.query(1).all()
""",
    _SETUP
    + """
def load(db: Session = SessionLocal()):
    return db.query(1).all()

@app.get("/tasks")
def tasks():
    return load()
""",
    _SETUP
    + """
session = scoped_session(SessionLocal)

@app.get("/tasks")
def tasks():
    return session.query(1).all()
""",
)
GOOD = (
    _SETUP
    + """
def get_db():
    with SessionLocal() as db:
        yield db

class Repository:
    def __init__(self, session: Session = Depends(get_db)):
        self.session = session

class Service:
    def __init__(self, maker):
        self.maker = maker
    def all(self):
        with self.maker() as session:
            return session.query(1).all()

service = Service(SessionLocal)

@app.get("/tasks")
def tasks(repository: Repository = Depends()):
    return repository.session.query(1).all(), service.all()
""",
    _SETUP
    + """
session = scoped_session(SessionLocal)

def get_db():
    try:
        yield session
    finally:
        session.remove()

@app.get("/tasks")
def tasks(db=Depends(get_db)):
    return db.query(1).all()

if __name__ == "__main__":
    once = SessionLocal()
    once.execute(text("select 1"))
""",
)


@rule(severity="medium")
def shared_session(code: Code) -> Iterator[Finding]:
    reached = _reached(code)
    for one in shared(code):
        users = [
            (function, routes) for function, routes in reached.values() if uses(code, function, one)
        ]
        if not users:
            continue
        if session_name(one.value) == SCOPED and _is_removed(code, one):
            users = [(function, routes) for function, routes in users if is_async(function)]
            if not users:
                continue
        yield shared_session.finding(
            one.at,
            f"`{one.name}` {one.how}, and all requests use it at the same time: "
            f"{users[0][0].qualified} ({users[0][0].at}), for one. Make a session for each request,"
            " in a dependency with `yield`.",
            related=_related([route for _, routes in users for route in routes]),
        )


def _reached(code: Code) -> dict[ast.AST, tuple[Function, list[Route]]]:
    """What requests run, with their routes."""
    found: dict[ast.AST, tuple[Function, list[Route]]] = {}
    for handler in code.handlers():
        for start in (handler.function, *code.all_dependencies(handler)):
            for function, _ in code.reached(start, threads=True):
                found.setdefault(function.node, (function, []))[1].append(handler.route)
    return found


def _is_removed(code: Code, one: Shared) -> bool:
    name = one.name.rpartition(".")[2]
    return any(
        isinstance(node.func, ast.Attribute)
        and node.func.attr == "remove"
        and ast.unparse(node.func.value).rpartition(".")[2] == name
        for source in code.sources
        for node in source.all(ast.Call)
    )


def _related(routes: list[Route]) -> list[Where]:
    return [where(route.at, route) for route in dict.fromkeys(routes)]
