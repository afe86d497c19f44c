"""The tests of a new resource in somebody's project, as its own tests are written: in its folder,
on its client, with its marks. Where it has none, they bring a client of their own.

What they expect was said, or was seen: limits are the fields' own, statuses and envelopes are what
the routes answered when two users tried them (generators/behaviour.py).
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from apiwright.edit.plan import Change, NewFile
from apiwright.generators import behaviour, samples, suites
from apiwright.generators.behaviour import Tried
from apiwright.generators.fields import FieldSpec
from apiwright.generators.formatting import formatted
from apiwright.generators.logins import Login
from apiwright.generators.resource_code import quoted
from apiwright.generators.shadow import Shadow
from apiwright.generators.wanted import Wanted
from apiwright.project import files, running
from apiwright.project.facts import Project, SessionDependency
from apiwright.project.files import Source
from apiwright.project.load import load

Parameter = tuple[str, str]
"""Of a test: its name and its type."""


@dataclass(frozen=True)
class Written:
    changes: tuple[Change, ...]
    note: str = ""
    """Why there are none."""

    @property
    def path(self) -> str:
        """Of the tests; empty where there are none."""
        return self.changes[-1].path if self.changes else ""


@dataclass(frozen=True)
class House:
    """How the project's tests call the app."""

    path: str
    """Of the new file."""
    is_async: bool = False
    mark: str = ""
    """Above each test: `pytest.mark.anyio`."""
    client: Parameter = ("client", "TestClient")
    headers: Parameter | None = None
    """A fixture that gives those of somebody who is signed in."""
    annotated: bool = True
    own_client: bool = False
    """Whether the file brings its own."""


def add(project: Project, copy: Shadow, wanted: Wanted, sibling: str) -> Written:
    """`copy` holds all but the tests; `sibling` is the path of the routes that the new ones are
    like. Nothing where the file is there already."""
    sources = [source for source in files.read(copy.folder).sources if source.is_test]
    like = _test_of(sources, sibling)
    path = _path(project, like, sibling, wanted, copy)
    if (copy.folder / path).exists():
        return Written(())
    if not copy.has("pytest") or not copy.has("fastapi.testclient"):
        return Written((), "no tests are written: pytest is not installed, or TestClient's httpx")
    changed = running.run(load(copy.folder, project.app.target), copy.place.python)
    if changed.ran is None or not changed.ran.ok:
        return Written((), "no tests are written: the app cannot be imported")
    tried = behaviour.tried(changed, wanted, copy)
    houses = _houses(project, changed, path, like or _any_test(sources))
    return write(project, changed, wanted, tried, list(houses), copy)


def write(
    project: Project,
    changed: Project,
    wanted: Wanted,
    tried: Tried,
    houses: Sequence[House],
    copy: Shadow,
) -> Written:
    """`changed` is what the copy holds, run, and `tried` what two users saw of it.

    Of the ways to call the app, the first in which the tests pass in the copy.
    """
    if tried.entrance == "override":
        if tried.needed is None or changed.user_model is None or len(tried.givers) != 1:
            return Written((), "no tests are written: how a test could sign in was not understood")
        houses = [house for house in houses if house.own_client]
    if tried.seen.get("key") is None:
        return Written((), "no tests are written: nothing could be created")
    first: Written | None = None
    for house in houses:
        writing = _Writing(project, changed, wanted, tried, house)
        if writing.problem:
            return Written((), f"no tests are written: {writing.problem}")
        text = formatted(project, copy, house.path, writing.text())
        written = Written((*_package(project, house.path), Change(house.path, NewFile(text))))
        first = first or written
        if _pass(project, copy, house.path, text):
            return written
    return first or Written((), "no tests are written: no dependency gives the session")


def _package(project: Project, path: str) -> Iterator[Change]:
    """The first tests of a project find the app from where they are."""
    if project.tests is None:
        yield Change(str(PurePosixPath(path).with_name("__init__.py")), NewFile(""))


def _pass(project: Project, copy: Shadow, path: str, text: str) -> bool:
    target = copy.folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    results, _ = suites.run(project, copy, path)
    target.unlink()
    return bool(results) and set((results or {}).values()) == {"passed"}


# the house


def _houses(project: Project, changed: Project, path: str, like: Source | None) -> Iterator[House]:
    client = _client(project, like)
    annotated = like is None or b"-> None" in like.content
    if client is not None:
        house = House(
            path,
            is_async=client[1],
            mark=_mark(like) if client[1] else "",
            client=(client[0], "AsyncClient" if client[1] else "TestClient"),
            annotated=annotated,
        )
        headers = _headers(project, like)
        if headers:
            yield replace(house, headers=(headers, "dict[str, str]"))
        yield house
    if _sessions(changed):
        yield House(path, annotated=annotated, own_client=True)


