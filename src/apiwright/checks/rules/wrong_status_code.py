"""The status of an answer says something else than its body.

## What it finds

Routes that create a row and answer 200 instead of 201 (all of one file are one finding), and
dictionaries that tell of an error (`{"error": …}`, `{"success": False}`) and are answered with 200.
Silent where the route sets the status itself.

## Why it matters

Clients, caches, retries and monitoring look at the status and nothing else: an error with 200 is
cached, counted as a success and not tried again. `status_code=201` for what is created;
`raise HTTPException(404, …)` for what is not there.

## References

- https://www.rfc-editor.org/rfc/rfc9110#section-15.3.2
- https://fastapi.tiangolo.com/tutorial/response-status-code/
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.answers import is_response, table
from apiwright.checks.findings import Finding
from apiwright.checks.reading import own_nodes
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Route
from apiwright.project.values import Const, Function, Instance, Value

BAD = (
    """
from fastapi import Depends, FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine

app = FastAPI()
engine = create_engine("sqlite://")

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str

def session():
    with Session(engine) as opened:
        yield opened

@app.post("/tasks")
def create_task(title: str, db: Session = Depends(session)) -> Task:
    task = Task(title=title)
    db.add(task)
    db.commit()
    return task
""",
    """
from fastapi import FastAPI

app = FastAPI()
TASKS: dict[int, str] = {}

def find(task_id: int) -> dict:
    if task_id not in TASKS:
        return {"error": f"there is no task {task_id}"}
    return {"title": TASKS[task_id]}

@app.get("/tasks/{task_id}")
def task(task_id: int) -> dict:
    return find(task_id)

@app.get("/titles/{task_id}")
def title(task_id: int) -> dict:
    if task_id not in TASKS:
        return {"success": False, "message": "not found"}
    return {"success": True}
""",
)
GOOD = """
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse
from sqlmodel import Field, Session, SQLModel, create_engine

app = FastAPI()
engine = create_engine("sqlite://")

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str

def session():
    with Session(engine) as opened:
        yield opened

@app.post("/tasks", status_code=201)
def create_task(title: str, db: Session = Depends(session)) -> Task:
    task = Task(title=title)
    db.add(task)
    return task

@app.put("/tasks/{task_id}")
def put_task(task_id: int, response: Response, db: Session = Depends(session)) -> dict:
    if task_id == 0:
        response.status_code = 404
        return {"error": "there is no task 0"}
    return {"error": None}

@app.post("/tasks/search")
def search(title: str, db: Session = Depends(session)) -> list[str]:
    db.add(Task(title=title))
    return [title]

@app.get("/tasks/{task_id}")
def task(task_id: int):
    if task_id == 0:
        return JSONResponse({"error": "there is no task 0"}, status_code=404)
    raise HTTPException(404, {"error": "there is none"})
"""
_CREATES = re.compile(r"^(create|add|register|new|insert|sign_?up|store|post)(_|$)|_(create|add)$")
_NOT_CREATED = re.compile(
    r"login|token|logout|search|like|toggle|verify|refresh|webhook|import|bulk"
)


@rule(severity="low")
def wrong_status_code(code: Code) -> Iterator[Finding]:
    by_file: dict[str, list[Route]] = {}
    told: set[ast.AST] = set()
    for handler in code.handlers():
        route = handler.route
        if route.status != 200 or route.at is None or _sets_status(handler):
            continue
        if route.method == "POST" and _creates(code, handler):
            by_file.setdefault(route.at.file, []).append(route)
        for function, node in _error(code, handler):
            if node not in told:
                told.add(node)
                yield wrong_status_code.finding(
                    function.scope.source.at(node),
                    "An error is answered with 200, which clients take for a success. Raise"
                    " HTTPException with the status that says so.",
                    route=route,
                )
    for routes in by_file.values():
        first, several = routes[0], len(routes) > 1
        said = f"{len(routes)} routes of this file create" if several else "The route creates"
        yield wrong_status_code.finding(
            first.at,
            f"{said} a row and answer{'' if several else 's'} 200. Say status_code=201.",
            route=first,
            related=[where(one.at, one) for one in routes],
        )


def _sets_status(handler: Handler) -> bool:
    return any(
        isinstance(node, ast.Attribute | ast.keyword)
        and "status_code" in (getattr(node, "attr", None), getattr(node, "arg", None))
        and not isinstance(getattr(node, "ctx", None), ast.Load)
        for statement in getattr(handler.function.node, "body", ())
        for node in _without_raise(statement)
    )


def _without_raise(statement: ast.AST) -> Iterator[ast.AST]:
    """raise HTTPException(status_code=404) is no status of an answer."""
    if isinstance(statement, ast.Raise):
        return
    yield statement
    for inner in ast.iter_child_nodes(statement):
        yield from _without_raise(inner)


def _creates(code: Code, handler: Handler) -> bool:
    name = handler.route.name.rpartition(".")[2].lower()
    if not _CREATES.search(name) or _NOT_CREATED.search(f"{name} {handler.route.path.lower()}"):
        return False
    returned = code.body(handler.function).returned
    if any(is_response(code, one.of if isinstance(one, Instance) else one) for one in returned):
        return False
    return any(
        _is_added(code, site.name or "", site.arguments)
        for function, _ in code.reached(handler.function, threads=True)
        for site in code.calls(function)
    )


def _is_added(code: Code, name: str, arguments: tuple[Value, ...]) -> bool:
    if name.rpartition(".")[2] == "add" and "Session" in name and arguments:
        row = arguments[0]
        return isinstance(row, Instance) and table(code, row.of) is not None
    return name == "sqlalchemy.insert"


def _error(code: Code, handler: Handler) -> Iterator[tuple[Function, ast.AST]]:
    """Of the handler, and of the functions whose result it returns."""
    left = [handler.function]
    seen: set[ast.AST] = set()
    while left:
        function = left.pop()
        if function.node in seen or len(seen) > 10:
            continue
        seen.add(function.node)
        targets = {site.node: site.target for site in code.calls(function) if site.target}
        for node in own_nodes(function.node):
            if not isinstance(node, ast.Return) or node.value is None:
                continue
            value = node.value.value if isinstance(node.value, ast.Await) else node.value
            if isinstance(value, ast.Dict) and _tells_error(code, value, function):
                yield function, node
            elif isinstance(value, ast.Call) and value in targets:
                left.append(targets[value])


def _tells_error(code: Code, value: ast.Dict, within: Function) -> bool:
    for key, one in zip(value.keys, value.values, strict=True):
        if not isinstance(key, ast.Constant):
            continue
        known = code.value_of(one, within)
        if key.value in ("error", "errors"):
            return not (isinstance(known, Const) and not known.value) and not isinstance(
                one, ast.List
            )
        if key.value in ("success", "ok") and known == Const(False):
            return True
    return False
