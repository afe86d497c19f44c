"""A new resource in a project of somebody else's: its nearest sibling, copied under another name.

Which one that is and what belongs to it: exemplar.py, original.py. What becomes of its functions
and classes: copying.py, copies.py. Where it all goes: copied_files.py, wiring.py. How a house
writes its fields: house_fields.py. Its habits are followed, its defects are not: defects.py.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from apiwright.edit.plan import Assumption, Change
from apiwright.errors import Refused
from apiwright.generators import defects, exemplar
from apiwright.generators.copied_files import Files
from apiwright.generators.copies import Copies
from apiwright.generators.exemplar import VERBS, Exemplar, Noun, Verb
from apiwright.generators.fields import Resource
from apiwright.generators.original import Original
from apiwright.generators.wiring import Wiring
from apiwright.project.facts import Project, Route


@dataclass(frozen=True)
class NewRoute:
    verb: Verb
    method: str
    path: str
    """With every prefix."""
    function: str
    module: str
    guarded: bool
    """Whether the exemplar's asks for a login."""


@dataclass(frozen=True)
class Cloned:
    exemplar: Exemplar
    changes: tuple[Change, ...]
    assumptions: tuple[Assumption, ...]
    routes: tuple["NewRoute", ...]
    model_module: str
    table: str
    """The name that its table should have."""


def clone(project: Project, resource: Resource, like: str | None = None) -> Cloned:
    """`like`: the model that is to be imitated, where there are several.

    Raises Refused where there is nothing to imitate, or nothing that could be imitated safely;
    ApiwrightError for what is wrong with what was asked for.
    """
    found = exemplar.find(project, like, resource.model)
    try:
        return _like(project, resource, found)
    except Refused:
        if like is not None:
            raise
        for other in found.others:
            with suppress(Refused):
                return _like(project, resource, exemplar.find(project, other, resource.model))
        raise


def _like(project: Project, resource: Resource, found: Exemplar) -> Cloned:
    noun = Noun(resource.name, resource.plural)
    return _Clone(Original(project, resource, found, noun)).made()


class _Clone:
    def __init__(self, of: Original) -> None:
        self.of = of
        self.copies = Copies(of)
        self.notes: list[Assumption] = []

    def made(self) -> Cloned:
        defects.refuse(self.of.exemplar, self.of.code, self.of.names)
        self._refuse_untold()
        copied = self.copies.all()
        verbs = [verb for verb in VERBS if verb in self.of.exemplar.verbs]
        missing = [
            verb
            for verb in verbs
            if (route := self.of.exemplar.verbs[verb]).at is None
            or (route.at.file, route.name) not in copied
        ]
        if "create" in missing:
            route = self.of.exemplar.verbs["create"]
            raise Refused(
                f"{route.name} ({route.at}), after which the new one would be written, is not"
                f" understood: {self._why(route.name)}.",
                "Name another resource to imitate: --like.",
            )
        changes = [*Files(self.of).changes(copied), *Wiring(self.of).changes()]
        self._say(missing)
        routes = [
            self._new_route(verb, self.of.exemplar.verbs[verb])
            for verb in verbs
            if verb not in missing
        ]
        model = self.of.exemplar.model
        return Cloned(
            exemplar=self.of.exemplar,
            changes=tuple(changes),
            assumptions=tuple(self.notes),
            routes=tuple(routes),
            model_module=self.of.new_module(model.at.file),
            table=self.of.renames.identifier(model.table or model.name.lower()),
        )

    def _why(self, name: str) -> str:
        """Why a function is not copied; if that is another one, why that is not."""
        why = self.copies.failed.get(name, "nothing of it is left")
        for other, reason in self.copies.failed.items():
            if other != name and re.search(rf"\b{other}\(", why):
                return reason
        return why

    def _new_route(self, verb: Verb, route: Route) -> NewRoute:
        assert route.at is not None
        return NewRoute(
            verb,
            route.method,
            self.of.renames.text(route.path),
            self.of.renames.identifier(route.name),
            self.of.new_module(route.at.file),
            route.protection in ("login", "admin"),
        )

    def _refuse_untold(self) -> None:
        """What cannot be said in this house."""
        if self.of.resource.links:
            raise Refused(
                "refs: is for projects of `apiwright new` so far.", "Say ref:, or leave it out."
            )
        lookups = {
            each
            for route in self.of.exemplar.verbs.values()
            for each in re.findall(r"\{(\w+)", route.path)
        } & {each.attribute for each in self.of.exemplar.own}
        if lookups:
            raise Refused(
                f"Rows of {self.of.exemplar.model.name} are addressed by {', '.join(lookups)},"
                f" which {self.of.resource.model} does not have.",
                "Name another resource to imitate: --like.",
            )

    def _say(self, missing: Sequence[Verb]) -> None:
        model, noun = self.of.exemplar.model, self.of.renames.new
        head = [
            Assumption(
                f"it is written after {model.name}"
                + (
                    f"; {' or '.join(self.of.exemplar.others)} would do as well: --like"
                    if self.of.exemplar.others
                    else ""
                ),
                model.at.file,
                model.at.line,
            ),
            Assumption(f"the plural of {noun.one} is {noun.many}"),
        ]
        for route in self.of.exemplar.extra:
            at = route.at
            head.append(
                Assumption(
                    f"{route.method} {route.path} has no counterpart",
                    at.file if at else "",
                    at.line if at else 0,
                )
            )
        open_ = [
            self._new_route(verb, route)
            for verb, route in self.of.exemplar.verbs.items()
            if route.protection not in ("login", "admin") and verb not in missing
        ]
        if open_:
            which = ", ".join(f"{each.method} {each.path}" for each in open_)
            at = self.of.exemplar.verbs[open_[0].verb].at
            said = f"nobody has to sign in for {which}, as with {self.of.exemplar.noun.many}"
            head.append(Assumption(said, at.file if at else "", at.line if at else 0))
        for verb in missing:
            left = self.of.exemplar.verbs[verb]
            why = f"{left.name} is left out, not understood: {self._why(left.name)}"
            head.append(
                Assumption(why, left.at.file if left.at else "", left.at.line if left.at else 0)
            )
        for verb in VERBS:
            if verb not in self.of.exemplar.verbs:
                head.append(
                    Assumption(f"there is no route to {verb} one, as {model.name} has none")
                )
        self.notes = [*head, *self.copies.notes]
