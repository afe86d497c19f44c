"""A route that anybody may call, where its neighbours ask for a login.

## What it finds

A route without any login that changes something (POST, PUT, PATCH, DELETE), or that shows rows with
an owner, in a project where the other routes of the same kind beside it ask for one; one that
changes rows with an owner, or that has "admin" in its path, in a project with logins; and a login
that lets in whoever sends no token. A login may be
asked for by the route, its routers, `include_router`, a dependency of a dependency, or in the body:
where a token, a header, a signature or a middleware is looked at, nothing is said. Nor about
sign-up, login, health, webhooks and the like.

## Why it matters

Anybody on the network reads or changes the data. A guard that is written on every route but one is
forgotten on that one; a guard of the router cannot be.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa2-broken-authentication/
- https://fastapi.tiangolo.com/tutorial/dependencies/dependencies-in-path-operation-decorators/
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding, Severity
from apiwright.checks.ownership import Access, ownership_of
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Route
from apiwright.project.values import Class, Function, Instance

_WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_FOR_ALL = re.compile(
    r"(?i)log[_-]?(in|out)|sign[_-]?(in|up|out)|regist|token|refresh|passw|reset|forgot|recover|verif"
    r"|confirm|activat|health|ping|status|webhook|hook|callback|oauth|sso|docs|openapi|metric"
    r"|contact|newsletter|subscri|public|feedback|search|graphql|captcha|otp|invit"
    r"|/auth/?$"
)
_ADMIN_PATH = re.compile(r"(?i)(^|/)(admins?|superusers?|backoffice|staff)(/|$|-)")
_TOKEN = re.compile(r"(?i)token|credential|authorization|bearer|api_?key")
_LOOKS = re.compile(
    r"(?i)current_?user|verify|authenticat|authori[sz]|token|api_?key|signature|hmac|permission|jwt"
    r"|bearer|credential|cookie|headers|session_id|secret|compare_digest|require_"
)
_CHANGES = re.compile(
    r".*Session(\.unscoped\(\))?\.(add|add_all|delete|merge|commit|flush|execute|exec|bulk_\w+)|.*\.insert_\w+"
    r"|.*\.(update|delete)_(one|many)|fastcrud\.FastCRUD\.(create|update|delete|db_delete)"
    r"|(os|shutil|pathlib\.Path)\.(remove|rmtree|unlink|write_\w+)|.*(Connection|Cursor)\.execute"
)

_SETUP = """
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from sqlmodel import Field, Session, SQLModel, create_engine, select

scheme = OAuth2PasswordBearer(tokenUrl="login")
engine = create_engine("postgresql://")

class User(SQLModel, table=True):
    id: int = Field(primary_key=True)
    hashed_password: str

class Task(SQLModel, table=True):
    id: int = Field(primary_key=True)
    owner_id: int = Field(foreign_key="user.id")

def get_db():
    with Session(engine) as session:
        yield session

def current_user(token: str = Depends(scheme)) -> User:
    if token != "x":
        raise HTTPException(401)
    return User(id=1, hashed_password="")

router = APIRouter(prefix="/tasks")

@router.get("/{task_id}")
def task(task_id: int, db: Session = Depends(get_db), user: User = Depends(current_user)):
    return db.exec(select(Task).where(Task.id == task_id, Task.owner_id == user.id)).one()

@router.post("/")
def create(task: Task, db: Session = Depends(get_db), user: User = Depends(current_user)):
    task.owner_id = user.id
    db.add(task)
    db.commit()
"""
_END = """
app = FastAPI()
app.include_router(router)
"""
BAD = (
    _SETUP
    + """
@router.delete("/{task_id}")
def delete(task_id: int, db: Session = Depends(get_db)):
    db.delete(db.get(Task, task_id))
    db.commit()
"""
    + _END,
    _SETUP
    + """
@router.get("/")
def tasks(db: Session = Depends(get_db)):
    return db.exec(select(Task)).all()
"""
    + _END,
    _SETUP
    + """
admin = APIRouter(prefix="/admin")

@admin.get("/statistics")
def statistics():
    return {}
"""
    + _END
    + "app.include_router(admin)\n",
    _SETUP
    + """
optional = OAuth2PasswordBearer(tokenUrl="login", auto_error=False)

