"""A key, a password or a token of a service stands in the source.

## What it finds

- A key that signs or verifies tokens, cookies or messages, and that is a text of the source: at
  the call, in a constant, as the default of a setting, of a parameter or of an environment
  variable. Placeholders such as `changeme` count: nothing makes anybody change them.
- Passwords and API keys that are compared with what a client sends, or hashed for a first account.
- URLs of databases and brokers with a password in them.
- Keys of well-known services by their form (`sk_live_…`, `AKIA…`, `ghp_…`), and random texts under
  a name that says secret.

Tests are not read, nor files that the app does not import, nor `.env` files.

## Why it matters

Whoever can read the source, its history, an image or a log of the build has the key. With the key
of the tokens he is any user. A default is used wherever somebody forgot to set the variable, and
nothing says so. Leave the default out, so that the app does not start without its secret; keep the
value in the environment or a secret store; change the one that was here.

## References

- https://cwe.mitre.org/data/definitions/798.html
- https://docs.pydantic.dev/latest/concepts/pydantic_settings/
"""

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator

from apiwright.checks.findings import Finding, Where
from apiwright.checks.literals import Literal, literals
from apiwright.checks.reading import Spot, functions, name_in, own_nodes, served, spots
from apiwright.checks.rule import rule, where
from apiwright.checks.signing import signings
from apiwright.checks.taint import flows, routes_by_call
from apiwright.project.code import Code
from apiwright.project.files import Source
from apiwright.project.values import Function

BAD = (
    {
        "app/settings.py": """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    secret_key: str = "changeme"

settings = Settings()
""",
        "app/main.py": """
import jwt
from fastapi import FastAPI

from app.settings import settings

app = FastAPI()

@app.post("/login")
def login(name: str) -> str:
    return jwt.encode({"sub": name, "exp": 1}, settings.secret_key, algorithm="HS256")
""",
    },
    """
import os
from jose import jwt
from fastapi import FastAPI

KEY = os.environ.get("JWT_KEY", "b0f5c8a1d2e34f67a8b9c0d1e2f3a4b5")
app = FastAPI()

def read(token: str, key: str = KEY) -> dict:
    return jwt.decode(token, key, algorithms=["HS256"])

@app.get("/me")
def me(token: str) -> dict:
    return read(token)
""",
    """
from fastapi import FastAPI, Header, HTTPException

API_KEY = "letmein-4711"
app = FastAPI()

@app.get("/report")
def report(x_api_key: str = Header()) -> str:
    if x_api_key != API_KEY:
        raise HTTPException(401)
    return "all is well"
""",
    """
from fastapi import FastAPI
from sqlalchemy import create_engine

app = FastAPI()
engine = create_engine("postgresql://shop:vT7pQz2LmX9w@db.internal/shop")
""",
    """
import httpx
from fastapi import FastAPI

app = FastAPI()
STRIPE = "sk_live_" "4eC39HqLyjWDarjtT1zdp7dc"
""",
    """
from fastapi import FastAPI
from passlib.context import CryptContext

passwords = CryptContext(schemes=["bcrypt"])
app = FastAPI()

class User:
    def __init__(self, name: str, hashed_password: str) -> None: ...

@app.on_event("startup")
def first_account() -> None:
    hashed = passwords.hash("Admin123!")
    User("admin", hashed_password=hashed)
""",
    """
from fastapi import FastAPI
from starlette.middleware.sessions import SessionMiddleware

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key="a very secret key")
""",
)
GOOD = (
    """
import jwt
from fastapi import FastAPI
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    secret_key: str
    algorithm: str = "HS256"

settings = Settings()
app = FastAPI()

@app.post("/login")
def login(name: str) -> str:
    return jwt.encode({"sub": name, "exp": 1}, settings.secret_key, algorithm=settings.algorithm)
""",
    """
import os
import secrets

import jwt
from fastapi import FastAPI, HTTPException
from sqlalchemy import create_engine

KEY = os.environ["JWT_KEY"]
OTHER = os.getenv("OTHER_KEY") or secrets.token_hex(32)
TOKEN_TYPE = "access"
PASSWORD_RESET_PATH = "/password/reset"
app = FastAPI()
engine = create_engine("sqlite:///./shop.db")
replica = create_engine("postgresql://localhost/shop")

@app.get("/me")
def me(token: str) -> dict:
    claims = jwt.decode(token, KEY, algorithms=["HS256"])
    if claims["type"] != TOKEN_TYPE:
        raise HTTPException(401)
    return claims
""",
    {
        "main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n",
        "tests/test_main.py": 'import jwt\n\nTOKEN = jwt.encode({}, "key", algorithm="HS256")\n',
    },
)
_SERVICES = re.compile(
    r"^(sk_live_[0-9A-Za-z]{16,}|rk_live_[0-9A-Za-z]{16,}|sk-(proj-|ant-)?[0-9A-Za-z_-]{24,}"
    r"|AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{30,}|github_pat_[0-9A-Za-z_]{30,}"
    r"|xox[abpr]-[0-9A-Za-z-]{10,}|SG\.[\w-]{16,}\.[\w-]{16,}|AIza[0-9A-Za-z_-]{35}"
    r"|glpat-[0-9A-Za-z_-]{20,}|key-[0-9a-f]{32}|whsec_[0-9A-Za-z]{20,}|hf_[0-9A-Za-z]{30,})$"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z ]+ )?PRIVATE KEY-----\s*\S{20,}")