def _test_of(sources: Sequence[Source], sibling: str) -> Source | None:
    """The one that calls the sibling's routes most."""
    path = sibling.rstrip("/").encode()
    named = [(source.content.count(path), source) for source in sources if _tests(source)]
    best = max(named, key=lambda each: each[0], default=(0, None))
    return best[1] if best[0] else None


def _any_test(sources: Sequence[Source]) -> Source | None:
    return next((source for source in sources if list(_tests(source))), None)


def _tests(source: Source) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Those in classes, too."""
    bodies = [node.body for node in source.tree.body if isinstance(node, ast.ClassDef)]
    return [
        node
        for node in (*source.tree.body, *(each for body in bodies for each in body))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
    ]


def _path(project: Project, like: Source | None, sibling: str, wanted: Wanted, copy: Shadow) -> str:
    """As the sibling's file is called, which may be by the singular."""
    resource = wanted.resource
    assert resource is not None
    if like is not None:
        path = PurePosixPath(like.path)
        word = sibling.rstrip("/").rpartition("/")[2].replace("-", "_")
        for old, new in ((word, resource.plural), (_singular(word), resource.name)):
            if old and old in path.stem:
                return str(path.with_name(path.name.replace(old, new)))
        return str(path.with_name(f"test_{resource.plural}.py"))
    folder = project.tests.folder if project.tests else None
    if folder is None:
        root = copy.root.relative_to(copy.folder)
        folder = str(PurePosixPath((root.parent if root.name == "src" else root) / "tests"))
    return str(PurePosixPath(folder) / f"test_{resource.plural}.py")


def _singular(word: str) -> str:
    for one in (re.sub("ies$", "y", word), word.removesuffix("es"), word.removesuffix("s")):
        if one != word and one:
            return one
    return ""


def _client(project: Project, like: Source | None) -> tuple[str, bool] | None:
    """The fixture that the tests call the app with, and whether it is awaited."""
    fixtures = {each.name for each in project.tests.fixtures} if project.tests else set()
    if like is None:
        return None
    for node in _tests(like):
        parameters = {argument.arg for argument in node.args.args}
        for call in ast.walk(node):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            called = ast.unparse(call.func.value)
            if call.func.attr in ("get", "post") and called in parameters & fixtures:
                return called, isinstance(node, ast.AsyncFunctionDef)
    return None


def _headers(project: Project, like: Source | None) -> str | None:
    """The fixture that the sibling's tests send as headers."""
    fixtures = {each.name for each in project.tests.fixtures} if project.tests else set()
    for node in _tests(like) if like else ():
        for call in ast.walk(node):
            if isinstance(call, ast.keyword) and call.arg == "headers":
                sent = ast.unparse(call.value)
                if sent in fixtures:
                    return sent
    return None


def _mark(like: Source | None) -> str:
    """`pytest.mark.asyncio`, on the tests or on the whole file."""
    text = like.content.decode(errors="replace") if like else ""
    found = re.search(r"pytest\.mark\.(asyncio|anyio)", text)
    return found[0] if found else ""


def _sessions(changed: Project) -> list[SessionDependency]:
    found = {
        (each.at.file, each.provider): each
        for each in changed.sessions
        if each.at is not None and "." not in each.provider
    }
    return list(found.values())


def _commits(project: Project, session: SessionDependency) -> bool:
    """Whether what gives the session commits as well: whoever takes its place has to."""
    assert session.at is not None
    text = (Path(project.folder) / session.at.file).read_text(encoding="utf-8", errors="replace")
    codes = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name == session.provider
    ]
    return any(".commit()" in code or ".begin()" in code for code in codes)


# the file


