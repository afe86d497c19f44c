"""The client sets a column that is not his to set: an owner, a role.

## What it finds

A route that ordinary users or strangers may call, whose body has a field such as `role`,
`is_admin`, `is_superuser` or `balance` of the user's model, or the owner's column of an owned
model, and which writes it: `User(**data.model_dump())`, a loop of `setattr`, `sqlmodel_update`,
`values(**…)`, `user.role = data.role`; or a table that is itself the body. The data is followed
through services and repositories. A field that is left out, overwritten or compared before is fine.

## Why it matters

Whoever signs up with `"role": "admin"` in the body is an administrator; whoever sends another's
`owner_id` writes into another's account.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa3-broken-object-property-level-authorization/
- https://sqlmodel.tiangolo.com/tutorial/fastapi/multiple-models/
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from apiwright.checks.findings import Finding
from apiwright.checks.ownership import ownership_of
from apiwright.checks.passing import (
    Dump,
    Step,
    argument,
    bodies,
    dump,
    fields,
    from_client,
    steps,
    takes_more,
)
from apiwright.checks.rule import rule, where
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Model, Place
from apiwright.project.values import Class, Instance, Made

_PRIVILEGES = re.compile(
    r"(is_)?(admin|superuser|super_user|staff|moderator|verified|email_verified)|roles?|role_id"
    r"|user_role|permissions?|scopes|balance|credits?|tier_id"
)
_LOADS = {"model_validate", "from_orm", "parse_obj", "sqlmodel_update", "validate"}
_VALIDATORS = ("field_validator", "validator")

_SETUP = """
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel
from sqlmodel import Field, Session, SQLModel, create_engine

app = FastAPI()
engine = create_engine("postgresql://")
scheme = OAuth2PasswordBearer(tokenUrl="login")

class User(SQLModel, table=True):
    id: int = Field(primary_key=True)
    email: str
    hashed_password: str
    role: str = "user"

class Task(SQLModel, table=True):
    id: int = Field(primary_key=True)
    title: str
    owner_id: int = Field(foreign_key="user.id")

def get_db():
    with Session(engine) as session:
        yield session

def current_user(token: str = Depends(scheme)) -> User:
    if token != "x":
        raise HTTPException(401)
    return User(id=1, email="", hashed_password="")

class Named(BaseModel):
    email: str

class UserCreate(Named):
    password: str
    role: str = "user"

class TaskCreate(BaseModel):
    title: str
    owner_id: int | None = None
"""
BAD = (
    _SETUP
    + """
@app.post("/register")
def register(data: UserCreate, db: Session = Depends(get_db)):
    user = User(**data.model_dump(exclude={"password"}), hashed_password="")
    db.add(user)
    db.commit()
""",
    _SETUP
    + """
class Users:
    def __init__(self, db: Session = Depends(get_db)):
        self.db = db
    def change(self, user: User, values: dict):
        for name, value in values.items():
            setattr(user, name, value)
        self.db.commit()

@app.patch("/me")
def change(data: UserCreate, users: Users = Depends(), user: User = Depends(current_user)):
    users.change(user, data.model_dump(exclude_unset=True))
""",
    _SETUP
    + """
from fastapi.encoders import jsonable_encoder

@app.put("/me")
def change(data: UserCreate, db: Session = Depends(get_db), user: User = Depends(current_user)):
    if isinstance(data, dict):
        values = data
    else:
        values = data.dict(exclude_unset=True)
    for name in jsonable_encoder(user):
        if name in values:
            setattr(user, name, values[name])
    db.add(user)
""",
    _SETUP
    + """
@app.post("/tasks")
def create(data: TaskCreate, db: Session = Depends(get_db), user: User = Depends(current_user)):
    task = Task(title=data.title, owner_id=data.owner_id or user.id)
    db.add(task)
""",
    _SETUP
    + """
@app.post("/tasks")
def create(task: Task, db: Session = Depends(get_db), user: User = Depends(current_user)):
    db.add(task)
    db.commit()
    return task
""",
    _SETUP
    + """
@app.post("/register")
def register(email: str, role: str = "user", db: Session = Depends(get_db)):
    db.add(User(email=email, role=role, hashed_password=""))
""",
    _SETUP
    + """
def save(db: Session, user: User, title: str):
    db.add(Task(title=title, owner_id=user.id))

@app.post("/tasks")
def create(
    title: str, for_: int, db: Session = Depends(get_db), user: User = Depends(current_user)
):
    save(db, User(id=for_ or user.id, email="", hashed_password=""), title)
