"""What users make in the running app: each POST, the ids that its answers give, and the routes
that take them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar
from uuid import uuid4

from apiwright.checks.app import Answer
from apiwright.checks.nouns import is_user, noun_of, nouns, referred
from apiwright.checks.operations import Operation
from apiwright.checks.users import User
from apiwright.checks.world import World
from apiwright.errors import ApiwrightError

T = TypeVar("T")

_IDS = ("id", "_id", "uuid", "pk", "uid", "guid", "key", "slug")
_WRAPPINGS = ("data", "item", "result", "items", "results", "records")
_NO_TEXT = re.compile(
    r"passw|secret|token|e_?mail|ur[li]$|link|phone|date|time|_at$|colou?r|role|status|state|type"
    r"|kind|currency|country|lang|locale|zone|zip|code|scope|gender|level|priority|sort|order_by",
    re.IGNORECASE,
)
_ACTION = re.compile(
    r"log_?-?(in|out)|sign_?-?(in|out|up)|regist|token|refresh|auth|verif|reset|forgot|bulk|batch"
    r"|delete|remove|search|query|deactivat|logout|password|webhook",
    re.IGNORECASE,
)
_DEEPEST = 4


@dataclass(frozen=True, eq=False)
class Thing:
    """An object that a user made."""

    maker: Operation
    owner: User
    id: Any
    answer: Answer
    parents: tuple["Thing", ...]
    """What it was made in or refers to, the nearest first."""
    canaries: tuple[str, ...]
    """Texts that stand in it and nowhere else."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """What was sent, by name."""

    def stands_in(self, text: str) -> bool:
        return any(one in text for one in self.canaries)


class Things:
    def __init__(self, world: World) -> None:
        self.world = world
        made = list(filter(_is_maker, world.operations))
        self.makers = (*made, *_lists_of_what_nobody_posts(made, world.operations))
        """POST routes; and lists of what comes about in other ways, such as logins."""
        self._nouns = {one: nouns(one, world.document) for one in self.makers}
        self._parents: dict[tuple[Operation, str], Thing | None] = {}
        self._making: list[Operation] = []
        self._found: set[Any] = set()
        self.refused: dict[tuple[Operation, str], Answer] = {}
        """The answer where a user may not make one."""

    def make(self, maker: Operation, user: User, within: tuple[Thing, ...] = ()) -> Thing | None:
        """A new one; `within`: what it is to be made in, where it is made in something."""
        if len(self._making) > _DEEPEST or maker in self._making:
            return None
        self._making.append(maker)
        try:
            known, parents = self._references(maker, user, within)
            if known is None:
                return None
            if maker.method == "GET":
                return self._in_list(maker, user, known, parents)
            made = self._made(maker, user, known, parents)
            if made is None and parents and not within and (maker, user.name) not in self.refused:
                self._parents.clear()  # those may have one already
                known, parents = self._references(maker, user, within)
                made = None if known is None else self._made(maker, user, known, parents)
            return made
        finally:
            self._making.pop()

    def maker_of(self, operation: Operation, name: str) -> Operation | None:
        """Of what a parameter or a field of a body means: by what stands before it in the path,
        else by its name."""
        before = _before(operation.path, name)
        if before is not None:
            for one in self.makers:
                if _shape(one.path) == _shape(before):
                    return one
        noun = referred(name) or noun_of(operation.path if before is None else before)
        if noun is None:
            return None
        fitting = [one for one in self.makers if noun in self._nouns[one]]
        return min(fitting, key=lambda one: (one.path.count("{"), len(one.path)), default=None)

    def known(self, operation: Operation, *things: Thing) -> dict[str, Any] | None:
        """Ids by the names under which the operation takes them: those of the things first, then
        of what they stand in. None: it takes the first one's nowhere."""
        first = things[0]
        found: dict[str, Any] = {}
        takes = False
        for name in (*operation.path_names, *_references_in(operation)):
            maker = self.maker_of(operation, name)
            for one in (*things, *(parent for thing in things for parent in thing.parents)):
                if maker is one.maker:
                    several = name in operation.fields and _is_list(operation, name)
                    found[name] = [one.id] if several else one.id
                    takes = takes or one is first
                    break
            else:
                if is_user(name, operation.path) and first.owner.id is not None:
                    found.setdefault(name, first.owner.id)
        return found if takes else None

    def addressed(self, thing: Thing) -> Iterator[Operation]:
        return self.addressed_by(thing.maker)

    def addressed_by(self, maker: Operation) -> Iterator[Operation]:
        """The routes whose last parameter is the id of what it makes."""
        for operation in self.world.operations:
            if operation.path_names:
                name = operation.path_names[-1]
                if self.maker_of(operation, name) is maker:
                    yield operation

    def in_bodies(self, thing: Thing) -> Iterator[Operation]:
        """The routes that take its id in a body: in bulk, or as what they act upon."""
        for operation in self.world.operations:
            if operation is thing.maker or operation.method == "GET":
                continue
            for name in _references_in(operation):
                if self.maker_of(operation, name) is thing.maker:
                    yield operation
                    break

    def _references(
        self, maker: Operation, user: User, within: tuple[Thing, ...]
    ) -> tuple[dict[str, Any] | None, tuple[Thing, ...]]:
        """Ids of what it needs, made before; None where it needs what cannot be made."""
        known: dict[str, Any] = {}
        parents: list[Thing] = []
        for name in (*reversed(maker.path_names), *_references_in(maker)):
            in_path = name in maker.path_names
            needed = in_path or _is_required(maker, name)
            wanted = self.maker_of(maker, name)
            if wanted is None or wanted is maker:
                if is_user(name, maker.path) and user.id is not None and needed:
                    known[name] = user.id
                continue
            thing = next((one for one in within if one.maker is wanted), None)
            thing = thing or self._parent(wanted, user)
            if thing is None:
                if in_path:
                    return None, ()
                continue
            parents += [thing, *(one for one in thing.parents if one not in parents)]
            several = not in_path and _is_list(maker, name)
            known[name] = [thing.id] if several else thing.id
        return known, tuple(parents)

    def _parent(self, maker: Operation, user: User) -> Thing | None:
        """Of the user, else of the admin: a catalogue's."""
        for one in (user, self.world.admin):
            if one is None:
                continue
            key = (maker, one.name)
            if key not in self._parents:
                self._parents[key] = self.make(maker, one)
            if (found := self._parents[key]) is not None:
                return found
        return None

    def _made(
        self, maker: Operation, user: User, ids: dict[str, Any], parents: tuple[Thing, ...]
    ) -> Thing | None:
        for whole in (False, False, True):
            texts = canaries_for(maker)
            known = {**texts, **ids}
            answer = self.world.app.send(maker.request(user, known, whole=whole))
            if answer.status in (401, 403):
                self.refused[maker, user.name] = answer
                return None
            if answer.ok:
                key = self._id(maker, answer, ids)
                if key is None:
                    return None
                return Thing(maker, user, key, answer, parents, tuple(texts.values()), known)
        return None

    def _in_list(
        self, maker: Operation, user: User, ids: dict[str, Any], parents: tuple[Thing, ...]
    ) -> Thing | None:
        """One that another user's list does not show. A new login may bring about another."""
        other = self.world.b if user is not self.world.b else self.world.a
        for again in (False, True):
            if again and user.login is not None:
                self.world.app.send(user.login.request)
            answer = self.world.app.send(maker.request(user, ids))
            if not answer.ok or other is None:
                return None
            theirs = set(_ids_in(self.world.app.send(maker.request(other, ids)).json))
            for key in _ids_in(answer.json):
                if key not in theirs and key not in self._found:
                    self._found.add(key)
                    return Thing(maker, user, key, answer, parents, ())
        return None

    def _id(self, maker: Operation, answer: Answer, ids: Mapping[str, Any]) -> Any:
        names = [*_IDS, *(f"{noun}{end}" for noun in self._nouns[maker] for end in ("_id", "Id"))]
        found = _first_id(answer.json, names)
        if found is not None:
            return found
        location = answer.header("location")
        return location.rstrip("/").rpartition("/")[2] if location else None


