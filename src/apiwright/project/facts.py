"""What is known of a project. Values only: whoever reads makes them, whoever asks gets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Protection = Literal["login", "admin", "none", "unknown"]
Seen = Literal["read", "ran", "both"]
Level = Literal["app", "include", "router", "route", "parameter"]
Role = Literal["create", "update", "public", "list", "base", "other"]


@dataclass(frozen=True)
class Place:
    """A line of a file, as evidence."""

    file: str
    """Relative to the project's folder, with slashes."""
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class NotSeen:
    """What reading could not tell."""

    what: str
    why: str


@dataclass(frozen=True)
class App:
    """The object that is served."""

    module: str
    variable: str
    """Its name in the module; of a factory, the function's."""
    factory: bool
    """Whether the name is a function that makes the app."""
    at: Place
    """Where FastAPI(…) is called."""
    import_root: str
    """The folder that must be on sys.path, relative to the project's; "." is that itself."""
    chosen_because: str

    @property
    def target(self) -> str:
        return f"{self.module}:{self.variable}"


@dataclass(frozen=True)
class Include:
    """A place where a router is put into another, or into the app."""

    into: str
    prefix: str | None
    """None: it could not be told."""
    at: Place


@dataclass(frozen=True)
class Router:
    name: str
    """module:variable"""
    prefix: str | None
    at: Place
    included: tuple[Include, ...]


@dataclass(frozen=True)
class Dependency:
    """Something a route depends on."""

    name: str
    module: str | None
    level: Level
    protects: Protection
    at: Place | None
    """Where it is defined; None outside of the project."""


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    """With every prefix. A part that could not be told is written `{…}`."""
    name: str
    """Of the function that answers."""
    module: str
    at: Place | None
    protection: Protection
    dependencies: tuple[Dependency, ...]
    response_model: str | None
    status: int | None
    is_async: bool | None
    in_schema: bool
    router: str | None
    """module:variable of the router or app that it is written on."""
    seen: Seen
    """Read from the source, told by the running app, or both, where the app has the last word."""


@dataclass(frozen=True)
class Column:
    name: str
    """In the database."""
    attribute: str
    type: str | None
    nullable: bool | None
    default: str | None
    unique: bool
    index: bool
    primary_key: bool
    foreign_key: str | None
    """table.column"""
    at: Place | None
    """None: it comes from a class outside of the project."""


@dataclass(frozen=True)
class Relationship:
    name: str
    target: str | None
    many: bool | None
    back_populates: str | None
    through: str | None
    at: Place


@dataclass(frozen=True)
class Model:
    name: str
    module: str
    kind: Literal["sqlmodel", "sqlalchemy"]
    style: Literal["field", "column", "mapped"]
    table: str | None
    bases: tuple[str, ...]
    columns: tuple[Column, ...]
    relationships: tuple[Relationship, ...]
    unique_together: tuple[tuple[str, ...], ...]
    is_user: bool
    owner_column: str | None
    """The column that refers to the user's table, or is called user_id or owner_id and refers to
    nothing."""
    at: Place

    @property
    def primary_key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.primary_key)


@dataclass(frozen=True)
class SessionDependency:
    name: str
    """What a route writes: the function of Depends(…), or the alias."""
    module: str
    style: Literal["alias", "annotated", "default"]
    provider: str
    """The function that gives the session."""
    type: str | None
    is_async: bool | None
    parameter: str
    """What most routes call it."""
    uses: int
    at: Place | None


@dataclass(frozen=True)
class Schema:
    name: str
    module: str
    role: Role
    resource: str | None
    fields: tuple[str, ...]
    config: Literal["v1", "v2"] | None
    at: Place


@dataclass(frozen=True)
class Style:
    """One of several ways of doing something, and where it is seen."""

    name: str
    count: int
    example: str
    at: Place

    @classmethod
    def of_all(cls, found: Mapping[str, Sequence[tuple[str, Place]]]) -> "tuple[Style, ...]":
        """The most used first."""
        return tuple(
            cls(name, len(seen), *min(seen, key=lambda one: (one[1].file, one[1].line)))
            for name, seen in sorted(found.items(), key=lambda item: -len(item[1]))
        )


@dataclass(frozen=True)
class Fixture:
    name: str
    meaning: Literal["client", "session", "login", "other"]
    is_async: bool
    at: Place


@dataclass(frozen=True)
class Suite:
    """The project's tests."""

    folder: str
    runner: Literal["pytest", "unittest"]
    client: Literal["sync", "async"] | None
    fixtures: tuple[Fixture, ...]
    login_helper: str | None
    overrides: Place | None
    """Where app.dependency_overrides is used."""


@dataclass(frozen=True)
class Migrations:
    folder: str
    """Where the revisions are."""
    ini: str | None
    heads: tuple[str, ...]
    revisions: int
    target_metadata: Place | None
    batch: bool


@dataclass(frozen=True)
class Setting:
    """One environment variable."""

    key: str
    field: str | None
    """Of the settings class; None when it is read with os.environ."""
    type: str | None
    required: bool
    example: str | None
    """From .env.example, never for what looks like a secret."""
    at: Place


@dataclass(frozen=True)
class Settings:
    class_name: str | None
    instance: str | None
    """module:variable"""
    keys: tuple[Setting, ...]
    example_file: str | None
    at: Place | None


@dataclass(frozen=True)
class Tools:
    package_manager: str | None
    linters: tuple[str, ...]
    line_length: int | None
    quotes: Literal["double", "single"] | None
    python: str | None
    """requires-python"""
    at: Place | None


@dataclass(frozen=True)
class Layout:
    name: Literal["single file", "routers", "routes and services", "versioned", "features", "other"]
    folders: Mapping[str, tuple[str, ...]]
    """What is where: routes, models, schemas, services, tests."""


@dataclass(frozen=True)
class Versions:
    """Of the project's own interpreter and packages; None is not installed."""

    python: str
    fastapi: str | None
    pydantic: str | None
    sqlalchemy: str | None
    sqlmodel: str | None


@dataclass(frozen=True)
class Ran:
    """What the project's own interpreter said."""

    interpreter: str
    ok: bool
    error: str | None
    """In words, when the app could not be imported."""
    versions: Versions | None
    openapi: Mapping[str, Any] | None  # a JSON document
    notes: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    """The dummies that it was given."""


@dataclass(frozen=True)
class Project:
    folder: str
    app: App
    other_apps: tuple[str, ...]
    routes: tuple[Route, ...]
    routers: tuple[Router, ...]
    models: tuple[Model, ...]
    sessions: tuple[SessionDependency, ...]
    """The most used first."""
    schemas: tuple[Schema, ...]
    schema_names: Mapping[str, str]
    """The usual name of each role: {"create": "{name}Create"}."""
    services: tuple[Style, ...]
    errors: tuple[Style, ...]
    pagination: tuple[Style, ...]
    tests: Suite | None
    migrations: Migrations | None
    create_all: tuple[Place, ...]
    settings: Settings
    layout: Layout
    tools: Tools
    rules: tuple[str, ...]
    """Files with the project's own rules, for whoever writes in it."""
    ran: Ran | None
    not_seen: tuple[NotSeen, ...]

    @property
    def user_model(self) -> Model | None:
        return next((model for model in self.models if model.is_user), None)

    @property
    def session(self) -> SessionDependency | None:
        return self.sessions[0] if self.sessions else None
