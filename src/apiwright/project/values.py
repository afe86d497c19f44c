"""What an expression stands for, as far as reading it tells."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from apiwright.project.facts import Place
from apiwright.project.files import Source


@dataclass(frozen=True)
class Const:
    value: str | int | float | bool | None


@dataclass(frozen=True)
class Items:
    """Of a list, a tuple or a set."""

    values: tuple["Value", ...]


@dataclass(frozen=True)
class Table:
    """A dictionary with keys that are known."""

    values: dict[str, "Value"]


@dataclass(frozen=True)
class Outside:
    """A name of a package that is not the project's: fastapi.APIRouter."""

    name: str


@dataclass(frozen=True)
class Module:
    name: str
    importer: Source
    source: Source | None
    """None: a folder of modules."""


@dataclass(frozen=True, eq=False)
class Function:
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: "Scope"
    """Where it is defined."""
    qualified: str
    owner: "Class | None" = None
    self: "Value | None" = None
    given: tuple[tuple[str, "Value"], ...] = ()
    """What its callers pass for parameters that do not say what they are."""

    def parameters(self) -> Iterator[tuple[ast.arg, ast.expr | None]]:
        """Each with its default."""
        given = self.node.args
        positional = [*given.posonlyargs, *given.args]
        without = len(positional) - len(given.defaults)
        yield from zip(positional, [*[None] * without, *given.defaults], strict=True)
        yield from zip(given.kwonlyargs, given.kw_defaults, strict=True)

    @property
    def at(self) -> Place:
        return self.scope.source.at(self.node)


@dataclass(frozen=True, eq=False)
class Class:
    node: ast.ClassDef
    scope: "Scope"
    """Of its body."""
    bases: tuple["Value", ...]

    @property
    def at(self) -> Place:
        return self.scope.source.at(self.node)


@dataclass(frozen=True, eq=False)
class Instance:
    of: Class
    attributes: dict[str, "Value"]


@dataclass(frozen=True, eq=False)
class Call:
    """Of something outside of the project, or of what could not be followed."""

    callee: "Value"
    arguments: tuple["Value", ...]
    keywords: dict[str, "Value"]
    node: ast.Call
    source: Source


@dataclass(frozen=True)
class Made:
    """An instance of a class outside of the project, "sqlalchemy.orm.Session", or what a function
    there gave: "boto3.client()"."""

    name: str
    arguments: tuple["Value", ...] = ()
    """Of its type: the model of a query, the items of a list."""


@dataclass(frozen=True)
class Annotated:
    """typing.Annotated[…]"""

    values: tuple["Value", ...]


@dataclass(frozen=True)
class Generic:
    """list[int], Page[Task], int | None"""

    base: "Value"
    arguments: tuple["Value", ...]


@dataclass(frozen=True)
class Method:
    """Of a router or a constant, which the reader knows."""

    receiver: "Value"
    name: str


@dataclass(frozen=True, eq=False)
class Registration:
    """router.get("/x"), which waits for its function."""

    router: "RouterObject"
    methods: tuple[str, ...]
    call: Call


@dataclass(frozen=True)
class Unknown:
    pass


@dataclass(eq=False)
class RouterObject:
    """An app or a router, while it is being read: what is done to it is added here."""

    kind: Literal["app", "router"]
    prefix: str | None
    dependencies: tuple["Value", ...]
    call: Call
    in_schema: bool = True
    names: list[tuple[str, str]] = field(default_factory=list)
    """(module, variable), as they are bound."""
    factory: str | None = None
    """The function that makes it."""
    entries: list["Endpoint | Inclusion"] = field(default_factory=list)

    @property
    def at(self) -> Place:
        return self.call.source.at(self.call.node)


@dataclass(frozen=True, eq=False)
class Endpoint:
    methods: tuple[str, ...]
    path: str | None
    handler: "Value"
    keywords: dict[str, "Value"]
    call: Call
    within: "Scope | None"
    """The body of the class that the handler is in."""


@dataclass(frozen=True, eq=False)
class Inclusion:
    router: "Value"
    prefix: str | None
    dependencies: tuple["Value", ...]
    call: Call
    mounted: bool
    in_schema: bool
    conditional: bool


Value: TypeAlias = (
    Const
    | Items
    | Table
    | Outside
    | Module
    | Function
    | Class
    | Instance
    | Call
    | Made
    | Annotated
    | Generic
    | Method
    | Registration
    | Unknown
    | RouterObject
)

UNKNOWN = Unknown()


@dataclass(eq=False)
class Scope:
    source: Source
    parent: "Scope | None"
    qualified: str
    """"" for a module, then as in __qualname__."""
    kind: Literal["module", "function", "class"]
    names: dict[str, Value] = field(default_factory=dict)
    definitions: dict[str, ast.AST] = field(default_factory=dict)
    """Where a name of a module is bound; filled for modules."""
    stars: list[Module] = field(default_factory=list)
    node: ast.ClassDef | None = None

    def find(self, name: str) -> Value | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names and (scope is self or scope.kind != "class"):
                return scope.names[name]
            scope = scope.parent
        return None

    @property
    def module(self) -> "Scope":
        return self if self.parent is None else self.parent.module

    def inside(self, name: str) -> str:
        if not self.qualified:
            return name
        separator = ".<locals>." if self.kind == "function" else "."
        return f"{self.qualified}{separator}{name}"
