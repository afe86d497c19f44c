"""A project's source, opened for rules: its handlers, functions, and what they call.

Calls are resolved by imports and types, never by a name alone: what `db` is in `db.query(Task)` is
told by its annotation, by the dependency that gives it, or by the constructor that made it.
"""

import ast
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from apiwright.project.bodies import Bodies, Body, CallSite, dotted, functions_of
from apiwright.project.dependencies import Dependencies, Wanted
from apiwright.project.evaluate import Evaluator
from apiwright.project.facts import Project, Route
from apiwright.project.files import Source
from apiwright.project.routes import Served
from apiwright.project.values import Class, Endpoint, Function, Instance, Scope, Value

_DEEPEST = 12


@dataclass(frozen=True)
class Handler:
    """A route, and the function that answers it."""

    route: Route
    function: Function
    wanted: tuple[Wanted, ...]
    """What it depends on, in its parameters and by its routers."""
    endpoint: Endpoint


class Code:
    def __init__(
        self,
        project: Project,
        sources: tuple[Source, ...],
        evaluator: Evaluator,
        dependencies: Dependencies,
        served: tuple[Served, ...],
        fastapi: str | None = None,
    ) -> None:
        self.project = project
        self.sources = sources
        self.evaluator = evaluator
        self.bodies = Bodies(evaluator, dependencies)
        self._dependencies = dependencies
        self._served = served
        self._fastapi = fastapi

    def with_project(self, project: Project) -> "Code":
        """The same source, with what the running app said about its routes."""
        routes = {(route.method, route.path): route for route in project.routes}
        served = tuple(
            replace(one, route=routes.get((one.route.method, one.route.path), one.route))
            for one in self._served
        )
        other = Code(
            project, self.sources, self.evaluator, self._dependencies, served, self._fastapi
        )
        other.bodies = self.bodies
        return other

    @property
    def fastapi(self) -> tuple[int, ...] | None:
        """FastAPI's version, as it ran or as the project pins it."""
        ran = self.project.ran
        told = ran.versions.fastapi if ran is not None and ran.versions is not None else None
        numbers = [int(part) for part in (told or self._fastapi or "").split(".") if part.isdigit()]
        return tuple(numbers) or None

    @cached_property
    def _handlers(self) -> tuple[Handler, ...]:
        return tuple(
            Handler(one.route, function, one.wanted, one.endpoint)
            for one in self._served
            if (function := self._called(one.endpoint.handler)) is not None
        )

    def handlers(self) -> tuple[Handler, ...]:
        """One for each served route whose function is the project's."""
        return self._handlers

    @cached_property
    def _functions(self) -> tuple[Function, ...]:
        found: list[Function] = []
        for source in self.sources:
            if source.is_test or source not in self.evaluator.scopes:
                continue
            left = deque(functions_of(source, self.evaluator.scopes[source]))
            while left:
                function = left.popleft()
                found.append(function)
                nested = self.bodies.of(function).nested
                left.extend(one for one in nested if not isinstance(one.node, ast.Lambda))
        return tuple(found)

    def functions(self) -> tuple[Function, ...]:
        """Every function and method of the project, those inside others too, but for its tests."""
        return self._functions

    def body(self, function: Function) -> Body:
        """Its calls, and what each of its expressions is."""
        return self.bodies.of(function)

    def calls(self, function: Function) -> tuple[CallSite, ...]:
        """In the order of the source; those of functions and lambdas inside are theirs."""
        return tuple(self.bodies.of(function).calls)

    def name_of(self, expression: ast.expr, within: Function | Scope) -> str | None:
        """The dotted name of what an expression is, outside of the project: "requests.get", or
        "sqlalchemy.orm.Session" for an instance."""
        return dotted(self.value_of(expression, within))

    def value_of(self, expression: ast.expr, within: Function | Scope) -> Value:
        """What an expression of a function, or of a module, is."""
        if isinstance(within, Function):
            found = self.bodies.of(within).values.get(expression)
            if found is not None:
                return found
            within = within.scope
        return self.bodies.value(expression, within)

    def module_scope(self, source: Source) -> Scope:
        return self.evaluator.scope_of(source)

    def dependencies(self, function: Function) -> tuple[Function, ...]:
        """The functions that FastAPI calls before it, for its own parameters."""
        return self._functions_of(self._dependencies.of(function))

    def all_dependencies(self, handler: Handler) -> tuple[Function, ...]:
        """Those of a handler at any depth, its routers' included, in no particular order."""
        found: dict[ast.AST, Function] = {}
        left = list(self._functions_of(handler.wanted))
        while left:
            function = left.pop(0)
            if function.node not in found:
                found[function.node] = function
                left += self.dependencies(function)
        return tuple(found.values())

    def provider(self, wanted: Wanted) -> Function | None:
        """The function behind Depends(…)."""
        return self._called(wanted.target)

    def wanted(self, function: Function) -> tuple[Wanted, ...]:
        """What its parameters depend on."""
        return self._dependencies.of(function)

    def protects(self, wanted: Wanted) -> str:
        return self._dependencies.protects(wanted)

    def reached(
        self, function: Function, threads: bool = False, dependencies: bool = False
    ) -> Iterator[tuple[Function, tuple[CallSite, ...]]]:
        """The functions of the project that a call of this one runs, itself first, each with the
        calls that lead there, the shortest way. With `threads`, those that run in a thread too;
        with `dependencies`, those that FastAPI calls before, with no calls in between."""
        left: deque[tuple[Function, tuple[CallSite, ...]]] = deque([(function, ())])
        if dependencies:
            left.extend((one, ()) for one in self.dependencies(function))
        seen: set[object] = set()
        while left:
            here, chain = left.popleft()
            body = self.bodies.of(here)
            if body in seen or len(chain) > _DEEPEST:
                continue
            seen.add(body)
            yield here, chain
            for site in body.calls:
                if site.target is not None and (threads or not site.in_thread):
                    left.append((site.target, (*chain, site)))

    def _functions_of(self, wanted: tuple[Wanted, ...]) -> tuple[Function, ...]:
        found = (self._called(one.target) for one in wanted)
        return tuple(one for one in found if one is not None)

    def _called(self, value: Value) -> Function | None:
        match value:
            case Function():
                return value
            case Class():
                made = self.bodies.member(value, "__init__", Instance(value, {}))
                return made if isinstance(made, Function) else None
            case Instance():
                made = self.bodies.member(value.of, "__call__", value)
                return made if isinstance(made, Function) else None
        return None
