"""A refresh token opens what only an access token should.

## What it finds

Projects that sign both kinds of token with one key, and whose routes decode a token without asking
which kind it is: no claim such as `type` is read, and no audience is given. Silent where the keys
differ, and where it cannot be told how one of them is made.

## Why it matters

A refresh token lives for days or weeks so that the access token may live for minutes. If it is
accepted as one, every token is a long one, and what is stolen from a cookie or a phone works all
that time. Put `type` into both and refuse the other kind.

## References

- https://datatracker.ietf.org/doc/html/rfc8725#section-3.12
- https://cwe.mitre.org/data/definitions/613.html
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.claims import asks_type
from apiwright.checks.findings import Finding, Where
from apiwright.checks.reading import functions, name_in, own_nodes
from apiwright.checks.rule import rule
from apiwright.checks.signing import Signing, is_unverified, signings
from apiwright.project.code import Code, Handler
from apiwright.project.values import Function

_TOKENS = """
import os
from datetime import datetime, timedelta, timezone
import jwt

KEY = os.environ["KEY"]

def create_token(data: dict, lifetime: timedelta) -> str:
    payload = {{**data, "exp": datetime.now(timezone.utc) + lifetime}}
    return jwt.encode(payload, KEY, algorithm="HS256")

def read_token(token: str{parameter}) -> str:
    claims = jwt.decode(token, KEY, algorithms=["HS256"])
{check}    return claims["sub"]
"""
_MAIN = """
from datetime import timedelta
from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordBearer

from app.tokens import create_token, read_token

app = FastAPI()
scheme = OAuth2PasswordBearer(tokenUrl="login")

def current_user(token: str = Depends(scheme)) -> str:
    return read_token(token{argument})

@app.post("/login")
def login(name: str) -> dict[str, str]:
    refresh_token = create_token({{"sub": name, "type": "refresh"}}, timedelta(days=30))
    access = create_token({{"sub": name, "type": "access"}}, timedelta(minutes=5))
    return {{"access_token": access, "refresh_token": refresh_token}}

@app.get("/me")
def me(user: str = Depends(current_user)) -> str:
    return user
"""
BAD = {
    "app/tokens.py": _TOKENS.format(parameter="", check=""),
    "app/main.py": _MAIN.format(argument=""),
}
GOOD = {
    "app/tokens.py": _TOKENS.format(
        parameter=", kind: str",
        check='    if claims.get("type") != kind:\n        raise ValueError(kind)\n',
    ),
    "app/main.py": _MAIN.format(argument=', "access"'),
}
_REFRESH = re.compile(r"refresh_?(token|jwt)?$", re.IGNORECASE)


@rule(severity="medium")
def refresh_token_as_access(code: Code) -> Iterator[Finding]:
    encodes = {one.spot.node: one for one in signings(code) if one.kind == "encode"}
    keys = {_key(encodes[node]) for node in _minted(code, encodes)}
    if not keys:
        return
    found: dict[ast.AST, tuple[Signing, list[Where]]] = {}
    for handler in code.handlers():
        if handler.route.protection not in ("login", "admin"):
            continue
        for function in _logins(code, handler):
            for signing in _decoding(code, function):
                asked = asks_type(code, function) and not _takes_either(code, function)
                if _key(signing) in keys and not asked:
                    route = Where(method=handler.route.method, path=handler.route.path)
                    found.setdefault(signing.spot.node, (signing, []))[1].append(route)
    for signing, routes in found.values():
        yield refresh_token_as_access.finding(
            signing.spot.at,
            "Refresh tokens are signed with the same key, and nothing asks which kind this one is:"
            " a refresh token works as an access token. Put the kind into both, and refuse the"
            " other.",
            related=routes,
        )


def _logins(code: Code, handler: Handler) -> Iterator[Function]:
    """What asks who is there, of what the route depends on."""
    for wanted in handler.wanted:
        if code.protects(wanted) in ("login", "admin"):
            function = code.provider(wanted)
            if function is not None:
                yield function
                yield from _below(code, function)


def _below(code: Code, function: Function) -> Iterator[Function]:
    for one in code.dependencies(function):
        yield one
        yield from _below(code, one)


def _takes_either(code: Code, function: Function) -> bool:
    """read(token, "access") or read(token, "refresh")"""
    texts = {
        node.value
        for inside, _ in code.reached(function)
        for call in own_nodes(inside.node)
        if isinstance(call, ast.Call) and "refresh" not in inside.qualified.lower()
        for node in (*call.args, *(one.value for one in call.keywords))
        if isinstance(node, ast.Constant) and node.value in ("access", "refresh")
    }
    return texts == {"access", "refresh"}


def _minted(code: Code, encodes: dict[ast.Call, Signing]) -> Iterator[ast.Call]:
    """The calls that sign what is called a refresh token."""
    for function in functions(code):
        targets = {
            site.node: site.target for site in code.calls(function) if site.target is not None
        }
        for node in own_nodes(function.node):
            for name, value in _bound(node):
                if not _REFRESH.search(name):
                    continue
                for call in ast.walk(value):
                    if isinstance(call, ast.Call):
                        if call in encodes:
                            yield call
                        elif call in targets:
                            yield from _reached(code, targets[call], encodes)


def _reached(
    code: Code, function: Function, encodes: dict[ast.Call, Signing]
) -> Iterator[ast.Call]:
    for inside, _ in code.reached(function):
        for site in code.calls(inside):
            if site.node in encodes:
                yield site.node


def _bound(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign():
            yield from ((name_in(target), node.value) for target in node.targets)
        case ast.AnnAssign() if node.value is not None:
            yield name_in(node.target), node.value
        case ast.keyword(arg=str() as name):
            yield name, node.value
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    yield str(key.value), value


def _decoding(code: Code, function: Function) -> Iterator[Signing]:
    decodes = {one.spot.node: one for one in signings(code) if one.kind == "decode"}
    for inside, _ in code.reached(function, threads=True):
        for site in code.calls(inside):
            if site.node in decodes and not is_unverified(decodes[site.node].spot):
                yield decodes[site.node]


def _key(signing: Signing) -> str:
    """As it is written, without `self`: settings.secret_key."""
    text = "" if signing.key is None else ast.unparse(signing.key)
    return re.sub(r"^(self|cls)\.|\(\)", "", text)
