"""A password, a token or a whole request is written to a log.

## What it finds

`print`, `logging` and loguru's calls with a value that is called a password, token, secret, key or
credentials, with the headers or cookies of a request, or with a whole body that holds a password;
also inside f-strings and through variables. Silent about lengths, comparisons, types and masked
parts.

## Why it matters

Logs are read by more people than the database, kept longer, and sent to other companies. A token in
a log works until it ends; a password works elsewhere too. Log who it was and what happened: an id,
the kind of token.

## References

- https://cwe.mitre.org/data/definitions/532.html
- https://cheatsheetseries.owasp.org/cheatsheets/Logging_Cheat_Sheet.html
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.answers import column_of, table
from apiwright.checks.findings import Finding
from apiwright.checks.reading import Spot, name_in, own_nodes, spots
from apiwright.checks.rule import rule
from apiwright.project.code import Code
from apiwright.project.values import Class, Const, Function, Instance, Made, Scope

BAD = (
    """
import logging
from fastapi import FastAPI

log = logging.getLogger(__name__)
app = FastAPI()

@app.post("/login")
def login(name: str, password: str) -> None:
    log.info("login of %s with %s", name, password)
""",
    """
from fastapi import FastAPI, Request
from loguru import logger
from pydantic import BaseModel

app = FastAPI()

class Login(BaseModel):
    name: str
    password: str

@app.post("/login")
async def login(data: Login, request: Request) -> str:
    access_token = "…".join(data.name)
    logger.debug(f"login: {data}")
    print("token: " + access_token, request.headers)
    return access_token
""",
)
GOOD = """
import logging
from fastapi import FastAPI, Request
from pydantic import BaseModel, SecretStr

log = logging.getLogger(__name__)
app = FastAPI()

class Login(BaseModel):
    name: str
    password: SecretStr

def masked(text: str) -> str:
    return text[:2] + "…"

@app.post("/login")
def login(data: Login, token: str, token_type: str, request: Request) -> None:
    log.info("login of %s, a password of %d characters", data.name, len(token))
    log.info("%s %s %s", token_type, masked(token), bool(data.password))
    log.warning("wrong password for %s from %s", data, request.client)
    log.info("token refused: %s", token is None)
"""
_LOGS = re.compile(
    r"^(print|pprint\.pprint|logging\.(\w+|getLogger\(\)\.\w+|Logger\.\w+)"
    r"|loguru\.logger\.(\w+|opt\(\)\.\w+|bind\(\)\.\w+)"
    r"|structlog\.(get_logger|stdlib\.get_logger)\(\)\.\w+"
    r"|warnings\.warn|icecream\.ic|rich\.print)$"
)
_METHODS = {
    "debug", "info", "warning", "warn", "error", "exception", "critical", "log", "trace", "success",
    "print", "pprint", "ic", "msg", "fatal",
}  # fmt: skip
_LOGGERS = re.compile(r"^_?(log|logger|logging|LOG|LOGGER)$")
_SECRET = re.compile(
    r"^((plain|raw|new|old|current|confirm|hashed|user|db|admin|encoded)_?)?"
    r"(password|passwd|pwd)\d?(_hash|_hashed)?$"
    r"|^(access|refresh|id|auth|reset|bearer|verification|session|api|csrf|jwt|invite)_?token$"
    r"|^(token|jwt|secret|secret_?key|api_?key|private_?key|client_?secret|jwt_?secret|signing_?key"
    r"|access_?key|authorization|auth_?header|credentials|x_api_key|encoded_jwt|otp|otp_code)$",
    re.IGNORECASE,
)
_OF_REQUEST = {"headers", "cookies", "body", "form", "json"}
_KEEPING = {
    "decode", "encode", "strip", "get_secret_value", "dict", "model_dump", "json", "items",
    "model_dump_json",
}  # fmt: skip
_BODY = {"body", "form", "json"}
_LOGIN = re.compile(
    r"login|auth|account|user|password|token|regist|sign|middleware|dispatch|log_request",
    re.IGNORECASE,
)
_HIDING = re.compile(
    r"mask|redact|hide|hash|obfusc|len|bool|type|isinstance|fingerprint|digest", re.IGNORECASE
)


@rule(severity="medium")
def secret_in_logs(code: Code) -> Iterator[Finding]:
    seen: set[ast.AST] = set()
    for spot in (*spots(code), *_by_name(code)):
        if spot.node in seen or not _is_log(spot):
            continue
        seen.add(spot.node)
        found = _secret_of(code, spot)
        if found:
            yield secret_in_logs.finding(
                spot.at,
                f"{found} is written to the log. Leave it out: whoever reads logs has it.",
            )


def _is_log(spot: Spot) -> bool:
    return bool(_LOGS.match(spot.name)) and spot.name.rpartition(".")[2] in _METHODS


def _by_name(code: Code) -> Iterator[Spot]:
    """Of loggers that are made in a way of the project's own."""
    from_known = {spot.node for spot in spots(code)}
    for function in code.functions():
        for node in own_nodes(function.node):
            if (
                isinstance(node, ast.Call)
                and node not in from_known
                and isinstance(node.func, ast.Attribute)
                and _LOGGERS.match(name_in(node.func.value))
            ):
                yield Spot(node, f"logging.{node.func.attr}", function, function.scope.source, code)


def _secret_of(code: Code, spot: Spot) -> str | None:
    for argument in (*spot.node.args, *(one.value for one in spot.node.keywords)):
        for node in _shown(argument):
            if found := _secret(code, node, spot):
                return found
    return None


