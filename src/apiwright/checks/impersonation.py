"""Routes that take a user's id, asked by one user with the id of another."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apiwright.checks.access import OWNER
from apiwright.checks.app import Answer
from apiwright.checks.forgeries import unverified
from apiwright.checks.nouns import is_user
from apiwright.checks.operations import Operation
from apiwright.checks.stored import Change, Stored
from apiwright.checks.things import Thing, as_far_as_time_allows, canaries_for, things_of
from apiwright.checks.users import User
from apiwright.checks.world import World

ADMIN_PATH = re.compile(
    r"(^|[/_-])(admins?|administration|backoffice|back-office|staff|superusers?|moderators?)([/_-]|$)"
)
_HARM = re.compile(r"log_?-?out|deactivat|passw|token|login")


@dataclass(frozen=True)
class Impersonation:
    operation: Operation
    name: str
    """Of the parameter."""
    answer: Answer
    does: str
    """What the one does with the other's, in words."""
    changes: tuple[Change, ...] = ()
    roles: bool = False
    """What it changes is what the other may do."""


@lru_cache(maxsize=1)
def impersonations(world: World) -> tuple[Impersonation, ...]:
    if world.a is None or world.b is None or unverified(world):
        return ()
    return as_far_as_time_allows(world, _found(world, world.a))


def _found(world: World, a: User) -> Iterator[Impersonation]:
    asked = [
        (operation, name)
        for operation in world.operations
        if not ADMIN_PATH.search(operation.path.lower())
        and not (operation.method != "GET" and _HARM.search(operation.path.lower()))
        if (name := _name(operation)) is not None
    ]
    if not asked:
        return
    other = world.enter("B2")  # who may be spoilt
    if other is None or not _ids(other):
        return
    things = things_of(world)
    theirs = [one for maker in things.makers if (one := things.make(maker, other)) is not None]
    for operation, name in sorted(asked, key=lambda one: one[0].method == "DELETE"):
        for key in _ids(other):
            known = {name: key, **_others(world, operation, theirs)}
            found = _read if operation.method == "GET" else _changed
            said = found(world, a, other, operation, name, known, theirs)
            if said is not None:
                yield said
                break


def _name(operation: Operation) -> str | None:
    """The parameter that is a user's id."""
    for name in operation.path_names:
        if is_user(name, operation.path):
            return name
    for one in operation.parameters:
        if one["in"] == "query" and is_user(one["name"]):
            return str(one["name"])
    return None


def _ids(user: User) -> list[Any]:
    """What may stand for him in a path."""
    names = [user.id, user.known.get("username"), user.known.get("email")]
    return list(dict.fromkeys(one for one in names if one is not None))


def _others(world: World, operation: Operation, theirs: list[Thing]) -> dict[str, Any]:
    things = things_of(world)
    return {
        name: thing.id
        for name in operation.path_names
        for thing in theirs
        if things.maker_of(operation, name) is thing.maker and not is_user(name, operation.path)
    }


def _read(
    world: World,
    a: User,
    other: User,
    operation: Operation,
    name: str,
    known: dict[str, Any],
    theirs: list[Thing],
) -> Impersonation | None:
    mine = world.app.send(operation.request(other, known))
    answer = world.app.send(operation.request(a, known))
    if not (mine.ok and answer.ok) or not _tells(mine, answer, theirs):
        return None
    if world.app.send(operation.request(world.anonymous, known)).ok:
        return None
    return Impersonation(operation, name, answer, "reads what is the other's")


def _tells(mine: Answer, answer: Answer, theirs: list[Thing]) -> bool:
    """Whether something that the other made is in it."""
    texts = [text for one in theirs for text in one.canaries if text in mine.text]
    if texts:
        return any(text in answer.text for text in texts)
    shapes = [one.answer.json for one in theirs if isinstance(one.answer.json, dict)]
    entries = answer.json if isinstance(answer.json, list) else []
    return answer.body == mine.body and any(
        isinstance(one, dict) and one.get("id") == shape.get("id") and set(one) == set(shape)
        for one in entries
        for shape in shapes
    )


def _changed(
    world: World,
    a: User,
    other: User,
    operation: Operation,
    name: str,
    known: dict[str, Any],
    theirs: list[Thing],
) -> Impersonation | None:
    before = Stored(world.database)
    sent = {**canaries_for(operation), **known}
    for field, schema in operation.fields.items():  # a value that is not the usual one
        values = operation.values.resolved(schema).get("enum")
        if values and field not in sent:
            sent[field] = values[-1]
    answer = world.app.send(operation.request(a, sent, whole=True))
    if not answer.ok:
        answer = world.app.send(operation.request(a, sent))
    if not answer.ok:
        return None
    changes = [one for one in before.changes(Stored(world.database)) if _is_of(one, other)]
    if not changes:
        return None
    roles = any(re.search("role|admin|super|staff", str(one)) for one in changes)
    return Impersonation(
        operation, name, answer, "changes what is the other's", tuple(changes), roles
    )


def _is_of(change: Change, user: User) -> bool:
    row = change.row
    if change.table == user.table and user.row is not None:
        return any(row.get(one) == user.row.get(one) for one in ("id", "uuid", "pk") if one in row)
    return any(OWNER.match(name) and str(value) == str(user.id) for name, value in row.items())
