"""Fields that a client should not set, sent along: roles, and whose something is."""

import json as jsons
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

from apiwright.checks.access import OWNER
from apiwright.checks.app import Answer, Request
from apiwright.checks.impersonation import ADMIN_PATH
from apiwright.checks.operations import Operation
from apiwright.checks.stored import Change, Row, Stored
from apiwright.checks.things import Thing, as_far_as_time_allows, canaries_for, spare, things_of
from apiwright.checks.users import User
from apiwright.checks.values import PASSWORD
from apiwright.checks.world import World

_ROLE = re.compile(
    r"^(user_?)?(role|roles|access_?level|permission_?level|permissions|is_?admin|admin"
    r"|is_?super_?user|is_?staff|is_?super_?admin|is_?moderator|user_?type|account_?type)$",
    re.IGNORECASE,
)
_NOT_ASKED = re.compile(r"log_?-?(in|out)|token|refresh|verif|reset|forgot|deactivat|passw")


@dataclass(frozen=True)
class Assigned:
    operation: Operation
    column: str
    value: Any
    answer: Answer
    owner: bool
    """It says whose it is; else what somebody may do."""


@lru_cache(maxsize=1)
def assigned(world: World) -> tuple[Assigned, ...]:
    if world.a is None or world.b is None:
        return ()
    return as_far_as_time_allows(
        world, chain(_roles(world, world.a), _owners(world, world.a, world.b))
    )


# roles


def _roles(world: World, a: User) -> Iterator[Assigned]:
    given = _privileges(a, world.admin)
    if not given:
        return
    for operation in world.operations:
        if operation.content is None or _is_for_others(operation):
            continue
        fields = " ".join(operation.fields)
        if operation.method == "POST" and re.search("passw", fields, re.IGNORECASE):
            yield from _registered(world, a, operation, given)
        elif operation.method in ("PUT", "PATCH", "POST"):
            yield from _updated(world, a, operation, given)


def _privileges(a: User, admin: User | None) -> dict[str, Any]:
    """Columns of a user's row that say what he may do, and a value that lets him do more."""
    found: dict[str, Any] = {}
    for name, value in (a.row or {}).items():
        if not _ROLE.match(name):
            continue
        more = (admin.row or {}).get(name) if admin is not None else None
        if more is None or more == value:
            more = True if isinstance(value, bool) or value in (0, 1) else "admin"
        if isinstance(value, int) and more in (0, 1) and name.lower().startswith("is"):
            more = bool(more)
        found[name] = more
    return found


def _registered(
    world: World, a: User, operation: Operation, given: Mapping[str, Any]
) -> Iterator[Assigned]:
    for names in _sets(given):
        before = Stored(world.database)
        request = operation.request(known=_with_passwords(operation))
        answer = world.app.send(_with(request, operation, {one: given[one] for one in names}))
        if not answer.ok:
            continue
        new = [one for one in before.changes(Stored(world.database)) if one.before is None]
        for change in new:
            if change.table == a.table:
                yield from _taken(operation, answer, change.row, given, a.row or {})
                return


def _updated(
    world: World, a: User, operation: Operation, given: Mapping[str, Any]
) -> Iterator[Assigned]:
    """Of one's own account: a POST that makes something else changes no user."""
    if operation.path_names and not _is_own(operation):
        return
    if operation.method == "POST" and not re.search("me|profile|account|user", operation.path):
        return
    user = spare(world)
    if user is None or user.table is None:
        return
    known = {**canaries_for(operation), **_with_passwords(operation)}
    known |= dict.fromkeys(operation.path_names, user.id)
    for names in _sets(given):
        before = Stored(world.database)
        request = operation.request(user, known)
        answer = world.app.send(_with(request, operation, {one: given[one] for one in names}))
        if not answer.ok:
            continue
        for change in before.changes(Stored(world.database)):
            if change.table == user.table and change.before is not None:
                yield from _taken(operation, answer, change.row, given, change.before)
                return


