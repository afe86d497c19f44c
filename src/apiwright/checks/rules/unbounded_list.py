"""A list has no end.

## What it finds

`GET` routes that answer with all rows of a query: no `limit` on the way, or a `limit` of the client
without an upper bound (`Query(le=100)`, `min(limit, 100)`). Also a relationship that is returned
whole.

## Why it matters

It works until somebody has a million rows, or asks for them: then one request fills the memory and
keeps the database. Give every list a limit with a bound, and a way to the next page.

## References

- https://cwe.mitre.org/data/definitions/770.html
- https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.answers import parts, response_class, table
from apiwright.checks.findings import Finding
from apiwright.checks.reading import name_in, own_nodes
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Place, Route
from apiwright.project.values import (
    Annotated,
    Call,
    Class,
    Const,
    Function,
    Instance,
    Made,
    Outside,
    Value,
)

_APP = """
from typing import Annotated
from fastapi import Depends, FastAPI, Query
from sqlmodel import Field, Session, SQLModel, create_engine, select

app = FastAPI()
engine = create_engine("sqlite://")

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str

def session():
    with Session(engine) as opened:
        yield opened

Db = Annotated[Session, Depends(session)]
"""
BAD = (
    f"""{_APP}
@app.get("/tasks")
def tasks(db: Db) -> list[Task]:
    return db.exec(select(Task)).all()
""",
    f"""{_APP}
@app.get("/tasks")
def tasks(db: Db, skip: int = 0, limit: int = 100) -> list[Task]:
    return db.exec(select(Task).offset(skip).limit(limit)).all()
""",
    f"""{_APP}
class Paging:
    def __init__(self, page_size: Annotated[int, Query(ge=1)] = 20) -> None:
        self.page_size = page_size

@app.get("/tasks")
def tasks(db: Db, paging: Paging = Depends()) -> list[Task]:
    return db.exec(select(Task).limit(paging.page_size)).all()
""",
)
GOOD = f"""{_APP}
LARGEST = 100

@app.get("/tasks")
def tasks(db: Db, limit: Annotated[int, Query(le=100)] = 20) -> list[Task]:
    return db.exec(select(Task).limit(limit)).all()

@app.get("/first")
def first(db: Db, limit: int = 20) -> list[Task]:
    return db.exec(select(Task).limit(min(limit, LARGEST))).all()

@app.get("/tasks/{{task_id}}")
def task(task_id: int, db: Db) -> Task | None:
    return db.exec(select(Task).where(Task.id == task_id)).first()

@app.get("/count")
def count(db: Db) -> int:
    return len(db.exec(select(Task)).all())
