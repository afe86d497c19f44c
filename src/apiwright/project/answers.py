"""How routes answer: errors, and lists in pages."""

import ast
from collections.abc import Iterator

from apiwright.project.evaluate import Evaluator
from apiwright.project.facts import Place, Schema, Style
from apiwright.project.values import Class, Endpoint, Function, Scope

_PAGES = (
    ("cursor", {"cursor"}),
    ("skip and limit", {"skip", "limit"}),
    ("offset and limit", {"offset", "limit"}),
    ("page and size", {"page", "size"}),
    ("page and limit", {"page", "limit"}),
    ("page and per_page", {"page", "per_page"}),
    ("page and page_size", {"page", "page_size"}),
    ("limit", {"limit"}),
)
_KIT_INSTALLS = {"apiwright.kit.problems.install", "apiwright.kit.web.install"}
_BESIDE_DATA = {"message", "success", "status", "error", "detail", "msg", "code", "meta"}


def error_styles(evaluator: Evaluator, schemas: tuple[Schema, ...]) -> tuple[Style, ...]:
    """The most used first."""
    found: dict[str, list[tuple[str, Place]]] = {}
    for source, scope in list(evaluator.scopes.items()):
        if not source.is_test:
            for style, example, at in (*_raised(evaluator, scope), *_handlers(evaluator, scope)):
                found.setdefault(style, []).append((example, at))
    for schema in schemas:
        if "data" in schema.fields and _BESIDE_DATA & set(schema.fields):
            found.setdefault("envelope", []).append((schema.name, schema.at))
    return Style.of_all(found)


def _raised(evaluator: Evaluator, scope: Scope) -> Iterator[tuple[str, str, Place]]:
    for node in scope.source.all(ast.Raise):
        if not isinstance(node.exc, ast.Call):
            continue
        value = evaluator.value(node.exc.func, scope)
        name = evaluator.name_of(value)
        if name.endswith(".HTTPException"):
            yield "HTTPException", name, scope.source.at(node)
        elif name.startswith("apiwright.kit.problems."):
            yield "problems", name, scope.source.at(node)
        elif isinstance(value, Class) and _is_exception(evaluator, value):
            module = evaluator.modules.name_of(value.scope.source)
            yield "exceptions of the project", f"{module}.{value.node.name}", value.at


def _handlers(evaluator: Evaluator, scope: Scope) -> Iterator[tuple[str, str, Place]]:
    for node in scope.source.all(ast.Call):
        if not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in {"exception_handler", "add_exception_handler"} and node.args:
            yield "exception handlers", ast.unparse(node.args[0]), scope.source.at(node)
        elif node.func.attr == "install" and (
            evaluator.name_of(evaluator.value(node.func, scope)) in _KIT_INSTALLS
        ):
            yield "problems", "apiwright.kit.problems", scope.source.at(node)


def pagination_styles(evaluator: Evaluator, endpoints: list[Endpoint]) -> tuple[Style, ...]:
    found: dict[str, list[tuple[str, Place]]] = {}
    for endpoint in endpoints:
        handler = endpoint.handler
        if "GET" in endpoint.methods and isinstance(handler, Function):
            style = _pagination(evaluator, handler)
            if style is not None:
                found.setdefault(style, []).append((handler.qualified, handler.at))
    return Style.of_all(found)


def _pagination(evaluator: Evaluator, handler: Function) -> str | None:
    node = handler.node
    names = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
    texts = [
        ast.unparse(argument.annotation)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.annotation is not None
    ]
    returns = getattr(node, "returns", None)
    for annotation in [*(a.annotation for a in node.args.args), returns]:
        name = evaluator.name_of(evaluator.annotation(annotation, handler.scope))
        if name.startswith("apiwright.kit.pagination."):
            return "the kit's cursor"
        if name.startswith("fastapi_pagination."):
            return "fastapi-pagination"
    for name, wanted in _PAGES:
        if wanted <= names:
            return name
    for inner in _parameter_names(evaluator, handler):
        for name, wanted in _PAGES:
            if wanted <= inner:
                return name
    return "its own parameters" if any("Pag" in text for text in texts) else None


def _parameter_names(evaluator: Evaluator, handler: Function) -> Iterator[set[str]]:
    """Of what its parameters depend on: def page(skip: int = 0, limit: int = 100)."""
    node = handler.node
    for default in (*node.args.defaults, *node.args.kw_defaults):
        if isinstance(default, ast.Call):
            for argument in default.args:
                value = evaluator.value(argument, handler.scope)
                if isinstance(value, Function):
                    yield {inner.arg for inner in value.node.args.args}


def _is_exception(evaluator: Evaluator, cls: Class) -> bool:
    return any(
        evaluator.name_of(one).rpartition(".")[2].endswith(("Exception", "Error"))
        or (
            isinstance(one, Class)
            and any(ast.unparse(b) in {"Exception", "ValueError"} for b in one.node.bases)
        )
        for one in evaluator.ancestry(cls)
    )
