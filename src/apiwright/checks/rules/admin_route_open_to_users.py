"""A route for administrators that every signed-in user may call.

## What it finds

In a project that guards routes for administrators: a route that has "admin" in its path or name and
asks for a login only; and a route that changes something and asks for a login only, or for nothing,
where all others beside it that change something ask for an administrator. Where the route or what
it calls looks at a role, or at who is asking, nothing is said. Also a guard that guards nothing: a
role that the client says in a header or the query, and a dependency that only makes the check
(`Depends(require_role)` for `Depends(require_role("admin"))`).

## Why it matters

Signing up is enough to do what administrators do: broken function level authorisation.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa5-broken-function-level-authorization/
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Place, Route
from apiwright.project.values import Function, Instance

_WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_ADMIN_PATH = re.compile(r"(?i)(^|/)(admins?|superusers?|backoffice|staff)(/|$|-)")
_ADMIN_NAME = re.compile(r"(?i)(^|_)admin(_|$)")
_ROLE = re.compile(r"(?i)admin|superuser|super_user|staff|\brole|moderator|permission|scopes?\b")
_SAID = re.compile(r"(?i)(x_)?(user_)?(roles?|is_admin|admin|is_superuser|is_staff)")
_OWN = re.compile(
    r"(?i)/(me|self|mine|my|own|current|profile|account)(/|$)|log[_-]?in|sign|regist|token|passw"
)

_SETUP = """
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from sqlmodel import Field, Session, SQLModel, create_engine

scheme = OAuth2PasswordBearer(tokenUrl="login")
engine = create_engine("postgresql://")

class User(SQLModel, table=True):
    id: int = Field(primary_key=True)
    hashed_password: str
    is_admin: bool

class Product(SQLModel, table=True):
    id: int = Field(primary_key=True)

def get_db():
    with Session(engine) as session:
        yield session

def current_user(token: str = Depends(scheme)) -> User:
    if token != "x":
        raise HTTPException(401)
    return User(id=1, hashed_password="", is_admin=False)

def admin(user: User = Depends(current_user)) -> User:
    if not user.is_admin:
        raise HTTPException(403)
    return user

app = FastAPI()

@app.post("/products", dependencies=[Depends(admin)])
def create(product: Product, db: Session = Depends(get_db)):
    db.add(product)

@app.put("/products/{product_id}", dependencies=[Depends(admin)])
def update(product_id: int, db: Session = Depends(get_db)):
    db.get(Product, product_id)
"""
BAD = (
    _SETUP
    + """
@app.delete("/products/{product_id}", dependencies=[Depends(current_user)])
def delete(product_id: int, db: Session = Depends(get_db)):
    db.delete(db.get(Product, product_id))
""",
    _SETUP
    + """
router = APIRouter(prefix="/admin")

@router.get("/users")
def users(db: Session = Depends(get_db), user: User = Depends(current_user)):
    return []

app.include_router(router)
""",
    _SETUP
    + """
from fastapi import Header

def editor(x_role: str = Header()):
    if x_role != "editor":
        raise HTTPException(403)

@app.get("/reports", dependencies=[Depends(editor)])
def reports():
    return []
""",
    _SETUP
    + """
def require(role: str = "admin"):
    def check(user: User = Depends(current_user)):
        if user.is_admin and role:
            raise HTTPException(403)
    return check

@app.get("/reports", dependencies=[Depends(require)])
def reports():
    return []
""",
)
GOOD = (
    _SETUP
    + """
@app.get("/products/{product_id}", dependencies=[Depends(current_user)])
def product(product_id: int, db: Session = Depends(get_db)):
    return db.get(Product, product_id)

@app.delete("/products/{product_id}")
def delete(product_id: int, db: Session = Depends(get_db), user: User = Depends(current_user)):
    if not user.is_admin:
        raise HTTPException(403)
    db.delete(db.get(Product, product_id))

@app.post("/reviews")
def review(user: User = Depends(current_user)):
    return user

@app.get("/admin/users", dependencies=[Depends(admin)])
def users():
    return []