@lru_cache(maxsize=1)
def things_of(world: World) -> Things:
    return Things(world)


def as_far_as_time_allows(world: World, found: Iterable[T]) -> tuple[T, ...]:
    """What comes until the app cannot be asked any more."""
    told: list[T] = []
    try:
        told.extend(found)
    except ApiwrightError as error:
        note = f"Not everything was tried: {error.happened}"
        if note not in world.app.notes:
            world.app.notes.append(note)
    return tuple(told)


@lru_cache(maxsize=1)
def spare(world: World) -> User | None:
    """A user who is not needed otherwise: what he is and has may be spoilt."""
    return world.enter("C") if world.a is not None else None


def canaries_for(operation: Operation) -> dict[str, str]:
    """A text that stands nowhere else, for each field that takes any text."""
    found = {}
    for name, schema in operation.fields.items():
        schema = operation.values.resolved(schema)
        most = schema.get("maxLength", 100)
        if "contentMediaType" in schema or schema.get("format") == "binary":
            found[name] = f"content apw{uuid4().hex}"
        elif (
            schema.get("type") == "string"
            and not {"format", "enum", "const"} & set(schema)
            and not _NO_TEXT.search(name)
            and referred(name) is None
            and most >= 10
        ):
            least = schema.get("minLength", 0)
            text = f"apw{uuid4().hex}"[: min(most, 16)].ljust(min(least, most), "x")
            if _fits(schema.get("pattern"), text):
                found[name] = text
    return found