""",
    _SETUP
    + """
from pydantic import ConfigDict

class Profile(BaseModel):
    model_config = ConfigDict(extra="allow")
    email: str

@app.patch("/me")
def change(data: Profile, db: Session = Depends(get_db), user: User = Depends(current_user)):
    for name, value in data.model_dump(exclude_unset=True).items():
        setattr(user, name, value)
    db.commit()
""",
)
GOOD = (
    _SETUP
    + """
@app.post("/register")
def register(data: UserCreate, db: Session = Depends(get_db)):
    db.add(User(**data.model_dump(exclude={"password", "role"}), hashed_password=""))

@app.post("/tasks")
def create(data: TaskCreate, db: Session = Depends(get_db), user: User = Depends(current_user)):
    db.add(Task.model_validate(data, update={"owner_id": user.id}))

@app.put("/tasks")
def put(task: Task, db: Session = Depends(get_db), user: User = Depends(current_user)):
    task.owner_id = user.id
    db.add(task)

@app.patch("/tasks")
def change(data: TaskCreate, db: Session = Depends(get_db), user: User = Depends(current_user)):
    if data.owner_id != user.id:
        raise HTTPException(403)
    db.add(Task(**data.model_dump()))

@app.put("/me")
def change_me(data: UserCreate, db: Session = Depends(get_db), me: User = Depends(current_user)):
    for name, value in data.model_dump().items():
        if name in {"email"}:
            setattr(me, name, value)

def admin(user: User = Depends(current_user)):
    if user.role != "admin":
        raise HTTPException(403)

@app.post("/users", dependencies=[Depends(admin)])
def create_user(data: UserCreate, db: Session = Depends(get_db)):
    db.add(User(**data.model_dump(exclude={"password"}), hashed_password=""))