"""
_LIMITS = re.compile(r"^(limit|page_?size|per_?page|size|take|page_?limit|max_?results|first)$")
_LIMITING = {"limit", "fetch", "slice", "fetchmany", "page", "paginate", "head", "top", "apaginate"}
_FETCHING = {"all", "fetchall", "scalars", "fetch_all", "to_list", "exec"}
_SQL_LIMIT = re.compile(r"select\s.*\slimit\s", re.IGNORECASE | re.DOTALL)
_PAGE = re.compile(r"Page|List|Paginated|Collection|s(Out|Public|Response|Read)$")
_LIST = re.compile(r"(typing\.)?(list|List|Sequence)\[")
_LISTS = {"list", "typing.List", "typing.Sequence", "collections.abc.Sequence", "tuple", "set"}


@rule(severity="low")
def unbounded_list(code: Code) -> Iterator[Finding]:
    free: dict[tuple[Place, str], list[Route]] = {}
    for handler in code.handlers():
        if handler.route.method != "GET" or not _answers_list(code, handler):
            continue
        reached = [one for one, _ in code.reached(handler.function, threads=True)]
        limited = any(_limits(code, one) for one in reached)
        if not limited and (_fetches(code, handler, reached) or _relationship(code, handler)):
            yield unbounded_list.finding(
                handler.route.at,
                "The answer is all rows there are. Give the list a limit with an upper bound.",
                route=handler.route,
            )
        for function in (handler.function, *code.all_dependencies(handler)) if limited else ():
            for at, name in _free_limits(code, function, reached):
                free.setdefault((at, name), []).append(handler.route)
    for (at, name), routes in free.items():
        yield unbounded_list.finding(
            at,
            f"`{name}` has no upper bound: one request may ask for all rows there are. Say"
            " Query(le=100).",
            route=routes[0] if len(routes) == 1 else None,
            related=[where(one.at, one) for one in routes],
        )


def _answers_list(code: Code, handler: Handler) -> bool:
    declared = response_class(code, handler)
    if declared is not None:
        first = next(iter(parts(declared)), None)
        if isinstance(first, Outside) and first.name in _LISTS:
            return True
        if isinstance(first, Class):
            return _holds_list(code, first)
    return any(
        isinstance(value, Made) and value.name == "list"
        for value in code.body(handler.function).returned
    )


def _holds_list(code: Code, cls: Class) -> bool:
    """Page, with items: list[…]"""
    return bool(_PAGE.search(cls.node.name)) and any(
        isinstance(node, ast.AnnAssign) and bool(_LIST.match(ast.unparse(node.annotation)))
        for one in code.evaluator.ancestry(cls)
        if isinstance(one, Class)
        for node in one.node.body
    )


def _limits(code: Code, function: Function) -> bool:
    """Also by what cannot have many: the rows that a table of pairs joins to one."""
    own = {site.node for site in code.calls(function) if site.target is not None}
    for node in own_nodes(function.node):
        match node:
            case ast.Call() if node not in own:
                name = name_in(node.func)
                if name in _LIMITING or "paginat" in name.lower():
                    return True
                if name == "join" and node.args and _is_of_pairs(code, node.args[0], function):
                    return True
            case ast.Subscript(slice=ast.Slice(upper=ast.expr())):
                return True
            case ast.Constant(value=str() as text) if _SQL_LIMIT.search(text):
                return True
    return False


def _is_of_pairs(code: Code, joined: ast.expr, function: Function) -> bool:
    cls = code.value_of(joined, function)
    model = table(code, cls) if isinstance(cls, Class) else None
    return model is not None and len(model.primary_key) > 1


def _fetches(code: Code, handler: Handler, reached: list[Function]) -> bool:
    for function in reached:
        for site in code.calls(function):
            name = site.name or ""
            if name.rpartition(".")[2] in _FETCHING and (
                "sqlalchemy" in name or "apiwright" in name
            ):
                return _is_of_rows(code, handler)
    return False


def _is_of_rows(code: Code, handler: Handler) -> bool:
    """Whether what is answered with is what was fetched: no number, no single row."""
    returned = code.body(handler.function).returned
    return any(not isinstance(one, Const | Instance) for one in returned)


def _relationship(code: Code, handler: Handler) -> bool:
    """return order.items"""
    for node in own_nodes(handler.function.node):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Attribute):
            owner = code.value_of(node.value.value, handler.function)
            model = table(code, owner.of) if isinstance(owner, Instance) else None
            if model is not None and any(
                one.name == node.value.attr and one.many for one in model.relationships
            ):
                return True
    return False


def _free_limits(
    code: Code, function: Function, reached: list[Function]
) -> Iterator[tuple[Place, str]]:
    for parameter, default in function.parameters():
        name = parameter.arg
        if not _LIMITS.match(name):
            continue
        said = code.evaluator.annotation(parameter.annotation, function.scope)
        if not _is_number(said) or _is_bounded(code, said, default, function):
            continue
        if not any(_clamps(one, name) for one in (function, *reached)):
            yield function.scope.source.at(parameter), name


def _is_number(said: Value) -> bool:
    return any(isinstance(one, Outside) and one.name == "int" for one in parts(said))


def _is_bounded(code: Code, said: Value, default: ast.expr | None, function: Function) -> bool:
    given = list(said.values[1:]) if isinstance(said, Annotated) else []
    if default is not None:
        given.append(code.evaluator.value(default, function.scope))
    return any(
        isinstance(one, Call) and bool({"le", "lt"} & set(one.keywords)) for one in given
    ) or any(isinstance(one, Const) and isinstance(one.value, bool) for one in given)


def _clamps(function: Function, name: str) -> bool:
    """min(limit, 100), if limit > 100: …, or a look-up in what is allowed."""
    for node in own_nodes(function.node):
        match node:
            case ast.Call(func=ast.Name(id="min")):
                if any(name_in(one) == name for one in ast.walk(node) if isinstance(one, ast.expr)):
                    return True
            case ast.Compare(ops=[ast.Gt() | ast.GtE() | ast.In() | ast.NotIn()]):
                if name_in(node.left) == name:
                    return True
            case ast.Compare(ops=[ast.Lt() | ast.LtE()]):
                if any(name_in(one) == name for one in node.comparators):
                    return True
    return False
