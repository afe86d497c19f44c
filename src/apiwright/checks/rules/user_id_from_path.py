"""A user id that the client names is believed.

## What it finds

A route for signed-in users that takes a `user_id` (or owner, account, customer …) from its path or
query, itself or in a dependency, and reads, writes or deletes that user's rows, or changes that
user, where nothing compares the id with the signed-in user's. The id is followed through services
and repositories. Where a dependency compares it, or a role is looked at, nothing is said; nor about
reading what anybody may. The owner of something new, from the body or the query, is
`mass-assignment`.

## Why it matters

`GET /users/17/tasks` is then open to user 18, who only has to write another number.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.ownership import Ownership, ownership_of
from apiwright.checks.passing import Step, from_client, steps
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Place
from apiwright.project.values import Class, Const, Made

_USER_ID = re.compile(
    r"(?i)(target_?)?(user|owner|author|account|customer|member|creator|created_by)_?(id|uuid|pk)?"
)
_ROLE = re.compile(r"(?i)admin|superuser|super_user|staff|\brole|moderator|permission|scopes?\b")
_CHECKS = re.compile(r"(?i)own|permi|authori[sz]|access|check|ensure|verify|allow|require|can_")
_ADMIN_PATH = re.compile(r"(?i)(^|/)(admins?|superusers?|backoffice|staff)(/|$|-)")
_CHANGE = {"PUT", "PATCH", "DELETE"}

_SETUP = """
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from sqlmodel import Field, Session, SQLModel, create_engine, select

app = FastAPI()
engine = create_engine("postgresql://")
scheme = OAuth2PasswordBearer(tokenUrl="login")

class User(SQLModel, table=True):
    id: int = Field(primary_key=True)
    email: str
    hashed_password: str
    is_admin: bool = False

class Task(SQLModel, table=True):
    id: int = Field(primary_key=True)
    title: str
    user_id: int = Field(foreign_key="user.id")

def get_db():
    with Session(engine) as session:
        yield session

def current_user(token: str = Depends(scheme)) -> User:
    if token != "x":
        raise HTTPException(401)
    return User(id=1, email="", hashed_password="")

class Tasks:
    def __init__(self, db: Session = Depends(get_db)):
        self.db = db
    def of_user(self, user: int):
        return self.db.exec(select(Task).where(Task.user_id == user)).all()
"""
BAD = (
    _SETUP
    + """
@app.get("/{user_id}/tasks", dependencies=[Depends(current_user)])
def tasks(user_id: int, tasks: Tasks = Depends()):
    return tasks.of_user(user_id)
""",
    _SETUP
    + """
@app.post("/users/{user_id}/tasks")
def create(user_id: int, title: str, db=Depends(get_db), me: User = Depends(current_user)):
    db.add(Task(title=title, user_id=user_id))
    db.commit()
""",
    _SETUP
    + """
@app.delete("/users/{user_id}")
def delete(user_id: int, db=Depends(get_db), me: User = Depends(current_user)):
    user = db.get(User, user_id)
    db.delete(user)
""",
    _SETUP
    + """
def the_same(user_id: int, me: User = Depends(current_user)) -> User:
    return User(id=user_id, email="", hashed_password="")

@app.get("/{user_id}/tasks")
def tasks(user: User = Depends(the_same), tasks: Tasks = Depends()):
    return tasks.of_user(user.id)
""",
)
GOOD = (
    _SETUP
    + """
def the_same(user_id: int, me: User = Depends(current_user)) -> User:
    if user_id != me.id:
        raise HTTPException(403)
    return me

@app.get("/{user_id}/tasks", dependencies=[Depends(the_same)])
def tasks(user_id: int, tasks: Tasks = Depends()):
    return tasks.of_user(user_id)

def ensure(wanted: int, user: User):
    if user.id != wanted and not user.is_admin:
        raise HTTPException(403)

@app.get("/tasks")
def more(user_id: int, tasks: Tasks = Depends(), me: User = Depends(current_user)):
    ensure(user_id, me)
    return tasks.of_user(user_id)

@app.get("/mine")
def mine(tasks: Tasks = Depends(), me: User = Depends(current_user)):
    user_id = me.id
    return tasks.of_user(user_id)

@app.get("/users/{user_id}")
def user(user_id: int, db=Depends(get_db), me: User = Depends(current_user)):
    return db.get(User, user_id)
