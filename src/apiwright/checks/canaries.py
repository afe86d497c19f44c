"""What nobody else may see, searched in all that the app said and stored: passwords, their hashes,
tokens, keys, and other users' addresses.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apiwright.checks.access import shelves
from apiwright.checks.app import Answer
from apiwright.checks.findings import Where
from apiwright.checks.impersonation import ADMIN_PATH
from apiwright.checks.mistakes import mistakes
from apiwright.checks.nouns import is_user
from apiwright.checks.operations import Operation
from apiwright.checks.telling import operation_of, place
from apiwright.checks.things import as_far_as_time_allows, things_of
from apiwright.checks.users import User
from apiwright.checks.values import PASSWORD
from apiwright.checks.world import World
from apiwright.project.environment import is_secret

CHANGED = "Changed-horse-8?"
_PASSWORD = re.compile(r"passw|(^|_)pwd|hash", re.IGNORECASE)
_OLD = re.compile(r"old|current|^password$|existing", re.IGNORECASE)
_PRIVATE = re.compile(r"e_?mail|phone|mobile|address|street|birth|ssn|iban|tax", re.IGNORECASE)
_SHORTEST = 8
_ORDINARY = ("A", "B", "anonymous")


@dataclass(frozen=True)
class Seen:
    """A secret in an answer, or in what was logged meanwhile."""

    operation: Operation
    answer: Answer
    what: str
    text: str
    """Where it stands."""


@lru_cache(maxsize=1)
def heard(world: World) -> tuple[Answer, ...]:
    """All answers, after everything has been tried."""
    as_far_as_time_allows(world, _sweep(world))
    return tuple(world.app.heard)


def _sweep(world: World) -> Iterator[object]:
    yield shelves(world)
    for user in (world.anonymous, world.a, world.admin):
        if user is not None:
            for operation in world.operations:
                if operation.method == "GET":
                    yield world.app.send(operation.request(user, _known(world, operation)))
    yield changed_password(world)
    yield broken(world)
    yield mistakes(world)


@lru_cache(maxsize=1)
def changed_password(world: World) -> tuple[Operation, Answer] | None:
    """A new user changes his."""
    user = world.enter("C") if world.a is not None else None
    if user is None:
        return None
    for operation in world.operations:
        names = [one for one in operation.fields if re.search("passw", one, re.IGNORECASE)]
        if operation.method == "GET" or len(names) < 2:
            continue
        known = {one: PASSWORD if _OLD.search(one) else CHANGED for one in names}
        answer = world.app.send(operation.request(user, known))
        if answer.ok:
            return operation, answer
    return None


@lru_cache(maxsize=1)
def broken(world: World) -> tuple[Answer, ...]:
    """What is answered while the table of users is not there."""
    if world.a is None or world.a.table is None or not world.guards:
        return ()
    schema, _, name = world.a.table.rpartition(".")
    table = world.a.table if world.database.uses_postgres else f'"{name}"'
    there = f"{schema + '.' if schema else ''}apiwright_away"
    answers = []
    with contextlib.suppress(Exception):  # of whatever driver: then it is not tried
        world.database.execute(f"ALTER TABLE {table} RENAME TO apiwright_away")
        try:
            for guard in world.guards[:2]:
                answers.append(world.app.send(guard.operation.request(world.a)))
        finally:
            world.database.execute(
                f"ALTER TABLE {there} RENAME TO {name if name.startswith(chr(34)) else table}"
            )
    return tuple(answers)


def _known(world: World, operation: Operation) -> dict[str, Any]:
    """Ids of A's, and B's where a user is meant."""
    known: dict[str, Any] = {}
    things = things_of(world)
    for name in operation.path_names:
        maker = things.maker_of(operation, name)
        if is_user(name, operation.path) and world.b is not None and world.b.id is not None:
            known[name] = world.b.id
        elif maker is not None:
            shelf = next((one for one in shelves(world) if one.maker is maker), None)
            known |= {name: shelf.thing.id} if shelf else {}
    return known


# what is secret


def hashes(world: World) -> list[str]:
    if world.a is None or world.a.table is None:
        return []
    return [
        value
        for row in world.database.rows(world.a.table)
        for name, value in row.items()
        if _PASSWORD.search(name) and isinstance(value, str) and len(value) >= _SHORTEST
    ]


def keys(world: World) -> list[str]:
    """Of the settings that the app was given, where no other setting has the same value."""
    given = world.environment
    others = {value for name, value in given.items() if not is_secret(name)}
    return [
        value
        for name, value in given.items()
        if is_secret(name) and len(value) >= _SHORTEST and value not in others
    ]


def tokens(world: World) -> list[str]:
    users = [one for one in (world.a, world.b, world.admin) if one is not None]
    return [one for user in users for one in (user.token, user.refresh) if one]


def secrets_in_answers(world: World) -> Iterator[Seen]:
    hidden = [("the hash of a password", one) for one in hashes(world)]
    hidden += [("a key of the settings", one) for one in keys(world)]
    for answer in heard(world):
        what = next((what for what, one in hidden if one in answer.text), None)
        if what is None and answer.ok:
            what = next(("a password" for one in (PASSWORD, CHANGED) if one in answer.text), None)
        if what is not None and (operation := operation_of(world, answer)) is not None:
            yield Seen(operation, answer, what, answer.text)


def logged_secrets(world: World) -> Iterator[Seen]:
    said = heard(world)
    hidden = [("A password", PASSWORD), ("A password", CHANGED)]
    hidden += [("A token", one) for one in tokens(world)]
    hidden += [("The hash of a password", one) for one in hashes(world)]
    hidden += [("A key of the settings", one) for one in keys(world)]
    for answer in said:
        text = "\n".join([*(one.text for one in answer.logs), answer.output])
        for what, one in hidden:
            if one not in text or (what.startswith("The hash") and (answer.status or 500) >= 500):
                continue  # a failed statement's parameters
            if (operation := operation_of(world, answer)) is not None:
                yield Seen(operation, answer, what, _line(text, one))
            break


def others_fields(world: World) -> Iterator[Seen]:
    """Private fields of a user in an answer to another who has not sent them."""
    said = heard(world)
    a, b = world.a, world.b
    if a is None or b is None:
        return
    private = [(user.name, *one) for user in (a, b) for one in _private(user).items()]
    for answer in said:
        asking = answer.request.user
        if not answer.ok or asking not in _ORDINARY or ADMIN_PATH.search(answer.request.path):
            continue
        for name, field, value in private:
            if name != asking and value in answer.text and value not in _sent(answer):
                if (operation := operation_of(world, answer)) is not None:
                    yield Seen(operation, answer, field, answer.text)
                break


def _private(user: User) -> Mapping[str, str]:
    found = {name: str(one) for name, one in user.known.items() if _PRIVATE.search(name)}
    found |= {name: str(one) for name, one in user.known.items() if "@" in str(one)}
    return {name: one for name, one in found.items() if len(one) >= _SHORTEST}


def _sent(answer: Answer) -> str:
    return answer.request.path.replace("%40", "@") + answer.request.body.decode(errors="replace")


def _line(text: str, part: str) -> str:
    line = next(one for one in text.splitlines() if part.splitlines()[0] in one)
    return line.replace(part, "…")


_MARKS = (
    ("a traceback", re.compile(r"Traceback \(most recent call last\)")),
    ("words of SQLAlchemy", re.compile(r"sqlalche\.me/e/|sqlalchemy\.exc\.|\[SQL: ")),
    (
        "words of the database",
        re.compile(
            r"\(?sqlite3\.\w+Error|psycopg2?\.errors|asyncpg\.exceptions|pymysql\.err"
            r"|(UNIQUE|NOT NULL|FOREIGN KEY|CHECK) constraint failed|no such (table|column)"
            r"|violates \S+( \S+)? constraint|relation \"[^\"]+\" does not exist"
            r"|syntax error at or near|unrecognized token"
        ),
    ),
    (
        "an exception",
        re.compile(r"\b(?!HTTP|Validation)[A-Z]\w*(Error|Exception)\(|\[Errno -?\d+\]"),
    ),
    ("a path of the server", re.compile(r"File \\?\"[^\"]+\.py\\?\", line \d+|/site-packages/")),
)


def raw_errors(world: World) -> Iterator[Seen]:
    """Answers with the words of an exception or of the database."""
    for answer in heard(world):
        if answer.status is None or answer.status < 400:
            continue
        message = " ".join(answer.error.message.split())[:60] if answer.error else ""
        own = len(message) > 20 and message in " ".join(answer.text.split())
        what = next((what for what, mark in _MARKS if mark.search(answer.text)), None)
        if (what or own) and (operation := operation_of(world, answer)) is not None:
            yield Seen(operation, answer, what or "the text of an exception", answer.text)


def grouped(
    seen: Iterable[Seen], cause: Callable[[Seen], object]
) -> Iterator[tuple[Seen, list[Where]]]:
    """The first of each cause, and the other routes where it is seen."""
    groups: dict[object, dict[Operation, Seen]] = {}
    for one in seen:
        groups.setdefault(cause(one), {}).setdefault(one.operation, one)
    for group in groups.values():
        first, *others = group.values()
        yield first, [place(one.operation) for one in others]


def schema(seen: Seen) -> object:
    """What shows too much is the schema of the answer, where there is one."""
    return seen.operation.route.response_model or seen.operation
