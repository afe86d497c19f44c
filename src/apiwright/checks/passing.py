"""Where a value of a function comes from: its callers' arguments, up to what the client sent."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from apiwright.project.bodies import CallSite
from apiwright.project.code import Code, Handler
from apiwright.project.values import Class, Function, Instance, Made, Value

_DUMPS = {"model_dump", "dict", "copy", "model_copy", "items"}
_SAME = {"fastapi.encoders.jsonable_encoder", "dict", "vars", "copy.copy", "copy.deepcopy"}


@dataclass(frozen=True, eq=False)
class Step:
    """A function that a request runs, and how it got there."""

    function: Function
    way: tuple[CallSite, ...]
    start: Function

    @property
    def caller(self) -> "Step | None":
        if not self.way:
            return None
        above = self.way[-2].target if len(self.way) > 1 else self.start
        return None if above is None else Step(above, self.way[:-1], self.start)


@dataclass(frozen=True, eq=False)
class Dump:
    """A dictionary of what a schema holds, or the schema itself."""

    schema: Class
    without: frozenset[str] = frozenset()


def steps(code: Code, start: Function) -> Iterator[Step]:
    for function, way in code.reached(start, threads=True):
        yield Step(function, way, start)


def bodies(code: Code, handler: Handler) -> dict[str, Class]:
    """The classes that the client's body is read into, by parameter."""
    wanted = {one.parameter for one in code.wanted(handler.function)}
    found = {}
    for parameter, _ in handler.function.parameters():
        value = code.bodies.annotated(parameter.annotation, handler.function.scope)
        if isinstance(value, Made) and value.name == "list" and value.arguments:
            value = value.arguments[0]
        if isinstance(value, Instance) and parameter.arg not in wanted:
            found[parameter.arg] = value.of
    return found


def argument(step: Step, parameter: str) -> ast.expr | None:
    """What the caller gives for a parameter."""
    if not step.way:
        return None
    site = step.way[-1]
    for keyword in site.node.keywords:
        if keyword.arg == parameter:
            return keyword.value
    arguments = step.function.node.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if step.function.self is not None:
        names = names[1:]
    given = site.node.args[len(site.node.args) - len(site.arguments) :]
    if parameter in names and names.index(parameter) < len(given):
        return given[names.index(parameter)]
    return None


def from_client(code: Code, expression: ast.expr, step: Step, names: frozenset[str]) -> bool:
    """Whether an expression holds one of the first function's parameters."""
    for node in ast.walk(expression):
        if not isinstance(node, ast.Name):
            continue
        if not step.way:
            if node.id in names:
                return True
            continue
        if any(parameter.arg == node.id for parameter, _ in step.function.parameters()):
            given, caller = argument(step, node.id), step.caller
            if given is None or caller is None:
                continue
            if from_client(code, given, caller, names):
                return True
    return False


def dump(code: Code, expression: ast.expr, step: Step, depth: int = 0) -> Dump | None:
    """The schema whose fields an expression holds."""
    if depth > 8:
        return None
    value = code.value_of(expression, step.function)
    match expression:
        case ast.Call(func=ast.Attribute(attr=name, value=receiver)) if name in _DUMPS:
            found = _of_schema(code, code.value_of(receiver, step.function)) or dump(
                code, receiver, step, depth + 1
            )
            return _without(found, _excluded(expression)) if found else None
        case ast.Call(args=[first, *_]) if (
            code.name_of(expression.func, step.function) or ""
        ) in _SAME:
            return dump(code, first, step, depth + 1)
        case ast.Attribute(attr="__dict__" | "model_extra", value=inner) | ast.Await(value=inner):
            return dump(code, inner, step, depth + 1)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            found = dump(code, left, step, depth + 1)
            return _without(found, _keys(right)) if found else None
        case ast.Dict():
            for number, (key, inner) in enumerate(
                zip(expression.keys, expression.values, strict=True)
            ):
                if key is None and (found := dump(code, inner, step, depth + 1)) is not None:
                    after = expression.keys[number + 1 :]  # the last one wins
                    return _without(
                        found, {str(k.value) for k in after if isinstance(k, ast.Constant)}
                    )
            return None
        case ast.DictComp(generators=[ast.comprehension(iter=inner, ifs=tests)]):
            if any(isinstance(test, ast.Compare) and _selects(test) for test in tests):
                return None
            return dump(code, inner, step, depth + 1)
        case ast.Name(id=name):
            return _of_name(code, name, value, step, depth)
    return _of_schema(code, value)