def _shown(node: ast.expr) -> Iterator[ast.expr]:
    """The parts of an argument that come out as text."""
    match node:
        case ast.Name() | ast.Attribute():
            yield node
        case ast.Subscript(slice=ast.Constant(value=str())):
            yield node
        case ast.JoinedStr():
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield from _shown(part.value)
        case ast.BinOp():
            yield from _shown(node.left)
            yield from _shown(node.right)
        case ast.Tuple() | ast.List() | ast.Set():
            for one in node.elts:
                yield from _shown(one)
        case ast.Dict():
            for one in node.values:
                yield from _shown(one)
        case ast.Await() | ast.FormattedValue() | ast.Starred():
            yield from _shown(node.value)
        case ast.Call():
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[ast.expr]:
    name = name_in(node.func)
    if _HIDING.search(name):
        return
    if isinstance(node.func, ast.Attribute):
        if name == "format":
            for one in (*node.args, *(keyword.value for keyword in node.keywords)):
                yield from _shown(one)
        elif name in _KEEPING:
            if name == "get_secret_value":
                yield ast.Name(id="secret", ctx=ast.Load())
            else:
                yield from _shown(node.func.value)
            yield node
        elif name in {"body", "form"}:
            yield node
        elif name == "get" and node.args and isinstance(node.args[0], ast.Constant):
            yield ast.Name(id=str(node.args[0].value).replace("-", "_"), ctx=ast.Load())
    elif name == "vars":
        yield node
    elif name in {"str", "repr", "dict", "format"}:
        for one in node.args:
            yield from _shown(one)


def _secret(code: Code, node: ast.expr, spot: Spot) -> str | None:
    name = name_in(node)
    if _SECRET.match(name):
        value = code.value_of(node, spot.within) if hasattr(node, "lineno") else None
        harmless = isinstance(value, Made) and value.name in {
            "int", "bool", "float", "pydantic.SecretStr", "pydantic.types.SecretStr",
        }  # fmt: skip
        constant = isinstance(value, Const) and not isinstance(value.value, str)
        return None if harmless or constant or isinstance(value, Class) else f"`{name}`"
    if not hasattr(node, "lineno"):
        return None  # made of a text, above
    called = node.func if isinstance(node, ast.Call) else node
    whole = isinstance(called, ast.Attribute) and called.attr in _BODY
    if isinstance(called, ast.Attribute) and called.attr in _OF_REQUEST:
        if whole and not _may_be_secret(spot.within):
            return None
        owner = code.value_of(called.value, spot.within)
        if isinstance(owner, Made) and owner.name in {"fastapi.Request", "fastapi.WebSocket"}:
            return f"The request's {called.attr}"
    if isinstance(node, ast.Name) and isinstance(spot.within, Function):
        if said := _bound_to_request(code, node.id, spot.within):
            return said
        value = code.value_of(node, spot.within)
        if isinstance(value, Instance) and (field := _password_field(code, value.of)):
            return f"`{node.id}`, which holds `{field}`,"
    return _row(code, node, spot)


def _row(code: Code, node: ast.expr, spot: Spot) -> str | None:
    """vars(user), user.__dict__, and of SQLModel the row itself."""
    shown, whole = node, False
    if isinstance(node, ast.Call) and name_in(node.func) in {"vars", "dict"} and node.args:
        shown, whole = node.args[0], True
    elif isinstance(node, ast.Call) and name_in(node.func) in {"model_dump", "dict"}:
        shown, whole = node.func, True
    elif isinstance(node, ast.Attribute) and node.attr == "__dict__":
        shown, whole = node, True
    if whole and isinstance(shown, ast.Attribute):
        shown = shown.value
    value = code.value_of(shown, spot.within)
    if not isinstance(value, Instance) or {"__repr__", "__str__"} & set(value.of.scope.names):
        return None
    model = table(code, value.of)
    if model is None or not (whole or model.kind == "sqlmodel"):
        return None
    column = column_of(code, value.of, _SECRET)
    return f"`{ast.unparse(shown)}`, which holds `{column}`," if column else None


def _bound_to_request(code: Code, name: str, within: Function) -> str | None:
    for node in own_nodes(within.node):
        if isinstance(node, ast.Assign) and any(name_in(one) == name for one in node.targets):
            value = node.value.value if isinstance(node.value, ast.Await) else node.value
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
                owner = code.name_of(value.func.value, within)
                part = value.func.attr
                if owner == "fastapi.Request" and part in _BODY and _may_be_secret(within):
                    return f"The request's {part}"
    return None


def _may_be_secret(within: Function | Scope) -> bool:
    """Whether the bodies that come here are those of logins and accounts, or any."""
    source = within.scope.source if isinstance(within, Function) else within.source
    every = isinstance(within, Function) and any(
        one.arg == "call_next" for one, _ in within.parameters()
    )
    return every or bool(_LOGIN.search(f"{source.path} {within.qualified}"))


def _password_field(code: Code, cls: Class) -> str | None:
    """Of a schema: a table's rows say little about themselves."""
    names = [code.evaluator.name_of(one) for one in code.evaluator.ancestry(cls)]
    if not any(name in {"pydantic.BaseModel", "sqlmodel.SQLModel"} for name in names):
        return None
    for one in code.evaluator.ancestry(cls):
        if not isinstance(one, Class):
            continue
        for statement in one.node.body:
            if isinstance(statement, ast.AnnAssign) and _SECRET.match(name_in(statement.target)):
                hidden = "SecretStr" in ast.unparse(statement.annotation) or (
                    statement.value is not None and "repr=False" in ast.unparse(statement.value)
                )
                if not hidden:
                    return name_in(statement.target)
    return None
