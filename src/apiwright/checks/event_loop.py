"""What runs in the event loop: async routes, what they depend on, middleware, and all they call."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from apiwright.checks.findings import Where
from apiwright.checks.rule import where
from apiwright.project.bodies import CallSite
from apiwright.project.code import Code
from apiwright.project.facts import Route
from apiwright.project.values import Class, Function, Instance

_BASE_MIDDLEWARE = "starlette.middleware.base.BaseHTTPMiddleware"


@dataclass(frozen=True, eq=False)
class Root:
    """An async function that FastAPI calls."""

    function: Function
    routes: tuple[Route, ...]
    """That it answers, or stands before; none for middleware, which stands before all."""
    kind: str
    """route, dependency, middleware."""


@dataclass(frozen=True, eq=False)
class InLoop:
    """A call that the event loop waits for, and the way there."""

    root: Root
    way: tuple[CallSite, ...]
    function: Function
    """The one that makes the call."""
    site: CallSite

    @property
    def told(self) -> str:
        """list_tasks (main.py:10) → load (main.py:20) → requests.get"""
        names = [f"{self.root.function.qualified} ({self.root.function.at})"]
        names += [
            f"{one.target.qualified} ({one.target.at})"
            for one in self.way
            if one.target is not None
        ]
        return " → ".join([*names, self.site.name or "?"])


def roots(code: Code) -> tuple[Root, ...]:
    routes: dict[ast.AST, tuple[Function, str, list[Route]]] = {}
    for handler in code.handlers():
        found = [(handler.function, "route")]
        found += [(one, "dependency") for one in code.all_dependencies(handler)]
        for function, kind in found:
            if is_async(function):
                routes.setdefault(function.node, (function, kind, []))[2].append(handler.route)
    for function in code.functions():
        if is_async(function) and _is_middleware(code, function):
            routes.setdefault(function.node, (function, "middleware", []))
    return tuple(
        Root(function, tuple(dict.fromkeys(served)), kind)
        for function, kind, served in routes.values()
    )


@lru_cache(maxsize=2)
def calls_in_loop(code: Code) -> tuple[InLoop, ...]:
    """Those of every root, each by its shortest way; a call that several roots reach comes once for
    each. What a process does once, a cached function, is left out."""
    return tuple(_calls_in_loop(code))


def _calls_in_loop(code: Code) -> Iterator[InLoop]:
    for root in roots(code):
        for function, way in code.reached(root.function):
            if _is_done_once(root, way):
                continue
            first = _first_time(function.node)
            for site in code.calls(function):
                if not site.in_thread and site.node not in first:
                    yield InLoop(root, way, function, site)


def _is_done_once(root: Root, way: tuple[CallSite, ...]) -> bool:
    caller = root.function
    for site in way:
        if site.node in _first_time(caller.node) or site.target is None or _is_kept(site.target):
            return True
        caller = site.target
    return False


def _is_kept(function: Function) -> bool:
    """@lru_cache"""
    return any(
        ast.unparse(one.func if isinstance(one, ast.Call) else one).rpartition(".")[2]
        in {"lru_cache", "cache", "cached_property"}
        for one in getattr(function.node, "decorator_list", ())
    )


@lru_cache(maxsize=5_000)
def _first_time(function: ast.AST) -> frozenset[ast.AST]:
    """What stands in `if loaded is None: …`, of a global: it is done once."""
    kept = {
        name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names
    }
    if not kept:
        return frozenset()
    return frozenset(
        inner
        for node in ast.walk(function)
        if isinstance(node, ast.If)
        and any(isinstance(one, ast.Name) and one.id in kept for one in ast.walk(node.test))
        for part in node.body
        for inner in ast.walk(part)
    )


def is_async(function: Function) -> bool:
    return isinstance(function.node, ast.AsyncFunctionDef)


def routes_of(found: list[InLoop]) -> tuple[Where, ...]:
    """The routes that wait, with the place of what answers them."""
    routes = dict.fromkeys(route for one in found for route in one.root.routes)
    return tuple(where(route.at, route) for route in routes)


def counted(found: list[InLoop]) -> str:
    """GET /tasks, or 3 routes."""
    routes = list(dict.fromkeys(route for one in found for route in one.root.routes))
    if any(one.root.kind == "middleware" for one in found):
        return "every request"
    if len(routes) == 1:
        return f"{routes[0].method} {routes[0].path}"
    return f"{len(routes)} routes"


def _is_middleware(code: Code, function: Function) -> bool:
    for decorator in getattr(function.node, "decorator_list", ()):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Attribute) and called.attr in {"middleware", "exception_handler"}:
            return True
    own = function.self
    cls = own.of if isinstance(own, Instance) else own
    if not isinstance(cls, Class):
        return False
    name = getattr(function.node, "name", "")
    if name == "dispatch":
        return code.bodies.outside_base(cls) == _BASE_MIDDLEWARE
    arguments = [one.arg for one, _ in function.parameters()][1:]
    return name == "__call__" and arguments == ["scope", "receive", "send"]
