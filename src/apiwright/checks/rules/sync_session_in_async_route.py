"""A synchronous database session used by code that the event loop runs.

## What it finds

An `async def` route, or an async dependency, that queries with a synchronous SQLAlchemy or SQLModel
`Session` or `Connection`: its own, or in a function it calls without a thread. Where half or more
of the routes that use a session dependency are async, the finding stands at the dependency, with
the routes; else at each of these routes.

Routes that are plain `def` run in a thread, where a synchronous session belongs.

## Why it matters

Each statement waits for the database in the event loop: while one user's query runs, nobody else's
request gets on. A lock in the database then stops the whole process, health check included.

## References

- https://fastapi.tiangolo.com/async/#path-operation-functions
- https://docs.sqlalchemy.org/en/20/orm/extensions/asyncio.html
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.event_loop import InLoop, calls_in_loop, counted, is_async, routes_of
from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule
from apiwright.checks.sessions import Shared, shared, uses
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Place
from apiwright.project.libraries import SESSION
from apiwright.project.values import Function, Instance, Made, Value

_QUERIES = re.compile(
    r"sqlalchemy\.orm\.(Session|scoped_session)\.(execute|exec|scalars?|get|get_one|commit|flush"
    r"|refresh|merge|bulk_\w+)"
    r"|sqlalchemy\.orm\.(Session|scoped_session)\.query\(\)[\w.()]*\.(all|first|one|one_or_none"
    r"|scalar|count|get|delete|update)"
    r"|sqlalchemy\.Connection\.(execute|scalars?|commit)|sqlalchemy\.Engine\.(connect|begin)"
)
_SYNC = {SESSION, "sqlalchemy.orm.scoped_session", "sqlalchemy.Connection"}

_SETUP = """
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session, sessionmaker
app = FastAPI()
engine = create_engine("postgresql://")
SessionLocal = sessionmaker(engine)

def get_db():
    with SessionLocal() as db:
        yield db
"""
BAD = (
    _SETUP
    + """
@app.get("/tasks")
async def tasks(db: Session = Depends(get_db)):
    return db.execute(text("select 1")).all()
""",
    _SETUP
    + """
class Tasks:
    def __init__(self, db: Session = Depends(get_db)):
        self.db = db
    def all(self):
        return self.db.query(1).filter(2).all()

@app.get("/tasks")
async def tasks(tasks: Tasks = Depends()):
    return tasks.all()
""",
    _SETUP
    + """
async def current_user(db=Depends(get_db)):
    return db.get(1, 2)

@app.get("/tasks")
def tasks(user=Depends(current_user)):
    return user
""",
    _SETUP
    + """
@app.get("/tasks")
async def tasks():
    with Session(engine) as session:
        return session.scalars(select(1)).all()
""",
)
GOOD = (
    _SETUP
    + """
from fastapi.concurrency import run_in_threadpool

def load(db):
    return db.query(1).all()

@app.get("/tasks")
def tasks(db: Session = Depends(get_db)):
    return load(db)

@app.get("/more")
async def more(db: Session = Depends(get_db)):
    return await run_in_threadpool(load, db)
""",
    """
from fastapi import Depends, FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
app = FastAPI()
maker = async_sessionmaker()

async def get_db():
    async with maker() as db:
        yield db

@app.get("/tasks")
async def tasks(db: AsyncSession = Depends(get_db)):
    def old(session):
        return session.execute(text("select 1")).all()
    await db.run_sync(old)
    return (await db.execute(text("select 1"))).all()
""",
)


@rule(severity="medium")
def sync_session_in_async_route(code: Code) -> Iterator[Finding]:
    by_root: dict[ast.AST, list[InLoop]] = {}
    for call in calls_in_loop(code):
        if not call.site.awaited and _QUERIES.fullmatch(call.site.name or ""):
            by_root.setdefault(call.root.function.node, []).append(call)
    by_provider: dict[ast.AST, list[list[InLoop]]] = {}
    by_place: dict[ast.AST, list[InLoop]] = {}
    by_shared: dict[Shared, list[InLoop]] = {}
    lasting = list(shared(code))
    providers: dict[ast.AST, Function] = {}
    for calls in by_root.values():
        provider = _provider(code, calls[0].root.function, set())
        if provider is None:
            for call in calls:
                one = next((one for one in lasting if uses(code, call.function, one)), None)
                if one is not None:
                    by_shared.setdefault(one, []).append(call)
                else:
                    by_place.setdefault(call.function.node, []).append(call)
        else:
            providers[provider.node] = provider
            by_provider.setdefault(provider.node, []).append(calls)
    for node, groups in by_provider.items():
        users = _users(code, node)
        if len(groups) > 1 and 2 * len(groups) >= len(users):
            provider = providers[node]
            calls = [call for group in groups for call in group]
            yield _at_origin(provider.at, provider.qualified, calls)
        else:
            yield from (_at_call(calls) for calls in groups)
    for one, calls in by_shared.items():
        yield _at_origin(one.at, one.name, calls)
    for calls in by_place.values():
        yield _at_call(calls)


def _at_origin(at: Place, name: str, calls: list[InLoop]) -> Finding:
    return sync_session_in_async_route.finding(
        at,
        f"`{name}` gives a synchronous session, and {counted(calls)} use it in the "
        f"event loop, for one: {_shortest(calls).told}. Make these routes plain `def`, or give them"
        " an `AsyncSession`.",
        related=routes_of(calls),
    )


def _at_call(calls: list[InLoop]) -> Finding:
    first = _shortest(calls)
    return sync_session_in_async_route.finding(
        first.site.at,
        f"`{first.site.name}` waits for the database in the event loop, and holds up "
        f"{counted(calls)} and all other requests: {first.told}. Make the route a plain `def`, "
        "hand the work to a thread, or use an `AsyncSession`.",
        related=routes_of(calls),
    )


def _shortest(calls: list[InLoop]) -> InLoop:
    return min(calls, key=lambda one: (len(one.way), one.site.at.line))


def _provider(code: Code, function: Function, seen: set[ast.AST]) -> Function | None:
    """The dependency, at any depth, that gives it the session."""
    for wanted in code.wanted(function):
        provider = code.provider(wanted)
        if provider is None or provider.node in seen:
            continue
        seen.add(provider.node)
        if _is_session(code.bodies.provided(wanted.target)):
            return provider
        below = _provider(code, provider, seen)
        if below is not None:
            return below
    return None


def _users(code: Code, provider: ast.AST) -> list[Function]:
    """The functions that routes run and that get the session from it, sync ones too."""
    found: dict[ast.AST, Function] = {}
    for handler in code.handlers():
        for function in (handler.function, *_async_dependencies(code, handler)):
            given = _provider(code, function, set())
            if given is not None and given.node is provider:
                found[function.node] = function
    return list(found.values())


def _async_dependencies(code: Code, handler: Handler) -> list[Function]:
    return [one for one in code.all_dependencies(handler) if is_async(one)]


def _is_session(value: Value) -> bool:
    if isinstance(value, Instance):
        return False
    return isinstance(value, Made) and value.name in _SYNC