_SECRET_NAME = re.compile(
    r"(^|_)(secret|secret_?key|api_?key|access_?key|private_?key|password|passwd|auth_?token"
    r"|access_?token|jwt_?key|signing_?key|client_?secret|jwt_?secret|token_?secret)(_key|_value)?$",
    re.IGNORECASE,
)
_SIGNING_SETTING = re.compile(
    r"^((app|jwt|auth|session|token)_?)?(secret|secret_?key|jwt_?key|signing_?key|private_?key)$",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"^(x_)?(api_?key|password|passwd|pwd|secret|admin_?(key|token|password|secret)|auth_?token"
    r"|internal_?(key|token)|token|x_token|access_?key)$",
    re.IGNORECASE,
)
_URL = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s:]*:(?P<password>[^/@\s{}$<>]+)@", re.IGNORECASE)
_PASSWORD = re.compile(r"passw|pwd", re.IGNORECASE)
_HASHES = (
    "passlib.context.CryptContext.hash", "pwdlib.PasswordHash.hash", "bcrypt.hashpw",
    "passlib.hash.bcrypt.hash", "passlib.hash.argon2.hash", "argon2.PasswordHasher.hash",
    "werkzeug.security.generate_password_hash", "passlib.context.CryptContext.encrypt",
)  # fmt: skip
_NOT_SECRET = {"", "null", "none", "undefined", "bearer", "basic", "true", "false", "string"}
_KIT_SETTINGS = "apiwright.kit.settings.Settings"


@rule(severity="high", same_as=("weak-secret",))
def hard_coded_secret(code: Code) -> Iterator[Finding]:
    seen: set[object] = set()
    for finding in (
        *_keys(code),
        *_settings(code),
        *_compared(code),
        *_hashed(code),
        *_urls(code),
        *_named(code),
    ):
        key = (finding.where.file, finding.where.line)
        if key not in seen:
            seen.add(key)
            yield finding