def whoever(token: str = Depends(optional), db: Session = Depends(get_db)) -> User:
    if token is None:
        return db.get(User, 1)
    if token != "x":
        raise HTTPException(401)
    return db.get(User, 2)

@router.post("/more")
def more(user: User = Depends(whoever)):
    return user
"""
    + _END,
)
GOOD = (
    _SETUP
    + """
import jwt
from fastapi import Request

class Tasks:
    def __init__(self, db: Session = Depends(get_db)):
        self.db = db
    def delete(self, token: str, task_id: int):
        jwt.decode(token, "k", algorithms=["HS256"])
        self.db.delete(self.db.get(Task, task_id))

@router.delete("/{task_id}")
def delete(task_id: int, request: Request, tasks: Tasks = Depends()):
    tasks.delete(request.query_params["t"], task_id)
"""
    + _END
    + """
@app.post("/users/{name}")
def user(name: str):
    raise HTTPException(405)

@app.post("/users")
def new_user(user: User, db: Session = Depends(get_db)):
    db.add(user)

@app.delete("/users/{name}")
def delete_user(name: str, user: User = Depends(current_user)): ...

@app.post("/login")
def login(db: Session = Depends(get_db)):
    db.add(Task(owner_id=1))
    db.commit()

public = APIRouter(prefix="/notes", dependencies=[Depends(current_user)])

@public.post("/")
def note(db: Session = Depends(get_db)):
    db.add(Task(owner_id=1))

