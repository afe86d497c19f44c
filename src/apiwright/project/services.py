"""What stands between a route and its statements."""

import ast
from collections.abc import Iterator

from apiwright.project.evaluate import Evaluator
from apiwright.project.facts import Place, Style
from apiwright.project.values import Class, Endpoint, Function, Instance, Scope, Unknown, Value

_QUERIES = {"query", "exec", "execute", "scalars", "scalar", "add", "get", "add_all"}


def styles(evaluator: Evaluator, endpoints: list[Endpoint]) -> tuple[Style, ...]:
    """The most used first: functions, classes with a session, static methods, instances shared by
    all, or none: statements in the routes."""
    found: dict[str, list[tuple[str, Place]]] = {}
    for endpoint in endpoints:
        if isinstance(endpoint.handler, Function):
            for kind, example, at in set(_calls(evaluator, endpoint.handler)):
                found.setdefault(kind, []).append((example, at))
    return Style.of_all(found)


def _calls(evaluator: Evaluator, handler: Function) -> Iterator[tuple[str, str, Place]]:
    if isinstance(handler.node, ast.Lambda):
        return
    scope = Scope(handler.scope.source, handler.scope, handler.qualified, "function")
    for parameter, otherwise in handler.parameters():
        given = _given(evaluator, evaluator.annotation(parameter.annotation, handler.scope))
        default = evaluator.value(otherwise, handler.scope)
        for extra in getattr(default, "arguments", ())[:1]:
            if isinstance(given, Unknown) or not isinstance(given, Instance):
                given = _given(evaluator, extra)
        scope.names[parameter.arg] = given
    for statement in handler.node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
            made = evaluator.value(statement.value.func, scope)
            for target in statement.targets:
                if isinstance(target, ast.Name) and isinstance(made, Class):
                    scope.names[target.id] = Instance(made, {})
    queried = None
    served = False
    for node in ast.walk(handler.node):
        if not isinstance(node, ast.Call):
            continue
        kind = _kind(evaluator, node, scope, handler)
        if kind is not None:
            served = True
            yield kind
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _QUERIES:
            receiver = node.func.value
            if isinstance(receiver, ast.Name) and receiver.id in {
                "session",
                "db",
                "db_session",
                "s",
            }:
                queried = queried or handler.scope.source.at(handler.node)
    if queried is not None and not served:
        yield "statements in routes", handler.qualified, queried


def _kind(
    evaluator: Evaluator, node: ast.Call, scope: Scope, handler: Function
) -> tuple[str, str, Place] | None:
    name = evaluator.modules.name_of
    if isinstance(node.func, ast.Attribute):
        receiver = evaluator.value(node.func.value, scope)
        if isinstance(node.func.value, ast.Call):  # TaskService(session).create(…)
            made = evaluator.value(node.func.value.func, scope)
            receiver = Instance(made, {}) if isinstance(made, Class) else receiver
        if isinstance(receiver, Instance | Class):
            cls = receiver.of if isinstance(receiver, Instance) else receiver
            method = evaluator.member(cls, node.func.attr, None)
            if not isinstance(method, Function) or method.owner is None:
                return None
            example = f"{name(cls.scope.source)}.{cls.node.name}.{node.func.attr}"
            if isinstance(receiver, Class):
                return "static methods", example, method.at
            return "classes", example, method.at
    called = evaluator.value(node.func, scope)
    if isinstance(called, Function) and not isinstance(called.node, ast.Lambda):
        source = called.scope.source
        if source is not handler.scope.source and _takes_session(called.node):
            return "functions", f"{name(source)}.{called.qualified}", called.at
    return None


def _given(evaluator: Evaluator, value: Value) -> Value:
    """What a parameter holds: of Depends(TaskService) and `service: TaskService`, an instance."""
    values = getattr(value, "values", ())
    if isinstance(values, tuple) and values:
        value = values[0]
    if isinstance(value, Class):
        return Instance(value, {})
    if isinstance(value, Function) and not isinstance(value.node, ast.Lambda):
        returns = evaluator.annotation(value.node.returns, value.scope)
        if isinstance(returns, Class):
            return Instance(returns, {})
    return Unknown()


def _takes_session(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        argument.arg in {"session", "db", "db_session", "conn"}
        or (argument.annotation is not None and "Session" in ast.unparse(argument.annotation))
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    )
