"""The resource of a project that a new one is written after: which it is, and all that is its own.

A project's resources are alike; the new one is a copy of the nearest. Its parts are found from its
routes down: what a handler names, and what that names in turn, is the resource's own when the
resource's noun is in its name, or in the name of its file.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from apiwright.errors import ApiwrightError, Refused
from apiwright.generators.fields import plural, snake
from apiwright.project import files, tools
from apiwright.project.facts import Column, Model, Project, Route, Router
from apiwright.project.files import Source
from apiwright.project.modules import Modules

Verb = Literal["create", "list", "get", "update", "delete"]
VERBS: tuple[Verb, ...] = ("list", "create", "get", "update", "delete")

_NEVER = {"user", "account", "token", "session", "login", "otp", "health", "auth", "password"}
_RARELY = {"role", "permission", "admin", "setting", "log", "tag", "notification", "tier"}
_KINDS = ("model", "orm", "db", "table", "entity", "schema")  # of a model: TodoModel
_TIMES = re.compile(
    r"(created|updated|modified|deleted|inserted|creation|date)_?(at|on|date|time)?"
)
_OWNERS = (
    "user_id", "owner_id", "author_id", "created_by_id", "created_by", "creator_id", "creator",
    "created_by_user_id", "account_id",
)  # fmt: skip
_SYSTEM = {"is_deleted", "uuid", "version", "timestamp"}


@dataclass(frozen=True)
class Noun:
    """todo_item and todo_items"""

    one: str
    many: str


@dataclass(frozen=True)
class Definition:
    """A class, a function, a method or a variable that is the exemplar's own."""

    file: str
    name: str
    """`TodoService`; a method of a class that several resources share is `DBService.get_todos`."""
    line: int


@dataclass(frozen=True)
class Exemplar:
    model: Model
    nouns: tuple[Noun, ...]
    """What it is called: as the model, and as its path, where that is another word."""
    verbs: Mapping[Verb, Route]
    """Its routes by what they do, with their whole paths; not every exemplar has all."""
    extra: tuple[Route, ...]
    """Routes that do something else, which are not copied."""
    router: Router | None
    """None: its routes are written on the app itself."""
    definitions: tuple[Definition, ...]
    """In the order of the files and lines."""
    whole: tuple[str, ...]
    """Of these files, those that hold nothing else: they are copied under another name."""
    others: tuple[str, ...]
    """Models that would have done as well."""

    @property
    def key(self) -> str:
        """The attribute of its primary key."""
        return next(each.attribute for each in self.model.columns if each.primary_key)

    @property
    def own(self) -> tuple[Column, ...]:
        """The columns that make it what it is: those that the new resource's fields replace. What
        every resource of the house has (key, owner, times) is not among them."""
        return tuple(each for each in self.model.columns if not is_common(self.model, each))

    @property
    def owner(self) -> str | None:
        """The attribute that says whose it is."""
        return owner_of(self.model)

    @property
    def is_owned(self) -> bool:
        return self.owner is not None

    @property
    def noun(self) -> Noun:
        return self.nouns[0]


def owner_of(model: Model) -> str | None:
    """Its name tells where it cannot be told which table the users are in."""
    names = [column.attribute for column in model.columns if not column.primary_key]
    return model.owner_column or next((name for name in names if name in _OWNERS), None)


def is_common(model: Model, column: Column) -> bool:
    """Whether it is what every resource of the house has."""
    name = column.attribute
    kind = (column.type or "").lower()
    return (
        column.primary_key
        or name == owner_of(model)
        or name in _SYSTEM
        or (bool(_TIMES.fullmatch(name)) and ("date" in kind or "time" in kind))
    )