app.include_router(public)
""",
)


@rule(severity="high")
def missing_authentication(code: Code) -> Iterator[Finding]:
    handlers = code.handlers()
    guarded = [one for one in handlers if one.route.protection in {"login", "admin"}]
    if not guarded or _guarding_middleware(code):
        return
    yield from _without_a_token(code)
    accesses: dict[ast.AST, list[Access]] = {}
    for access in ownership_of(code).accesses:
        accesses.setdefault(access.handler.function.node, []).append(access)
    for handler in handlers:
        if handler.route.protection != "none" or not _is_candidate(handler.route):
            continue
        if _looks_itself(code, handler):
            continue
        rows = accesses.get(handler.function.node, [])
        changed = [one for one in rows if one.kind == "write" and one.owned.strict]
        if _ADMIN_PATH.search(handler.route.path):
            yield _finding(handler, "is for administrators by its path", None)
            continue
        if handler.route.method in _WRITES:
            beside = [one for one in handlers if _beside(one, handler) and _writes(one)]
            if handler.route.method == "POST" and _signs_up(code, handler):
                continue
            guarded_half = 2 * _guarded(beside) >= len(beside) > 0
            if guarded_half and _changes(code, handler):
                certain = handler.route.method != "POST" or _most_guarded(beside)
                severity: Severity = "high" if certain else "medium"
                yield _finding(handler, "changes data", beside, severity)
            elif changed:
                name = changed[0].owned.model.name
                yield _finding(handler, f"changes any user's {name}", None, "medium")
        else:
            if any(one.unscoped and not one.owned.credential for one in rows):
                yield _finding(handler, "shows rows that belong to users", None)
                continue
            models = {one.owned.cls.node for one in rows}
            beside = [
                one
                for one in handlers
                if one.route.method == "GET"
                and one.function.node is not handler.function.node
                and models
                & {access.owned.cls.node for access in accesses.get(one.function.node, ())}
            ]
            if not models or not _most_guarded(beside):
                continue
            yield _finding(handler, "shows rows that belong to users", beside)


def _finding(
    handler: Handler, what: str, beside: list[Handler] | None, severity: Severity = "high"
) -> Finding:
    route = handler.route
    unlike = ""
    if beside is not None:
        example = next(one for one in beside if one.route.protection != "none").route
        unlike = f", unlike {example.method} {example.path} ({example.at})"
    return missing_authentication.finding(
        handler.function.at,
        f"{route.method} {route.path} {what} and asks nobody for a login{unlike}. Give it the "
        "dependency that other routes have, or their router's.",
        route=route,
        severity=severity,
    )


def _without_a_token(code: Code) -> Iterator[Finding]:
    """if token is None: return first_user"""
    seen: set[ast.AST] = set()
    for handler in code.handlers():
        for function in code.all_dependencies(handler):
            if function.node in seen or isinstance(function.node, ast.Lambda):
                continue
            seen.add(function.node)
            tokens = {one.arg for one, _ in function.parameters() if _TOKEN.search(one.arg)}
            for node in function.node.body:
                if not isinstance(node, ast.If) or _absent(node.test) not in tokens:
                    continue
                for inner in node.body:
                    if isinstance(inner, ast.Return) and _is_user(code, function, inner.value):
                        yield missing_authentication.finding(
                            function.scope.source.at(inner),
                            f"`{function.qualified}` gives a user to whoever sends no token, so "
                            f"that {handler.route.method} {handler.route.path} needs no login. "
                            "Answer 401.",
                            related=[where(handler.route.at, handler.route)],
                        )


def _absent(test: ast.expr) -> str | None:
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=name)):
            return name
        case ast.Compare(left=ast.Name(id=name), ops=[ast.Is() | ast.Eq()]):
            return name
    return None


def _is_user(code: Code, function: Function, value: ast.expr | None) -> bool:
    user = code.project.user_model
    given = code.value_of(value, function) if value is not None else None
    return isinstance(given, Instance) and user is not None and given.of.at == user.at


def _is_candidate(route: Route) -> bool:
    if route.method not in _WRITES | {"GET"}:
        return False
    return not (_FOR_ALL.search(route.path) or _FOR_ALL.search(route.name.rpartition(".")[2]))


def _writes(handler: Handler) -> bool:
    return handler.route.method in _WRITES and _is_candidate(handler.route)


def _beside(one: Handler, other: Handler) -> bool:
    """Another route of the same router, or below the same path."""
    if one.function.node is other.function.node:
        return False
    same_router = one.route.router is not None and one.route.router == other.route.router
    below = _resource(one.route.path) == _resource(other.route.path)
    return below and (same_router or bool(_resource(one.route.path)))


def _resource(path: str) -> str:
    """/api/v1/tasks/{task_id}/notes: /api/v1/tasks"""
    return path.partition("{")[0].rstrip("/")


def _most_guarded(beside: list[Handler]) -> bool:
    return _guarded(beside) > 0 and _guarded(beside) * 3 >= len(beside) * 2


def _guarded(beside: list[Handler]) -> int:
    return sum(one.route.protection in {"login", "admin"} for one in beside)


def _changes(code: Code, handler: Handler) -> bool:
    return any(
        _CHANGES.fullmatch(site.name or "")
        for function, _ in code.reached(handler.function, threads=True)
        for site in code.calls(function)
    )


def _signs_up(code: Code, handler: Handler) -> bool:
    """Whether it makes a user, or gets a password."""
    user = code.project.user_model
    for parameter, _ in handler.function.parameters():
        body = code.body(handler.function).scope.names.get(parameter.arg)
        if isinstance(body, Instance) and "password" in ast.unparse(body.of.node).lower():
            return True
    return any(
        isinstance(value, Class) and user is not None and value.at == user.at
        for function, _ in code.reached(handler.function, threads=True)
        for site in code.calls(function)
        for value in [code.body(function).values.get(site.node.func)]
    )


def _looks_itself(code: Code, handler: Handler) -> bool:
    """Whether something that runs for the route looks at who is asking."""
    starts = [handler.function, *code.all_dependencies(handler)]
    for start in starts:
        for function, _ in code.reached(start, threads=True):
            if _LOOKS.search(function.qualified):
                return True
            if any(_LOOKS.search(parameter.arg) for parameter, _ in function.parameters()):
                return True
            for site in code.calls(function):
                called = site.name or ast.unparse(site.node.func)
                if _LOOKS.search(called):
                    return True
            if any(
                isinstance(node, ast.Attribute) and node.attr in {"headers", "cookies"}
                for node in ast.walk(function.node)
            ):
                return True
    return False


def _guarding_middleware(code: Code) -> bool:
    words = ("auth", "login", "token", "jwt", "guard")
    if any(any(word in name.lower() for word in words) for _, name in code.evaluator.middleware):
        return True
    for function in code.functions():
        for decorator in getattr(function.node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(
                ".middleware"
            ):
                text = ast.unparse(function.node).lower()
                if "401" in text or any(word in text for word in words):
                    return True
    return False
