"""Routes with their whole paths, from the routers and what includes them."""

import ast
import http
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from apiwright.project.dependencies import Dependencies, Wanted, highest, of_handler
from apiwright.project.evaluate import Evaluator, listed
from apiwright.project.facts import Dependency, Include, Level, NotSeen, Route, Router
from apiwright.project.values import (
    UNKNOWN,
    Call,
    Const,
    Endpoint,
    Function,
    Inclusion,
    Outside,
    RouterObject,
    Value,
)

UNTOLD = "{…}"
_DEEPEST = 20
_Asked: TypeAlias = tuple[Wanted, Dependency]


@dataclass(frozen=True)
class _Above:
    """What a router has got from those that include it."""

    path: str = ""
    asked: tuple["_Asked", ...] = ()
    in_schema: bool = True
    depth: int = 0


@dataclass(frozen=True)
class Served:
    """A route as it was written."""

    route: Route
    endpoint: Endpoint
    wanted: tuple[Wanted, ...]
    """What it depends on, the routers above it included."""


class Routes:
    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.dependencies = Dependencies(evaluator)
        self.not_seen: list[NotSeen] = []

    def of(self, app: RouterObject) -> tuple[Served, ...]:
        return tuple(self._below(app, _Above()))

    def routers(self) -> tuple[Router, ...]:
        """Those with a name, and where they are included."""
        included: dict[int, list[Include]] = {}
        for into in self.evaluator.routers:
            for entry in into.entries:
                if isinstance(entry, Inclusion) and isinstance(entry.router, RouterObject):
                    included.setdefault(id(entry.router), []).append(
                        Include(
                            name_of(into) or "?",
                            entry.prefix,
                            entry.call.source.at(entry.call.node),
                        )
                    )
        return tuple(
            Router(name, router.prefix, router.at, tuple(included.get(id(router), ())))
            for router in self.evaluator.routers
            if router.kind == "router" and (name := name_of(router))
        )

    def handlers(self, app: RouterObject) -> Iterator[Endpoint]:
        seen: set[int] = set()

        def visit(router: RouterObject) -> Iterator[Endpoint]:
            if id(router) in seen:
                return
            seen.add(id(router))
            for entry in router.entries:
                if isinstance(entry, Endpoint):
                    yield entry
                elif isinstance(entry.router, RouterObject):
                    yield from visit(entry.router)

        return visit(app)

    def _below(self, router: RouterObject, above: _Above) -> Iterator[Served]:
        path = above.path + (UNTOLD if router.prefix is None else router.prefix)
        level: Level = "app" if router.kind == "app" else "router"
        here = _Above(
            path,
            above.asked + tuple(self._listed(router.dependencies, level)),
            above.in_schema and router.in_schema,
            above.depth + 1,
        )
        for entry in router.entries:
            if isinstance(entry, Endpoint):
                yield from self._route(router, entry, here)
            else:
                yield from self._included(entry, here)

    def _included(self, entry: Inclusion, above: _Above) -> Iterator[Served]:
        prefix = UNTOLD if entry.prefix is None else entry.prefix
        if not isinstance(entry.router, RouterObject):
            self._not_included(entry, above.path + prefix)
            return
        if above.depth > _DEEPEST:
            return
        if entry.conditional:
            at = entry.call.source.at(entry.call.node)
            why = "an `if` decides; they are listed as if it were true"
            self.not_seen.append(NotSeen(f"routes included at {at}", why))
        below = _Above(
            above.path + (prefix.rstrip("/") if entry.mounted else prefix),
            # a mounted app does not ask for what the app around it depends on
            ()
            if entry.mounted
            else above.asked + tuple(self._listed(entry.dependencies, "include")),
            above.in_schema and entry.in_schema and not entry.mounted,
            above.depth,
        )
        yield from self._below(entry.router, below)

    def _not_included(self, entry: Inclusion, path: str) -> None:
        at = entry.call.source.at(entry.call.node)
        made = entry.router
        if isinstance(made, Call):
            made = made.callee
        name = self.evaluator.name_of(made)
        if entry.mounted:
            if not name.startswith(("fastapi.staticfiles", "starlette.staticfiles")):
                self.not_seen.append(
                    NotSeen(f"routes below {path} ({at})", "what is mounted there is not read")
                )
            return
        why = f"{name} makes them" if name else "which router it is cannot be told"
        self.not_seen.append(NotSeen(f"routes included at {at}", why))

    def _route(self, router: RouterObject, entry: Endpoint, above: _Above) -> Iterator[Served]:
        path = above.path + (UNTOLD if entry.path is None else entry.path)
        handler = entry.handler
        asked = [
            *above.asked,
            *self._listed(listed(entry.keywords.get("dependencies")), "route"),
        ]
        wanted = [*self.dependencies.of(handler)]
        if entry.within is not None:
            wanted += self.dependencies.of_class(entry.within)
        asked += [self._dependency(one, "parameter") for one in wanted]
        own = tuple(dependency for _, dependency in asked)
        protection = highest(
            [one.protects for one in own]
            + ([of_handler(handler)] if isinstance(handler, Function) else [])
        )
        name, module, at = self.dependencies.named(handler)
        if at is None:
            at = entry.call.source.at(entry.call.node)
        for method in entry.methods:
            route = Route(
                method=method,
                path=path or "/",
                name=name,
                module=module or self.evaluator.modules.name_of(entry.call.source),
                at=at,
                protection=protection,
                dependencies=own,
                response_model=_response_model(entry),
                status=self._status(entry),
                is_async=isinstance(handler.node, ast.AsyncFunctionDef)
                if isinstance(handler, Function)
                else None,
                in_schema=above.in_schema
                and entry.keywords.get("include_in_schema") != Const(False)
                and method != "WEBSOCKET",
                router=name_of(router),
                seen="read",
            )
            yield Served(route, entry, tuple(one for one, _ in asked))

    def _listed(self, values: tuple[Value, ...], level: Level) -> Iterator[_Asked]:
        for value in values:
            wanted = self.dependencies.written(value)
            if wanted is None:
                wanted = Wanted(
                    UNKNOWN if not isinstance(value, Outside) else value, "", None, False, False
                )
            yield self._dependency(wanted, level)

    def _dependency(self, wanted: Wanted, level: Level) -> _Asked:
        name, module, at = self.dependencies.named(wanted.target)
        return wanted, Dependency(name, module, level, self.dependencies.protects(wanted), at)

    def _status(self, entry: Endpoint) -> int | None:
        if "status_code" not in entry.keywords:
            return None if entry.methods == ("WEBSOCKET",) else 200
        return status_of(entry.keywords["status_code"])


def status_of(value: Value) -> int | None:
    match value:
        case Const(value=int() as number):
            return number
        case Outside(name=name):
            if found := re.search(r"HTTP_(\d{3})", name):
                return int(found[1])
            if name.startswith("http.HTTPStatus."):
                member = getattr(http.HTTPStatus, name.split(".")[2], None)
                return None if member is None else int(member)
    return None


def name_of(router: RouterObject) -> str | None:
    """module:variable"""
    return ":".join(router.names[0]) if router.names else None


def _response_model(entry: Endpoint) -> str | None:
    for keyword in entry.call.node.keywords:
        if keyword.arg == "response_model":
            text = ast.unparse(keyword.value)
            return None if text == "None" else text
    handler = entry.handler
    if isinstance(handler, Function) and not isinstance(handler.node, ast.Lambda):
        returns = handler.node.returns
        if returns is not None and ast.unparse(returns) not in {"None", "Any"}:
            return ast.unparse(returns)
    return None
