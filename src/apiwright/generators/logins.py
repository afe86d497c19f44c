"""How somebody signs up and signs in to an app, as its OpenAPI document tells.

Values are code, as in generators/samples.py, for tests and for the trial of two users; `name` is
whom it is for.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apiwright.generators import samples

PASSWORD = '"Correct-horse-42"'  # noqa: S105  # of tests
_EMAIL = 'f"{name}@example.com"'
_SIGN_IN = re.compile(r"(log|sign)[-_]?in|(access[-_])?tokens?|authenticate|auth", re.IGNORECASE)
_SIGN_UP = re.compile(r"register|registration|sign[-_]?up|users?|accounts?|create", re.IGNORECASE)
_NAMES = ("username", "user_name", "login", "nickname", "identifier")


@dataclass(frozen=True)
class Login:
    register: str | None
    """The path that makes an account."""
    account: str
    """What is sent there."""
    path: str
    """That of the login."""
    credentials: str
    form: bool
    """Whether they are a form, as OAuth has it, not JSON."""
    token: tuple[str, ...] = ()
    """Where it is in the answer; known once it was tried."""
    scheme: str = "Bearer"


def of(document: Mapping[str, Any]) -> Iterator[Login]:
    """Those that could be it, the likeliest first."""
    for path, body, is_form in _sign_ins(document):
        for register, account in _sign_ups(document, path):
            for named in _named(body, account, document):
                credentials = _body(body, document, named)
                yield Login(register, _body(account, document, {}), path, credentials, is_form)


def _sign_ins(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """OAuth's own path first."""
    token_paths = [
        flow.get("tokenUrl", "").strip("/")
        for scheme in document.get("components", {}).get("securitySchemes", {}).values()
        for flow in scheme.get("flows", {}).values()
    ]
    found = []
    for path, schema, is_form in _posts(document):
        told = any(url and path.strip("/").endswith(url) for url in token_paths)
        named = _SIGN_IN.fullmatch(path.rstrip("/").rpartition("/")[2])
        if (told or named) and _password(schema, document):
            found.append((not told, not is_form, path, schema, is_form))
    for _, _, path, schema, is_form in sorted(found, key=lambda each: each[:3]):
        yield path, schema, is_form


def _sign_ups(document: Mapping[str, Any], sign_in: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = []
    for path, schema, is_form in _posts(document):
        last = path.rstrip("/").rpartition("/")[2]
        operation = document["paths"][path]["post"]
        if path == sign_in or is_form or not _password(schema, document):
            continue
        if "{" not in path and _SIGN_UP.fullmatch(last):
            found.append((bool(operation.get("security")), last.startswith("user"), path, schema))
    for _, _, path, schema in sorted(found, key=lambda each: each[:3]):
        yield path, schema


def _posts(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    for path, operations in document["paths"].items():
        content = operations.get("post", {}).get("requestBody", {}).get("content", {})
        for kind, is_form in (
            ("application/json", False),
            ("application/x-www-form-urlencoded", True),
        ):
            if kind in content:
                yield path, resolved(content[kind].get("schema", {}), document), is_form


def resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema or "allOf" in schema or "anyOf" in schema:
        inner = schema.get("allOf") or schema.get("anyOf") or [schema]
        if "$ref" not in inner[0]:
            return inner[0]  # type: ignore[no-any-return]  # of a JSON document
        name = inner[0]["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
    return schema


def _properties(
    schema: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """With those of an object within: {"user": {…}}"""
    for name, value in schema.get("properties", {}).items():
        inner = resolved(value, document)
        if inner.get("type") == "object":
            yield from _properties(inner, document)
        else:
            yield name, inner


def _password(schema: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    return any("password" in name.lower() for name, _ in _properties(schema, document))


def _named(
    sign_in: Mapping[str, Any], account: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[dict[str, str]]:
    """What is called a username may be that of the account, or its email."""
    names = [name for name, _ in _properties(account, document)]
    asked = [name for name, _ in _properties(sign_in, document)]
    has_name = any(name in _NAMES for name in names)
    has_email = any("email" in name for name in names)
    if has_name or not has_email:
        yield {}
    if has_email and any(name in _NAMES for name in asked):
        yield dict.fromkeys(_NAMES, _EMAIL)
    elif not has_name:
        yield {}


def _body(schema: Mapping[str, Any], document: Mapping[str, Any], named: dict[str, str]) -> str:
    required = schema.get("required", ())
    parts = []
    for name, value in schema.get("properties", {}).items():
        inner = resolved(value, document)
        code = named.get(name) or _value(name, inner)
        if code is None and inner.get("type") == "object" and _password(inner, document):
            code = _body(inner, document, named)
        if code is None and name in required:
            code = samples.of_schema(value, document)
        if code is not None:
            parts.append(f'"{name}": {code}')
    return f"{{{', '.join(parts)}}}"


def _value(name: str, schema: Mapping[str, Any]) -> str | None:
    lowered = name.lower()
    if "password" in lowered:
        return PASSWORD
    if "email" in lowered or schema.get("format") == "email":
        return _EMAIL
    if lowered in _NAMES:
        return "name"
    return None
