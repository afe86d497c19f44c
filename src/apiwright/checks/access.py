"""Who may read, list and change what a user made: measured, for every route that takes its id.

What is shared by design is told from what leaks by the app's own behaviour: what anonymous users
read too, or what only admins write, is shared; what one route refuses, another should not give.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from apiwright.checks.app import Answer
from apiwright.checks.forgeries import unverified
from apiwright.checks.nouns import is_user, noun_of, referred
from apiwright.checks.operations import Operation
from apiwright.checks.stored import Change, Stored
from apiwright.checks.things import Thing, Things, as_far_as_time_allows, canaries_for, things_of
from apiwright.checks.users import User
from apiwright.checks.world import World

Kind = Literal["read", "list", "write"]
OWNER = re.compile(
    r"^(owner|user|author|customer|creator|created_by|member|account|profile|client)(_?(id|uuid))?$",
    re.IGNORECASE,
)
_QUERY = re.compile(
    r"^(q|query|search|term|terms|keyword|keywords|text|s|filter|name|title)$", re.I
)
_SOCIAL = re.compile(
    r"like|vote|follow|react|join|view|share|report|favou?rite|bookmark|subscri|comment|rat(e|ing)"
    r"|review|repl(y|ies)|answer|message|enrol|register|attend|apply",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Access:
    """What happened when another user sent the id of a thing."""

    thing: Thing
    operation: Operation
    kind: Kind
    mine: Answer | None
    """What its owner was answered; of a change: what the owner saw before."""
    other: Answer
    open: bool
    after: Answer | None = None
    """What the owner saw after a change."""
    changes: tuple[Change, ...] = ()
    public: bool = False
    """Anonymous users are answered the same."""


@dataclass(frozen=True)
class Shelf:
    """All that was tried with the things of one maker."""

    maker: Operation
    thing: Thing
    by_admin: bool
    """Users may not make one."""
    owned: bool
    """Its row says whose it is."""
    accesses: tuple[Access, ...] = field(default=())

    @property
    def what(self) -> str:
        """In words, that go on after "another user": made by POST /notes."""
        return f"{'made by' if self.maker.method == 'POST' else 'has in'} {self.maker}"

    def of(self, kind: Kind) -> tuple[Access, ...]:
        return tuple(one for one in self.accesses if one.kind == kind and not one.public)

    @property
    def refuses_readers(self) -> bool:
        """Some route gives it to its owner alone."""
        return any(not one.open for one in self.accesses if one.kind != "write")

    @property
    def is_listed(self) -> bool:
        """To other users."""
        return any(one.open for one in self.accesses if one.kind == "list")

    @property
    def refuses_nothing(self) -> bool:
        return bool(self.of("write")) and all(one.open for one in self.accesses)

    def leaks(self) -> Iterator[Access]:
        """Reads that should have been refused."""
        if self.by_admin:
            return
        if self.is_listed:
            wrong = self.owned and self.refuses_nothing
        else:
            wrong = self.owned or self.refuses_readers
        yield from (one for one in self.of("read") if one.open and wrong)

    def leaking_lists(self) -> Iterator[Access]:
        """Lists with what another route keeps to its owner."""
        if self.by_admin:
            return
        reads = self.of("read")
        whole = [one for one in reads if one.operation.path.rstrip("/").endswith("}")] or reads
        kept = self.maker.method == "GET"  # another's list did not show it
        kept = kept or (bool(whole) and not any(one.open for one in whole))
        lists = [one for one in self.accesses if one.kind == "list"]
        kept = kept or any(not one.open and not _is_mine(one) for one in lists)
        wrong = kept or (self.owned and self.refuses_nothing)
        for one in lists:
            # what has words of its own is missing-authentication's where everybody sees it
            if one.open and wrong and not (one.public and (one.thing.canaries or not kept)):
                yield one

    def changed_by_others(self) -> Iterator[Access]:
        yield from (one for one in self.of("write") if one.open)


@lru_cache(maxsize=1)
def shelves(world: World) -> tuple[Shelf, ...]:
    if world.a is None or world.b is None or unverified(world):  # whom one may not tell apart
        return ()
    return as_far_as_time_allows(world, _Trial(world, world.a, world.b).shelves())


class _Trial:
    def __init__(self, world: World, a: User, b: User) -> None:
        self.world, self.a, self.b = world, a, b
        self.things: Things = things_of(world)
        self._own: dict[Operation, Thing | None] = {}

    def shelves(self) -> Iterator[Shelf]:
        started = [one for maker in self.things.makers if (one := self._started(maker))]
        lists = {one.thing: tuple(self._lists(one.thing)) for one in started}
        reads = {one.thing: tuple(self._reads(one.thing)) for one in started}
        for shelf in started:
            accesses = (*reads[shelf.thing], *lists[shelf.thing])
            writes: list[Access] = []
            read = Shelf(shelf.maker, shelf.thing, shelf.by_admin, shelf.owned, accesses)
            for operation in self._writers(shelf.thing):
                writes += self._write(read, operation)
            yield Shelf(shelf.maker, shelf.thing, shelf.by_admin, shelf.owned, (*accesses, *writes))

    def _started(self, maker: Operation) -> Shelf | None:
        before = Stored(self.world.database)
        thing, by_admin = self.things.make(maker, self.a), False
        if thing is None and self.world.admin is not None:
            thing, by_admin = self.things.make(maker, self.world.admin), True
        if thing is None:
            return None
        changes = before.changes(Stored(self.world.database))
        rows = [change.row for change in changes if change.before is None]
        rows += _dictionaries(thing.answer.json)
        names = {str(thing.owner.id), *map(str, thing.owner.known.values())}
        owned = maker.method == "GET" or any(
            OWNER.match(name) and str(value) in names for row in rows for name, value in row.items()
        )
        return Shelf(maker, thing, by_admin, owned)

    # reading

    def _reads(self, thing: Thing) -> Iterator[Access]:
        inside = self._inside(thing)
        for operation in self.things.addressed(thing):
            if operation.method != "GET":
                continue
            known = self.things.known(operation, thing)
            if known is None:
                continue
            mine = self._ask(operation, thing.owner, known)
            if not mine.ok:
                continue
            for one in (known, self._with_own_parents(operation, thing, known)):
                if one is None:
                    continue
                other = self._ask(operation, self.b, one)
                opened = other.ok and self._shows(operation, thing, inside, mine, other)
                if opened or one is known:
                    anonymous = self._ask(operation, self.world.anonymous, one) if opened else None
                    access = Access(
                        thing,
                        operation,
                        "read",
                        mine,
                        other,
                        opened,
                        public=anonymous is not None and anonymous.body == other.body,
                    )
                if opened:
                    break
            yield access

    def _inside(self, thing: Thing) -> tuple[Thing, ...]:
        """What is made in it, so that its lists are not empty."""
        made = []
        for maker in self.things.makers:
            if maker is not thing.maker and any(
                self.things.maker_of(maker, name) is thing.maker for name in maker.path_names
            ):
                made.append(self.things.make(maker, thing.owner, (thing, *thing.parents)))
        return tuple(one for one in made if one is not None)

    def _shows(
        self,
        operation: Operation,
        thing: Thing,
        inside: tuple[Thing, ...],
        mine: Answer,
        other: Answer,
    ) -> bool:
        """Whether an answer holds what the owner's does: its texts, or all of it where the other
        user's own thing looks different."""
        texts = [text for one in (thing, *inside) for text in one.canaries if text in mine.text]
        if texts:
            return any(text in other.text for text in texts)
        if other.body != mine.body or len(mine.body) < 3:
            return False
        own = self._own_of(thing.maker)
        if own is None:
            return True
        self._inside(own) if inside else ()
        known = self.things.known(operation, own)
        return known is None or self._ask(operation, self.b, known).body != other.body

    def _lists(self, thing: Thing) -> Iterator[Access]:
        for operation in self.world.operations:
            if operation.method != "GET" or operation in self.things.addressed(thing):
                continue
            known = self._of_parents(operation, thing)
            if known is None:
                continue
            for asked in self._queries(operation, thing, known):
                mine = self._ask(operation, thing.owner, asked)
                part = _part(mine, thing)
                if not mine.ok or part is None:
                    continue
                other = self._ask(operation, self.b, asked)
                opened = other.ok and _holds(other, part)
                public = opened and _holds(self._ask(operation, self.world.anonymous, asked), part)
                yield Access(thing, operation, "list", mine, other, opened, public=public)
                break

    def _of_parents(self, operation: Operation, thing: Thing) -> dict[str, Any] | None:
        """Ids for the path of a list; None where it is not a list of such things."""
        if operation is thing.maker:
            return None
        known: dict[str, Any] = {}
        for name in operation.path_names:
            if is_user(name, operation.path):
                return None  # another probe's
            maker = self.things.maker_of(operation, name)
            parent = next((one for one in thing.parents if one.maker is maker), None)
            if parent is None:
                return None
            known[name] = parent.id
        return known

    def _queries(
        self, operation: Operation, thing: Thing, known: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        asked = dict(known)
        texts: list[str] = []
        for one in operation.parameters:
            schema = operation.values.resolved(one.get("schema", {}))
            if one["in"] != "query":
                continue
            if one["name"] in ("limit", "size", "page_size", "per_page", "first", "take"):
                asked[one["name"]] = min(schema.get("maximum", 100), 100)
            elif _QUERY.match(one["name"]) and schema.get("type") == "string":
                texts.append(one["name"])
        if texts and _is_near(operation, thing):
            for text in thing.canaries:
                yield {**asked, **dict.fromkeys(texts, text)}
        if not any(one.get("required") for one in operation.parameters if one["name"] in texts):
            yield asked

    # changing

    def _writers(self, thing: Thing) -> Iterator[Operation]:
        """The destructive last."""
        found = [one for one in self.things.addressed(thing) if one.method != "GET"]
        found += [one for one in self.things.in_bodies(thing) if one not in found]
        found.sort(key=lambda one: one.method == "DELETE" or "delete" in one.path.lower())
        yield from found

    def _write(self, shelf: Shelf, operation: Operation) -> Iterator[Access]:
        tried = self._tried(shelf, operation, self.b, own_parents=False)
        if tried is not None and not tried.open and len(operation.path_names) > 1:
            tried = self._tried(shelf, operation, self.b, own_parents=True) or tried
        if tried is None:
            return
        if tried.open:
            anonymous = self._tried(shelf, operation, self.world.anonymous, own_parents=False)
            public = anonymous is not None and anonymous.open
            tried = Access(
                tried.thing,
                tried.operation,
                "write",
                tried.mine,
                tried.other,
                True,
                tried.after,
                tried.changes,
                public,
            )
        yield tried

    def _tried(
        self, shelf: Shelf, operation: Operation, user: User, own_parents: bool
    ) -> Access | None:
        thing = self.things.make(shelf.maker, shelf.thing.owner)
        if thing is None:
            return None
        known = self.things.known(operation, thing)
        if known is None:
            return None
        self._linked(operation, thing, known)
        view = self._view(thing)
        mine = view and self._ask(view[0], thing.owner, view[1])
        if own_parents:
            own = self._with_own_parents(operation, thing, known)
            if own is None:
                return None
            known = own
        for name in operation.path_names:  # the other user's own, that is to refer to it
            if name not in known and (maker := self.things.maker_of(operation, name)) is not None:
                own_thing = self._own_of(maker)
                known |= {name: own_thing.id} if own_thing else {}
        sent = {**self._values(operation), **known}
        before = Stored(self.world.database)
        other = self.world.app.send(operation.request(user, sent))
        changes = before.changes(Stored(self.world.database)) if other.ok else []
        after = view and self._ask(view[0], thing.owner, view[1]) if other.ok else None
        counted = tuple(one for one in changes if self._counts(one, shelf, thing, operation))
        opened = bool(counted) or (not changes and _differ(mine, after))
        return Access(thing, operation, "write", mine, other, opened, after, counted)

    def _counts(self, change: Change, shelf: Shelf, thing: Thing, operation: Operation) -> bool:
        """Whether it is a change of the owner's: of the thing, of what is in it or of another row
        of the owner's."""
        ids = {str(thing.id), *(str(one.id) for one in thing.parents)}
        if change.before is None:
            refers = any(
                str(value) == str(thing.id) and referred(name) is not None
                for name, value in change.row.items()
            )
            return refers and shelf.refuses_readers and not _is_social(operation)
        row = change.before
        if _SOCIAL.search(operation.path) and operation.method == "POST":
            return False
        mine = str(thing.owner.id)
        values = {name: str(value) for name, value in row.items()}
        if any(OWNER.match(name) and value == mine for name, value in values.items()):
            return True
        return any(
            value in ids and (name in ("id", "uuid", "pk") or referred(name) is not None)
            for name, value in values.items()
        ) and not self._is_own(row)

    def _is_own(self, row: Any) -> bool:
        return any(
            OWNER.match(name) and str(value) == str(self.b.id) for name, value in row.items()
        )

    def _linked(self, operation: Operation, thing: Thing, known: dict[str, Any]) -> None:
        """What is to be undone is done before by the owner: a tag is put on a task."""
        for method in ("PUT", "POST"):
            done = self.world.operation(method, operation.path)
            if operation.method == "DELETE" and done is not None and len(done.path_names) > 1:
                self._ask(done, thing.owner, known)

    def _view(self, thing: Thing) -> tuple[Operation, dict[str, Any]] | None:
        """The route that shows it to its owner."""
        for operation in self.things.addressed(thing):
            if operation.method == "GET" and operation.path.rstrip("/").endswith("}"):
                known = self.things.known(operation, thing)
                if known is not None:
                    return operation, known
        return None

    def _values(self, operation: Operation) -> dict[str, Any]:
        """Values for its body that differ from what stands there."""
        found: dict[str, Any] = dict(canaries_for(operation))
        for name, schema in operation.fields.items():
            if name not in found and referred(name) is None:
                value = _another(operation.values.resolved(schema))
                if value is not None:
                    found[name] = value
        return found

    # both

    def _with_own_parents(
        self, operation: Operation, thing: Thing, known: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The thing's id below something of the other user's own."""
        changed = dict(known)
        for name in operation.path_names[:-1]:
            maker = self.things.maker_of(operation, name)
            if maker is not None and maker is not thing.maker:
                own = self._own_of(maker)
                if own is not None:
                    changed[name] = own.id
        return changed if changed != known else None

    def _own_of(self, maker: Operation) -> Thing | None:
        """The other user's."""
        if maker not in self._own:
            self._own[maker] = self.things.make(maker, self.b)
        return self._own[maker]

    def _ask(self, operation: Operation, user: User, known: dict[str, Any]) -> Answer:
        return self.world.app.send(operation.request(user, known))


def _is_mine(access: Access) -> bool:
    """A list of one's own by its name, which says nothing of what others may see."""
    return bool(
        re.search(r"(^|[/_-])(me|my|mine|own|self|current)([/_-]|$)", access.operation.path)
    )


def _is_near(operation: Operation, thing: Thing) -> bool:
    noun = noun_of(thing.maker.path)
    return noun is not None and noun in {
        noun_of(operation.path),
        noun_of(operation.path.rpartition("/")[0]),
    }


def _part(answer: Answer, thing: Thing) -> str | dict[str, Any] | None:
    """What shows the thing in a list: a text of its own, else its entry."""
    text = next((one for one in thing.canaries if one in answer.text), None)
    if text is not None or thing.canaries:
        return text
    entries = _dictionaries(thing.answer.json)
    shape = next((one for one in entries if thing.id in one.values()), None)
    if shape is None:
        return None
    for one in _dictionaries(answer.json):
        if set(one) == set(shape) and any(value == thing.id for value in one.values()):
            return one
    return None


def _holds(answer: Answer, part: str | dict[str, Any] | None) -> bool:
    if not answer.ok or part is None:
        return False
    if isinstance(part, str):
        return part in answer.text
    return any(one == part for one in _dictionaries(answer.json))


def _dictionaries(json: Any) -> Iterator[dict[str, Any]]:
    left = [json]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left += one.values()
        elif isinstance(one, list):
            left += one


def _differ(before: Answer | None, after: Answer | None) -> bool:
    """For what is in no database that we see."""
    return (
        before is not None
        and after is not None
        and before.ok
        and (after.body != before.body if after.ok else after.status in (404, 410))
    )


def _is_social(operation: Operation) -> bool:
    return bool(_SOCIAL.search(operation.path))


def _another(schema: Any) -> Any:
    """A value that is allowed, and not the usual one."""
    if schema.get("enum"):
        return schema["enum"][-1]
    kind = schema.get("type")
    if kind == "boolean":
        return not schema.get("default", False)
    if kind in ("integer", "number"):
        usual = max(1, schema.get("minimum", 1))
        most = schema.get("maximum", schema.get("exclusiveMaximum", usual + 10))
        return usual + 2 if usual + 2 <= most else None
    return None