@dataclass
class _Writing:
    project: Project
    changed: Project
    wanted: Wanted
    tried: Tried
    house: House
    problem: str = ""
    imports: set[str] = field(default_factory=set)
    listed: tuple[str, str] | None = None
    """The list in an answer, and what its keys are called."""

    def __post_init__(self) -> None:
        assert self.wanted.resource is not None
        self.resource = self.wanted.resource
        self.one, self.many = self.resource.name, self.resource.plural
        self.seen: Mapping[str, Any] = self.tried.seen
        self.login = self.tried.entrance if isinstance(self.tried.entrance, Login) else None
        self.routes = {method: path for method, path in self.wanted.routes if _of_one(path)}
        self.lists = {method: path for method, path in self.wanted.routes if not _of_one(path)}
        self.updating = next((each for each in ("PATCH", "PUT") if each in self.routes), None)
        paths = {*self.routes.values(), *self.lists.values()}
        if any(path.count("{") > _of_one(path) for path in paths):
            self.problem = "the path is below another resource's"
        self.parameter = next(
            (re.findall(r"\{(\w+)", path)[-1] for path in self.routes.values()), f"{self.one}_id"
        )
        self.object = object_in(self.seen["create"]["json"], self.seen["key"])
        if self.object is None:
            self.problem = "the answer to a new one does not hold its id"
        self.written = [each for each in self.resource.columns if not each.readonly]
        self.makers = dict(self._makers())

    # parts of code

    @property
    def awaits(self) -> str:
        return "await " if self.house.is_async else ""

    def function(self, name: str, *parameters: Parameter, parametrized: str = "") -> str:
        """The head of a test."""
        given = [self.house.client]
        if self.signs_in and self.house.headers:
            given.append(self.house.headers)
        if self.overrides:
            given.append(("engine", self.engine()))
        head = f"@{self.house.mark}\n" if self.house.mark else ""
        head += parametrized
        return head + self.head(name, [*given, *parameters])

    def head(self, name: str, given: Sequence[Parameter], returns: str = "None") -> str:
        said = ", ".join(
            f"{name}: {kind}" if self.house.annotated else name for name, kind in given
        )
        arrow = f" -> {returns}" if self.house.annotated else ""
        return f"{'async ' if self.house.is_async else ''}def {name}({said}){arrow}:\n"

    @property
    def signs_in(self) -> bool:
        return self.login is not None

    @property
    def overrides(self) -> bool:
        """Whether a test says who it is, instead of signing in."""
        return self.tried.entrance == "override"

    def mine(self) -> str:
        """A line that signs somebody in, where the house has no fixture for it."""
        if self.overrides:
            return "    sign_in(engine, fresh_name())\n"
        if not self.signs_in or self.house.headers:
            return ""
        return f"    headers = {self.awaits}sign_in({self.house.client[0]}, fresh_name())\n"

    def theirs(self) -> str:
        if self.overrides:
            return self.mine()
        return f"    other = {self.awaits}sign_in({self.house.client[0]}, fresh_name())\n"

    def call(self, method: str, path: str, body: str = "", headers: str | None = None) -> str:
        """A call of the app; `headers` are one's own, where nothing is said."""
        if headers is None:
            headers = self.house.headers[0] if self.house.headers else "headers"
            headers = headers if self.signs_in else ""
        sent = f", json={body}" if body else ""
        sent += f", headers={headers}" if headers else ""
        url = f'f"{path}"' if "{" in path else f'"{path}"'
        return f"{self.awaits}{self.house.client[0]}.{method.lower()}({url}{sent})"

    def status_of(self, call: str) -> str:
        return f"({call}).status_code" if self.house.is_async else f"{call}.status_code"

    def read(self, answer: str, inner: str = "") -> str:
        """The object in an answer to a request for one."""
        return answer + ".json()" + keys(self.object[0] if self.object else ()) + inner

    def made(self, body: str = "") -> str:
        """Lines that make one and keep its id."""
        key = self.object[1] if self.object else "id"
        create = self.call("POST", self.lists["POST"], body or self.body())
        return (
            f"    created = {create}\n"
            f"    {self.parameter} = {self.read('created', f'[{quoted(key)}]')}\n"
        )

    def body(self, changes: str = "") -> str:
        given = []
        if self.makers:
            who = self.house.headers[0] if self.house.headers else "headers"
            given.append(
                f"{self.awaits}parents({self.house.client[0]}{', ' + who * self.signs_in})"
            )
        given += [changes] if changes else []
        return f"new_{self.one}({', '.join(given)})"

    # the file

    def text(self) -> str:
        parts = [
            self.names(),
            self.client() if self.house.own_client else "",
            self.sign_in(),
            self.parents(),
            self.new(),
            *self.tests(),
        ]
        code = "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"
        return self.head_of_file(code) + code

    def head_of_file(self, code: str) -> str:
        known = {
            "secrets.": "import secrets",
            "itertools.": "import itertools",
            "asyncio.run": "import asyncio",
            "date(": "from datetime import date, timedelta",
            "uuid4(": "from uuid import uuid4",
            "datetime.now(": "from datetime import UTC, datetime",
            "pytest.": "import pytest",
            "TestClient": "from fastapi.testclient import TestClient",
            "AsyncClient": f"from {self._httpx()} import AsyncClient",
            "Iterator[": "from collections.abc import Iterator",
            "Path": "from pathlib import Path",
            "Any": "from typing import Any",
        }
        lines = {
            line for word, line in known.items() if re.search(rf"(?<![\w.]){re.escape(word)}", code)
        }
        names: dict[str, set[str]] = {}
        for line in lines | self.imports:
            words = line.replace(",", "").split()
            names.setdefault(words[1], set()).update(words[3:])
        groups: list[list[str]] = [[], [], []]
        for module in sorted(names, key=lambda each: (bool(names[each]), each)):
            top = module.partition(".")[0]
            imported = ", ".join(sorted(names[module]))
            groups[0 if top in _STANDARD else 1 if top in _OUTSIDE else 2].append(
                f"from {module} import {imported}" if imported else f"import {module}"
            )
        return "\n\n".join("\n".join(group) for group in groups if group) + "\n\n"

    def _httpx(self) -> str:
        """Which of the two they have."""
        for source in files.read(Path(self.project.folder)).sources:
            if source.is_test and (found := re.search(rb"from (httpx2?) import", source.content)):
                return found[1].decode()
        return "httpx"

    def names(self) -> str:
        said = []
        if any(samples.COUNTED in samples.fresh(each) for each in self.written if _plain(each)):
            said.append("numbers = itertools.count(1)")
        if self.cases and "invalid" in self.seen:
            said.append(f"MISFITS = [\n{_lines(self.cases, 4)}]")
        return "\n".join(said)

    def new(self) -> str:
        fields = [
            f'"{self.name(each)}": {samples.fresh(each)}' for each in self.written if _plain(each)
        ]
        given = "parents: dict[str, Any], " if self.makers else ""
        kind = "dict[str, Any]"
        spread = ["**parents"] if self.makers else []
        if not self.house.annotated:
            head = f"def new_{self.one}({'parents, ' * bool(given)}**changes):\n"
        else:
            head = f"def new_{self.one}({given}**changes: Any) -> {kind}:\n"
        return f"{head}    return {{{', '.join([*fields, *spread, '**changes'])}}}\n"

    def name(self, column: FieldSpec) -> str:
        """As requests call it."""
        document = self.changed.ran.openapi if self.changed.ran else None
        for route in self.changed.routes:
            if (route.method, route.path) == ("POST", self.lists.get("POST")) and document:
                for name in behaviour.names_in(route, document):
                    if behaviour.plain(name) == behaviour.plain(column.column):
                        return name
        return column.column

    def engine(self) -> str:
        return "AsyncEngine" if _sessions(self.changed)[0].is_async else "Engine"

    def who(self) -> str:
        """Makes a user, and lets the app take whoever asks for them."""
        user, (module, giver) = self.changed.user_model, self.tried.givers[0]
        assert user is not None
        self.imports |= {f"from {user.module} import {user.name}", f"from {module} import {giver}"}
        needed = self.tried.needed or {}
        given = ", ".join(f"{name}={_said(*said)}" for name, said in needed.items())
        is_async = self.engine() == "AsyncEngine"
        made = (_ASYNC_USER if is_async else _USER).replace("USER", f"{user.name}({given})")
        head = f"def sign_in(engine: {self.engine()}, name: str) -> None:\n"
        return (
            'def fresh_name() -> str:\n    return f"user{secrets.token_hex(8)}"\n\n\n'
            f"{head}{made}    app.dependency_overrides[{giver}] = lambda: user\n"
        )

    def sign_in(self) -> str:
        if self.overrides:
            return self.who()
        if self.login is None:
            return ""
        login, client = self.login, self.house.client
        lines = [
            "def fresh_name()" + " -> str" * self.house.annotated + ":\n",
            '    return f"user{secrets.token_hex(8)}"\n\n\n',
            self.head("sign_in", [client, ("name", "str")], "dict[str, str]"),
        ]
        post = f"{self.awaits}{client[0]}.post"
        if login.register:
            lines.append(f'    {post}("{login.register}", json={login.account})\n')
        kind = "data" if login.form else "json"
        lines.append(f'    answer = {post}("{login.path}", {kind}={login.credentials})\n')
        lines.append(f"    token = answer.json(){keys(login.token)}\n")
        lines.append(f'    return {{"Authorization": f"{login.scheme} {{token}}"}}\n')
        return "".join(lines)

    def _makers(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """For each model that it refers to: the path that makes one, and what is sent there."""
        document = self.changed.ran.openapi if self.changed.ran else None
        for each in self.resource.columns:
            if each.type != "ref" or each.readonly:
                continue
            path = self._maker_of(each.item)
            if path is None or document is None:
                self.problem = f"no route makes a {each.item}, to which it refers"
                continue
            content = document["paths"][path]["post"]["requestBody"]["content"]
            schema = content["application/json"]["schema"]
            yield self.name(each), (path, samples.of_schema(schema, document))

    def _maker_of(self, model: str) -> str | None:
        found = [
            route.path
            for route in self.changed.routes
            if route.method == "POST"
            and "{" not in route.path
            and model in (route.response_model or "")
        ]
        return found[0] if found else None

    def parents(self) -> str:
        if not self.makers:
            return ""
        given = [self.house.client]
        who = ""
        if self.signs_in:
            given.append(("headers", "dict[str, str]"))
            who = "headers"
        lines = [self.head("parents", given, "dict[str, Any]"), "    made = {}\n"]
        for name, (path, body) in self.makers.items():
            lines.append(f"    answer = {self.call('POST', path, body, who)}\n")
            lines.append(f'    made["{name}"] = {self.read("answer", self._key())}\n')
        return "".join([*lines, "    return made\n"])

    def _key(self) -> str:
        return f"[{quoted(self.object[1] if self.object else 'id')}]"

    # a client of its own

    def client(self) -> str:
        """On a SQLite of each test's own, by the override of what gives the session."""
        app = self.changed.app
        model, name = self.wanted.model or ("", "")
        self.imports |= {f"from {model} import {name}", *self._app_import()}
        sessions = _sessions(self.changed)
        is_async = bool(sessions[0].is_async)
        session = "AsyncSession" if is_async else "Session"
        sqlmodel = any(
            (each.module, each.name) == self.wanted.model and each.kind == "sqlmodel"
            for each in self.changed.models
        )
        if is_async:
            module = "sqlmodel.ext.asyncio.session" if sqlmodel else "sqlalchemy.ext.asyncio"
            self.imports |= {
                f"from {module} import AsyncSession",
                "from sqlalchemy.ext.asyncio import create_async_engine",
                "from collections.abc import AsyncIterator",
                "from sqlalchemy.pool import NullPool",
            }
        else:
            module = "sqlmodel" if sqlmodel else "sqlalchemy.orm"
            self.imports |= {
                f"from {module} import Session",
                "from sqlalchemy import create_engine",
            }
        self.imports |= {"from collections.abc import Iterator", "from pathlib import Path"}
        if app.factory and self.overrides:
            self.problem = "the app is made by a function, and who signs in has to be overridden"
        made = "app" if not app.factory else "made"
        engine = (_ASYNC_ENGINE if is_async else _ENGINE).replace("MODEL", name)
        kind = self.engine()
        module = "sqlalchemy.ext.asyncio" if is_async else "sqlalchemy"
        self.imports.add(f"from {module} import {kind}")
        lines = [f"@pytest.fixture\ndef engine(tmp_path: Path) -> Iterator[{kind}]:\n{engine}"]
        lines.append("    yield engine\n" + "    engine.dispose()\n" * (not is_async))
        lines.append("\n\n@pytest.fixture\n")
        lines.append(f"def client(engine: {kind}) -> Iterator[TestClient]:\n")
        if app.factory:
            lines.append(f"    made = {app.variable}()\n")
        lines.append(f"    {'async ' * is_async}def session() -> ")
        lines.append("AsyncIterator[AsyncSession]:\n" if is_async else "Iterator[Session]:\n")
        lines.append(f"        {'async ' * is_async}with {session}(engine, ")
        lines.append("expire_on_commit=False) as opened:\n            yield opened\n")
        if any(_commits(self.project, each) for each in sessions):
            lines.append(f"            {'await ' * is_async}opened.commit()\n")
        lines.append("\n")
        for each in sessions:
            assert each.at is not None
            self.imports.add(f"from {self._module(each.at.file)} import {each.provider}")
            lines.append(f"    {made}.dependency_overrides[{each.provider}] = session\n")
        lines.append(f"    yield TestClient({made})\n    {made}.dependency_overrides.clear()\n")
        self.imports.add("import pytest")
        return "".join(lines)

    def _app_import(self) -> Iterator[str]:
        app = self.changed.app
        name = app.variable.partition(".")[0]
        if name == "app" or app.factory:
            yield f"from {app.module} import {name}"
        else:
            yield f"from {app.module} import {name} as app"

    def _module(self, file: str) -> str:
        root = self.changed.app.import_root
        path = PurePosixPath(file)
        if root not in (".", ""):
            path = path.relative_to(root) if path.is_relative_to(root) else path
        return ".".join(path.with_suffix("").parts).removesuffix(".__init__")

    # tests

    def tests(self) -> Iterator[str]:
        yield self.creates()
        yield self.lists_it()
        yield self.changes()
        yield self.deletes()
        yield self.missing()
        yield self.refuses()
        yield self.takes()
        yield self.asks()
        yield self.hides()

    def creates(self) -> str:
        lines = [self.function(f"test_create_{self.one}"), self.mine()]
        lines.append(f"    sent = {self.body()}\n")
        lines.append(f"    answer = {self.call('POST', self.lists['POST'], 'sent')}\n")
        lines.append(f"    assert answer.status_code == {self.status('create')}\n")
        shown = [each for each in self.written if self.shows(each)]
        if shown:
            lines.append(f"    created = {self.read('answer')}\n")
            lines += [self.equal(each) for each in shown]
        if "GET" in self.routes:
            key = self.read("answer", self._key())
            lines.append(f"    {self.parameter} = {key}\n")
            lines.append(f"    answer = {self.call('GET', self.routes['GET'])}\n")
            lines.append(f"    assert answer.status_code == {self.status('GET')}\n")
            if shown and self.same_shape("GET"):
                lines.append(f"    assert {self.read('answer', self._key())} == {self.parameter}\n")
        return "".join(lines)

    def equal(self, column: FieldSpec) -> str:
        name = f'["{self.name(column)}"]'
        if column.type == "decimal":
            return f"    assert float(created{name}) == float(sent{name})\n"
        if column.type in ("datetime", "time"):
            return f"    assert created{name}.startswith(sent{name}[:5])\n"
        return f"    assert created{name} == sent{name}\n"

    def shows(self, column: FieldSpec) -> bool:
        return self.object is not None and self.name(column) in self.object[2]

    def same_shape(self, what: str) -> bool:
        found = object_in(self.seen.get(what, {}).get("json"), self.seen["key"])
        return found is not None and self.object is not None and found[:2] == self.object[:2]

    def lists_it(self) -> str:
        where = list_in(self.seen.get("list", {}).get("json"), self.seen["key"])
        if "GET" not in self.lists or where is None:
            return ""
        path, key = where
        self.listed = listed, _ = f"answer.json(){keys(path)}", key
        return (
            self.function(f"test_list_{self.many}")
            + self.mine()
            + self.made()
            + f"    answer = {self.call('GET', self.lists['GET'])}\n"
            + f"    assert answer.status_code == {self.status('list')}\n"
            + f"    assert {self.parameter} in [each[{quoted(key)}] for each in "
            + f"{listed}]\n"
        )

    def changes(self) -> str:
        new = next(
            (
                each
                for each in self.written
                if _plain(each) and behaviour.value_of(each) != behaviour.value_of(each, True)
            ),
            None,
        )
        if self.updating is None or new is None or self.updating not in self.seen:
            return ""
        value = samples.sample(new, other=True)
        body = self.body(f"{self.name(new)}={value}")
        lines = [self.function(f"test_update_{self.one}"), self.mine(), self.made()]
        lines.append(
            f"    changed = {self.call(self.updating, self.routes[self.updating], body)}\n"
        )
        lines.append(f"    assert changed.status_code == {self.status(self.updating)}\n")
        if "GET" in self.routes and self.same_shape("GET") and self.shows(new):
            lines.append(f"    answer = {self.call('GET', self.routes['GET'])}\n")
            if new.type in ("decimal", "datetime", "time"):
                return "".join(lines)
            lines.append(
                f"    assert {self.read('answer', f'[{quoted(self.name(new))}]')} == {value}\n"
            )
        return "".join(lines)

    def deletes(self) -> str:
        if "DELETE" not in self.routes or "DELETE" not in self.seen:
            return ""
        again = "GET" if "GET" in self.routes else "DELETE"
        return (
            self.function(f"test_delete_{self.one}")
            + self.mine()
            + self.made()
            + f"    answer = {self.call('DELETE', self.routes['DELETE'])}\n"
            + f"    assert answer.status_code == {self.status('DELETE')}\n"
            + f"    assert {self.status_of(self.call(again, self.routes[again]))} == 404\n"
        )

    def missing(self) -> str:
        key = str(self.seen["key"])
        never = "2147483645" if key.isdecimal() else samples.MISSING
        lines = [self.function(f"test_{self.one}_that_is_not_there"), self.mine()]
        lines.append(f"    {self.parameter} = {never}\n")
        if self.updating and self.makers:
            lines.append(f"    sent = {self.body()}\n")
        for method, path in self.routes.items():
            sent = "" if method in ("GET", "DELETE") else "sent" if self.makers else self.body()
            lines.append(f"    assert {self.status_of(self.call(method, path, sent))} == 404\n")
        return "".join(lines) if self.routes else ""

    def refuses(self) -> str:
        if not self.cases or "invalid" not in self.seen:
            return ""
        sent = self.body("**{name: value}")
        given = (("name", "str"), ("value", "Any"))
        parametrized = '@pytest.mark.parametrize(("name", "value"), MISFITS)\n'
        name = f"test_{self.one}_that_does_not_fit"
        lines = [self.function(name, *given, parametrized=parametrized), self.mine()]
        lines.append(f"    answer = {self.call('POST', self.lists['POST'], sent)}\n")
        lines.append(f"    assert answer.status_code == {self.status('invalid')}\n")
        changes = [value for _, value in self.cases if value != "None"]
        if self.updating and changes:
            if len(changes) < len(self.cases):
                misfits = "[each for each in MISFITS if each[1] is not None]"
                parametrized = parametrized.replace("MISFITS", misfits)
            name = "test_change_that_does_not_fit"
            lines += ["\n\n", self.function(name, *given, parametrized=parametrized), self.mine()]
            lines.append(self.made())
            call = self.call(self.updating, self.routes[self.updating], sent)
            lines.append(f"    answer = {call}\n")
            lines.append(f"    assert answer.status_code == {self.status('invalid')}\n")
        return "".join(lines)

    @property
    def cases(self) -> list[tuple[str, str]]:
        return [
            (self.name(each), value)
            for each in self.written
            if _plain(each)
            for value in misfits(each, self.is_pydantic_2())
        ]

    def takes(self) -> str:
        cases = [
            (self.name(each), value)
            for each in self.written
            if _plain(each) and not each.unique
            for value in edges(each)
        ]
        if not cases:
            return ""
        lines = [
            self.function(
                f"test_{self.one}_that_just_fits",
                ("name", "str"), ("value", "Any"), parametrized=self.parametrized("name", cases),
            ),
            self.mine(),
        ]  # fmt: skip
        lines.append(
            f"    answer = {self.call('POST', self.lists['POST'], self.body('**{name: value}'))}\n"
        )
        lines.append(f"    assert answer.status_code == {self.status('create')}\n")
        return "".join(lines)

    def parametrized(self, name: str, cases: Sequence[tuple[str, str]]) -> str:
        values = f"    [\n{_lines(cases, 8)}    ],\n"
        return f'@pytest.mark.parametrize(\n    ("{name}", "value"),\n{values})\n'

    def is_pydantic_2(self) -> bool:
        versions = self.changed.ran.versions if self.changed.ran else None
        return bool(versions and (versions.pydantic or "").startswith("2"))

    def asks(self) -> str:
        """Without a login."""
        refused = {
            route
            for route in self.wanted.routes
            if f"anonymous {route[0]}" in self.seen and route in self.guarded()
        }
        if not refused or not (self.login or self.overrides):
            return ""
        key = str(self.seen["key"])
        never = "1" if key.isdecimal() else samples.MISSING
        house = replace(self.house, headers=None)
        plain = replace(self, house=house)
        head = f"@{house.mark}\n" if house.mark else ""
        lines = [head + plain.head(f"test_{self.many}_need_a_login", [house.client])]
        if any(_of_one(path) for _, path in refused):
            lines.append(f"    {self.parameter} = {never}\n")
        for method, path in self.wanted.routes:
            if (method, path) in refused:
                body = "{}" if method not in ("GET", "DELETE") else ""
                status = self.status(f"anonymous {method}")
                call = self.call(method, path, body, "")
                lines.append(f"    assert {self.status_of(call)} == {status}\n")
        return "".join(lines)

    def guarded(self) -> set[tuple[str, str]]:
        return {
            (route.method, route.path)
            for route in self.changed.routes
            if route.protection in ("login", "admin")
        } | set(self.wanted.guarded)

    def hides(self) -> str:
        """From somebody else."""
        refused = [method for method in self.routes if f"other {method}" in self.seen]
        if not refused:
            return ""
        lines = [self.function(f"test_{self.many}_of_somebody_else"), self.mine(), self.made()]
        if self.makers:
            lines.append(f"    sent = {self.body()}\n")
        lines.append(self.theirs())
        other = "" if self.overrides else "other"
        for method in refused:
            sent = "" if method in ("GET", "DELETE") else "sent" if self.makers else self.body()
            call = self.call(method, self.routes[method], sent, other)
            lines.append(f"    assert {self.status_of(call)} == {self.status(f'other {method}')}\n")
        if self.listed and ("GET", self.lists["GET"]) in self.guarded():
            listed, key = self.listed
            lines.append(f"    answer = {self.call('GET', self.lists['GET'], '', other)}\n")
            lines.append(
                f"    assert {self.parameter} not in [each[{quoted(key)}] for each in {listed}]\n"
            )
        return "".join(lines)

    def status(self, what: str) -> int:
        status: int = self.seen[what]["status"]
        return status


_ENGINE = """\
    engine = create_engine(
        f"sqlite:///{tmp_path}/test.db", connect_args={"check_same_thread": False}
    )
    MODEL.metadata.create_all(engine)
"""
_ASYNC_ENGINE = """\
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/test.db", poolclass=NullPool)

    async def make_tables() -> None:
        async with engine.begin() as connection:
            await connection.run_sync(MODEL.metadata.create_all)

    asyncio.run(make_tables())
"""
_USER = """\
    user = USER
    with Session(engine, expire_on_commit=False) as session:
        session.add(user)
        session.commit()
        session.refresh(user)
        session.expunge_all()
"""
_ASYNC_USER = """\
    user = USER

    async def add() -> None:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            session.add(user)
            await session.commit()
            await session.refresh(user)
            session.expunge_all()

    asyncio.run(add())
"""
_STANDARD = {
    "secrets",
    "itertools",
    "asyncio",
    "datetime",
    "uuid",
    "collections",
    "pathlib",
    "typing",
}
_OUTSIDE = {"pytest", "fastapi", "httpx", "httpx2", "sqlalchemy", "sqlmodel"}


# what was seen


def object_in(
    answer: Any, key: Any, path: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], str, list[str]] | None:
    """Where in an answer the row is: the way there, what its key is called, what is shown of it."""
    if not isinstance(answer, dict):
        return None
    for name in ("id", "uuid", "pk", *[each for each in answer if each.endswith("_id")]):
        if name in answer and str(answer[name]) == str(key):
            return path, name, list(answer)
    for name, value in answer.items():
        if (found := object_in(value, key, (*path, name))) is not None:
            return found
    return None


