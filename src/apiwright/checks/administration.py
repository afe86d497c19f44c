"""What is for admins, by its path or by what the app itself refuses."""

from collections.abc import Iterator
from dataclasses import dataclass

from apiwright.checks.access import shelves
from apiwright.checks.app import Answer
from apiwright.checks.impersonation import ADMIN_PATH
from apiwright.checks.nouns import is_user
from apiwright.checks.operations import Operation
from apiwright.checks.things import canaries_for, things_of
from apiwright.checks.users import User, is_refused
from apiwright.checks.world import World


@dataclass(frozen=True)
class Page:
    operation: Operation
    answer: Answer


@dataclass(frozen=True)
class Catalogue:
    operation: Operation
    seen: tuple[tuple[str, Answer], ...]
    """Who was answered what."""


def open_pages(world: World) -> Iterator[Page]:
    """Routes for admins by their path that an ordinary user may ask, and not everybody."""
    if world.a is None:
        return
    for operation in sorted(world.operations, key=lambda one: one.method != "GET"):
        if not ADMIN_PATH.search(operation.path.lower()) or operation.method == "DELETE":
            continue
        if any(one in operation.path for one in ("login", "register", "signup", "token")):
            continue
        known = {**canaries_for(operation), **_known(world, operation)}
        nobody = world.app.send(operation.request(world.anonymous, known))
        if not is_refused(nobody):
            continue
        answer = world.app.send(operation.request(world.a, known))
        if answer.ok:
            yield Page(operation, answer)


def _known(world: World, operation: Operation) -> dict[str, object]:
    known: dict[str, object] = {}
    things = things_of(world)
    for name in operation.path_names:
        maker = things.maker_of(operation, name)
        if is_user(name, operation.path) and world.b is not None and world.b.id is not None:
            known[name] = world.b.id
        elif maker is not None and world.a is not None:
            thing = things.make(maker, world.a)
            known |= {name: thing.id} if thing else {}
    return known


def open_catalogues(world: World) -> Iterator[Catalogue]:
    """What a user makes, everybody sees, the user may not delete, and an admin may."""
    if world.admin is None or world.a is None:
        return
    things = things_of(world)
    for shelf in shelves(world):
        if shelf.by_admin or shelf.owned or not shelf.is_listed:
            continue
        for operation in things.addressed_by(shelf.maker):
            if operation.method == "DELETE" and operation.path.rstrip("/").endswith("}"):
                seen = _refused(world, world.a, world.admin, shelf.maker, operation)
                if seen:
                    yield Catalogue(shelf.maker, seen)


def _refused(
    world: World, user: User, admin: User, maker: Operation, operation: Operation
) -> tuple[tuple[str, Answer], ...]:
    things = things_of(world)
    thing = things.make(maker, user)
    known = things.known(operation, thing) if thing else None
    if thing is None or known is None:
        return ()
    refused = world.app.send(operation.request(user, known))
    if refused.status != 403:
        return ()
    allowed = world.app.send(operation.request(admin, known))
    if not allowed.ok:
        return ()
    return (("A", thing.answer), ("A", refused), ("the admin", allowed))
