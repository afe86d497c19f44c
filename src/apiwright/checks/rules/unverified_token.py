"""A token is read without checking who signed it.

## What it finds

Tokens from the request that are decoded with `verify_signature: False`, `verify=False`,
`get_unverified_claims`, or by hand (`base64` of one of their parts), and of which the claims are
then used. Silent where the same token is verified as well, as when the issuer is looked up first;
not where it is read this way because it was refused.

## Why it matters

Without the signature a token is a text that anybody can write: `{"sub": "1", "role": "admin"}`
makes him the administrator. Decode with the key and the list of algorithms.

## References

- https://cwe.mitre.org/data/definitions/347.html
- https://pyjwt.readthedocs.io/en/stable/usage.html
"""

import ast
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.reading import own_nodes
from apiwright.checks.rule import rule
from apiwright.checks.signing import UNVERIFIED, signings
from apiwright.checks.taint import NOTHING, Reached, Taint, flows, told
from apiwright.project.code import Code
from apiwright.project.values import Const, Table

BAD = (
    """
import jwt
from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordBearer

app = FastAPI()
scheme = OAuth2PasswordBearer(tokenUrl="login")

def user_id(token: str = Depends(scheme)) -> str:
    return jwt.decode(token, options={"verify_signature": False})["sub"]

@app.get("/me")
def me(user: str = Depends(user_id)) -> str:
    return user
""",
    {
        "app/tokens.py": """
from jose import jwt

class Tokens:
    def read(self, token):
        return jwt.get_unverified_claims(token)
""",
        "app/main.py": """
from typing import Annotated
from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.tokens import Tokens

app = FastAPI()

async def current(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
    tokens: Annotated[Tokens, Depends()],
):
    return tokens.read(credentials.credentials)

@app.get("/me")
async def me(user: Annotated[dict, Depends(current)]) -> dict:
    return user
""",
    },
    """
import base64
import json
from fastapi import FastAPI, Header

app = FastAPI()

@app.get("/me")
def me(authorization: str = Header()) -> str:
    token = authorization.removeprefix("Bearer ")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return claims["sub"]
""",
)
GOOD = """
import jwt
from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordBearer

app = FastAPI()
scheme = OAuth2PasswordBearer(tokenUrl="login")
KEYS: dict[str, str] = {}

def user_id(token: str = Depends(scheme)) -> str:
    issuer = jwt.decode(token, options={"verify_signature": False})["iss"]
    return jwt.decode(token, KEYS[issuer], algorithms=["HS256"])["sub"]

@app.get("/me")
def me(user: str = Depends(user_id)) -> str:
    return user
"""
_DECODES = {"jwt.decode", "jose.jwt.decode", "jwt.decode_complete", "authlib.jose.jwt.decode"}
_BASE64 = {"base64.b64decode", "base64.urlsafe_b64decode", "base64.standard_b64decode"}


@rule(severity="high")
def unverified_token(code: Code) -> Iterator[Finding]:
    verified = _verified(code)
    for one in told(code, _read):
        known = verified.get(one.call.handler.function.node, frozenset())
        if one.taint.sent & known and not _is_fallback(one.call):
            continue
        if one.call.name in _BASE64 and not _reads_claims(one.call):
            continue
        yield unverified_token.finding(
            one.at,
            "The token is read without checking its signature: anybody can write one, for any"
            " user. Decode it with the key and a list of algorithms.",
            route=one.route,
            related=one.routes,
        )


def _is_fallback(call: Reached) -> bool:
    """Whether it is what happens when the token was refused."""
    return any(
        call.site.node in ast.walk(node)
        for node in own_nodes(call.frame.function.node)
        if isinstance(node, ast.ExceptHandler)
    )


def _read(call: Reached) -> Taint:
    name = call.name
    if name in UNVERIFIED or (name in _DECODES and _is_unverified(call)):
        return call.taint(0, "jwt", "token", "s")[1]
    if name in _BASE64:
        argument, taint = call.taint(0, "s")
        return taint if argument is not None and _is_part(call, argument) else NOTHING
    return NOTHING


def _is_unverified(call: Reached) -> bool:
    given = dict(call.site.keywords)
    options = given.get("options")
    if isinstance(options, Table) and options.values.get("verify_signature") == Const(False):
        return True
    return given.get("verify") == Const(False)


def _verified(code: Code) -> dict[ast.AST, frozenset[object]]:
    """By handler, what is sent there and verified on its way."""
    found: dict[ast.AST, frozenset[object]] = {}
    checking = {one.spot.node for one in signings(code) if one.kind == "decode"}
    for flow in flows(code):
        node = flow.handler.function.node
        for call in flow.calls:
            if call.site.node in checking and not _is_unverified(call):
                taint = call.taint(0, "jwt", "token", "s")[1]
                found[node] = found.get(node, frozenset()) | taint.sent
    return found


def _is_part(call: Reached, argument: ast.expr) -> bool:
    """Whether it is one of the parts between the dots: token.split(".")[1]."""
    texts = [argument]
    names = {one.id for one in ast.walk(argument) if isinstance(one, ast.Name)}
    for node in own_nodes(call.frame.function.node):
        if isinstance(node, ast.Assign):
            bound = {
                one.id
                for target in node.targets
                for one in ast.walk(target)
                if isinstance(one, ast.Name)
            }
            if bound & names:
                texts.append(node.value)
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"split", "rsplit", "partition"}
        and [one.value for one in node.args if isinstance(one, ast.Constant)][:1] == ["."]
        for text in texts
        for node in ast.walk(text)
    )


def _reads_claims(call: Reached) -> bool:
    """Whether the same function reads JSON, and computes no signature of its own."""
    code = call.frame.flow.code
    names = {
        code.name_of(node.func, call.frame.function) or ""
        for node in own_nodes(call.frame.function.node)
        if isinstance(node, ast.Call)
    }
    return "json.loads" in names and not any(name.startswith("hmac.") for name in names)
