"""Which object is the app."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from apiwright.errors import ApiwrightError
from apiwright.project.evaluate import Evaluator
from apiwright.project.facts import App
from apiwright.project.files import Files, Source
from apiwright.project.routes import Routes
from apiwright.project.values import Call, Inclusion, RouterObject

_SAYS_WHAT_RUNS = re.compile(
    r"Dockerfile|Procfile|Makefile|justfile|.*compose.*\.ya?ml|.*\.(sh|toml|md|cfg|service)|fly\.toml",
    re.IGNORECASE,
)
_TARGET = re.compile(r"\b([A-Za-z_][\w.]*):([A-Za-z_]\w*)")
_DIRECTORIES_OF_EXAMPLES = {"examples", "example", "docs", "docs_src", "scripts", "benchmarks"}


def choose(
    evaluator: Evaluator, routes: Routes, files: Files, entrypoint: str | None, wanted: str | None
) -> tuple[RouterObject, App, tuple[str, ...]]:
    """The app, and the names of the others. Raises ApiwrightError when there is none, or when
    several could be it and nothing says which."""
    inside = _mounted(evaluator)
    found = [
        (name, router)
        for router in evaluator.routers
        if router.kind == "app" and id(router) not in inside and (name := _name(router, evaluator))
    ]
    if not found:
        raise ApiwrightError(
            f"There is no FastAPI app in {files.root}: nothing there calls FastAPI(…).",
            "Name the folder that holds it: `apiwright inspect PATH`.",
        )
    left, because = found, "it is the only one"
    if wanted is not None:
        left, because = [one for one in found if one[0] == wanted], "you said so"
        if not left:
            names = ", ".join(sorted({name for name, _ in found}))
            raise ApiwrightError(f"There is no app {wanted}.", f"Apps are {names}.")
    for test in _tests(files, entrypoint):
        if len(left) == 1:
            name, router = left[0]
            app = App(name.partition(":")[0], name.partition(":")[2], not router.names, router.at,
                      _root(router, evaluator), because)  # fmt: skip
            return router, app, tuple(sorted(other for other, one in found if one is not router))
        kept = [one for one in left if test.passes(*one)]
        if kept:
            left, because = kept, test.because
    raise _several(left, routes)


@dataclass(frozen=True)
class _Test:
    because: str
    passes: Callable[[str, RouterObject], bool]


def _tests(files: Files, entrypoint: str | None) -> Iterator[_Test]:
    """Each leaves those that pass, if there are any."""
    yield _Test("[tool.fastapi] says so", lambda name, _: name == entrypoint)
    mentioned = _mentioned(files)
    yield _Test("a file that starts it says so", lambda name, _: _is_mentioned(name, mentioned))
    yield _Test("only it has routes", lambda _, router: bool(router.entries))
    yield _Test("the others are examples", lambda _, router: not _is_example(router))
    yield _Test("only it includes routers", lambda _, router: _includes(router))
    yield _Test("", lambda _, router: True)  # the question is asked once more than it is answered


def _several(left: list[tuple[str, RouterObject]], routes: Routes) -> ApiwrightError:
    counts = [(len(routes.of(router)), name, router.at) for name, router in left]
    most = max(counts, key=lambda one: one[0])
    said = ", ".join(
        f"{name} ({at}, {count} routes)" for count, name, at in sorted(counts, key=str)
    )
    todo = f"Say which one: `apiwright inspect --app {most[1]}`."
    if len({name for name, _ in left}) < len(left):
        todo = "Their names are the same. Name the folder of one: `apiwright inspect PATH`."
    return ApiwrightError(f"There are several apps: {said}.", todo)


def _root(router: RouterObject, evaluator: Evaluator) -> str:
    source, _ = next(_bound(router, evaluator), (router.call.source, ""))
    return evaluator.modules.root_of(source) or "."


def _name(router: RouterObject, evaluator: Evaluator) -> str | None:
    """module:variable as it stands at the end; an app that something else replaced has none."""
    for source, variable in _bound(router, evaluator):
        return f"{evaluator.modules.name_of(source)}:{variable}"
    if router.factory and not router.names:
        return f"{evaluator.modules.name_of(router.call.source)}:{router.factory}"
    return None


def _bound(router: RouterObject, evaluator: Evaluator) -> Iterator[tuple[Source, str]]:
    for module, variable in router.names:
        for source, scope in evaluator.scopes.items():
            value = scope.names.get(variable)
            if evaluator.modules.name_of(source) == module and (
                value is router or (isinstance(value, Call) and _wraps(value, router))
            ):
                yield source, variable


def _wraps(call: Call, router: RouterObject) -> bool:
    """app = SomeMiddleware(app)"""
    return any(value is router for value in (*call.arguments, *call.keywords.values()))


def _mounted(evaluator: Evaluator) -> set[int]:
    return {
        id(entry.router)
        for router in evaluator.routers
        for entry in router.entries
        if isinstance(entry, Inclusion) and isinstance(entry.router, RouterObject)
    }


def _mentioned(files: Files) -> set[tuple[str, str]]:
    found = set()
    for path in files.paths:
        if path.count("/") <= 2 and _SAYS_WHAT_RUNS.fullmatch(PurePosixPath(path).name):
            for line in files.text(path).splitlines():
                if re.search(r"uvicorn|gunicorn|hypercorn|granian|fastapi", line):
                    found |= set(_TARGET.findall(line))
    for source in files.sources:
        if b"uvicorn" in source.content:
            text = source.content.decode(errors="replace")
            found |= set(re.findall(r"""["']([\w.]+):(\w+)["']""", text))
    return found


def _is_mentioned(name: str, mentioned: set[tuple[str, str]]) -> bool:
    module, _, variable = name.partition(":")
    return any(
        variable == other and (module == said or said.endswith(f".{module}"))
        for said, other in mentioned
    )


def _includes(router: RouterObject) -> bool:
    return any(isinstance(entry, Inclusion) for entry in router.entries)


def _is_example(router: RouterObject) -> bool:
    folders = PurePosixPath(router.call.source.path).parts[:-1]
    return bool(_DIRECTORIES_OF_EXAMPLES & set(folders))