def list_in(
    answer: Any, key: Any, path: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], str] | None:
    if isinstance(answer, list):
        for one in answer:
            found = object_in(one, key)
            if found is not None and not found[0]:
                return path, found[1]
    if isinstance(answer, dict):
        for name, value in answer.items():
            if (inner := list_in(value, key, (*path, name))) is not None:
                return inner
    return None


def _said(kind: str, value: str) -> str:
    """A value of a user's row as code; text is made of the name."""
    if kind == "str":
        return 'f"{name}@example.com"' if "@" in value else "name"
    if kind == "UUID":
        return "uuid4()"
    if kind in ("datetime", "date", "time"):
        return "datetime.now(UTC)" + {"date": ".date()", "time": ".time()"}.get(kind, "")
    return value


def keys(path: Sequence[str]) -> str:
    return "".join(f"[{quoted(each)}]" for each in path)


def _lines(cases: Sequence[tuple[str, str]], indent: int) -> str:
    return "".join(f"{' ' * indent}({quoted(name)}, {value}),\n" for name, value in cases)


def _of_one(path: str) -> bool:
    return path.rstrip("/").endswith("}")


def _plain(column: FieldSpec) -> bool:
    return column.type != "ref"


# boundaries that were said


def misfits(column: FieldSpec, pydantic_2: bool) -> Iterator[str]:
    """Values that are refused. Of limits that only the house has, nothing is known."""
    if column.type in ("str", "text"):
        if column.min:
            yield f'"x" * {column.min - 1}' if column.min > 1 else '""'
        if column.max is not None:
            yield f'"x" * {column.max + 1}'
        if column.pattern:
            yield from (value for value in samples.misfits(column) if re.fullmatch('".?"', value))
        if pydantic_2:  # the first one takes numbers for text
            yield "1"
    elif column.type == "datetime":
        yield '"someday"'
    elif column.type == "list" and column.max is None:
        yield from (value for value in samples.misfits(column) if " * " not in value)
    else:
        yield from (value for value in samples.misfits(column) if value != "None")
    if column.is_required:
        yield "None"


def edges(column: FieldSpec) -> Iterator[str]:
    if column.type in ("str", "text"):
        lengths = (column.min, column.max) if not column.pattern else ()
        yield from (f'"x" * {length}' for length in lengths if length)
    elif column.bounds or column.type == "enum":
        yield from samples.edges(column)