def _sets(given: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """All at once, then one after another: a strict schema refuses what it does not know."""
    yield tuple(given)
    if len(given) > 1:
        yield from ((one,) for one in given)


def _taken(
    operation: Operation, answer: Answer, row: Row, given: Mapping[str, Any], usual: Row
) -> Iterator[Assigned]:
    for name, value in given.items():
        if row.get(name) == value and usual.get(name) != value:
            yield Assigned(operation, name, value, answer, owner=False)
            return


# owners


def _owners(world: World, a: User, b: User) -> Iterator[Assigned]:
    things = things_of(world)
    for maker in things.makers:
        if maker.method != "POST" or maker.content is None or _is_for_others(maker):
            continue
        before = Stored(world.database)
        thing = things.make(maker, a)
        if thing is None:
            continue
        changes = before.changes(Stored(world.database))
        columns = _columns(changes, a)
        if not columns:
            continue
        yield from _made_for(world, a, b, maker, thing, columns)
        for operation in things.addressed_by(maker):
            if operation.method in ("PUT", "PATCH") and operation.content is not None:
                yield from _given_to(world, a, b, maker, operation, columns)


def _columns(changes: list[Change], a: User) -> dict[str, str]:
    """That hold A's id in a new row, and the table."""
    return {
        name: change.table
        for change in changes
        if change.before is None
        for name, value in change.row.items()
        if OWNER.match(name) and str(value) == str(a.id)
    }


def _made_for(
    world: World, a: User, b: User, maker: Operation, thing: Thing, columns: Mapping[str, str]
) -> Iterator[Assigned]:
    other = things_of(world).make(maker, a)  # for ids that may not be used twice
    ids = {name: one for name, one in (other or thing).known.items() if name not in columns}
    before = Stored(world.database)
    request = maker.request(a, {**ids, **canaries_for(maker), **dict.fromkeys(columns, b.id)})
    answer = world.app.send(_with(request, maker, dict.fromkeys(columns, b.id)))
    if answer.ok:
        for change in before.changes(Stored(world.database)):
            if change.before is None:
                yield from _belongs(maker, answer, change, columns, b)


def _given_to(
    world: World,
    a: User,
    b: User,
    maker: Operation,
    operation: Operation,
    columns: Mapping[str, str],
) -> Iterator[Assigned]:
    things = things_of(world)
    thing = things.make(maker, a)
    known = things.known(operation, thing) if thing is not None else None
    if known is None:
        return
    before = Stored(world.database)
    given = dict.fromkeys(columns, b.id)
    request = operation.request(a, {**canaries_for(operation), **known, **given})
    answer = world.app.send(_with(request, operation, given))
    if answer.ok:
        for change in before.changes(Stored(world.database)):
            if change.before is not None and change.after is not None:
                yield from _belongs(operation, answer, change, columns, b)


def _belongs(
    operation: Operation, answer: Answer, change: Change, columns: Mapping[str, str], b: User
) -> Iterator[Assigned]:
    for name, table in columns.items():
        if change.table == table and str(change.row.get(name)) == str(b.id):
            yield Assigned(operation, name, b.id, answer, owner=True)
            return


# requests


def _is_for_others(operation: Operation) -> bool:
    path = operation.path.lower()
    return (
        bool(ADMIN_PATH.search(path) or _NOT_ASKED.search(path))
        or operation.route.protection == "admin"
    )


def _is_own(operation: Operation) -> bool:
    """/users/{user_id} with one's own id."""
    return len(operation.path_names) == 1 and "user" in operation.path


def _with_passwords(operation: Operation) -> dict[str, Any]:
    return {name: PASSWORD for name in operation.fields if re.search("passw", name, re.IGNORECASE)}


def _with(request: Request, operation: Operation, given: Mapping[str, Any]) -> Request:
    """The same, with fields that its schema need not know."""
    try:
        body = jsons.loads(request.body)
    except ValueError:
        return request
    if not isinstance(body, dict):
        return request
    for name, value in given.items():
        inner = next((one for one in body.values() if isinstance(one, dict)), None)
        embedded = inner is not None and len(body) == 1
        (inner if embedded and inner is not None else body)[name] = value
    content = jsons.dumps(body).encode()
    headers = {**dict(request.headers), "content-length": str(len(content))}
    return replace(request, body=content, headers=tuple(headers.items()))
