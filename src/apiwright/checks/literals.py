"""The text of the source that a value comes from: through names, imports, defaults of settings and
parameters, environment variables with a default, and what callers pass.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from apiwright.checks.reading import argument, functions
from apiwright.project.bodies import CallSite
from apiwright.project.code import Code
from apiwright.project.facts import Place
from apiwright.project.files import Source
from apiwright.project.values import Class, Function, Instance, Module, Scope, Table

_ENVIRONMENT = {
    "os.getenv", "os.environ.get", "os.environ.setdefault", "decouple.config", "environs.Env",
    "starlette.config.Config.__call__", "starlette.config.Config", "environ.Env",
    "decouple.Config.__call__", "decouple.AutoConfig.__call__",
}  # fmt: skip
_FIELDS = {"pydantic.Field", "pydantic.fields.Field", "dataclasses.field", "sqlmodel.Field"}
_THROUGH = {
    "str", "bytes", "pydantic.SecretStr", "pydantic.SecretBytes", "pydantic.types.SecretStr",
    "starlette.datastructures.Secret", "typing.cast", "starlette.datastructures.URL",
    "sqlalchemy.engine.make_url", "sqlalchemy.make_url",
}  # fmt: skip
_KEEPING = {
    "encode", "decode", "strip", "get_secret_value", "rstrip", "lstrip", "replace",
    "unicode_string", "__str__",
}  # fmt: skip
_DEEPEST = 10


@dataclass(frozen=True)
class Literal:
    value: str
    at: Place
    name: str
    """What it is bound to: SECRET_KEY, or ''."""
    is_default: bool
    """An environment variable may say something else."""


def literals(code: Code, expression: ast.expr | None, within: Function | Scope) -> list[Literal]:
    """Those that the value may be, at the places where they are written."""
    if expression is None:
        return []
    found = _Search(code).of(expression, within, "", _DEEPEST)
    return list(dict.fromkeys(found))


def written(
    code: Code, expression: ast.expr | None, within: Function | Scope
) -> list[tuple[ast.expr, Function | Scope]]:
    """The expressions that the value comes from, the given one included: what a name is bound to,
    what is passed for a parameter, the default of a setting."""
    if expression is None:
        return []
    search = _Search(code)
    for _ in search.of(expression, within, "", _DEEPEST):
        pass
    return search.seen


@lru_cache(maxsize=4)
def callers(code: Code) -> dict[ast.AST, list[tuple[Function, CallSite]]]:
    """The calls of each function of the project, by its node."""
    found: dict[ast.AST, list[tuple[Function, CallSite]]] = {}
    for function in functions(code):
        for site in code.calls(function):
            if site.target is not None:
                found.setdefault(site.target.node, []).append((function, site))
    return found


class _Search:
    def __init__(self, code: Code) -> None:
        self.code = code
        self.evaluator = code.evaluator
        self.seen: list[tuple[ast.expr, Function | Scope]] = []

    def of(
        self, node: ast.expr, within: Function | Scope, name: str, left: int
    ) -> Iterator[Literal]:
        if left <= 0:
            return
        self.seen.append((node, within))
        match node:
            case ast.Constant(value=str() | bytes() as value):
                text = value if isinstance(value, str) else value.decode(errors="replace")
                yield Literal(text, _source(within).at(node), name, False)
            case ast.Name():
                yield from self._name(node.id, within, left - 1)
            case ast.Attribute():
                yield from self._attribute(node, within, left - 1)
            case ast.Call():
                yield from self._call(node, within, name, left - 1)
            case ast.BoolOp():
                for one in node.values:
                    found = list(self.of(one, within, name, left - 1))
                    defaults = isinstance(node.op, ast.Or) and one is not node.values[0]
                    yield from (
                        (replace(each, is_default=True) for each in found) if defaults else found
                    )
            case ast.IfExp():
                for one in (node.body, node.orelse):
                    yield from self.of(one, within, name, left - 1)
            case ast.NamedExpr() | ast.Await():
                yield from self.of(node.value, within, name, left - 1)
            case ast.Subscript(slice=ast.Constant(value=str() as key)):
                yield from self._item(node.value, key, within, left - 1)
                list(self.of(node.value, within, "", left - 1))  # for what is seen on the way
            case ast.JoinedStr():
                yield from self._joined(node, within, name, left - 1)
            case ast.BinOp(op=ast.Add()):
                first = next(iter(self.of(node.left, within, name, left - 1)), None)
                then = next(iter(self.of(node.right, within, name, left - 1)), None)
                if first is not None and then is not None:
                    either = first.is_default or then.is_default
                    yield replace(first, value=first.value + then.value, is_default=either)

    def _joined(
        self, node: ast.JoinedStr, within: Function | Scope, name: str, left: int
    ) -> Iterator[Literal]:
        """Only where every part is known."""
        text, is_default = "", False
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            found = next(iter(self.of(inner, within, name, left)), None)
            if found is None:
                return
            text += found.value
            is_default = is_default or found.is_default
        yield Literal(text, _source(within).at(node), name, is_default)

    def _name(self, name: str, within: Function | Scope, left: int) -> Iterator[Literal]:
        if isinstance(within, Function):
            assigned = list(_assigned(within.node, name))
            for value in assigned:
                yield from self.of(value, within, name, left)
            if assigned:
                return
            if any(one.arg == name for one, _ in within.parameters()):
                yield from self._parameter(within, name, left)
                return
            yield from self._name(name, within.scope, left)
            return
        scope: Scope | None = within
        while scope is not None and scope.parent is not None:
            if scope.node is not None:
                for value in _bound(scope.node.body, name):
                    yield from self.of(value, scope, name, left)
            scope = scope.parent
        assert scope is not None
        yield from self._of_module(name, scope, left)

    def _of_module(self, name: str, scope: Scope, left: int) -> Iterator[Literal]:
        if left <= 0:
            return
        source = scope.source
        values = list(_bound(source.tree.body, name))
        for value in values:
            yield from self.of(value, scope, name, left)
        if values:
            return
        node = scope.definitions.get(name)
        if isinstance(node, ast.ImportFrom):
            modules = self.evaluator.modules
            found = modules.find(modules.absolute(node, source), source)
            if found is not None:
                original = next((a.name for a in node.names if (a.asname or a.name) == name), name)
                yield from self._of_module(original, self.evaluator.scope_of(found), left - 1)
            return
        for star in reversed(scope.stars):
            if star.source is not None:
                yield from self._of_module(name, self.evaluator.scope_of(star.source), left - 1)

    def _parameter(self, function: Function, name: str, left: int) -> Iterator[Literal]:
        """Its default, and what is passed for it."""
        names = [one.arg for one, _ in function.parameters()]
        default = next((d for one, d in function.parameters() if one.arg == name), None)
        if default is not None:
            yield from self.of(default, function.scope, name, left)
        skip = 1 if function.owner is not None and names[:1] in (["self"], ["cls"]) else 0
        for caller, site in callers(self.code).get(function.node, ()):
            passed = argument(site.node, names.index(name) - skip, name)
            if passed is not None:
                yield from self.of(passed, caller, name, left)

    def _attribute(
        self, node: ast.Attribute, within: Function | Scope, left: int
    ) -> Iterator[Literal]:
        owner = self.code.value_of(node.value, within)
        match owner:
            case Instance():
                yield from self._field(owner.of, node.attr, left)
            case Class():
                yield from self._field(owner, node.attr, left)
            case Module() if owner.source is not None:
                yield from self._of_module(node.attr, self.evaluator.scope_of(owner.source), left)

    def _field(self, cls: Class, name: str, left: int) -> Iterator[Literal]:
        """Of a class's body, or set on self."""
        for one in self.evaluator.ancestry(cls):
            if not isinstance(one, Class):
                continue
            values = list(_bound(one.node.body, name))
            for value in values:
                for found in self.of(value, one.scope, name, left):
                    yield replace(found, is_default=found.is_default or one.node is not None)
            if values:
                return
            for method in one.node.body:
                if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                function = Function(method, one.scope, one.scope.inside(method.name), one)
                if method.name == name:
                    for inner in ast.walk(method):
                        if isinstance(inner, ast.Return) and inner.value is not None:
                            yield from self.of(inner.value, function, name, left)
                    return
                for value in _set_on_self(method, name):
                    yield from self.of(value, function, name, left)

    def _call(
        self, node: ast.Call, within: Function | Scope, name: str, left: int
    ) -> Iterator[Literal]:
        called = self.code.name_of(node.func, within) or ""
        if called in _ENVIRONMENT:
            key = argument(node, 0, "key", "option")
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                name = key.value
            default = argument(node, 1, "default")
            if called.startswith("starlette.") or called.endswith("__call__"):
                default = argument(node, None, "default") or argument(node, 2)
            if default is not None:
                for found in self.of(default, within, name, left):
                    yield replace(found, is_default=True, name=name)
            return
        if called in _FIELDS:
            default = argument(node, 0, "default")
            if default is not None:
                yield from self.of(default, within, name, left)
            factory = argument(node, None, "default_factory")
            if isinstance(factory, ast.Lambda):
                yield from self.of(factory.body, within, name, left)
            return
        if called in _THROUGH and node.args:
            yield from self.of(node.args[-1 if called == "typing.cast" else 0], within, name, left)
            return
        if isinstance(node.func, ast.Attribute) and node.func.attr in _KEEPING:
            yield from self.of(node.func.value, within, name, left)
            return
        target = self.code.value_of(node.func, within)
        if isinstance(target, Function) and not isinstance(target.node, ast.Lambda):
            for inner in ast.walk(target.node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from self.of(inner.value, target, name, left)

    def _item(
        self, owner: ast.expr, key: str, within: Function | Scope, left: int
    ) -> Iterator[Literal]:
        if not isinstance(self.code.value_of(owner, within), Table):
            return
        found = owner
        scope = within
        if isinstance(owner, ast.Name):
            body = within.node if isinstance(within, Function) else None
            values = list(_assigned(body, owner.id)) if body is not None else []
            module = (within.scope if isinstance(within, Function) else within).module
            values = values or list(_bound(module.source.tree.body, owner.id))
            if not values:
                return
            found, scope = values[-1], within if body is not None and values else module
        if isinstance(found, ast.Dict):
            for one, value in zip(found.keys, found.values, strict=True):
                if isinstance(one, ast.Constant) and one.value == key:
                    yield from self.of(value, scope, key, left)


def _source(within: Function | Scope) -> Source:
    return (within.scope if isinstance(within, Function) else within).source


def _assigned(node: ast.AST | None, name: str) -> Iterator[ast.expr]:
    """What a function binds a name to."""
    left: list[ast.AST] = list(ast.iter_child_nodes(node)) if node is not None else []
    while left:
        inner = left.pop(0)
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        yield from _binds(inner, name)
        left = [*ast.iter_child_nodes(inner), *left]


def _bound(body: list[ast.stmt], name: str) -> Iterator[ast.expr]:
    """What a module or a class binds a name to."""
    for node in body:
        yield from _binds(node, name)
        if isinstance(node, ast.If | ast.Try | ast.With):
            for part in ("body", "orelse", "finalbody"):
                yield from _bound(getattr(node, part, []), name)
            for handler in getattr(node, "handlers", ()):
                yield from _bound(handler.body, name)


def _binds(node: ast.AST, name: str) -> Iterator[ast.expr]:
    match node:
        case ast.Assign():
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == name:
                    yield node.value
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    for one, value in zip(target.elts, node.value.elts, strict=False):
                        if isinstance(one, ast.Name) and one.id == name:
                            yield value
        case ast.AnnAssign(target=ast.Name(id=bound), value=ast.expr() as value) if bound == name:
            yield value
        case ast.NamedExpr(target=ast.Name(id=bound), value=value) if bound == name:
            yield value


def _set_on_self(method: ast.AST, name: str) -> Iterator[ast.expr]:
    for inner in ast.walk(method):
        if isinstance(inner, ast.Assign):
            for target in inner.targets:
                if (
                    isinstance(target, ast.Attribute)
                    and target.attr == name
                    and isinstance(target.value, ast.Name)
                    and target.value.id == "self"
                ):
                    yield inner.value