""",
)


@rule(severity="high")
def admin_route_open_to_users(code: Code) -> Iterator[Finding]:
    yield from _guards_of_nothing(code)
    handlers = code.handlers()
    if not any(one.route.protection == "admin" for one in handlers):
        return
    for handler in handlers:
        route = handler.route
        if route.protection not in {"login", "none"} or _OWN.search(route.path):
            continue
        beside = [one.route for one in handlers if _beside(one.route, route)]
        guarded = [one for one in beside if one.protection == "admin"]
        if route.protection == "login" and _says_admin(route):
            why = "says it is for administrators"
        elif _is_the_odd_one(route, len(guarded), len(beside)):
            example = f"{guarded[0].method} {guarded[0].path} ({guarded[0].at})"
            why = f"is open, where {example} and the others beside it are for administrators"
        else:
            continue
        if _looks_itself(code, handler):
            continue
        who = "every signed-in user" if route.protection == "login" else "anybody"
        yield admin_route_open_to_users.finding(
            handler.function.at,
            f"{route.method} {route.path} {why}, and {who} may call it. Give it the dependency "
            "that asks for an administrator.",
            route=route,
        )


def _is_the_odd_one(route: Route, guarded: int, beside: int) -> bool:
    """Users may add what only administrators change; the other way round it is a hole."""
    enough = 2 if route.method == "POST" else 1
    return route.method in _WRITES and guarded >= enough and guarded == beside


def _guards_of_nothing(code: Code) -> Iterator[Finding]:
    said: dict[Place, list[tuple[Route, str]]] = {}
    for handler in code.handlers():
        for wanted in handler.wanted:
            function = code.provider(wanted)
            if function is not None and not wanted.parameter and _only_makes(code, function):
                text = f"`Depends({function.qualified})` makes the check and never calls it"
                said.setdefault(function.at, []).append((handler.route, text))
        for function in (handler.function, *code.all_dependencies(handler)):
            name = _role_of_client(code, function)
            if name is not None:
                text = f"`{function.qualified}` believes the role that the client says in `{name}`"
                said.setdefault(function.at, []).append((handler.route, text))
    for at, several in said.items():
        routes = list(dict.fromkeys(route for route, _ in several))
        yield admin_route_open_to_users.finding(
            at,
            f"{several[0][1]}: {routes[0].method} {routes[0].path} is open to everybody. Ask for "
            "the role of the user who is signed in.",
            route=routes[0] if len(routes) == 1 else None,
            related=[where(route.at, route) for route in routes],
        )


def _only_makes(code: Code, function: Function) -> bool:
    """Whether what it gives is a check, which nobody calls."""
    given = code.bodies.gives(function)
    if isinstance(given, Instance):
        member = code.evaluator.member(given.of, "__call__", None)
        given = member if isinstance(member, Function) else given
    return isinstance(given, Function) and any(
        isinstance(node, ast.Raise) for node in ast.walk(given.node)
    )


def _role_of_client(code: Code, function: Function) -> str | None:
    """The parameter that it compares, and that comes from a header, a cookie or the query."""
    wanted = {one.parameter for one in code.wanted(function)}
    for parameter, default in function.parameters():
        if parameter.arg in wanted or not _SAID.fullmatch(parameter.arg):
            continue
        text = ast.unparse(default) if default is not None else ""
        text += ast.unparse(parameter.annotation) if parameter.annotation is not None else ""
        if not re.search(r"\b(Header|Query|Cookie)\(", text):
            continue
        for node in ast.walk(function.node):
            if not isinstance(node, ast.If) or not _is_raised(node.body):
                continue
            names = {one.id for one in ast.walk(node.test) if isinstance(one, ast.Name)}
            if parameter.arg in names:
                return parameter.arg
    return None


def _is_raised(body: list[ast.stmt]) -> bool:
    return any(isinstance(one, ast.Raise) for one in body)


def _says_admin(route: Route) -> bool:
    return bool(_ADMIN_PATH.search(route.path) or _ADMIN_NAME.search(route.name.rpartition(".")[2]))


def _beside(one: Route, other: Route) -> bool:
    """Another that changes something, below the same path."""
    if one.method not in _WRITES or (one.method, one.path) == (other.method, other.path):
        return False
    if _OWN.search(one.path):
        return False
    return bool(_resource(one.path)) and _resource(one.path) == _resource(other.path)


def _resource(path: str) -> str:
    return path.partition("{")[0].rstrip("/")


def _looks_itself(code: Code, handler: Handler) -> bool:
    """At a role, or whether the row is the user's."""
    user = code.project.user_model
    for function, _ in code.reached(handler.function, threads=True):
        values = code.body(function).values
        for node in ast.walk(function.node):
            tests: list[ast.expr] = []
            if isinstance(node, ast.If | ast.IfExp | ast.Assert):
                tests = [node.test]
            elif isinstance(node, ast.Compare):
                tests = [node.left, *node.comparators]
            for test in tests:
                if _ROLE.search(ast.unparse(test)):
                    return True
                for inner in ast.walk(test):
                    value = values.get(inner) if isinstance(inner, ast.expr) else None
                    if isinstance(value, Instance) and user and value.of.node.name == user.name:
                        return True
        for site in code.calls(function):
            if _ROLE.search(ast.unparse(site.node.func)):
                return True
    return False
