"""A password is stored as it was sent.

## What it finds

A password from the request that becomes a column of a model without being hashed: as an argument
(`User(password=data.password)`), by assignment, or with all the rest (`User(**data.model_dump())`)
where nothing of the kind is hashed before; also through variables and functions of the project.

## Why it matters

Whoever reads the table, a backup or a log of statements has the passwords of everybody, and most
people use theirs elsewhere too. Store what argon2 or bcrypt make of it.

## References

- https://cwe.mitre.org/data/definitions/256.html
- https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.reading import name_in, own_nodes
from apiwright.checks.rule import rule
from apiwright.checks.taint import Flow, Frame, Taint, flows
from apiwright.project.code import Code
from apiwright.project.facts import Model, Route
from apiwright.project.values import Class, Function, Instance

_MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    hashed_password: Mapped[str]
"""
_MAIN = """
from fastapi import FastAPI
from passlib.context import CryptContext
from pydantic import BaseModel

from app.models import User

passwords = CryptContext(schemes=["argon2"])
app = FastAPI()

class UserCreate(BaseModel):
    name: str
    password: str

{code}
"""
BAD = (
    {
        "app/models.py": _MODELS,
        "app/main.py": _MAIN.format(
            code="""
@app.post("/users")
def register(data: UserCreate) -> None:
    User(name=data.name, hashed_password=data.password)
"""
        ),
    },
    {
        "app/models.py": _MODELS,
        "app/main.py": _MAIN.format(
            code="""
class Users:
    def change(self, user: User, new: str) -> None:
        user.hashed_password = new

@app.post("/users/password")
def change(password: str) -> None:
    Users().change(User(), password)
"""
        ),
    },
    {
        "app/models.py": _MODELS.replace("hashed_password", "password"),
        "app/main.py": _MAIN.format(
            code="""
@app.post("/users")
def register(data: UserCreate) -> None:
    User(**data.model_dump())
"""
        ),
    },
)
GOOD = {
    "app/models.py": _MODELS.replace("hashed_password", "password"),
    "app/main.py": _MAIN.format(
        code="""
def hashed(plain: str) -> str:
    return passwords.hash(plain)

@app.post("/users")
def register(data: UserCreate) -> None:
    User(name=data.name, password=hashed(data.password))

@app.put("/users")
def replace(data: UserCreate) -> None:
    data.password = hashed(data.password)
    User(**data.model_dump())

@app.patch("/users")
def update(data: UserCreate, user: User) -> None:
    values = data.model_dump(exclude={"password"})
    User(**values, password=passwords.hash(data.password))
"""
    ),
}
_PASSWORD = re.compile(r"passw|pwd|(^|_)pass(_?hash)?$", re.IGNORECASE)
_SENT = re.compile(
    r"^(new_?|plain_?|raw_?)?(password|passwd|pwd|pass)\d?(_?(plain|raw))?$|^(new|plain|raw)$",
    re.IGNORECASE,
)


@rule(severity="high")
def plain_password_stored(code: Code) -> Iterator[Finding]:
    columns = {model.name: _passwords(model) for model in code.project.models}
    columns = {name: found for name, found in columns.items() if found}
    seen: set[ast.AST] = set()
    for flow in flows(code) if columns else ():
        for frame in flow.frames:
            for node, name in _stored(code, frame, columns):
                if node not in seen:
                    seen.add(node)
                    yield plain_password_stored.finding(
                        frame.function.scope.source.at(node),
                        f"`{name}` gets the password as it was sent. Store what argon2 or bcrypt"
                        " make of it.",
                        route=_route(flow),
                    )


def _route(flow: Flow) -> Route:
    return flow.handler.route


def _passwords(model: Model) -> frozenset[str]:
    return frozenset(one.attribute for one in model.columns if _PASSWORD.search(one.attribute))


