"""What routes answer with is declared nowhere.

## What it finds

Routes that return a row of a model, a schema, or a dictionary made of values, with neither
`response_model` nor a return type that names the fields: nothing, `dict`, `Any`. All of one file
are one finding. Answers that are always the same (`{"status": "ok"}`) and responses of your own
(`FileResponse`) are fine.

## Why it matters

Without a model the documentation and every generated client say "anything", and a new column of the
table is public from the day it is added. Return a schema that names the fields.

## References

- https://fastapi.tiangolo.com/tutorial/response-model/
"""

import ast
from collections.abc import Iterator

from apiwright.checks.answers import is_response, parts, response_class
from apiwright.checks.findings import Finding
from apiwright.checks.reading import own_nodes
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Route
from apiwright.project.values import Class, Instance, Made, Outside, Value

BAD = (
    """
from fastapi import FastAPI

app = FastAPI()

@app.get("/tasks/{task_id}")
def task(task_id: int):
    return {"id": task_id, "title": str(task_id)}
""",
    """
from typing import Any
from fastapi import FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine, select

app = FastAPI()
engine = create_engine("sqlite://")

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str

@app.get("/tasks")
def tasks() -> Any:
    with Session(engine) as session:
        return session.exec(select(Task)).all()
""",
)
GOOD = """
from fastapi import FastAPI
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel

app = FastAPI()

class TaskOut(BaseModel):
    id: int

@app.get("/health")
def health():
    return {"status": "ok"}

@app.get("/tasks/{task_id}")
def task(task_id: int) -> TaskOut:
    return TaskOut(id=task_id)

@app.get("/tasks", response_model=list[TaskOut])
def tasks():
    return [{"id": 1}]

@app.get("/counts")
def counts() -> dict[str, int]:
    return {"tasks": len("…")}

@app.get("/file")
def file(name: str):
    if name == "x":
        return JSONResponse({"name": name})
    return FileResponse("file.txt")

@app.delete("/tasks/{task_id}", status_code=204)
def delete(task_id: int):
    return None
"""
_ANYTHING = {
    "typing.Any", "Any", "dict", "typing.Dict", "object", "typing.Mapping", "list", "typing.List",
    "collections.abc.Mapping", "typing.Union", "typing.Optional", "|", "str", "types.NoneType",
}  # fmt: skip


@rule(severity="low")
def response_without_model(code: Code) -> Iterator[Finding]:
    by_file: dict[str, list[Route]] = {}
    for handler in code.handlers():
        route = handler.route
        if route.at is not None and route.method != "WEBSOCKET" and _is_bare(code, handler):
            by_file.setdefault(route.at.file, []).append(route)
    for routes in by_file.values():
        first, several = routes[0], len(routes) > 1
        said = f"{len(routes)} routes of this file answer" if several else "The route answers"
        yield response_without_model.finding(
            first.at,
            f"{said} without a response model. Declare a schema that names the fields.",
            route=first,
            related=[where(one.at, one) for one in routes],
        )


def _is_bare(code: Code, handler: Handler) -> bool:
    if handler.route.status == 204 or "response_class" in handler.endpoint.keywords:
        return False
    declared = response_class(code, handler)
    if declared is not None and not _says_nothing(declared):
        return False
    own = _own_names(handler)
    return any(_is_answer(code, value) for value in code.body(handler.function).returned) or any(
        _is_made(node, own) for node in _returned(handler)
    )


def _says_nothing(declared: Value) -> bool:
    """dict, dict[str, Any], list[dict]"""
    names = [one.name if isinstance(one, Outside) else None for one in parts(declared)]
    return all(name in _ANYTHING for name in names) and not (
        # dict[str, str] says what it is
        len(names) == 3 and names[0] in {"dict", "typing.Dict"} and names[2] == "str"
    )


def _is_answer(code: Code, value: Value) -> bool:
    """A row, or a schema, or a list of them."""
    if isinstance(value, Made) and value.name == "list":
        return any(_is_answer(code, one) for one in value.arguments)
    return isinstance(value, Instance) and _has_fields(code, value.of)


def _has_fields(code: Code, cls: Class) -> bool:
    if is_response(code, cls):
        return False
    names = {code.evaluator.name_of(one) for one in code.evaluator.ancestry(cls)}
    if names & {"pydantic.BaseModel", "sqlmodel.SQLModel"}:
        return True
    module = code.evaluator.modules.name_of(cls.scope.source)
    return any((one.name, one.module) == (cls.node.name, module) for one in code.project.models)


def _returned(handler: Handler) -> Iterator[ast.expr]:
    """What is returned, by its name's last value where it has one."""
    nodes = list(own_nodes(handler.function.node))
    for node in nodes:
        if isinstance(node, ast.Return) and node.value is not None:
            value = node.value
            if isinstance(value, ast.Name):
                for one in nodes:
                    if isinstance(one, ast.Assign) and any(
                        isinstance(target, ast.Name) and target.id == value.id
                        for target in one.targets
                    ):
                        yield one.value
            yield value


def _own_names(handler: Handler) -> set[str]:
    """What is different from one request to the next."""
    names = {one.arg for one, _ in handler.function.parameters()}
    for node in own_nodes(handler.function.node):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _is_made(value: ast.expr, own: set[str]) -> bool:
    """A dictionary, or a list of them, whose values are not always the same."""
    if isinstance(value, ast.ListComp):
        return _is_made(value.elt, own)
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Attribute) and value.func.attr in {"model_dump", "dict"}
    return isinstance(value, ast.Dict) and any(
        isinstance(node, ast.Call | ast.Await) or (isinstance(node, ast.Name) and node.id in own)
        for one in value.values
        if not isinstance(one, ast.JoinedStr)
        for node in ast.walk(one)
    )
