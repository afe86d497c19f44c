"""What a token holds, and what is asked about what it holds."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from apiwright.checks.literals import callers, literals
from apiwright.checks.reading import argument, name_in, own_nodes
from apiwright.project.code import Code
from apiwright.project.facts import Place
from apiwright.project.files import Source
from apiwright.project.values import Class, Function, Instance, Scope

_DEEPEST = 6
_TYPES = {
    "type", "typ", "token_type", "scope", "scopes", "kind", "purpose", "use", "token_use",
    "refresh", "is_refresh", "usage", "mode", "grant", "aud",
}  # fmt: skip


@dataclass(frozen=True)
class Claims:
    """One way that a payload is made."""

    names: frozenset[str]
    at: Place
    """Where it is made."""
    perhaps: frozenset[tuple[str, str]] = frozenset()
    """(claim, parameter): set only where the parameter is given."""


def payloads(code: Code, expression: ast.expr | None, within: Function | Scope) -> list[Claims]:
    """Those ways that can be told; [] when none can."""
    if expression is None:
        return []
    return list(_of(code, expression, within, _DEEPEST))


def _of(code: Code, node: ast.expr, within: Function | Scope, left: int) -> Iterator[Claims]:
    if left <= 0:
        return
    match node:
        case ast.Dict():
            yield from _of_dict(code, node, within, left)
        case ast.Name() if isinstance(within, Function):
            yield from _of_name(code, node.id, within, left)
        case ast.BinOp(op=ast.BitOr()):
            yield from _joined(
                _of(code, node.left, within, left), [*_of(code, node.right, within, left)]
            )
        case ast.Call():
            yield from _of_call(code, node, within, left)
        case ast.Await():
            yield from _of(code, node.value, within, left)


def _of_dict(code: Code, node: ast.Dict, within: Function | Scope, left: int) -> Iterator[Claims]:
    names = set()
    below: list[list[Claims]] = []
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            found = [*_of(code, value, within, left - 1)]
            if not found:
                return  # **claims, which cannot be told
            below.append(found)
        else:
            names |= {one.value for one in literals(code, key, within)}
    result = [Claims(frozenset(names), _source(within).at(node))]
    for one in below:
        result = [*_joined(result, one)]
    yield from result


def _joined(first: Iterator[Claims] | list[Claims], second: list[Claims]) -> Iterator[Claims]:
    for one in list(first):
        for other in second:
            yield Claims(one.names | other.names, other.at, one.perhaps | other.perhaps)


def _of_call(code: Code, node: ast.Call, within: Function | Scope, left: int) -> Iterator[Claims]:
    name = code.name_of(node.func, within) or ""
    if isinstance(node.func, ast.Attribute) and node.func.attr in {"copy", "dict", "model_dump"}:
        receiver = code.value_of(node.func.value, within)
        if isinstance(receiver, Instance):
            yield Claims(frozenset(_fields(code, receiver.of)), _source(within).at(node))
        elif node.func.attr == "copy":
            yield from _of(code, node.func.value, within, left - 1)
        return
    if name in {"dict", "copy.copy", "copy.deepcopy"}:
        own = Claims(
            frozenset(one.arg for one in node.keywords if one.arg), _source(within).at(node)
        )
        if node.args:
            yield from _joined([own], [*_of(code, node.args[0], within, left - 1)])
        else:
            yield own
        return
    target = code.value_of(node.func, within)
    if isinstance(target, Function) and not isinstance(target.node, ast.Lambda):
        for inner in own_nodes(target.node):
            if isinstance(inner, ast.Return) and inner.value is not None:
                yield from _of(code, inner.value, target, left - 1)


def _fields(code: Code, cls: Class) -> Iterator[str]:
    for one in code.evaluator.ancestry(cls):
        if isinstance(one, Class):
            for node in one.node.body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    yield node.target.id


def _of_name(code: Code, name: str, within: Function, left: int) -> Iterator[Claims]:
    """What is bound to it, with what is set on it later."""
    added, perhaps = _set_later(code, name, within)
    bound = [
        value for node in own_nodes(within.node) if (value := _value_bound(node, name)) is not None
    ]
    found: list[Claims] = []
    for value in bound:
        if not (isinstance(value, ast.Name) and value.id == name):
            found += _of(code, value, within, left - 1)
    if not bound or any(isinstance(one, ast.Call | ast.Name) and not found for one in bound):
        found += _passed(code, name, within, left)
    for one in found:
        yield Claims(one.names | added, one.at, one.perhaps | perhaps)


def _value_bound(node: ast.AST, name: str) -> ast.expr | None:
    if isinstance(node, ast.Assign):
        named = any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
        return node.value if named else None
    if isinstance(node, ast.AnnAssign) and name_in(node.target) == name:
        return node.value
    return None


def _passed(code: Code, name: str, within: Function, left: int) -> Iterator[Claims]:
    """What callers pass for a parameter."""
    names = [one.arg for one, _ in within.parameters()]
    if name not in names:
        return
    place = names.index(name) - (1 if names[:1] in (["self"], ["cls"]) and within.owner else 0)
    for caller, site in callers(code).get(within.node, ()):
        passed = argument(site.node, place, name)
        if passed is None:
            continue
        given = _given(site.node, names, within)
        for one in _of(code, passed, caller, left - 1):
            yield Claims(
                one.names,
                caller.scope.source.at(site.node),
                one.perhaps | {("(given)", each) for each in given},
            )


def _given(call: ast.Call, names: list[str], function: Function) -> set[str]:
    """The parameters that a call gives something for."""
    own = names[1:] if names[:1] in (["self"], ["cls"]) and function.owner else names
    return {*own[: len(call.args)], *(one.arg for one in call.keywords if one.arg)}


def _set_later(
    code: Code, name: str, within: Function
) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Claims that are set on it in the function, and those set only if a parameter is given."""
    always: set[str] = set()
    perhaps: set[tuple[str, str]] = set()
    parameters = {one.arg for one, _ in within.parameters()}

    def visit(statements: list[ast.stmt], asked: str | None) -> set[str]:
        found: set[str] = set()
        for statement in statements:
            if isinstance(statement, ast.If):
                inner = _parameter_asked(statement.test, parameters) or asked or "?"
                then = visit(statement.body, inner)
                otherwise = visit(statement.orelse, inner)
                found |= then & otherwise
                perhaps.update((one, inner) for one in (then ^ otherwise) if one in then)
                always.update((then & otherwise) if asked is None else set())
                continue
            for part in ("body", "orelse", "finalbody"):
                inner_body = getattr(statement, part, None)
                if isinstance(inner_body, list) and not isinstance(
                    statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
                ):
                    found |= visit(inner_body, asked)
            found |= set(_sets(code, statement, name, within))
        return found

    body = within.node.body
    if isinstance(body, list):
        always |= visit(body, None)
    return frozenset(always), frozenset(perhaps)