def fields(code: Code, schema: Class) -> dict[str, tuple[Class, ast.AnnAssign]]:
    found: dict[str, tuple[Class, ast.AnnAssign]] = {}
    for one in reversed(code.evaluator.ancestry(schema)):
        if isinstance(one, Class):
            for node in one.node.body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    found[node.target.id] = (one, node)
    return found


def takes_more(schema: Class) -> ast.stmt | None:
    """Where a schema says that it keeps fields which it does not name."""
    for node in schema.node.body:
        text = ast.unparse(node).replace("'", '"')
        says = (isinstance(node, ast.Assign) and "model_config" in text) or (
            isinstance(node, ast.ClassDef) and node.name == "Config"
        )
        if says and re.search(r'extra"?\s*[=:]\s*("allow"|Extra\.allow)', text):
            return node
    return None


def _of_name(code: Code, name: str, value: Value, step: Step, depth: int) -> Dump | None:
    schema = _of_schema(code, value)
    if schema is not None:
        return schema
    node = step.function.node
    assigned = [
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Assign | ast.AnnAssign)
        and one.value is not None
        and any(
            isinstance(target, ast.Name) and target.id == name
            for target in (one.targets if isinstance(one, ast.Assign) else [one.target])
        )
    ]
    for expression in assigned:
        found = dump(code, expression, step, depth + 1)
        if found is not None:
            return _without(found, _changed_keys(node, name))
    given, caller = argument(step, name), step.caller
    if given is None or caller is None or assigned:
        return None
    found = dump(code, given, caller, depth + 1)
    return _without(found, _changed_keys(node, name)) if found else None


def _of_schema(code: Code, value: Value) -> Dump | None:
    if isinstance(value, Instance):
        base = code.bodies.outside_base(value.of) or ""
        if base.startswith(("pydantic.", "sqlmodel.", "fastapi_users.")):
            return Dump(value.of)
    return None


def _without(found: Dump, names: set[str]) -> Dump:
    return Dump(found.schema, found.without | names)


def _excluded(call: ast.Call) -> set[str]:
    found: set[str] = set()
    for keyword in call.keywords:
        if keyword.arg == "exclude":
            found |= _strings(keyword.value)
        elif keyword.arg == "include":
            found.add("*")
        elif keyword.arg == "update":
            found |= _keys(keyword.value)
    return found


def _keys(node: ast.AST) -> set[str]:
    if not isinstance(node, ast.Dict):
        return set()
    return {str(key.value) for key in node.keys if isinstance(key, ast.Constant)}


def _strings(node: ast.AST) -> set[str]:
    return {
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


def _changed_keys(node: ast.AST, name: str) -> set[str]:
    """data["owner_id"] = …, data.pop("role"), del data["role"], data.update({"owner_id": …})"""
    found: set[str] = set()
    for one in ast.walk(node):
        match one:
            case ast.Subscript(value=ast.Name(id=id), slice=ast.Constant(value=str() as key)):
                if id == name and not isinstance(one.ctx, ast.Load):
                    found.add(key)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=id), attr="pop" | "update")):
                if id == name:
                    found |= {key for part in one.args for key in _strings(part)}
                    found |= {keyword.arg for keyword in one.keywords if keyword.arg}
    return found


def _selects(test: ast.Compare) -> bool:
    return any(isinstance(operator, ast.In | ast.NotIn) for operator in test.ops)
