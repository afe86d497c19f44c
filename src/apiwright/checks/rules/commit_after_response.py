"""A commit that happens after the response has been sent.

## What it finds

A dependency that commits behind its `yield` (`yield session` and then `commit()`, or a `yield`
inside `session.begin()`), with the scope that dependencies have unless they say otherwise; and a
background task that gets the session of the request. FastAPI runs the code behind `yield` after
the response is sent, but for the versions 0.106 to 0.117; where the project pins one of these,
commits behind `yield` are not reported.

## Why it matters

When the commit fails (a constraint that is checked late, a connection that broke), the client has
been told "201 Created" for a row that does not exist. And a client that reads at once what it has
just written may not find it. Commit in the route or the service, or write
`Depends(get_session, scope="function")`: then the commit comes before the response, and its failure
is a 500.

## References

- https://fastapi.tiangolo.com/advanced/advanced-dependencies/#dependencies-with-yield-httpexception-except-and-background-tasks
- https://fastapi.tiangolo.com/tutorial/dependencies/dependencies-with-yield/#early-exit-and-scope
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule, where
from apiwright.checks.sessions import is_session
from apiwright.project.bodies import CallSite
from apiwright.project.code import Code, Handler
from apiwright.project.dependencies import Wanted
from apiwright.project.facts import Place, Route
from apiwright.project.values import Function

_COMMIT = re.compile(
    r"sqlalchemy\.(orm\.(Session|scoped_session)|ext\.asyncio\.AsyncSession|Connection)\.commit"
)
_BEGIN = re.compile(
    r"sqlalchemy\.(orm\.(Session|sessionmaker|scoped_session)|Engine|Connection"
    r"|ext\.asyncio\.(AsyncSession|async_sessionmaker|AsyncEngine|AsyncConnection))\.begin"
)

_SETUP = """
from fastapi import BackgroundTasks, Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
app = FastAPI()
maker = async_sessionmaker(create_async_engine("postgresql+asyncpg://"))
"""
BAD = (
    _SETUP
    + """
async def get_session():
    async with maker() as session:
        try:
            yield session
            await session.commit()
        except Exception:
            await session.rollback()
            raise

@app.post("/tasks")
async def create(session: AsyncSession = Depends(get_session)):
    session.add(1)
""",
    _SETUP
    + """
class Unit:
    def __init__(self, session: AsyncSession):
        self.session = session

async def get_session():
    async with maker.begin() as session:
        yield session

async def unit(session=Depends(get_session)):
    return Unit(session)

@app.post("/tasks")
async def create(unit: Unit = Depends(unit)):
    unit.session.add(1)
""",
    _SETUP
    + """
async def get_session():
    async with maker() as session:
        yield session

async def note(session):
    session.add(1)
    await session.commit()

@app.post("/tasks")
async def create(tasks: BackgroundTasks, session: AsyncSession = Depends(get_session)):
    tasks.add_task(note, session)
""",
)
GOOD = (
    _SETUP
    + """
async def get_session():
    async with maker() as session:
        try:
            yield session
        except Exception:
            await session.rollback()
            raise

async def committed():
    async with maker.begin() as session:
        yield session

@app.post("/tasks")
async def create(tasks: BackgroundTasks, session: AsyncSession = Depends(get_session)):
    session.add(1)
    await session.commit()
    tasks.add_task(print, 1)

@app.post("/more")
async def more(session: AsyncSession = Depends(committed, scope="function")):
    session.add(1)
""",
    {
        "requirements.txt": "fastapi==0.115.0",
        "main.py": _SETUP
        + """
async def get_session():
    async with maker.begin() as session:
        yield session

@app.post("/tasks")
async def create(session: AsyncSession = Depends(get_session)):
    session.add(1)
""",
    },
)


@rule(severity="medium")
def commit_after_response(code: Code) -> Iterator[Finding]:
    if not (code.fastapi and (0, 106) <= code.fastapi < (0, 118)):
        yield from _behind_yield(code)
    yield from _in_background(code)


def _behind_yield(code: Code) -> Iterator[Finding]:
    found: dict[Place, tuple[Function, list[Route]]] = {}
    for handler in code.handlers():
        for function in _left_late(code, handler):
            at = _late_commit(code, function)
            if at is not None:
                found.setdefault(at, (function, []))[1].append(handler.route)
    for at, (function, routes) in found.items():
        yield commit_after_response.finding(
            at,
            f"`{function.qualified}` commits behind its `yield`, which FastAPI runs after the "
            "response is sent: a commit that fails is a success to the client. Commit before, or "
            f'write `Depends({function.qualified}, scope="function")`.',
            related=[where(route.at, route) for route in dict.fromkeys(routes)],
        )


def _left_late(code: Code, handler: Handler) -> list[Function]:
    """Its dependencies, at any depth, but those that are left before the response."""
    found: dict[ast.AST, Function] = {}
    left: list[Wanted] = list(handler.wanted)
    while left:
        wanted = left.pop()
        function = code.provider(wanted)
        if function is None or function.node in found:
            continue
        if wanted.scope != "function":
            found[function.node] = function
        left += code.wanted(function)
    return list(found.values())


def _late_commit(code: Code, function: Function) -> Place | None:
    body = code.body(function)
    if not body.yielded or isinstance(function.node, ast.Lambda):
        return None
    yields = [n for n in ast.walk(function.node) if isinstance(n, ast.Yield | ast.YieldFrom)]
    first = min(one.lineno for one in yields)
    excused = {
        inner
        for node in ast.walk(function.node)
        if isinstance(node, ast.ExceptHandler)
        for inner in ast.walk(node)
    }
    for site in body.calls:
        if site.node in excused:
            continue
        if site.node.lineno > first and _commits(code, site):
            return site.at
    begins = {site.node for site in body.calls if _BEGIN.fullmatch(site.name or "")}
    for node in ast.walk(function.node):
        if not isinstance(node, ast.With | ast.AsyncWith):
            continue
        begun = any(item.context_expr in begins for item in node.items)
        if begun and any(inner in yields for inner in ast.walk(node)):
            return function.scope.source.at(node)
    return None


def _commits(code: Code, site: CallSite) -> bool:
    """Itself, or in a method that it calls."""
    if site.target is None:
        return bool(_COMMIT.fullmatch(site.name or ""))
    return any(
        _COMMIT.fullmatch(one.name or "")
        for function, _ in code.reached(site.target)
        for one in code.calls(function)
    )


def _in_background(code: Code) -> Iterator[Finding]:
    for handler in code.handlers():
        for site in code.calls(handler.function):
            given = [*site.arguments, *(value for _, value in site.keywords)]
            handed = _COMMIT.fullmatch(site.name or "") or any(is_session(one) for one in given)
            if site.later and handed:
                yield commit_after_response.finding(
                    site.at,
                    "The background task gets the session of the request, which is closed, or kept "
                    "from others, while the task runs. Open a session inside of the task.",
                    route=handler.route,
                )
