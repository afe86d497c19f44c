"""The project's tests: their fixtures and how they call the app."""

import ast
from collections.abc import Iterator
from typing import Literal

from apiwright.project.facts import Fixture, Place, Suite
from apiwright.project.files import Files, Source

_SYNC = {"TestClient", "Client"}
_ASYNC = {"AsyncClient"}
_LOGIN = ("token", "headers", "auth", "logged", "signed", "login", "bearer")


def of(files: Files) -> Suite | None:
    sources = [source for source in files.sources if source.is_test]
    if not sources:
        return None
    fixtures = tuple(fixture for source in sources for fixture in _fixtures(source))
    clients = [name for source in sources for name in _clients(source)]
    asynchronous = sum(name in _ASYNC for name in clients)
    client: Literal["sync", "async"] | None = None
    if clients:
        client = "async" if asynchronous * 2 > len(clients) else "sync"
    return Suite(
        folder=_folder(sources),
        runner="unittest" if not fixtures and _uses_unittest(sources) else "pytest",
        client=client,
        fixtures=fixtures,
        login_helper=next(_login_helpers(sources, fixtures), None),
        overrides=next(filter(None, map(_overrides, sources)), None),
    )


def _fixtures(source: Source) -> Iterator[Fixture]:
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            if any(".fixture" in text or text.startswith("fixture") for text in decorators):
                is_async = isinstance(node, ast.AsyncFunctionDef)
                yield Fixture(node.name, _meaning(node), is_async, source.at(node))


def _meaning(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
) -> Literal["client", "session", "login", "other"]:
    returns = ast.unparse(node.returns) if node.returns is not None else ""
    calls = {ast.unparse(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
    named = node.name.lower()
    if any(word in named for word in _LOGIN):
        return "login"
    if "Client" in returns or any(call.endswith("Client") for call in calls) or named == "client":
        return "client"
    if "Session" in returns or any("Session" in call for call in calls) or "session" in named:
        return "session"
    posts = [n for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "login" if any("Bearer" in str(n.value) for n in posts) else "other"


def _clients(source: Source) -> Iterator[str]:
    for node in source.all(ast.Call):
        func = node.func
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        if name in _SYNC | _ASYNC:
            yield name


def _login_helpers(sources: list[Source], fixtures: tuple[Fixture, ...]) -> Iterator[str]:
    yield from (fixture.name for fixture in fixtures if fixture.meaning == "login")
    for source in sources:
        for node in source.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.unparse(node) if not node.name.startswith("test") else ""
                if "Bearer" in text or any(
                    word in node.name for word in ("auth_headers", "get_token")
                ):
                    yield node.name


def _overrides(source: Source) -> Place | None:
    lines = [
        node.lineno for node in source.all(ast.Attribute) if node.attr == "dependency_overrides"
    ]
    return Place(source.path, min(lines)) if lines else None


def _folder(sources: list[Source]) -> str:
    folders = [source.path.rpartition("/")[0] for source in sources]
    for folder in folders:
        parts = folder.split("/")
        for word in ("tests", "test"):
            if word in parts:
                return "/".join(parts[: parts.index(word) + 1])
    return folders[0] or "."


def _uses_unittest(sources: list[Source]) -> bool:
    return any(b"unittest" in source.content for source in sources)
