"""What a probe is given: the running app, its users, and what the app says of its routes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from apiwright.checks.app import Answer, App
from apiwright.checks.database import Database
from apiwright.checks.insiders import Insider
from apiwright.checks.operations import Operation, operations
from apiwright.checks.starting import running_app
from apiwright.checks.users import ANONYMOUS, Door, Guard, User
from apiwright.checks.values import Values
from apiwright.project.code import Code
from apiwright.project.facts import NotSeen, Project, Route

SECONDS = 60.0


@dataclass(frozen=True, eq=False)
class World:
    code: Code
    """With the routes that the app serves."""
    app: App
    database: Database
    environment: dict[str, str]
    """The settings that the app runs with."""
    document: dict[str, Any]
    """Its OpenAPI document, hidden routes included."""
    operations: tuple[Operation, ...]
    values: Values
    guards: tuple[Guard, ...]
    """Routes that refuse nobody's request. None: the app has no logins."""
    a: User | None
    """Two ordinary users; None where they could not be made."""
    b: User | None
    admin: User | None
    enter: Callable[[str], User | None]
    """Makes another user, of this name."""
    logins: tuple[Operation, ...]
    """Routes where a password is sent for a token."""
    notes: tuple[str, ...]
    not_analysed: tuple[NotSeen, ...]

    @property
    def anonymous(self) -> User:
        return ANONYMOUS

    @property
    def project(self) -> Project:
        return self.code.project

    @property
    def routes(self) -> tuple[Route, ...]:
        return self.project.routes

    @cached_property
    def _by_key(self) -> dict[tuple[str, str], Operation]:
        return {(one.method, one.path): one for one in self.operations}

    def operation(self, method: str, path: str) -> Operation | None:
        return self._by_key.get((method, path))

    def ask(self, operation: Operation, user: User | None = None, **known: Any) -> Answer:
        """A request that the operation should take; `known` are values by name."""
        return self.app.send(operation.request(user or ANONYMOUS, known))


@contextmanager
def world(code: Code, python: Path | None = None, seconds: float = SECONDS) -> Iterator[World]:
    """Raises ApiwrightError when the app does not start, with the reason."""
    with running_app(code, python, seconds) as started:
        project = started.project
        told = started.app.started
        document = told["whole"] or told["openapi"] or {}
        values = Values(document)
        all_operations = operations(project.routes, document, values)
        door = Door(started.app, started.database, all_operations, document, values)
        a, b, admin, enter = _users(door, Insider(code, door, started.environment))
        yield World(
            code=code.with_project(project),
            app=started.app,
            database=started.database,
            environment=started.environment,
            document=document,
            operations=all_operations,
            values=values,
            guards=tuple(door.guards),
            a=a,
            b=b,
            admin=admin,
            enter=enter,
            logins=tuple(door.logins),
            notes=(*started.notes, *_told(door, a), *(() if a and b else door.notes)),
            not_analysed=tuple(_not_analysed(door, a, b, admin, document)),
        )


def _users(
    door: Door, insider: Insider
) -> tuple[User | None, User | None, User | None, Callable[[str], User | None]]:
    """A, B, an admin, and how another comes in."""
    enter = door.enter
    if not door.guards and not door.logins:
        return None, None, None, enter
    a = enter("A")
    if a is None and door.guards:
        enter = insider.enter
        a = enter("A")
    b = enter("B") if a else None
    if a and b and a.headers == b.headers:  # one key for everybody
        b = None
    return a, b, enter("admin", admin=True) if b else None, enter


def _told(door: Door, a: User | None) -> Iterator[str]:
    if not door.guards:
        yield "No route asks for a login."
    if a is not None:
        yield f"Its users were {door.way}; they show {a.credential}."
        yield from (note for note in door.notes if note.startswith("Set in the row"))


def _not_analysed(
    door: Door, a: User | None, b: User | None, admin: User | None, document: dict[str, Any]
) -> Iterator[NotSeen]:
    if not document:
        yield NotSeen("bodies of requests", "the app could not make its OpenAPI document")
    if door.guards and a is None:
        last = f" The last answer: {door.notes[-1]}" if door.notes else ""
        yield NotSeen("what users may do", f"no user could be made to log in.{last}")
    elif a is not None and b is None:
        yield NotSeen("what one user may do to another", "only one user could be made")
    elif a is not None and admin is None:
        why = next((one for one in door.notes if one.startswith("No admin: ")), "it was not made")
        yield NotSeen("what an admin may do", why.removeprefix("No admin: "))