def find(project: Project, like: str | None = None, new: str = "") -> Exemplar:
    """The nearest sibling of the resource `new`, or the one of the model `like`.

    Raises Refused where there is none; ApiwrightError for a `like` that there is not.
    """
    candidates = sorted(_candidates(project), key=lambda each: each.rank)
    candidates = [each for each in candidates if each.model.name != new]
    if like is not None:
        named = [each for each in candidates if like in (each.model.name, each.noun.one)]
        if not named:
            known = ", ".join(each.model.name for each in candidates) or "none"
            raise ApiwrightError(
                f"There is no resource {like!r} that could be imitated.", f"There are: {known}."
            )
        candidates = named
    else:
        candidates = [each for each in candidates if not each.is_nested]
    if not candidates:
        raise Refused(
            "There is no resource here that a new one could be written after: a model with routes"
            " that create, list, read, change or delete it.",
            "Write the first one by hand; the next can be written after it.",
        )
    best = candidates[0]
    parts = _Parts(project, best)
    return Exemplar(
        model=best.model,
        nouns=best.nouns,
        verbs=best.verbs,
        extra=best.extra,
        router=best.router,
        definitions=tuple(parts.definitions()),
        whole=tuple(sorted(parts.whole)),
        others=tuple(each.model.name for each in candidates[1:]),
    )


# which one


@dataclass(frozen=True)
class _Candidate:
    model: Model
    nouns: tuple[Noun, ...]
    verbs: Mapping[Verb, Route]
    extra: tuple[Route, ...]
    router: Router | None
    is_nested: bool
    """Below another resource: only for what is to be nested, too."""
    rank: tuple[object, ...]
    """The least is the best."""

    @property
    def noun(self) -> Noun:
        return self.nouns[0]


def _candidates(project: Project) -> Iterator[_Candidate]:
    owned = any(map(owner_of, project.models))
    routers = {router.name: router for router in project.routers}
    for (name, model), routes in _groups(project).items():
        verbs: dict[Verb, Route] = {}
        for route in sorted(routes, key=_plainness):
            if (verb := verb_of(route)) is not None:
                verbs.setdefault(verb, route)
        if "create" not in verbs or len(verbs) < 2:
            continue
        extra = tuple(route for route in routes if route not in verbs.values())
        nouns = _nouns(model, verbs["create"])
        router = routers.get(name)
        parameters = [
            name for route in verbs.values() for name in re.findall(r"\{(\w+)", _above(route))
        ]
        is_nested = bool(set(parameters) - {owner_of(model), *_OWNERS})
        rank = (
            bool(parameters),
            nouns[0].one.split("_")[-1] in _RARELY,
            owned and owner_of(model) is None,
            -len(verbs),
            len(model.relationships),
            len(extra),
            len(model.columns),
            model.name,
        )
        yield _Candidate(model, nouns, verbs, extra, router, is_nested, rank)


def _groups(project: Project) -> dict[tuple[str, Model], list[Route]]:
    models = [
        model
        for model in project.models
        if not model.is_user and noun_of(model).one.split("_")[-1] not in _NEVER
        if sum(column.primary_key for column in model.columns) == 1
    ]
    groups: dict[tuple[str, Model], list[Route]] = {}
    for route in project.routes:
        if route.at is None or (route.router or "").startswith("fastapi"):
            continue
        fits = [(fit, model) for model in models if (fit := _fits(route, noun_of(model)))]
        if fits:
            _, model = max(fits, key=lambda each: each[0])
            groups.setdefault((route.router or "", model), []).append(route)
    return groups


def _fits(route: Route, noun: Noun) -> int:
    """How much of the route is called by this noun: its path's last word that is no parameter, its
    function, its answer."""
    static = [part for part in route.path.split("/") if part and "{" not in part]
    response = words(route.response_model or "")
    score = 3 * any(_has(words(part), noun) for part in static[-1:])
    score += 2 * _has(words(route.name), noun) + _has(response, noun)
    return score * 10 + len(noun.one) if score > 1 else 0


def _plainness(route: Route) -> tuple[int, int]:
    return (route.path.count("/"), len(route.path))


def verb_of(route: Route) -> Verb | None:
    """What it does, by its method, its path's end and its function's name."""
    last = route.path.rstrip("/").rpartition("/")[2]
    named = words(route.name)[:1]
    of_one = last.startswith("{")
    if route.method == "POST":
        plain = last.rpartition("-")[2] in ("create", "add", "new") or not of_one
        return "create" if plain and (named or [""])[0] not in _OTHER_POSTS else None
    if route.method == "GET":
        return "get" if of_one else "list"
    if route.method in ("PUT", "PATCH") and of_one:
        return "update"
    if route.method == "DELETE" and of_one:
        return "delete"
    return None