def _parameter_asked(test: ast.expr, parameters: set[str]) -> str | None:
    return next(
        (one.id for one in ast.walk(test) if isinstance(one, ast.Name) and one.id in parameters),
        None,
    )


def _sets(code: Code, statement: ast.stmt, name: str, within: Function) -> Iterator[str]:
    """to_encode["exp"] = …, to_encode.update(exp=…), to_encode |= {…}"""
    match statement:
        case ast.Assign():
            for target in statement.targets:
                if isinstance(target, ast.Subscript) and name_in(target.value) == name:
                    yield from (one.value for one in literals(code, target.slice, within))
        case ast.AugAssign() if name_in(statement.target) == name:
            for one in _of(code, statement.value, within, 2):
                yield from one.names
        case ast.Expr(value=ast.Call(func=ast.Attribute() as called) as call):
            if name_in(called.value) != name:
                return
            if called.attr == "update":
                yield from (one.arg for one in call.keywords if one.arg)
                for given in call.args:
                    for found in _of(code, given, within, 2):
                        yield from found.names
            elif called.attr == "setdefault" and call.args:
                yield from (one.value for one in literals(code, call.args[0], within))


@lru_cache(maxsize=512)
def asks_type(code: Code, function: Function) -> bool:
    """Whether it, or what it calls, asks what kind of token it has."""
    for inside, _ in code.reached(function):
        for node in own_nodes(inside.node):
            match node:
                case ast.Subscript(slice=key, ctx=ast.Load()):
                    asked: ast.expr | None = key
                case ast.Call(func=ast.Attribute(attr="get"), args=[key, *_]):
                    asked = key
                case ast.Attribute(attr=attribute) if attribute in _TYPES - {"type", "use", "mode"}:
                    return True
                case ast.keyword(arg="audience"):
                    return True
                case _:
                    continue
            if any(one.value in _TYPES for one in literals(code, asked, inside)):
                return True
    return False


def _source(within: Function | Scope) -> Source:
    return (within.scope if isinstance(within, Function) else within).source
