"""The client gets to read what an exception of the inside says.

## What it finds

Answers that hold the text of an exception, a traceback or `repr` of it, where the exception is
`Exception`, or one of the database, a driver, a broker or the operating system: in `HTTPException`,
in what a handler returns, and in handlers of exceptions; and `FastAPI(debug=True)`. Exceptions of
the project itself, and `ValueError`, are taken to be written for the client.

## Why it matters

`duplicate key value violates unique constraint "users_email_key"` tells the schema and that the
address is known; a failed connection tells hosts and users. Log the exception, and answer with a
sentence of your own.

## References

- https://cwe.mitre.org/data/definitions/209.html
- https://cheatsheetseries.owasp.org/cheatsheets/Error_Handling_Cheat_Sheet.html
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.reading import functions, name_in, own_nodes, served, spots
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code
from apiwright.project.facts import Place
from apiwright.project.values import Class, Const, Function, Scope

BAD = (
    """
from fastapi import FastAPI, HTTPException

app = FastAPI()

@app.post("/tasks")
def create(title: str) -> str:
    try:
        return title.encode().decode()
    except Exception as error:
        raise HTTPException(status_code=500, detail=f"Could not create: {error}")
""",
    """
import traceback
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

app = FastAPI()

def wrong(message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=400)

@app.post("/tasks")
def create(title: str):
    try:
        return title
    except SQLAlchemyError as error:
        said = str(error)
        return wrong(said)

@app.exception_handler(Exception)
async def on_error(request, exc):
    return JSONResponse({"detail": traceback.format_exc()}, status_code=500)
""",
)
GOOD = """
import logging
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse

app = FastAPI()

class TooLate(Exception): ...

@app.post("/tasks")
def create(title: str) -> str:
    try:
        return title
    except (TooLate, ValueError) as error:
        raise HTTPException(422, str(error))
    except Exception as error:
        logging.error("could not create: %s", error)
        raise HTTPException(500, "It could not be created") from error

@app.exception_handler(TooLate)
async def too_late(request, exc):
    return JSONResponse({"detail": str(exc)}, status_code=409)