_ACTIONS = {"create", "add", "new", "list", "all", "get", "read", "update", "edit", "delete"}
_OTHER_POSTS = {"login", "search", "upload", "import", "like", "vote", "complete", "send", "bulk"}


def _above(route: Route) -> str:
    """Its path without its own parameter."""
    return re.sub(r"/\{[^/]*\}/?$", "", route.path)


# names


def noun_of(model: Model) -> Noun:
    said = words(model.name)
    while len(said) > 1 and said[-1] in _KINDS:
        said = said[:-1]
    if len(said) > 1 and said[0] in _KINDS:
        said = said[1:]
    one = "_".join(said)
    return Noun(one, plural(one))


def _nouns(model: Model, create: Route) -> tuple[Noun, ...]:
    noun = noun_of(model)
    static = [
        part
        for part in create.path.split("/")
        if part and "{" not in part and not set(words(part)) <= _ACTIONS
    ]
    if not static:
        return (noun,)
    last = snake(static[-1].replace("-", "_"))
    if last in (noun.one, noun.many) or _has(last.split("_"), noun):
        return (noun,)
    other = next((Noun(one, last) for one in _singulars(last)), Noun(last, plural(last)))
    named = _has(words(create.name), other) or _has(words(create.module), other)
    return (noun, other) if named else (noun,)


def _singulars(many: str) -> Iterator[str]:
    for one in (many[:-1], many[:-2], f"{many[:-3]}y"):
        if len(one) > 1 and plural(one) == many:
            yield one


def words(name: str) -> list[str]:
    """todo, item, create: of TodoItemCreate, of todo-item_create."""
    return [word.lower() for word in _WORD.findall(name)]


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def _has(said: Sequence[str], noun: Noun) -> bool:
    return any(
        list(said[at : at + len(form)]) == form
        for form in (noun.one.split("_"), noun.many.split("_"))
        for at in range(len(said) - len(form) + 1)
    )


# its parts


class Names:
    """Where what a module's names mean is defined, through imports and re-exports."""

    def __init__(self, read: files.Files, modules: Modules) -> None:
        self.modules = modules
        self.sources = {source.path: source for source in read.sources}
        self._bound: dict[str, dict[str, ast.stmt]] = {}

    def bound(self, source: Source) -> dict[str, ast.stmt]:
        if source.path not in self._bound:
            names: dict[str, ast.stmt] = {}
            _bind(source.tree.body, names)
            self._bound[source.path] = names
        return self._bound[source.path]

    def find(self, source: Source, name: str, depth: int = 0) -> tuple[Source, str] | None:
        """The file and the name that it is defined by; of a module its file and nothing."""
        head, _, rest = name.partition(".")
        found = self._find(source, head, depth)
        while found is not None and rest and not found[1]:
            head, _, rest = rest.partition(".")
            found = self._find(found[0], head, depth + 1) or self._inner(found[0], head)
        if found is not None and rest and found[1]:
            return (found[0], f"{found[1]}.{rest}")
        return found

    def _find(self, source: Source, name: str, depth: int) -> tuple[Source, str] | None:
        node = self.bound(source).get(name)
        if depth > 8:
            return None
        if node is None:
            for statement in source.tree.body:
                if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
                    module = self.modules.absolute(statement, source)
                    there = self.modules.find(module, source)
                    if there is not None and (found := self._find(there, name, depth + 1)):
                        return found
            return None
        if isinstance(node, ast.ImportFrom):
            alias = next(a for a in node.names if (a.asname or a.name) == name)
            module = self.modules.absolute(node, source)
            there = self.modules.find(module, source)
            if there is not None and (found := self._find(there, alias.name, depth + 1)):
                return found
            inner = self.modules.find(f"{module}.{alias.name}", source)
            return (inner, "") if inner is not None else None
        if isinstance(node, ast.Import):
            alias = next(a for a in node.names if (a.asname or a.name.split(".")[0]) == name)
            module = alias.name if alias.asname else name
            there = self.modules.find(module, source)
            return (there, "") if there is not None else None
        return source, name

    def _inner(self, package: Source, name: str) -> tuple[Source, str] | None:
        found = self.modules.find(f"{self.modules.name_of(package)}.{name}", package)
        return (found, "") if found is not None else None


