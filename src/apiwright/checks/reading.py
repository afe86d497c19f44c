"""What several rules ask of the code: every call that is served, and who imports what."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from apiwright.project.bodies import CallSite
from apiwright.project.code import Code
from apiwright.project.facts import Place
from apiwright.project.files import Source
from apiwright.project.values import Function, RouterObject, Scope, Value


@dataclass(frozen=True, eq=False)
class Spot:
    """A call, in a function or at the top of a module."""

    node: ast.Call
    name: str
    """Dotted, outside of the project."""
    within: Function | Scope
    source: Source
    code: Code

    @property
    def at(self) -> Place:
        return self.source.at(self.node)

    def argument(self, place: int | None, *names: str) -> ast.expr | None:
        return argument(self.node, place, *names)

    def value(self, expression: ast.expr | None) -> Value | None:
        return None if expression is None else self.code.value_of(expression, self.within)


def argument(call: ast.Call, place: int | None, *names: str) -> ast.expr | None:
    """What is passed by one of the names, or at the place."""
    for keyword in call.keywords:
        if keyword.arg in names:
            return keyword.value
    positional = call.args
    if place is None or place < 0:
        return None
    if any(isinstance(one, ast.Starred) for one in positional[: place + 1]):
        return None
    return positional[place] if place < len(positional) else None


@lru_cache(maxsize=4)
def served(code: Code) -> frozenset[Source]:
    """The files that the app imports, itself included: no scripts, no migrations."""
    modules = code.evaluator.modules
    by_path = {source.path: source for source in code.sources}
    start = by_path.get(code.project.app.at.file)
    if start is None:
        return frozenset(source for source in code.sources if not source.is_test)
    found, left = {start}, [start]
    for handler in code.handlers():
        if handler.function.scope.source not in found:
            found.add(handler.function.scope.source)
            left.append(handler.function.scope.source)
    while left:
        source = left.pop()
        names = [alias.name for node in source.all(ast.Import) for alias in node.names]
        for node in source.all(ast.ImportFrom):
            module = modules.absolute(node, source)
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            for length in range(1, len(parts) + 1):
                imported = modules.find(".".join(parts[:length]), source)
                if imported is not None and imported not in found and not imported.is_test:
                    found.add(imported)
                    left.append(imported)
    return frozenset(found)


@lru_cache(maxsize=4)
def functions(code: Code) -> tuple[Function, ...]:
    """Those in files that the app imports."""
    files = served(code)
    return tuple(one for one in code.functions() if one.scope.source in files)


@lru_cache(maxsize=4)
def spots(code: Code) -> tuple[Spot, ...]:
    """Every call of something outside of the project, in files that the app imports."""
    found: list[Spot] = []
    for function in functions(code):
        found += _of_function(function, code)
    for source in sorted(served(code), key=lambda source: source.path):
        found += _of_module(source, code)
    return tuple(found)


def _of_function(function: Function, code: Code) -> Iterator[Spot]:
    seen: set[ast.AST] = set()
    left = [function]
    while left:
        inside = left.pop()
        body = code.body(inside)
        left += [one for one in body.nested if isinstance(one.node, ast.Lambda)]
        for site in body.calls:
            if site.name is not None and site.node not in seen and not site.in_thread:
                seen.add(site.node)
                yield Spot(site.node, site.name, inside, inside.scope.source, code)


def _of_module(source: Source, code: Code) -> Iterator[Spot]:
    """Calls at the top of a module and in the bodies of its classes, decorators included."""
    top = code.module_scope(source)

    def visit(node: ast.AST, scope: Scope) -> Iterator[Spot]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner: list[ast.AST] = [*getattr(node, "decorator_list", ())]
            inner += [one for one in (*node.args.defaults, *node.args.kw_defaults) if one]
            for one in inner:
                yield from visit(one, scope)
            return
        if isinstance(node, ast.ClassDef):
            known = scope.names.get(node.name)
            scope = (
                getattr(known, "scope", scope) if getattr(known, "node", None) is node else scope
            )
        if isinstance(node, ast.Call):
            name = _name(code, node.func, scope)
            if name is not None:
                yield Spot(node, name, scope, source, code)
        for one in ast.iter_child_nodes(node):
            yield from visit(one, scope)

    yield from visit(source.tree, top)


def _name(code: Code, callee: ast.expr, scope: Scope) -> str | None:
    if isinstance(callee, ast.Attribute):
        receiver = code.value_of(callee.value, scope)
        if isinstance(receiver, RouterObject):
            kind = "FastAPI" if receiver.kind == "app" else "APIRouter"
            return f"fastapi.{kind}.{callee.attr}"
    return code.name_of(callee, scope)


def sites(code: Code, function: Function) -> Iterator[CallSite]:
    """Its calls, and those of lambdas in it."""
    body = code.body(function)
    yield from body.calls
    for one in body.nested:
        if isinstance(one.node, ast.Lambda):
            yield from sites(code, one)


def name_in(expression: ast.expr) -> str:
    """The last name of `data.password`, `password`, `data["password"]`; else ''."""
    match expression:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name
        case ast.Await(value=inner):
            return name_in(inner)
    return ""


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What is below it, in the order of the source, without the functions and classes inside."""
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield inner
            yield from own_nodes(inner)