def _keys(code: Code) -> Iterator[Finding]:
    found: dict[Literal, list[Where]] = {}
    routes: dict[Literal, list[Where]] = {}
    for signing in signings(code):
        for one in literals(code, signing.key, signing.spot.within):
            if not _is_public_key(one.value) and one.value:
                found.setdefault(one, []).append(where(signing.spot.at))
                reaching = routes_by_call(code).get(signing.spot.node, ())
                routes.setdefault(one, []).extend(reaching)
    for one, uses in found.items():
        what = f"`{one.name}`" if one.name else "The key"
        used = f"signs or verifies tokens at {uses[0]}"
        default = " wherever nothing else is set" if one.is_default else ""
        yield hard_coded_secret.finding(
            one.at,
            f"{what} {used} and is a text of the source{default}: whoever reads it can sign"
            f" for anybody{_weak(one.value)}. Leave it out, read it from the environment without a"
            " default, and change it.",
            evidence=_masked(one),
            related=[*uses, *routes[one]],
        )


def _settings(code: Code) -> Iterator[Finding]:
    """Of the kit's settings, whose key is used inside the kit."""
    for cls in code.evaluator.classes():
        names = {code.evaluator.name_of(one) for one in code.evaluator.ancestry(cls)}
        if _KIT_SETTINGS not in names:
            continue
        for node in cls.node.body:
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            if not _SIGNING_SETTING.match(node.target.id) or node.value is None:
                continue
            for one in literals(code, node.value, cls.scope):
                if one.value:
                    yield hard_coded_secret.finding(
                        one.at,
                        f"`{node.target.id}` signs tokens and is a text of the source wherever"
                        " nothing else is set: whoever reads it can sign for anybody"
                        f"{_weak(one.value)}. Leave the default out, and change it.",
                        evidence=_masked(one),
                    )


def _compared(code: Code) -> Iterator[Finding]:
    for function in functions(code):
        for left, right, node in _comparisons(code, function):
            for sent, kept in ((left, right), (right, left)):
                if not _COMPARED.match(name_in(_plain(sent))) or isinstance(sent, ast.Constant):
                    continue
                if not _is_sent(code, sent, function) or literals(code, sent, function):
                    continue  # a column of a row, or itself a text of the source
                for one in literals(code, kept, function):
                    if len(one.value) >= 4 and one.value.lower() not in _NOT_SECRET:
                        name = name_in(_plain(sent))
                        yield hard_coded_secret.finding(
                            one.at,
                            f"What `{name}` has to be is a text of the source: whoever reads it"
                            " gets in. Read it from the environment without a default, and change"
                            " it.",
                            evidence=_masked(one),
                            related=[where(function.scope.source.at(node))],
                        )


def _is_sent(code: Code, value: ast.expr, function: Function) -> bool:
    """Whether a client sends it."""
    return any(
        frame.function.node is function.node and bool(frame.taint(value))
        for flow in flows(code)
        for frame in flow.frames
    )


def _comparisons(code: Code, function: Function) -> Iterator[tuple[ast.expr, ast.expr, ast.AST]]:
    for node in own_nodes(function.node):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
            yield node.left, node.comparators[0], node
        elif (
            isinstance(node, ast.Call)
            and len(node.args) == 2
            and (code.name_of(node.func, function) or "").endswith("compare_digest")
        ):
            yield node.args[0], node.args[1], node


def _hashed(code: Code) -> Iterator[Finding]:
    for spot in spots(code):
        if spot.name not in _HASHES or not spot.node.args:
            continue
        for one in literals(code, spot.node.args[0], spot.within):
            if one.value and (_PASSWORD.search(one.name) or _is_stored(spot)):
                what = f"`{one.name}`" if one.name else "A password"
                yield hard_coded_secret.finding(
                    one.at,
                    f"{what} is a text of the source and becomes the password of an account:"
                    " whoever reads it can log in. Read it from the environment without a default.",
                    evidence=_masked(one),
                    related=[where(spot.at)],
                )


def _is_stored(spot: Spot) -> bool:
    """Whether the hash is passed as somebody's password: not what a login without a user is
    compared with, so that it takes as long."""
    if not isinstance(spot.within, Function):
        return False
    nodes = list(own_nodes(spot.within.node))
    names = {
        name_in(target)
        for node in nodes
        if isinstance(node, ast.Assign) and spot.node in ast.walk(node.value)
        for target in node.targets
    }
    return any(
        inner is spot.node or (isinstance(inner, ast.Name) and inner.id in names)
        for node in nodes
        if isinstance(node, ast.keyword) and _PASSWORD.search(node.arg or "")
        for inner in ast.walk(node.value)
    )


