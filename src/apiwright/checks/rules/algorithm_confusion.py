"""The token says how it wants to be verified.

## What it finds

Decoding with no list of algorithms, with the algorithm of the token's own header, with `none` in
the list, or with algorithms for a shared key (`HS256`) and for a public key (`RS256`, `ES256`,
`EdDSA`) in one list; also through settings and constants.

## Why it matters

The header of a token is written by whoever sends it. If it may name the algorithm, he names `none`,
or he signs with `HS256` and takes your public key, which everybody has, for the shared one. Name
the one algorithm that you sign with: `algorithms=["HS256"]`.

## References

- https://cwe.mitre.org/data/definitions/327.html
- https://datatracker.ietf.org/doc/html/rfc8725#section-3.1
"""

import ast
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.literals import written
from apiwright.checks.rule import rule
from apiwright.checks.signing import Signing, is_unverified, signings
from apiwright.checks.taint import routes_by_call
from apiwright.project.code import Code
from apiwright.project.values import Const, Function, Items, Scope, Value

BAD = (
    """
from fastapi import FastAPI
from jose import jwt
import os

app = FastAPI()

@app.get("/me")
def me(token: str) -> dict:
    return jwt.decode(token, os.environ["KEY"])
""",
    """
import os
import jwt
from fastapi import FastAPI

app = FastAPI()

@app.get("/me")
def me(token: str) -> dict:
    header = jwt.get_unverified_header(token)
    return jwt.decode(token, os.environ["KEY"], algorithms=[header["alg"]])
""",
    {
        "app/settings.py": """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    key: str
    algorithms: list[str] = ["HS256", "RS256"]

settings = Settings()
""",
        "app/main.py": """
import jwt
from fastapi import FastAPI

from app.settings import settings

app = FastAPI()

@app.get("/me")
def me(token: str) -> dict:
    return jwt.decode(token, settings.key, algorithms=settings.algorithms)
""",
    },
    """
import os
import jwt
from fastapi import FastAPI

app = FastAPI()

@app.get("/me")
def me(token: str) -> dict:
    return jwt.decode(token, os.environ["KEY"], algorithms=["HS256", "none"])
""",
)
GOOD = """
import os
import jwt
from fastapi import FastAPI
from jose import jwt as jose

ALGORITHM = "HS256"
app = FastAPI()

@app.get("/me")
def me(token: str) -> list[dict]:
    kind = jwt.get_unverified_header(token)["kid"]
    first = jwt.decode(token, os.environ[kind], algorithms=[ALGORITHM])
    return [first, jose.decode(token, os.environ["KEY"], algorithms="HS256")]
"""
_PUBLIC = ("RS", "ES", "PS", "ED")


@rule(severity="high")
def algorithm_confusion(code: Code) -> Iterator[Finding]:
    for signing in signings(code):
        if signing.kind != "decode" or is_unverified(signing.spot):
            continue
        if signing.spot.name.startswith(("authlib.", "joserfc.")):
            continue  # they are told the algorithms elsewhere
        said = _wrong(code, signing)
        if said is not None:
            yield algorithm_confusion.finding(
                signing.spot.at,
                f'{said} Name the one that you sign with: algorithms=["HS256"].',
                related=routes_by_call(code).get(signing.spot.node, ()),
                severity="medium" if said.startswith("No algorithms") else None,
            )


def _wrong(code: Code, signing: Signing) -> str | None:
    spot = signing.spot
    given = spot.argument(2, "algorithms", "algorithm")
    value = spot.value(given)
    if any(one.arg is None for one in spot.node.keywords):
        return None  # **options, which cannot be told
    if given is None or value == Const(None):
        if signing.library == "jose":
            return "Every algorithm is accepted, because none is named."
        return "No algorithms are named: older versions of PyJWT accept every one, newer ones none."
    if given is not None and _from_header(code, given, spot.within):
        return "The token's own header chooses the algorithm."
    names = _names(value)
    if any(name.lower() == "none" for name in names):
        return "The algorithm `none` is accepted, which is no signature."
    shared = [name for name in names if name.upper().startswith("HS")]
    public = [name for name in names if name.upper().startswith(_PUBLIC)]
    if shared and public:
        return f"{shared[0]} and {public[0]} are accepted for one key, which can only be for one."
    return None


def _names(value: Value | None) -> list[str]:
    values = value.values if isinstance(value, Items) else (value,)
    return [one.value for one in values if isinstance(one, Const) and isinstance(one.value, str)]


def _from_header(code: Code, given: ast.expr, within: Function | Scope) -> bool:
    found = [*written(code, given, within)]
    if isinstance(given, ast.List | ast.Tuple):
        found += [one for part in given.elts for one in written(code, part, within)]
    return any(
        isinstance(node, ast.Call)
        and (code.name_of(node.func, where) or "").endswith("get_unverified_header")
        for expression, where in found
        for node in ast.walk(expression)
    )
