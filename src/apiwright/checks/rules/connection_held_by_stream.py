"""A database connection that is held for as long as a response streams.

## What it finds

A route that streams (a `StreamingResponse`, server-sent events, or a generator as the route itself)
while its session stays open: the generator queries with the session that the request got from a
dependency with `yield`, or with an object that holds this session.

## Why it matters

A stream lasts as long as its client listens. Each one takes a connection out of the pool until
then, so a dozen open browser tabs (a pool has 15 connections unless told otherwise) stop every
other route. Load what is needed before the stream starts, and open a session inside of the
generator for each piece of work.

## References

- https://fastapi.tiangolo.com/advanced/advanced-dependencies/#dependencies-with-yield-and-streamingresponse
- https://docs.sqlalchemy.org/en/20/core/pooling.html#connection-pool-configuration
"""

import ast
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule
from apiwright.checks.sessions import is_session
from apiwright.project.bodies import CallSite
from apiwright.project.code import Code, Handler
from apiwright.project.values import Function, Instance, Value

_STREAMS = ("StreamingResponse", "EventSourceResponse")

_SETUP = """
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
app = FastAPI()
maker = async_sessionmaker(create_async_engine("postgresql+asyncpg://"))

async def get_session():
    async with maker() as session:
        yield session
"""
BAD = (
    _SETUP
    + """
@app.get("/tasks")
async def tasks(session: AsyncSession = Depends(get_session)):
    async def lines():
        async for row in await session.stream(text("select 1")):
            yield str(row)
    return StreamingResponse(lines())
""",
    _SETUP
    + """
class Feed:
    def __init__(self, session: AsyncSession = Depends(get_session)):
        self.session = session
    async def events(self):
        while True:
            yield await self.session.scalar(text("select 1"))

@app.get("/tasks")
async def tasks(feed: Feed = Depends()):
    return StreamingResponse(feed.events(), media_type="text/event-stream")
""",
    _SETUP
    + """
from fastapi.sse import EventSourceResponse

@app.get("/events", response_class=EventSourceResponse)
async def events(session: AsyncSession = Depends(get_session)):
    while True:
        yield await session.scalar(text("select 1"))
""",
)
GOOD = (
    _SETUP
    + """
import io

@app.get("/tasks")
async def tasks(session: AsyncSession = Depends(get_session)):
    rows = (await session.execute(text("select 1"))).all()
    async def lines():
        for row in rows:
            yield str(row)
    return StreamingResponse(lines())

@app.get("/more")
async def more():
    async def lines():
        async with maker() as session:
            yield str(await session.scalar(text("select 1")))
    return StreamingResponse(lines())

@app.get("/file")
async def file(session: AsyncSession = Depends(get_session)):
    text_ = str(await session.scalar(text("select 1")))
    return StreamingResponse(io.StringIO(text_))
"""
)


@rule(severity="medium")
def connection_held_by_stream(code: Code) -> Iterator[Finding]:
    seen: set[ast.AST] = set()
    for handler in code.handlers():
        if handler.function.node in seen:
            continue
        seen.add(handler.function.node)
        for generator in _streamed(code, handler):
            site = _use(code, generator, handler)
            if site is not None:
                yield connection_held_by_stream.finding(
                    site.at,
                    f"`{handler.route.name}` streams and its session is used meanwhile, so that "
                    "its connection is held as long as the client listens. Open a session inside "
                    "of the generator, where it is needed.",
                    route=handler.route,
                )
                break


def _streamed(code: Code, handler: Handler) -> Iterator[Function]:
    """The generators that its response is made of."""
    body = code.body(handler.function)
    if body.yielded:
        yield handler.function
    for site in body.calls:
        if not (site.name or "").endswith(_STREAMS):
            continue
        for argument in [*site.node.args[:1], *(one.value for one in site.node.keywords)]:
            if isinstance(argument, ast.Name):
                argument = _assigned(handler.function, argument.id) or argument
            yield from (
                one.target for one in body.calls if one.node is argument and one.target is not None
            )


def _assigned(function: Function, name: str) -> ast.expr | None:
    return next(
        (
            node.value
            for node in ast.walk(function.node)
            if isinstance(node, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
        ),
        None,
    )


def _use(code: Code, generator: Function, handler: Handler) -> CallSite | None:
    """A query of the generator, or of what it calls, with a session that it did not open."""
    for function, way in code.reached(generator, threads=True):
        opens = function.node is not handler.function.node and _opens(function, code)
        for site in code.calls(function):
            name = site.name or ""
            if opens or not is_session(site.receiver) or name.endswith((".close", ".begin")):
                continue
            if any(_opens(one.target, code) for one in way if one.target is not None):
                continue
            if way and not any(
                _holds(code, value)
                for one in way
                for value in (one.receiver, *one.arguments, *(v for _, v in one.keywords))
            ):
                continue
            if function.node is generator.node and _opens(generator, code):
                continue
            return site
    return None


def _holds(code: Code, value: Value) -> bool:
    if isinstance(value, Instance):
        names = [*value.attributes, *code.bodies.set_on_self(value)]
        return any(is_session(code.bodies.attribute(value, name)) for name in names)
    return is_session(value)


def _opens(function: Function, code: Code) -> bool:
    """Whether it makes a session of its own: a call that gives one."""
    body = code.body(function)
    return any(
        is_session(value) and isinstance(node, ast.Call) for node, value in body.values.items()
    )