"""
)


@rule(severity="high")
def user_id_from_path(code: Code) -> Iterator[Finding]:
    ownership = ownership_of(code)
    if ownership.is_enforced_elsewhere:
        return
    shown = {
        one.owned.cls.node
        for one in ownership.accesses
        if one.handler.route.protection == "none" and one.handler.route.method == "GET"
    }
    for handler in code.handlers():
        if handler.route.protection != "login" or _ADMIN_PATH.search(handler.route.path):
            continue
        yield from _believed(code, ownership, handler, shown)
        names = _named(code, handler)
        if not names or _is_compared(code, handler, names):
            continue
        used = _use(code, ownership, handler, names, shown)
        if used is not None:
            route, at = handler.route, used[1]
            yield user_id_from_path.finding(
                handler.function.at,
                f"{route.method} {route.path} believes the `{min(names)}` that the client names, "
                f"and {used[0]} ({at}): no one compares it with the signed-in user. Take the id "
                "from the login, or answer 404 unless it is the same.",
                route=route,
                related=[where(at)],
            )


def _believed(
    code: Code, ownership: Ownership, handler: Handler, shown: set[ast.ClassDef]
) -> Iterator[Finding]:
    """A dependency that gives the user whom the client names."""
    user = code.project.user_model
    rows = [one for one in ownership.accesses if one.handler is handler]
    kept = handler.route.method != "GET" or any(one.owned.cls.node not in shown for one in rows)
    if user is None or not rows or not kept:
        return
    for start in code.all_dependencies(handler):
        wanted = {one.parameter for one in code.wanted(start)}
        names = frozenset(
            parameter.arg
            for parameter, _ in start.parameters()
            if parameter.arg not in wanted and _USER_ID.fullmatch(parameter.arg)
        )
        if not names or _is_compared(code, handler, names):
            continue
        step = Step(start, (), start)
        for site in code.calls(start):
            about = code.body(start).values.get(site.node.func)
            made = isinstance(about, Class) and about.at == user.at
            given = [one.value for one in site.node.keywords if one.arg == "id"]
            if (site.name or "").endswith(("Session.get", "Session.get_one")) and site.arguments:
                first = site.arguments[0]
                made = isinstance(first, Class) and first.at == user.at
                given = site.node.args[1:]
            if made and any(from_client(code, one, step, names) for one in given):
                yield user_id_from_path.finding(
                    start.at,
                    f"`{start.qualified}` gives whatever user the client names in "
                    f"`{min(names)}`, and {handler.route.method} {handler.route.path} takes the "
                    "rows of that user: no one compares it with the signed-in user. Answer 404 "
                    "unless it is the same.",
                    route=handler.route,
                )
                return


def _named(code: Code, handler: Handler) -> frozenset[str]:
    """The parameters that name a user, and that the client fills."""
    wanted = {one.parameter for one in code.wanted(handler.function)}
    return frozenset(
        parameter.arg
        for parameter, _ in handler.function.parameters()
        if parameter.arg not in wanted
        and _USER_ID.fullmatch(parameter.arg)
        and isinstance(code.body(handler.function).scope.names.get(parameter.arg), Made)
    )


def _is_compared(code: Code, handler: Handler, names: frozenset[str]) -> bool:
    own = frozenset(parameter.arg for parameter, _ in handler.function.parameters()) & names
    for step in steps(code, handler.function):
        if own and _compares(code, step, own):
            return True
    for start in code.all_dependencies(handler):
        for step in steps(code, start):
            own = frozenset(parameter.arg for parameter, _ in start.parameters()) & names
            if own and _compares(code, step, own):
                return True
            if "path_params" in ast.unparse(step.function.node):
                return True
    return False


def _compares(code: Code, step: Step, names: frozenset[str]) -> bool:
    """Whether it compares the id in Python, hands it to what sounds like it, or looks at a role."""
    values = code.body(step.function).values
    calls = {site.node: site for site in code.calls(step.function)}
    for node in ast.walk(step.function.node):
        if isinstance(node, ast.If | ast.IfExp | ast.Assert) and _ROLE.search(
            ast.unparse(node.test)
        ):
            return True
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_is_column(values.get(side)) or _is_none(side) for side in sides):
                continue
            if any(from_client(code, side, step, names) for side in sides):
                return True
        elif isinstance(node, ast.Call) and _CHECKS.search(ast.unparse(node.func)):
            site = calls.get(node)
            if site is not None and site.target is not None:
                continue  # it is read, too
            if any(from_client(code, one, step, names) for one in node.args):
                return True
    return False


def _use(
    code: Code,
    ownership: Ownership,
    handler: Handler,
    names: frozenset[str],
    shown: set[ast.ClassDef],
) -> tuple[str, Place] | None:
    user = code.project.user_model
    reads = handler.route.method == "GET"
    for step in steps(code, handler.function):
        source = step.function.scope.source
        values = code.body(step.function).values
        for node in ast.walk(step.function.node):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                for side, other in (sides, sides[::-1]) if len(sides) == 2 else ():
                    cls, name = _column(values.get(side))
                    owned = ownership.owned.get(cls.node) if cls is not None else None
                    if owned is None or name not in owned.owner:
                        continue
                    if reads and (cls is None or cls.node in shown or not owned.strict):
                        continue
                    if from_client(code, other, step, names):
                        does = "shows" if reads else "changes"
                        return f"{does} that user's {owned.model.name} rows", source.at(node)
        for site in code.calls(step.function):
            about = values.get(site.node.func)
            given = about if isinstance(about, Class) else None
            if given is not None and not any(f"{{{name}}}" in handler.route.path for name in names):
                given = (
                    None  # the owner of something new, by the body or the query: mass-assignment
                )
            if given is None and (site.name or "").endswith(".filter_by"):
                receiver = site.receiver
                first = next(iter(receiver.arguments), None) if isinstance(receiver, Made) else None
                given = first if isinstance(first, Class) else None
            owned = ownership.owned.get(given.node) if given is not None else None
            if owned is not None and not (reads and (owned.cls.node in shown or not owned.strict)):
                for keyword in site.node.keywords:
                    if keyword.arg in owned.owner and from_client(code, keyword.value, step, names):
                        return f"writes or reads that user's {owned.model.name} rows", site.at
            if (
                handler.route.method in _CHANGE
                and (site.name or "").endswith(("Session.get", "Session.get_one"))
                and len(site.node.args) > 1
                and user is not None
                and isinstance(first_ := site.arguments[0], Class)
                and first_.at == user.at
                and from_client(code, site.node.args[1], step, names)
            ):
                return "changes that user", site.at
    return None


def _column(value: object) -> tuple[Class | None, str]:
    if isinstance(value, Made) and value.name == "attribute" and len(value.arguments) == 2:
        cls, name = value.arguments
        if isinstance(cls, Class) and isinstance(name, Const):
            return cls, str(name.value)
    return None, ""


def _is_column(value: object) -> bool:
    return isinstance(value, Made) and value.name == "attribute"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
