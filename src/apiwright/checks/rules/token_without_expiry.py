"""A token that is valid for ever.

## What it finds

Tokens that are signed without `exp` in what they hold, also where the payload is made elsewhere or
passed by a caller who leaves it out, and tokens that are verified with `verify_exp: False`. Silent
where it cannot be told what a token holds.

## Why it matters

Tokens are stolen from logs, histories and other people's machines. One without an end opens the
account until the key is changed, for everybody at once. Minutes are enough for an access token; a
refresh token of some days brings the next one.

## References

- https://cwe.mitre.org/data/definitions/613.html
- https://datatracker.ietf.org/doc/html/rfc7519#section-4.1.4
"""

from collections.abc import Iterator

from apiwright.checks.claims import Claims, payloads
from apiwright.checks.findings import Finding
from apiwright.checks.rule import rule, where
from apiwright.checks.signing import Signing, is_unverified, option, signings
from apiwright.checks.taint import routes_by_call
from apiwright.project.code import Code
from apiwright.project.values import Const

BAD = (
    """
import os
import jwt
from fastapi import FastAPI

app = FastAPI()

@app.post("/login")
def login(name: str) -> str:
    return jwt.encode({"sub": name}, os.environ["KEY"], algorithm="HS256")
""",
    {
        "app/tokens.py": """
import os
from datetime import datetime, timedelta, timezone
from jose import jwt

def create_token(data: dict, lifetime: timedelta | None = None) -> str:
    to_encode = data.copy()
    if lifetime:
        to_encode.update({"exp": datetime.now(timezone.utc) + lifetime})
    return jwt.encode(to_encode, os.environ["KEY"], algorithm="HS256")
""",
        "app/main.py": """
from fastapi import FastAPI

from app.tokens import create_token

app = FastAPI()

@app.post("/login")
def login(name: str) -> str:
    return create_token({"sub": name})
""",
    },
    """
import os
import jwt
from fastapi import FastAPI

OPTIONS = {"verify_exp": False}
app = FastAPI()

@app.get("/me")
def me(token: str) -> dict:
    return jwt.decode(token, os.environ["KEY"], algorithms=["HS256"], options=OPTIONS)
""",
)
GOOD = (
    {
        "app/tokens.py": """
import os
from datetime import datetime, timedelta, timezone
from jose import jwt

EXPIRES = "exp"

def create_token(data: dict, lifetime: timedelta | None = None) -> str:
    to_encode = data.copy()
    if lifetime:
        expire = datetime.now(timezone.utc) + lifetime
    else:
        expire = datetime.now(timezone.utc) + timedelta(minutes=15)
    to_encode.update({EXPIRES: expire})
    return jwt.encode(to_encode, os.environ["KEY"], algorithm="HS256")

def create_other(data: dict, lifetime: timedelta | None = None) -> str:
    payload = {"iat": datetime.now(timezone.utc), **data}
    if lifetime is not None:
        payload["exp"] = datetime.now(timezone.utc) + lifetime
    return jwt.encode(claims=payload, key=os.environ["KEY"], algorithm="HS256")
""",
        "app/main.py": """
from datetime import timedelta
from fastapi import FastAPI

from app.tokens import create_other, create_token

app = FastAPI()

@app.post("/login")
def login(name: str) -> list[str]:
    return [create_token({"sub": name}), create_other({"sub": name}, timedelta(days=1))]
""",
    },
)
_MAY_BE_OLD = ("refresh", "logout", "revoke", "black", "deny", "expire", "renew", "rotate")


@rule(severity="medium")
def token_without_expiry(code: Code) -> Iterator[Finding]:
    for signing in signings(code):
        if signing.kind == "encode" and signing.spot.name != "jose.jws.sign":
            yield from _signed(code, signing)
        elif signing.kind == "decode" and not is_unverified(signing.spot):
            name = signing.spot.within.qualified.lower()
            off = option(signing.spot, "verify_exp") == Const(False)
            if off and not any(word in name for word in _MAY_BE_OLD):
                yield token_without_expiry.finding(
                    signing.spot.at,
                    "Tokens that have ended are accepted. Leave `verify_exp` out.",
                    related=routes_by_call(code).get(signing.spot.node, ()),
                )


def _signed(code: Code, signing: Signing) -> Iterator[Finding]:
    spot = signing.spot
    place = 1 if spot.name.startswith(("authlib.", "joserfc.")) else 0
    found = payloads(code, spot.argument(place, "payload", "claims"), spot.within)
    endless = [one for one in found if _is_endless(one)]
    if endless:
        yield token_without_expiry.finding(
            spot.at,
            "The token that is signed here has no `exp`, so it is valid for ever. Add one, some"
            " minutes from now.",
            related=[
                *(where(one.at) for one in endless),
                *routes_by_call(code).get(spot.node, ()),
            ],
        )


def _is_endless(claims: Claims) -> bool:
    if "exp" in claims.names:
        return False
    given = {parameter for claim, parameter in claims.perhaps if claim == "(given)"}
    depends = {parameter for claim, parameter in claims.perhaps if claim == "exp"}
    return not (depends & given) and "?" not in depends
