"""What is a database session or connection, and which of them all requests share."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from apiwright.project.code import Code
from apiwright.project.facts import Place
from apiwright.project.libraries import ASYNC_SESSION, SESSION
from apiwright.project.values import Class, Function, Instance, Made, Scope, Value

SCOPED = "sqlalchemy.orm.scoped_session"
CONNECTIONS = {
    "sqlalchemy.Connection",
    "sqlalchemy.ext.asyncio.AsyncConnection",
    "sqlite3.Connection",
    "sqlite3.Cursor",
    "psycopg2.connect()",
    "psycopg2.connect().cursor()",
    "pymysql.connect()",
}
_CACHES = {"lru_cache", "cache", "cached"}


@dataclass(frozen=True)
class Shared:
    """A session that lives as long as the process."""

    at: Place
    name: str
    """As it is written: session, Repository.session."""
    how: str
    """is made when the module is imported, …"""
    value: Value
    node: ast.AST
    """Where it is made: an assignment, a parameter's default, a function."""


def is_session(value: Value) -> bool:
    return session_name(value) in {SESSION, ASYNC_SESSION, *CONNECTIONS}


def session_name(value: Value) -> str:
    return value.name if isinstance(value, Made) else ""


def shared(code: Code) -> Iterator[Shared]:
    for source in code.sources:
        if not source.is_test and source in code.evaluator.scopes:
            scope = code.module_scope(source)
            yield from _assigned(code, source.tree.body, scope, "")
    for function in code.functions():
        yield from _defaults(code, function)
        yield from _cached(code, function)
        yield from _of_state(code, function)


def uses(code: Code, function: Function, one: Shared) -> bool:
    """Whether it calls something of the session, or of the object that holds it, or hands it on."""
    if function.node is one.node or any(inner is one.node for inner in function.node.args.defaults):
        return True
    name = one.name.rpartition(".")[2]
    own = function.scope.source.path == one.at.file
    for node in ast.walk(function.node):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            if name in code.body(function).scope.names:
                continue
            if own or _imports(code, function, name, one):
                return True
        if isinstance(node, ast.Attribute) and node.attr == name:
            text = ast.unparse(node)
            if text == one.name or text.endswith(f".{one.name}") or ".state." in text:
                return True
            if "." in one.name and text in {f"self.{name}", f"cls.{name}"}:
                return True
            module = one.at.file.removesuffix(".py").rpartition("/")[2]
            if text in {f"{module}.{name}"}:
                return True
    return False


def _imports(code: Code, function: Function, name: str, one: Shared) -> bool:
    for node in function.scope.source.all(ast.ImportFrom):
        if any((alias.asname or alias.name) == name for alias in node.names):
            source = function.scope.source
            module = code.evaluator.modules.absolute(node, source)
            found = code.evaluator.modules.find(module, source)
            return found is not None and found.path == one.at.file
    return False


def _assigned(code: Code, body: list[ast.stmt], scope: Scope, owner: str) -> Iterator[Shared]:
    for node in body:
        match node:
            case ast.Assign() | ast.AnnAssign() if node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        found = _lasting(code, code.value_of(node.value, scope))
                        if found is not None:
                            how = "is made once, when the module is imported"
                            at = scope.source.at(node)
                            yield Shared(at, owner + target.id, how, found, node)
            case ast.ClassDef():
                cls = scope.names.get(node.name)
                if isinstance(cls, Class) and cls.node is node:
                    yield from _assigned(code, node.body, cls.scope, f"{owner}{node.name}.")
            case ast.If() | ast.Try():
                if not _is_main(node):
                    yield from _assigned(code, node.body, scope, owner)


def _lasting(code: Code, value: Value) -> Value | None:
    """The session that a value is, or has got when it was made."""
    if is_session(value) or session_name(value) == SCOPED:
        return value
    if isinstance(value, Instance):
        for name in value.attributes:
            held = code.bodies.attribute(value, name)
            if is_session(held):
                return held
    return None


def _defaults(code: Code, function: Function) -> Iterator[Shared]:
    for parameter, default in function.parameters():
        if isinstance(default, ast.Call):
            found = code.value_of(default, function.scope)
            if is_session(found):
                at = function.scope.source.at(default)
                how = f"of `{function.qualified}` is a default, made once, when it is defined"
                yield Shared(at, parameter.arg, how, found, default)


def _cached(code: Code, function: Function) -> Iterator[Shared]:
    for decorator in getattr(function.node, "decorator_list", ()):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = code.name_of(called, function.scope) or ""
        if name.startswith("functools.") and name.rpartition(".")[2] in _CACHES:
            found = _lasting(code, code.bodies.gives(function))
            if found is not None and not function.node.args.args:
                how = "is kept by its cache, and with it the session that it was given first"
                yield Shared(function.at, function.qualified, how, found, function.node)


def _of_state(code: Code, function: Function) -> Iterator[Shared]:
    """app.state.session = …"""
    for node in ast.walk(function.node):
        if not isinstance(node, ast.Assign) or node.value not in code.body(function).values:
            continue
        for target in node.targets:
            text = ast.unparse(target)
            if (
                ".state." in text
                and "request" not in text
                and is_session(code.value_of(node.value, function))
            ):
                at = function.scope.source.at(node)
                found = code.value_of(node.value, function)
                yield Shared(at, text, "is made once, when the app starts", found, node)


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
