"""Where tokens are signed and verified: the calls of the libraries that do it, and their keys."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from apiwright.checks.reading import Spot, spots
from apiwright.project.code import Code
from apiwright.project.values import Const, Table, Value

_ENCODE = {
    "jwt.encode", "jwt.PyJWT.encode", "jwt.api_jwt.encode", "jwt.PyJWT().encode",
    "jose.jwt.encode", "authlib.jose.jwt.encode", "joserfc.jwt.encode", "jose.jws.sign",
}  # fmt: skip
_DECODE = {
    "jwt.decode", "jwt.PyJWT.decode", "jwt.api_jwt.decode", "jwt.PyJWT().decode",
    "jose.jwt.decode", "authlib.jose.jwt.decode", "joserfc.jwt.decode",
    "jwt.decode_complete", "jose.jws.verify",
}  # fmt: skip
_KEYED = {  # what else takes a key that must be secret, and how it is passed
    "starlette.middleware.sessions.SessionMiddleware": (1, "secret_key"),
    "itsdangerous.URLSafeTimedSerializer": (0, "secret_key"),
    "itsdangerous.URLSafeSerializer": (0, "secret_key"),
    "itsdangerous.TimestampSigner": (0, "secret_key"),
    "itsdangerous.Signer": (0, "secret_key"),
    "itsdangerous.url_safe.URLSafeTimedSerializer": (0, "secret_key"),
    "fastapi_users.authentication.JWTStrategy": (0, "secret"),
    "fastapi_users.authentication.strategy.JWTStrategy": (0, "secret"),
    "fastapi_users.jwt.generate_jwt": (1, "secret"),
    "fastapi_login.LoginManager": (0, "secret"),
    "hmac.new": (0, "key"),
    "hmac.digest": (0, "key"),
    "cryptography.fernet.Fernet": (0, "key"),
    "fastapi_csrf_protect.CsrfProtect": (0, "secret_key"),
}


@dataclass(frozen=True, eq=False)
class Signing:
    spot: Spot
    kind: str
    """"encode", "decode", or "other"."""
    key: ast.expr | None

    @property
    def library(self) -> str:
        return "jose" if self.spot.name.startswith("jose.") else "jwt"


@lru_cache(maxsize=4)
def signings(code: Code) -> tuple[Signing, ...]:
    return tuple(_signings(code))


def _signings(code: Code) -> Iterator[Signing]:
    for spot in spots(code):
        name = spot.name
        if name in _ENCODE:
            place = 2 if name.startswith("authlib.") else 1
            yield Signing(spot, "encode", spot.argument(place, "key"))
        elif name in _DECODE:
            yield Signing(spot, "decode", spot.argument(1, "key"))
        elif name in _KEYED:
            place, keyword = _KEYED[name]
            yield Signing(spot, "other", spot.argument(place, keyword))
        elif name.endswith(".add_middleware") or name == "starlette.middleware.Middleware":
            middleware = spot.argument(0, "middleware_class", "cls")
            inner = spot.code.name_of(middleware, spot.within) if middleware else None
            if inner in _KEYED:
                yield Signing(spot, "other", spot.argument(None, _KEYED[inner][1]))


def option(spot: Spot, name: str) -> Value | None:
    """`options={"verify_exp": False}` of a decode, whatever way the dictionary comes."""
    options = spot.value(spot.argument(None, "options"))
    return options.values.get(name) if isinstance(options, Table) else None


def is_unverified(spot: Spot) -> bool:
    """Whether the signature is not checked."""
    return (
        option(spot, "verify_signature") == Const(False)
        or spot.value(spot.argument(None, "verify")) == Const(False)
        or spot.name in UNVERIFIED
    )


UNVERIFIED = {
    "jose.jwt.get_unverified_claims", "jose.jws.get_unverified_claims",
    "jwt.get_unverified_claims", "jwt.api_jwt.decode_unverified",
}  # fmt: skip
