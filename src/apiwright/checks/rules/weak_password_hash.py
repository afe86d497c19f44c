"""Passwords are hashed in a way that is quickly undone.

## What it finds

`md5`, `sha1`, `sha256` and their like of something that is called a password; passlib with schemes
such as `md5_crypt` or `plaintext`; `pbkdf2` with few rounds; bcrypt with a cost below 10. Silent
where the digest goes on into bcrypt, argon2 or scrypt, and where it asks a service for leaked
passwords.

## Why it matters

Databases get lost. A graphics card tries billions of SHA-256 a second and all passwords that people
choose in an afternoon; bcrypt, scrypt and argon2 are made to be slow. argon2, or bcrypt with a cost
of 12, does it: `pwdlib.PasswordHash.recommended()`.

## References

- https://cwe.mitre.org/data/definitions/916.html
- https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

import ast
import re
from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.literals import callers, literals, written
from apiwright.checks.reading import Spot, argument, name_in, own_nodes, spots
from apiwright.checks.rule import rule
from apiwright.project.code import Code
from apiwright.project.values import Const, Function, Items

BAD = (
    """
import hashlib
from fastapi import FastAPI

app = FastAPI()

def hash_password(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()

@app.post("/users")
def register(password: str) -> str:
    return hash_password(password)
""",
    {
        "app/hashing.py": """
from hashlib import new

class Hasher:
    algorithm = "md5"

    def digest(self, text):
        return new(self.algorithm, text.encode("utf-8")).hexdigest()
""",
        "app/main.py": """
from fastapi import FastAPI

from app.hashing import Hasher

app = FastAPI()

@app.post("/users")
def register(password: str) -> str:
    return Hasher().digest(password)
""",
    },
    """
from fastapi import FastAPI
from passlib.context import CryptContext

SCHEMES = ["sha1_crypt", "bcrypt"]
passwords = CryptContext(schemes=SCHEMES, deprecated="auto")
app = FastAPI()
""",
    """
import os
import bcrypt
import hashlib
from fastapi import FastAPI

ROUNDS = 4
app = FastAPI()

@app.post("/users")
def register(password: str) -> list[bytes]:
    first = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=ROUNDS))
    return [first, hashlib.pbkdf2_hmac("sha256", password.encode(), os.urandom(16), 1000)]
""",
)
GOOD = """
import base64
import hashlib
import bcrypt
from fastapi import FastAPI
from passlib.context import CryptContext

passwords = CryptContext(schemes=["argon2", "bcrypt", "sha1_crypt"], deprecated="auto")
app = FastAPI()

@app.post("/users")
def register(password: str, avatar: bytes, reset_token: str) -> list[str]:
    digest = base64.b64encode(hashlib.sha256(password.encode()).digest())
    hashed = bcrypt.hashpw(digest, bcrypt.gensalt(12)).decode()
    etag = hashlib.md5(avatar).hexdigest()
    return [hashed, etag, hashlib.sha256(reset_token.encode()).hexdigest()]
