"""Who is let in where, measured: each route is asked by nobody, by a user, and with forged tokens.

A route may look bare and verify the token in its service, or look guarded and be open; what its
answers say decides.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import uuid4

from apiwright.checks.app import Answer
from apiwright.checks.nouns import is_user
from apiwright.checks.operations import Operation
from apiwright.checks.users import User, is_refused
from apiwright.checks.world import World

_NOT_ASKED = re.compile(
    r"log_?-?(in|out)|sign_?-?(in|out|up)|regist|passw|reset|verif|confirm|refresh|revoke"
    r"|deactivat|activat|token|unregist|forgot|otp|2fa|mfa|close_?account"
)
"""They would change who a user is, or are there for those who are not logged in."""
_ENTRANCE = re.compile(
    r"log_?-?in|sign_?-?(in|up)|regist|forgot|reset|recover|verif|confirm|activat|refresh|token"
    r"|oauth|authorize|callback|otp|2fa|mfa|csrf|well-known|jwks"
)
_SLOWEST = 1.0
_MOST = 60


@dataclass(frozen=True, eq=False)
class Reach:
    """A route, asked twice with the same values."""

    operation: Operation
    known: dict[str, Any]
    nobody: Answer
    user: Answer

    @property
    def is_guarded(self) -> bool:
        """A login is what makes the difference."""
        if self.user.status is None or self.user.status >= 500 or is_refused(self.user):
            return False
        if self.user.ok:
            return self.nobody.status is not None and 300 <= self.nobody.status < 500
        return is_refused(self.nobody)


@lru_cache(maxsize=1)
def reach(world: World) -> tuple[Reach, ...]:
    """Of the routes that may be asked without harm. Ids of things are of none."""
    return tuple(_reach(world, world.a)) if world.a else ()


def _reach(world: World, user: User) -> Iterator[Reach]:
    asked = [one for one in world.operations if _is_harmless(one)]
    asked.sort(key=lambda one: (one.method != "GET", bool(one.path_names)))
    for operation in asked[:_MOST]:
        known = _ids_of_nothing(operation) | _ids_of(user, operation)
        answer = world.app.send(operation.request(user, known))
        if answer.seconds < _SLOWEST and not answer.cut:
            nobody = world.app.send(operation.request(world.anonymous, known))
            yield Reach(operation, known, nobody, answer)


def is_entrance(operation: Operation) -> bool:
    """Whether it is there for those who are not logged in yet."""
    return bool(_ENTRANCE.search(f"{operation.path} {operation.route.name}".lower()))


def let_in(world: World, user: User, *, only_ok: bool = False) -> list[Answer]:
    """The answers of guarded routes that take somebody for the user A. `only_ok`: where A himself
    is answered well, so that 404 does not count."""
    found = []
    for one in reach(world):
        if one.is_guarded and (one.user.ok or not only_ok):
            known = one.known | _ids_of(user, one.operation)
            answer = world.app.send(one.operation.request(user, known))
            if answer.status == one.user.status:
                found.append(answer)
    return found


def _is_harmless(operation: Operation) -> bool:
    text = f"{operation.path} {operation.route.name}".lower()
    if operation.method == "GET":
        return not re.search(r"log_?-?out|sign_?-?out|delete|revoke", text)
    if _NOT_ASKED.search(text):
        return False
    return operation.method == "POST" or bool(operation.path_names)


def _ids_of(user: User, operation: Operation) -> dict[str, Any]:
    """Where a route is about the user, and does not change him."""
    if user.id is None or operation.method not in ("GET", "POST"):
        return {}
    return {
        name: user.known.get(name, user.id)
        for name in operation.path_names
        if is_user(name, operation.path)
    }


def _ids_of_nothing(operation: Operation) -> dict[str, Any]:
    """Only where there is an id to be made up: names of people and things might be real."""
    found: dict[str, Any] = {}
    for one in operation.parameters:
        if one["in"] == "path":
            schema = operation.values.resolved(one.get("schema", {}))
            if schema.get("type") == "integer":
                found[one["name"]] = min(schema.get("maximum", 987654), 987654)
            elif schema.get("format") == "uuid":
                found[one["name"]] = str(uuid4())
            elif "enum" not in schema and "pattern" not in schema:
                found[one["name"]] = uuid4().hex
    return found