"""
)


@dataclass(frozen=True, eq=False)
class _Written:
    """A column that the client fills."""

    model: Model
    column: str
    at: Place
    """Of the statement that writes it."""
    source: str
    """UserCreate.role"""
    source_at: Place


@rule(severity="high")
def mass_assignment(code: Code) -> Iterator[Finding]:
    reader = _Reader(code)
    found: dict[tuple[object, ...], list[tuple[Handler, _Written]]] = {}
    for handler in code.handlers():
        if handler.route.protection in {"none", "login"}:
            for written in reader.written(handler):
                cause = (written.model.name, written.source.rpartition(".")[0], written.at)
                found.setdefault(cause, []).append((handler, written))
    for several in found.values():
        first = several[0][1]
        routes = list(dict.fromkeys(handler.route for handler, _ in several))
        sources = dict.fromkeys(f"`{one.source}`" for _, one in several)
        columns = dict.fromkeys(f"`{one.model.name}.{one.column}`" for _, one in several)
        yield mass_assignment.finding(
            first.source_at,
            f"{routes[0].method} {routes[0].path} takes {_listed(sources)} from the client and "
            f"writes it to {_listed(columns)} ({first.at}). Leave it out of what the client sends, "
            "and set it in the code.",
            route=routes[0] if len(routes) == 1 else None,
            related=[where(one.source_at) for _, one in several]
            + [where(first.at)]
            + [where(route.at, route) for route in routes],
        )


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


class _Reader:
    def __init__(self, code: Code) -> None:
        self.code = code
        owned = ownership_of(code).owned
        classes = {cls.at: cls for cls in code.evaluator.classes()}
        self.models = {
            cls.node: model
            for model in code.project.models
            if (cls := classes.get(model.at)) is not None
        }
        self.owner = {node: one.model.owner_column for node, one in owned.items()}
        self.below = {node: {key for key, _ in one.parents} for node, one in owned.items()}

    def privileged(self, model: Model, cls: Class, path: str) -> set[str]:
        """Of a child also its parent's key, where the path has said which parent."""
        names = {column.attribute for column in model.columns}
        found = {name for name in names if model.is_user and _PRIVILEGES.fullmatch(name)}
        found |= {key for key in self.below.get(cls.node, ()) if f"{{{key}}}" in path}
        owner = self.owner.get(cls.node)
        return found | ({owner} if owner else set())

    def written(self, handler: Handler) -> Iterator[_Written]:
        bodies_ = bodies(self.code, handler)
        every = list(steps(self.code, handler.function))
        fine = {name for step in every for name in self._settled(step)}
        wanted = {one.parameter for one in self.code.wanted(handler.function)}
        path = handler.route.path
        names = frozenset(
            parameter.arg
            for parameter, _ in handler.function.parameters()
            if parameter.arg not in wanted and f"{{{parameter.arg}}}" not in path
        )
        for step in every:
            for cls, given, overridden in self._filled(step):
                if given.schema not in bodies_.values() or "*" in given.without:
                    continue
                yield from self._columns(step, cls, given, overridden | fine, path)
            for cls, column, value in self._explicit(step, path):
                if column not in fine and from_client(self.code, value, step, names):
                    yield self._written(step, cls, column, value)
        yield from self._tables(handler, every, fine, path)

    def _columns(
        self, step: Step, cls: Class, given: Dump, fine: set[str], path: str
    ) -> Iterator[_Written]:
        model = self.models[cls.node]
        known: dict[str, tuple[Class, ast.stmt]] = {**fields(self.code, given.schema)}
        privileged = self.privileged(model, cls, path)
        more = takes_more(given.schema)
        if more is not None:
            known = dict.fromkeys(privileged, (given.schema, more)) | known
        for name in sorted(privileged & known.keys() - given.without - fine):
            owner, node = known[name]
            if not _is_validated(given.schema, name):
                yield _Written(
                    model,
                    name,
                    step.function.at,
                    f"{given.schema.node.name}.{name}",
                    owner.scope.source.at(node),
                )

    def _written(self, step: Step, cls: Class, column: str, value: ast.expr) -> _Written:
        at = step.function.scope.source.at(value)
        return _Written(self.models[cls.node], column, at, ast.unparse(value), at)

    def _model(self, value: object) -> Class | None:
        if isinstance(value, Instance):
            value = value.of
        return value if isinstance(value, Class) and value.node in self.models else None

    def _filled(self, step: Step) -> Iterator[tuple[Class, Dump, set[str]]]:
        """Models that are filled with all of a schema's fields, and what is set besides."""
        code, function = self.code, step.function
        values = code.body(function).values
        for node in ast.walk(function.node):
            if isinstance(node, ast.Call):
                said = {one.arg for one in node.keywords if one.arg}
                if (cls := self._model(values.get(node.func))) is not None:
                    for keyword in node.keywords:
                        if keyword.arg is None and (d := dump(code, keyword.value, step)):
                            yield cls, d, said
                if not isinstance(node.func, ast.Attribute):
                    continue
                receiver = values.get(node.func.value)
                if node.func.attr in _LOADS and node.args and (cls := self._model(receiver)):
                    d = dump(code, node.args[0], step)
                    if d is not None:
                        yield cls, d, _updated(node)
                if node.func.attr in {"values", "update"} and isinstance(receiver, Made):
                    cls = self._model(next(iter(receiver.arguments), None))
                    dumped = [one.value for one in node.keywords if one.arg is None] + node.args[:1]
                    for one in dumped if cls else ():
                        if cls is not None and (d := dump(code, one, step)) is not None:
                            yield cls, d, said
                if isinstance(receiver, Made) and receiver.name == "fastcrud.FastCRUD":
                    cls = self._model(next(iter(receiver.arguments), None))
                    for keyword in node.keywords:
                        d = dump(code, keyword.value, step) if keyword.arg == "object" else None
                        if d is not None and cls is not None:
                            yield cls, d, set()
            elif isinstance(node, ast.For):
                left_out = _left_out(node)
                for inner in ast.walk(node):
                    if left_out is None or not _is_setattr(inner):
                        continue
                    cls = self._model(values.get(inner.args[0]))
                    value = inner.args[2]
                    if isinstance(value, ast.Subscript):  # setattr(row, name, data[name])
                        d = dump(code, value.value, step)
                    else:
                        d = dump(code, node.iter, step)
                    if d is not None and cls is not None:
                        yield cls, d, left_out

    def _explicit(self, step: Step, path: str) -> Iterator[tuple[Class, str, ast.expr]]:
        """User(role=data.role), user.role = data.role"""
        values = self.code.body(step.function).values
        for node in ast.walk(step.function.node):
            pairs: list[tuple[Class | None, str, ast.expr]] = []
            if isinstance(node, ast.Call):
                cls = self._model(values.get(node.func))
                pairs = [(cls, one.arg, one.value) for one in node.keywords if one.arg]
            elif isinstance(node, ast.Assign):
                pairs = [
                    (self._model(values.get(target.value)), target.attr, node.value)
                    for target in node.targets
                    if isinstance(target, ast.Attribute)
                ]
            for cls, name, value in pairs:
                if cls is None or name not in self.privileged(self.models[cls.node], cls, path):
                    continue
                if name == self.owner.get(cls.node) and isinstance(value, ast.Attribute):
                    yield from self._owner_given(step, cls, name, value)
                taken = [
                    one
                    for one in ast.walk(value)
                    if (isinstance(one, ast.Attribute) and one.attr == name)
                    or (isinstance(one, ast.Name) and one.id == name)
                ]
                if not taken or isinstance(value, ast.Call | ast.IfExp):
                    continue
                yield cls, name, value

    def _owner_given(
        self, step: Step, cls: Class, name: str, value: ast.Attribute
    ) -> Iterator[tuple[Class, str, ast.expr]]:
        """Document(owner_id=user.id), where the caller gives User(id=owner_id)."""
        given, caller = value.value, step.caller
        if isinstance(given, ast.Name) and caller is not None:
            made = argument(step, given.id)
            if isinstance(made, ast.Call) and isinstance(
                self.code.body(caller.function).values.get(made.func), Class
            ):
                yield cls, name, value

    def _tables(
        self, handler: Handler, every: list[Step], fine: set[str], path: str
    ) -> Iterator[_Written]:
        """A table that is the body, and is stored."""
        for parameter, cls in bodies(self.code, handler).items():
            model = self.models.get(cls.node)
            if model is None:
                continue
            for step in every:
                for site in self.code.calls(step.function):
                    stored = (site.name or "").endswith(("Session.add", "Session.merge"))
                    if not stored or not site.node.args:
                        continue
                    if not from_client(self.code, site.node.args[0], step, frozenset({parameter})):
                        continue
                    for name in sorted(self.privileged(model, cls, path) - fine):
                        source = f"{cls.node.name}.{name}"
                        yield _Written(model, name, site.at, source, handler.function.at)

    def _settled(self, step: Step) -> Iterator[str]:
        """Names that are set from elsewhere, or compared: task.owner_id = user.id."""
        values = self.code.body(step.function).values
        for node in ast.walk(step.function.node):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Attribute) and isinstance(
                        values.get(target.value), Instance
                    ):
                        taken = {
                            one.attr if isinstance(one, ast.Attribute) else one.id
                            for one in ast.walk(node.value)
                            if isinstance(one, ast.Attribute | ast.Name)
                        }
                        if target.attr not in taken:
                            yield target.attr
            elif isinstance(node, ast.Compare) and not _is_none(node.comparators[0]):
                for part in (node.left, *node.comparators):
                    if isinstance(part, ast.Attribute):
                        value = values.get(part.value)
                        body = isinstance(value, Instance) and self._model(value) is None
                        if body:
                            yield part.attr


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _updated(call: ast.Call) -> set[str]:
    """Keys of update={…}."""
    return {
        str(key.value)
        for keyword in call.keywords
        if keyword.arg == "update" and isinstance(keyword.value, ast.Dict)
        for key in keyword.value.keys
        if isinstance(key, ast.Constant)
    }