"""
_FAST = {
    "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_256", "sha3_512", "blake2b",
    "blake2s", "sha3_224", "sha3_384",
}  # fmt: skip
_DIGESTS = {f"hashlib.{name}" for name in _FAST} | {f"Crypto.Hash.{n.upper()}.new" for n in _FAST}
_WEAK_SCHEMES = {
    "plaintext", "md5_crypt", "sha1_crypt", "des_crypt", "bsdi_crypt", "hex_md5", "hex_sha1",
    "hex_sha256", "hex_sha512", "ldap_md5", "ldap_sha1", "ldap_salted_md5", "ldap_salted_sha1",
    "ldap_plaintext", "mysql323", "mysql41", "nthash", "lmhash", "bigcrypt", "crypt16",
    "apr_md5_crypt", "django_salted_sha1", "django_salted_md5", "roundup_plaintext",
    "unix_disabled",
}  # fmt: skip
_PASSWORD = re.compile(r"(^|_)(password|passwd|pwd|passphrase)\d?$|^pass(word)?$", re.IGNORECASE)
_SLOW = re.compile(r"^(bcrypt|argon2|passlib|pwdlib|scrypt|nacl)\.|^hashlib\.(scrypt|pbkdf2_hmac)$")
_LEAST_COST = 10
_LEAST_ROUNDS = 100_000


@rule(severity="medium")
def weak_password_hash(code: Code) -> Iterator[Finding]:
    for spot in spots(code):
        said = _wrong(code, spot)
        if said is not None:
            yield weak_password_hash.finding(
                spot.at, f"{said} Use argon2, or bcrypt with a cost of 12."
            )


def _wrong(code: Code, spot: Spot) -> str | None:
    name, last = spot.name, spot.name.rpartition(".")[2]
    if name in _DIGESTS or name == "hashlib.new":
        return _of_digest(code, spot)
    if name == "passlib.context.CryptContext":
        return _of_context(spot)
    if name.startswith("passlib.hash.") and last in {"hash", "encrypt", "using"}:
        scheme = name.split(".")[2]
        if scheme in _WEAK_SCHEMES:
            return f"What {scheme} makes of a password is quickly undone."
        return _few(spot, "rounds", "The cost is", _LEAST_COST) if scheme == "bcrypt" else None
    if name == "bcrypt.gensalt":
        return _few(spot, "rounds", "The cost is", _LEAST_COST, place=0)
    if name in {"hashlib.pbkdf2_hmac", "passlib.crypto.digest.pbkdf2_hmac"}:
        return _few(spot, "iterations", "The rounds are", _LEAST_ROUNDS, place=3)
    if last == "BcryptHasher" or name.endswith("BcryptHasher"):
        return _few(spot, "rounds", "The cost is", _LEAST_COST, place=0)
    return None


def _of_digest(code: Code, spot: Spot) -> str | None:
    given, algorithm = spot.argument(0, "string", "data"), spot.name.rpartition(".")[2]
    if spot.name == "hashlib.new":
        names = literals(code, given, spot.within)
        algorithm = next((one.value.lower() for one in names if one.value.lower() in _FAST), "")
        given = spot.argument(1, "data")
    if not algorithm or not _is_password(code, given, spot) or _goes_on(code, spot):
        return None
    return f"The {algorithm} of a password is quickly undone."


def _is_password(code: Code, given: ast.expr | None, spot: Spot) -> bool:
    if given is None:
        return False
    for node in ast.walk(given):
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            if _PASSWORD.search(name_in(node)):
                return True
            if isinstance(node, ast.Name) and isinstance(spot.within, Function):
                if _bound_to_password(node.id, spot.within):
                    return True
                if _passed_password(code, node.id, spot.within):
                    return True
    return False


def _bound_to_password(name: str, within: Function) -> bool:
    return any(
        isinstance(node, ast.Assign)
        and any(name_in(target) == name for target in node.targets)
        and any(
            isinstance(one, ast.Name | ast.Attribute) and _PASSWORD.search(name_in(one))
            for one in ast.walk(node.value)
        )
        for node in own_nodes(within.node)
    )


def _passed_password(code: Code, name: str, within: Function) -> bool:
    """Whether some caller passes a password for the parameter."""
    names = [one.arg for one, _ in within.parameters()]
    if name not in names:
        return False
    skip = 1 if within.owner is not None and names[:1] in (["self"], ["cls"]) else 0
    for _, site in callers(code).get(within.node, ()):
        passed = argument(site.node, names.index(name) - skip, name)
        if passed is not None and _PASSWORD.search(name_in(passed)):
            return True
    return False


def _goes_on(code: Code, spot: Spot) -> bool:
    """Into a slow hash, or to a service that knows leaked passwords."""
    if b"pwnedpasswords" in spot.source.content:
        return True
    within = spot.within
    if not isinstance(within, Function):
        return False
    return any(_SLOW.search(site.name or "") for site in code.calls(within))


def _of_context(spot: Spot) -> str | None:
    schemes = spot.value(spot.argument(0, "schemes"))
    listed = schemes.values if isinstance(schemes, Items) else ()
    names = [one.value for one in listed if isinstance(one, Const)]
    default = spot.value(spot.argument(None, "default"))
    first = default.value if isinstance(default, Const) else next(iter(names), None)
    if first in _WEAK_SCHEMES:
        return f"What {first} makes of a password is quickly undone."
    return _few(spot, "bcrypt__rounds", "The cost is", _LEAST_COST) or _few(
        spot, "pbkdf2_sha256__rounds", "The rounds are", 30_000
    )


def _few(spot: Spot, name: str, what: str, least: int, place: int | None = None) -> str | None:
    for found, _ in written(spot.code, spot.argument(place, name), spot.within):
        value = found.value if isinstance(found, ast.Constant) else None
        if isinstance(value, int) and value < least:
            return f"{what} {value}, which is quickly undone."
    return None