def names_of(project: Project) -> Names:
    read = files.read(Path(project.folder))
    pyproject, _ = tools.pyproject(read, [])
    return Names(read, Modules(read.sources, tools.requirements(read, pyproject)))


def _bind(body: Sequence[ast.stmt], into: dict[str, ast.stmt]) -> None:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                into[node.name] = node
            case ast.Assign():
                for target in node.targets:
                    into.update(dict.fromkeys(_targets(target), node))
            case ast.AnnAssign(target=ast.Name(id=name)):
                into[name] = node
            case ast.ImportFrom() | ast.Import():
                for alias in node.names:
                    into[alias.asname or alias.name.split(".")[0]] = node
            case ast.If() | ast.Try() | ast.With():
                _bind(node.body, into)


def _targets(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _targets(element)


class _Parts:
    """Found from the handlers down."""

    def __init__(self, project: Project, candidate: _Candidate) -> None:
        self.project, self.candidate = project, candidate
        self.names = names_of(project)
        self._found: dict[tuple[str, str], int] = {}
        self.whole: set[str] = set()
        self._home = PurePosixPath(project.app.at.file).parent.parts

    def definitions(self) -> list[Definition]:
        for route in self.candidate.verbs.values():
            assert route.at is not None
            self._add(self.names.sources[route.at.file], route.name.rpartition(".")[2])
        at = self.candidate.model.at
        self._add(self.names.sources[at.file], self.candidate.model.name)
        for path in {path for path, _ in self._found}:
            if self.is_own_file(path):
                self.whole.add(path)
        found = [Definition(path, name, line) for (path, name), line in self._found.items()]
        return sorted(found, key=lambda each: (each.file, each.line, each.name))

    def is_own_file(self, path: str) -> bool:
        """Whether its name says so; the folders that the app itself is in say nothing."""
        parts = PurePosixPath(path.removesuffix(".py")).parts
        common = 0
        for part, home in zip(parts[:-1], self._home, strict=False):
            if part != home:
                break
            common += 1
        return any(
            _has(words(part), noun) for part in parts[common:] for noun in self.candidate.nouns
        )

    def _add(self, source: Source, name: str) -> None:
        node = self.names.bound(source).get(name)
        if node is None or (source.path, name) in self._found:
            return
        if isinstance(node, ast.Import | ast.ImportFrom):
            return
        self._found[(source.path, name)] = node.lineno
        self._follow(source, node)

    def _follow(self, source: Source, node: ast.AST) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                self._seen(source, inner.id)
            elif isinstance(inner, ast.Attribute) and (dotted := _dotted(inner)):
                self._seen(source, dotted)

    def _seen(self, source: Source, dotted: str) -> None:
        found = self.names.find(source, dotted)
        if found is None or not found[1]:
            return
        there, (name, _, rest) = found[0], found[1].partition(".")
        if there.is_test:
            return
        if self._is_own(there.path, name):
            self._add(there, name)
        elif rest:
            self._method(there, name, rest.partition(".")[0])

    def _is_own(self, path: str, name: str) -> bool:
        said = words(name)
        return any(_has(said, noun) for noun in self.candidate.nouns) or self.is_own_file(path)

    def _method(self, source: Source, name: str, method: str) -> None:
        """Of an object, or a class, that several resources share: the one that is ours."""
        if not any(_has(words(method), noun) for noun in self.candidate.nouns):
            return
        node = self.names.bound(source).get(name)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            made = _dotted(node.value.func)
            found = self.names.find(source, made) if made else None
            if found is None or not found[1]:
                return
            source, name = found
            node = self.names.bound(source).get(name)
        if not isinstance(node, ast.ClassDef):
            return
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name == method:
                key = (source.path, f"{name}.{method}")
                if key not in self._found:
                    self._found[key] = inner.lineno
                    self._follow(source, inner)
                    self._of_self(source, node, inner)

    def _of_self(
        self, source: Source, cls: ast.ClassDef, method: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> None:
        for inner in ast.walk(method):
            dotted = _dotted(inner) if isinstance(inner, ast.Attribute) else ""
            if dotted.startswith("self.") and dotted.count(".") == 1:
                self._method(source, cls.name, dotted.removeprefix("self."))


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = _dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""