def _left_out(loop: ast.For) -> set[str] | None:
    """if name not in {"role"}: setattr(…). None where a list says what is taken, or a test says
    nothing."""
    found: set[str] = set()
    for node in ast.walk(loop):
        if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
            continue
        written = {
            one.value
            for one in ast.walk(node.test)
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        }
        against = node.test.comparators[0]
        takes = isinstance(node.test.ops[0], ast.In)
        if written and takes and not isinstance(node.body[0], ast.Continue):
            return None
        if not written and isinstance(node.test.ops[0], ast.NotIn):
            return None
        if not written and takes and not _holds_values(loop, against):
            return None
        found |= written
    return found


def _holds_values(loop: ast.For, against: ast.expr) -> bool:
    """if name in data: setattr(row, name, data[name])"""
    return any(
        _is_setattr(node)
        and isinstance(node.args[2], ast.Subscript)
        and ast.unparse(node.args[2].value) == ast.unparse(against)
        for node in ast.walk(loop)
    )


def _is_setattr(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "setattr"
        and len(node.args) == 3
    )


def _is_validated(schema: Class, name: str) -> bool:
    return any(
        isinstance(decorator, ast.Call)
        and ast.unparse(decorator.func).endswith(_VALIDATORS)
        and any(isinstance(one, ast.Constant) and one.value == name for one in decorator.args)
        for node in schema.node.body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
    )