"""
_INSIDE = re.compile(
    r"^(Exception|BaseException|OSError|IOError|EnvironmentError|ConnectionError|RuntimeError"
    r"|(sqlalchemy|psycopg2?|asyncpg|pymysql|aiomysql|sqlite3|aiosqlite|pymongo|motor|redis|aioredis"
    r"|botocore|boto3|smtplib|aiosmtplib|httpx|requests|aiohttp|urllib|socket|elasticsearch|openai"
    r"|tortoise|mysql|kafka|aiokafka|pika|grpc|subprocess)\b.*)$"
)
_NOT_INSIDE = {"sqlalchemy.orm.exc.NoResultFound", "sqlalchemy.exc.NoResultFound"}
_ANSWERS = re.compile(
    r"^(fastapi|starlette)\.(responses\.\w+|HTTPException|exceptions\.\w+|WebSocketException|Response)$"
)


@rule(severity="medium")
def raw_error_to_client(code: Code) -> Iterator[Finding]:
    yield from _debug(code)
    handlers = {one.function.node for one in code.handlers()}
    for function in functions(code):
        for node in own_nodes(function.node):
            if isinstance(node, ast.ExceptHandler) and _is_inside(code, node.type, function):
                yield from _told(code, function, node, node.name, function.node in handlers)
    for function in _of_exceptions(code):
        name = [one.arg for one, _ in function.parameters()][-1:]
        yield from _told(code, function, function.node, name[0] if name else None, True)


def _debug(code: Code) -> Iterator[Finding]:
    for spot in spots(code):
        if spot.name == "fastapi.FastAPI" and spot.value(spot.argument(None, "debug")) == Const(
            True
        ):
            yield raw_error_to_client.finding(
                spot.at,
                "With debug=True every error is answered with its traceback and the source around"
                " it. Leave it out.",
            )


def _is_inside(code: Code, said: ast.expr | None, within: Function | Scope) -> bool:
    if said is None:
        return True
    if isinstance(said, ast.Tuple):
        return any(_is_inside(code, one, within) for one in said.elts)
    value = code.value_of(said, within)
    if isinstance(value, Class):
        return False
    name = code.name_of(said, within) or ""
    return bool(_INSIDE.match(name)) and name not in _NOT_INSIDE


def _of_exceptions(code: Code) -> Iterator[Function]:
    """Functions of @app.exception_handler(Exception) and add_exception_handler."""
    files = served(code)
    for function in code.functions():
        source = function.scope.source
        if source not in files:
            continue
        for decorator in getattr(function.node, "decorator_list", ()):
            if (
                isinstance(decorator, ast.Call)
                and name_in(decorator.func) == "exception_handler"
                and decorator.args
                and _is_inside(code, decorator.args[0], function.scope)
            ):
                yield function
        for call in source.all(ast.Call):
            if (
                name_in(call.func) == "add_exception_handler"
                and len(call.args) == 2
                and name_in(call.args[1]) == getattr(function.node, "name", None)
                and _is_inside(code, call.args[0], function.scope)
            ):
                yield function


def _told(
    code: Code, function: Function, block: ast.AST, name: str | None, is_handler: bool
) -> Iterator[Finding]:
    """At the place where the text gets into an answer: here, or in a function that is called."""
    shown = _Shown(code, function, block, name)
    for node in own_nodes(block):
        place: Place | None = None
        if isinstance(node, ast.Call) and shown.inside(node, it=True):
            place = _answered(code, node, function, shown)
        elif isinstance(node, ast.Return) and is_handler and node.value is not None:
            called = isinstance(node.value, ast.Call)
            place = (
                function.scope.source.at(node) if not called and shown.inside(node.value) else None
            )
        if place is not None:
            here = function.scope.source.at(node)
            yield raw_error_to_client.finding(
                place,
                "The answer holds what the exception says, which may be anything of the inside."
                " Log it, and answer with a sentence of your own.",
                related=[where(here)] if here != place else (),
            )
            return


def _answered(code: Code, call: ast.Call, within: Function, shown: "_Shown") -> Place | None:
    """Where a call puts the text into an answer."""
    target = code.value_of(call.func, within)
    if not isinstance(target, Function):
        found = _answers(code, call, within) and shown.inside(call)
        return within.scope.source.at(call) if found else None
    names = [one.arg for one, _ in target.parameters()]
    if target.owner is not None and names[:1] in (["self"], ["cls"]):
        names = names[1:]
    given = [*zip(names, call.args, strict=False)]
    given += [(one.arg, one.value) for one in call.keywords if one.arg is not None]
    for name, value in given:
        if not (shown.is_it(value) or shown.inside(value)):
            continue
        below = _Shown(code, target, target.node, name)
        if not shown.is_it(value):
            below.names.add(name)
        for node in own_nodes(target.node):
            if isinstance(node, ast.Call) and _answers(code, node, target) and below.inside(node):
                # a function that answers with any text is not to blame for this one
                source, there = (target, node) if shown.is_it(value) else (within, call)
                return source.scope.source.at(there)
    return None


def _answers(code: Code, call: ast.Call, within: Function) -> bool:
    """Whether it makes an answer: a response, an HTTPException, or a class below one."""
    if _ANSWERS.match(code.name_of(call.func, within) or ""):
        return True
    value = code.value_of(call.func, within)
    if isinstance(value, Class):
        names = [code.evaluator.name_of(one) for one in code.evaluator.ancestry(value)]
        return any(_ANSWERS.match(name) for name in names)
    return False


class _Shown:
    """Where the exception's text is, in the block that caught it."""

    def __init__(self, code: Code, function: Function, block: ast.AST, name: str | None) -> None:
        self.code = code
        self.function = function
        self.name = name
        self.names: set[str] = set()
        for node in own_nodes(block):
            if isinstance(node, ast.Assign) and self.inside(node.value):
                self.names |= {name_in(target) for target in node.targets}

    def inside(self, node: ast.AST, it: bool = False) -> bool:
        """Whether the text is in it; with `it`, or the exception itself."""
        if it and any(self.is_it(one) for one in ast.walk(node)):
            return True
        match node:
            case ast.Call():
                if isinstance(node.func, ast.Name) and node.func.id in {"str", "repr", "format"}:
                    return any(self.is_it(one) or self.inside(one) for one in node.args)
                called = self.code.name_of(node.func, self.function) or ""
                if called.startswith("traceback.format"):
                    return True
                if name_in(node.func) in {"isinstance", "type", "getattr", "len"}:
                    return False
                parts: list[ast.AST] = [*node.args, *(one.value for one in node.keywords)]
                if isinstance(node.func, ast.Attribute):
                    parts.append(node.func.value)
                return any(self.inside(one) or self.is_it(one) for one in parts)
            case ast.FormattedValue():
                return self.is_it(node.value) or self.inside(node.value)
            case ast.Attribute(attr="args" | "orig" | "message" | "msg" | "detail" | "statement"):
                return self.is_it(node.value) or self.inside(node.value)
            case ast.Name():
                return node.id in self.names
            case ast.Attribute() | ast.Compare():
                return False
            case ast.IfExp():
                return self.inside(node.body) or self.inside(node.orelse)
        return any(self.inside(one) for one in ast.iter_child_nodes(node))

    def is_it(self, node: ast.AST) -> bool:
        return self.name is not None and isinstance(node, ast.Name) and node.id == self.name