def _stored(
    code: Code, frame: Frame, columns: dict[str, frozenset[str]]
) -> Iterator[tuple[ast.AST, str]]:
    hashes = {name for names in columns.values() for name in names if "hash" in name}
    for node in own_nodes(frame.function.node):
        match node:
            case ast.Call():
                cls = code.value_of(node.func, frame.function)
                if isinstance(cls, Class) and cls.node.name in columns and not _hashes(cls):
                    yield from _constructed(code, node, cls, columns[cls.node.name], frame)
            case ast.Dict():
                for key, value in zip(node.keys, node.values, strict=True):
                    name = str(key.value) if isinstance(key, ast.Constant) else ""
                    if name in hashes and _is_plain(code, value, frame):
                        yield node, name
            case ast.Assign():
                for target in node.targets:
                    if isinstance(target, ast.Attribute):
                        owner = code.value_of(target.value, frame.function)
                        if (
                            isinstance(owner, Instance)
                            and target.attr in columns.get(owner.of.node.name, ())
                            and not _hashes(owner.of)
                            and _is_plain(code, node.value, frame)
                        ):
                            yield node, target.attr


def _constructed(
    code: Code, call: ast.Call, cls: Class, names: frozenset[str], frame: Frame
) -> Iterator[tuple[ast.AST, str]]:
    given = {keyword.arg for keyword in call.keywords}
    for keyword in call.keywords:
        if keyword.arg in names and _is_plain(code, keyword.value, frame):
            yield call, str(keyword.arg)
        elif keyword.arg is None and frame.taint(keyword.value):
            for name in names - given:
                if _dumped(code, keyword.value, name, frame):
                    yield call, name


def _is_plain(code: Code, value: ast.expr, frame: Frame) -> bool:
    """Whether it is what was sent, under a name that says password."""
    if isinstance(value, ast.Await):
        return _is_plain(code, value.value, frame)
    if isinstance(value, ast.Call) and isinstance(
        code.value_of(value.func, frame.function), Function
    ):  # a function of the project that gives it back as it is
        return frame.taint(value).whole and any(
            _is_plain(code, one, frame) for one in (*value.args, *_given(value))
        )
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if value.func.attr not in {"get_secret_value", "strip", "decode", "encode"}:
            return False
        value = value.func.value
    if not isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
        return False
    taint: Taint = frame.taint(value)
    names = [name_in(value), *(one.name for one in taint.sent)]
    if isinstance(value, ast.Name):
        names += [name_in(one) for one in _bound(value.id, frame)]
    return taint.whole and any(_SENT.search(name) for name in names)


def _given(call: ast.Call) -> list[ast.expr]:
    return [keyword.value for keyword in call.keywords]


def _bound(name: str, frame: Frame) -> Iterator[ast.expr]:
    for node in own_nodes(frame.function.node):
        if isinstance(node, ast.Assign) and any(name_in(one) == name for one in node.targets):
            yield node.value


def _dumped(code: Code, value: ast.expr, name: str, frame: Frame) -> bool:
    """Whether `**data.model_dump()` brings the password along, as it was sent."""
    nodes = [*own_nodes(frame.function.node)]
    for node in nodes:  # hashed, or taken out, anywhere in the function: stay silent
        match node:
            case ast.Assign():
                if any(_PASSWORD.search(name_in(target)) for target in node.targets):
                    return False
            case ast.Constant(value=str() as text) if _PASSWORD.search(text):
                return False
    data = _receiver(value)
    for node in nodes:
        if isinstance(node, ast.Assign) and any(name_in(t) == name_in(data) for t in node.targets):
            data = _receiver(node.value)
    sent = code.value_of(data, frame.function)
    return isinstance(sent, Instance) and any(
        isinstance(statement, ast.AnnAssign) and name_in(statement.target) == name
        for one in code.evaluator.ancestry(sent.of)
        if isinstance(one, Class)
        for statement in one.node.body
    )


def _receiver(value: ast.expr) -> ast.expr:
    """data, of data.model_dump()"""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return value.func.value
    return value


def _hashes(cls: Class) -> bool:
    """Whether the model sees to it itself: a validator, a setter, a type."""
    names = [
        node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        else name_in(node.func)
        for node in ast.walk(cls.node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Call)
    ]
    return any(re.search(r"hash|encrypt|validates|bcrypt|argon|set_password", one) for one in names)