def _fits(pattern: str | None, text: str) -> bool:
    try:
        return pattern is None or re.search(pattern, text) is not None
    except re.error:  # of another dialect
        return False


def _is_maker(operation: Operation) -> bool:
    last = [one for one in operation.path.split("/") if one and not one.startswith("{")][-1:]
    return (
        operation.method == "POST"
        and not operation.path.rstrip("/").endswith("}")
        and not (last and _ACTION.search(last[0]))
        and not any(re.search("passw", name, re.IGNORECASE) for name in operation.fields)
    )


def _lists_of_what_nobody_posts(
    made: list[Operation], operations: tuple[Operation, ...]
) -> Iterator[Operation]:
    posted = {_shape(one.path) for one in made}
    named = {
        _shape(before)
        for one in operations
        if one.path_names
        and one.path.rstrip("/").endswith("}")
        and (before := _before(one.path, one.path_names[-1])) is not None
        and not is_user(one.path_names[-1], one.path)
    }
    for one in operations:
        if one.method == "GET" and _shape(one.path) in named - posted:
            yield one


def _ids_in(json: Any) -> list[Any]:
    for _ in range(3):
        if isinstance(json, dict):
            json = next((json[name] for name in _WRAPPINGS if name in json), None)
    rows = json if isinstance(json, list) else []
    found = [_first_id(one, list(_IDS)) for one in rows]
    return [one for one in found if one is not None]


def _before(path: str, name: str) -> str | None:
    """What stands before a parameter: /orders of /orders/{order_id}/items."""
    match = re.search(r"/\{" + re.escape(name) + r"(:[^}]*)?\}", path)
    return path[: match.start()] if match else None


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/").lower()


def _references_in(operation: Operation) -> list[str]:
    """Fields of its body that are ids."""
    return [
        name
        for name in operation.fields
        if referred(name) is not None or re.fullmatch(r"_?(ids?|uuids?|pks?)", name, re.IGNORECASE)
    ]


def _is_list(operation: Operation, name: str) -> bool:
    schema = operation.values.resolved(operation.fields.get(name, {}))
    return schema.get("type") == "array"


def _is_required(operation: Operation, name: str) -> bool:
    if operation.content is None:
        return False
    schema = operation.values.resolved(operation.content[1])
    return name in schema.get("required", ())


def _first_id(json: Any, names: list[str]) -> Any:
    left, depth = [json], 0
    while left and depth < 12:
        one = left.pop(0)
        depth += 1
        if isinstance(one, list):
            left += one[:1]
        if isinstance(one, dict):
            for name in names:
                if isinstance(one.get(name), int | str) and not isinstance(one[name], bool):
                    return one[name]
            inner = [one[name] for name in _WRAPPINGS if name in one]
            left += inner or [value for value in one.values() if isinstance(value, dict)]
    return None
