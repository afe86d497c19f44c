"""What a route answers with: the class that is declared, and what its fields are."""

import ast
import re
from collections.abc import Iterator

from apiwright.project.code import Code, Handler
from apiwright.project.facts import Model, Place
from apiwright.project.values import (
    Annotated,
    Class,
    Const,
    Function,
    Generic,
    Made,
    Outside,
    Value,
)

_HIDDEN = ("SecretStr", "SecretBytes", "exclude=True", "exclude = True")
_MODELS = {"pydantic.BaseModel", "sqlmodel.SQLModel", "pydantic.main.BaseModel"}
_DEEPEST = 5


def response_class(code: Code, handler: Handler) -> Value | None:
    """What is declared, by `response_model` or as the function's return type; None: nothing, or
    that there is no model."""
    given = handler.endpoint.keywords.get("response_model")
    if given is not None:
        return None if given == Const(None) else given
    function: Function = handler.function
    if isinstance(function.node, ast.Lambda) or function.node.returns is None:
        return None
    said = code.evaluator.annotation(function.node.returns, function.scope)
    return None if said == Const(None) else said


def models_in(
    code: Code, declared: Value, left: int = _DEEPEST
) -> Iterator[tuple[str, str, Place]]:
    """(class, field, where it is declared), of the class and of those that its fields hold, but
    for what is hidden."""
    if left <= 0:
        return
    match declared:
        case Class():
            for name, annotation, default, scope_of in fields(code, declared):
                text = ast.unparse(annotation) + (ast.unparse(default) if default else "")
                if any(word in text for word in _HIDDEN):
                    continue
                yield declared.node.name, name, scope_of.scope.source.at(annotation)
                inner = code.evaluator.annotation(annotation, scope_of.scope)
                yield from models_in(code, inner, left - 1)
        case Generic():
            for one in (declared.base, *declared.arguments):
                yield from models_in(code, one, left - 1)
        case Annotated():
            yield from models_in(code, declared.values[0], left - 1)


def parts(declared: Value) -> Iterator[Value]:
    """list[Task] | None: list, Task, None"""
    match declared:
        case Generic():
            for one in (declared.base, *declared.arguments):
                yield from parts(one)
        case Annotated():
            yield from parts(declared.values[0])
        case _:
            yield declared


def fields(code: Code, cls: Class) -> Iterator[tuple[str, ast.expr, ast.expr | None, Class]]:
    """Of a class of pydantic or SQLModel, those of its bases included; the nearest counts."""
    seen: set[str] = set()
    names = {code.evaluator.name_of(one) for one in code.evaluator.ancestry(cls)}
    if not names & _MODELS and not any(name.startswith("apiwright.kit.") for name in names):
        return
    for one in code.evaluator.ancestry(cls):
        if not isinstance(one, Class):
            continue
        for node in one.node.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                name = node.target.id
                relationship = node.value is not None and "Relationship(" in ast.unparse(node.value)
                if name not in seen and name != "model_config" and not relationship:
                    seen.add(name)
                    yield name, node.annotation, node.value, one


def table(code: Code, cls: Class) -> Model | None:
    module = code.evaluator.modules.name_of(cls.scope.source)
    return next(
        (one for one in code.project.models if (one.name, one.module) == (cls.node.name, module)),
        None,
    )


def column_of(code: Code, cls: Class, pattern: re.Pattern[str]) -> str | None:
    """The first column of a model that the pattern matches, unless it is never shown."""
    model = table(code, cls)
    if model is None:
        return None
    hidden = {
        name
        for name, annotation, default, _ in fields(code, cls)
        if any(word in ast.unparse(one) for one in (annotation, default) if one for word in _HIDDEN)
    }
    return next(
        (
            one.attribute
            for one in model.columns
            if pattern.match(one.attribute) and one.attribute not in hidden
        ),
        None,
    )


def is_response(code: Code, value: Value) -> bool:
    """Whether it is one of Starlette's responses, or a class below one."""
    if isinstance(value, Class):
        names = [code.evaluator.name_of(one) for one in code.evaluator.ancestry(value)]
    else:
        names = [value.name] if isinstance(value, Outside | Made) else []
    return any(name.rpartition(".")[2].endswith("Response") for name in names)