def _urls(code: Code) -> Iterator[Finding]:
    for source, node, value in _texts(code):
        found = _URL.match(value)
        if found and found["password"] and "%s" not in found["password"]:
            yield hard_coded_secret.finding(
                source.at(node),
                "A URL with a password in it stands in the source. Read it from the environment"
                " without a default, and change the password.",
                evidence=value.replace(found["password"], "…", 1).partition("?")[0],
                severity="medium",
            )


def _named(code: Code) -> Iterator[Finding]:
    for source, node, value in _texts(code):
        if _SERVICES.match(value) or _PRIVATE_KEY.search(value):
            yield hard_coded_secret.finding(
                source.at(node),
                "A key of a service stands in the source: whoever reads it can use the service in"
                " your name. Read it from the environment, and change it there.",
                evidence=f"{value[:8]}…",
            )
    for source in _files(code):
        for name, bound, value in _assignments(source.tree):
            if _SECRET_NAME.search(name) and _is_random(value):
                yield hard_coded_secret.finding(
                    source.at(bound),
                    f"`{name}` is a text of the source: whoever reads it has it. Read it from the"
                    " environment without a default, and change it.",
                    evidence=f"{name} = “{value[:4]}…”",
                )


def _texts(code: Code) -> Iterator[tuple[Source, ast.Constant, str]]:
    for source in _files(code):
        documentation = {id(node) for node in _docstrings(source.tree)}
        for node in ast.walk(source.tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in documentation
            ):
                yield source, node, node.value


def _docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    """Texts that nothing is done with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        elif isinstance(node, ast.keyword) and node.arg in {
            "description", "example", "examples", "summary", "title", "json_schema_extra",
        }:  # fmt: skip
            yield from ast.walk(node.value)


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str]]:
    for node in ast.walk(tree):
        pairs: list[tuple[str, ast.expr | None]] = []
        match node:
            case ast.Assign():
                pairs = [(name_in(target), node.value) for target in node.targets]
            case ast.AnnAssign():
                pairs = [(name_in(node.target), node.value)]
            case ast.Dict():
                pairs = [
                    (key.value, value)
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                ]
            case ast.keyword(arg=str() as name, value=given):
                pairs = [(name, given)]
        for bound, value in pairs:
            if isinstance(value, ast.Call) and value.args:  # Field("…"), SecretStr("…")
                value = value.args[-1]
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield bound, value, value.value


def _is_random(value: str) -> bool:
    """Whether it looks like what a generator of keys gives."""
    if len(value) < 16 or re.search(r"[\s{}<>$]", value) or "://" in value:
        return False
    if re.fullmatch(r"[a-z]+([_-][a-z]+)*|[A-Z]+([_-][A-Z]+)*|[./]?[\w-]+(/[\w.-]+)+", value):
        return False  # words, or a path
    digits = sum(one.isdigit() for one in value)
    return digits >= 3 and _entropy(value) > 3.3


def _entropy(value: str) -> float:
    counts = Counter(value).values()
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts)


def _files(code: Code) -> list[Source]:
    return sorted(served(code), key=lambda source: source.path)


def _plain(node: ast.expr) -> ast.expr:
    """Without .encode() and the like."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return node


def _is_public_key(value: str) -> bool:
    return "BEGIN PUBLIC KEY" in value or "BEGIN CERTIFICATE" in value or "://" in value


def _weak(value: str) -> str:
    return ", and whoever does not can guess it" if len(value) < 16 else ""


def _masked(literal: Literal) -> str:
    shown = literal.value[:4] if len(literal.value) > 8 else literal.value[:2]
    return f"{literal.name} = “{shown}…”" if literal.name else f"“{shown}…”"
