"""`apiwright add resource --from-model app.models:Note`: a resource of a model that is there, read
from its source: SQLModel, or SQLAlchemy with Column or Mapped."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from apiwright.errors import ApiwrightError, Refused
from apiwright.generators import existing
from apiwright.generators.existing import Column
from apiwright.generators.fields import LIST_ITEMS, NUMBERS, TEXTS, Existing, Resource, has
from apiwright.project import facts
from apiwright.project.facts import Model, Place, Project

_KINDS = {
    **dict.fromkeys(("str", "String", "VARCHAR", "Unicode", "AutoString"), "str"),
    **dict.fromkeys(("Text", "TEXT", "UnicodeText"), "text"),
    **dict.fromkeys(("int", "Integer", "BigInteger", "SmallInteger", "INTEGER", "BIGINT"), "int"),
    **dict.fromkeys(("float", "Float", "Double", "REAL", "FLOAT"), "float"),
    **dict.fromkeys(("Decimal", "Numeric", "DECIMAL", "NUMERIC"), "decimal"),
    **dict.fromkeys(("bool", "Boolean", "BOOLEAN"), "bool"),
    **dict.fromkeys(("date", "Date", "DATE"), "date"),
    **dict.fromkeys(("datetime", "DateTime", "DATETIME", "TIMESTAMP"), "datetime"),
    **dict.fromkeys(("time", "Time", "TIME"), "time"),
    **dict.fromkeys(("UUID", "Uuid"), "uuid"),
    **dict.fromkeys(("dict", "Dict", "JSON", "JSONB"), "json"),
    "EmailStr": "email",
}
_TIMES = ("created_at", "updated_at")
_LENGTHS = {"min_length": "min", "max_length": "max"}
_BOUNDS = ("gt", "ge", "lt", "le")


def resource(project: Project, said: str) -> Resource:
    """`said`: module:Name, or the name alone where it is the only one.

    Raises ApiwrightError for a model that there is not; Refused for one that cannot be served.
    """
    model = find(project, said)
    id_type = _id_type(model)
    reading = _Reading(project, model)
    own = [each for each in model.columns if each.at is not None and not each.primary_key]
    owners = [each for each in own if each.attribute == model.owner_column]
    own = [each for each in own if each not in owners]
    read = existing.fields_of([reading.column(each, each.at) for each in own], model.name)
    given = {each.attribute for each in model.columns if each.at is None}
    return Resource(
        model.name,
        read.fields,
        Existing(
            model.module,
            model.table or model.name.lower(),
            id_type=id_type,
            timestamps=given >= set(_TIMES),
            owner=model.owner_column or "",
            together=model.unique_together,
            notes=(
                *(existing.of_an_owner(f"{each.name} ({each.at})") for each in owners),
                *read.notes,
            ),
            enums=tuple(reading.enums.items()),
        ),
    )


def find(project: Project, said: str) -> Model:
    """Raises ApiwrightError where there is none, or more than one."""
    module, _, name = said.rpartition(":")
    found = [
        model
        for model in project.models
        if model.name == name and (not module or model.module == module)
    ]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{model.module}:{model.name}" for model in found or project.models)
    raise ApiwrightError(
        f"There are several models {name!r}." if found else f"There is no model {said!r}.",
        f"Say which: {names}." if names else "There are none in this project.",
    )


def _id_type(model: Model) -> str:
    keys = [column for column in model.columns if column.primary_key]
    if [key.attribute for key in keys] != ["id"]:
        called = ", ".join(key.name for key in keys)
        raise Refused(
            f"The primary key of {model.name} is ({called}), and not one `id` ({model.at})."
            if keys
            else f"{model.name} has no primary key that could be read ({model.at}).",
            "Write this resource by hand.",
        )
    kind = _KINDS.get(_last(keys[0].type or ""), "")
    if kind not in ("uuid", "int"):
        raise Refused(
            f"The id of {model.name} is neither a UUID nor an integer, but {keys[0].type}.",
            "Write this resource by hand.",
        )
    return kind


class _Reading:
    """Of one model. Remembers the enums that it meets."""

    def __init__(self, project: Project, model: Model) -> None:
        self.project, self.model = project, model
        self.enums: dict[str, str] = {}
        self.tree = cache(self._tree)

    def column(self, column: facts.Column, at: Place | None) -> Column:
        calls = list(self._calls(column, at))
        kind, members = self._kind(column, calls, at)
        user = self.project.user_model
        table = (column.foreign_key or "").rpartition(".")[0]
        default = self._default(column, kind, members)
        return Column(
            name=column.name,
            attribute=column.attribute,
            type=column.type or "nothing",
            kind=kind,
            optional=bool(column.nullable),
            unique=column.unique,
            index=column.index,
            default=default,
            filled=(column.default is not None and default is None) or _is_computed(calls),
            of_a_user=user is not None and table == user.table,
            members=members,
            at=str(at or ""),
        )

    # the statement

    def _tree(self, file: str) -> ast.Module:
        return ast.parse((Path(self.project.folder) / file).read_bytes())

    def _calls(self, column: facts.Column, at: Place | None) -> Iterator[ast.expr]:
        """What is said of it: Field(…), Column(…), mapped_column(…), and types within these."""
        tree = self.tree(at.file if at else self.model.at.file)
        for statement in ast.walk(tree):
            if not isinstance(statement, ast.AnnAssign | ast.Assign | ast.FunctionDef):
                continue
            if statement.lineno == (at.line if at else 0):
                for node in ast.walk(statement):
                    if isinstance(node, ast.Call):
                        yield node
                        yield from (arg for arg in node.args if not isinstance(arg, ast.Call))
                        types = ("sa_type", "type_")
                        yield from (each.value for each in node.keywords if each.arg in types)

    def _kind(
        self, column: facts.Column, calls: list[ast.expr], at: Place | None
    ) -> tuple[str, tuple[str, ...]]:
        """As on the command line; and of an enum the class and its members."""
        if column.foreign_key and (model := self._referred(column.foreign_key)):
            deleted = str(self._said(calls, "ondelete") or "RESTRICT")
            becomes = deleted.lower().replace(" ", "-").replace("no-action", "restrict")
            return f"ref:{model}:on-delete={becomes}", ()
        kind = self._named(column.type or "", calls)
        if not kind:
            return self._enum(column.type or "", at or self.model.at, calls)
        limits = list(self._limits(kind, calls))
        if kind == "str" and not any("max=" in limit for limit in limits):
            kind = kind if column.unique or column.index else "text"
        return ":".join([kind, *limits]), ()

    def _referred(self, key: str) -> str | None:
        table = key.rpartition(".")[0]
        found = [each.name for each in self.project.models if each.table == table]
        return found[0] if found else None

    def _named(self, text: str, calls: list[ast.expr]) -> str:
        """Of a type's name, or of what stands in Column(…)."""
        annotation = _parsed(text)
        if isinstance(annotation, ast.Subscript):
            inside = annotation.slice
            first = inside.elts[0] if isinstance(inside, ast.Tuple) else inside
            outer, inner = _last(ast.unparse(annotation.value)), ast.unparse(first)
            if outer == "Annotated":
                return self._named(inner, calls)
            if outer in ("list", "List"):
                item = _KINDS.get(_last(inner), "")
                return f"list:{item}" if item in LIST_ITEMS else ""
            text = outer
        elif isinstance(annotation, ast.Call):
            text = ast.unparse(annotation.func)
        kind = _KINDS.get(_last(text), "")
        said = [_KINDS.get(_last(_called(each)), "") for each in calls]
        if kind == "str" and "text" in said:
            return "text"
        return "json" if _last(text) == "Any" and "json" in said else kind

    def _limits(self, kind: str, calls: list[ast.expr]) -> Iterator[str]:
        for name, word in _LENGTHS.items():
            if has(kind.partition(":")[0], word) and kind not in NUMBERS:
                if isinstance(value := self._said(calls, name), int):
                    yield f"{word}={value}"
                elif kind in TEXTS and word == "max" and (sizes := self._sizes(calls, "str")):
                    yield f"max={sizes[0]}"
        if kind in NUMBERS:
            for bound in _BOUNDS:
                if isinstance(value := self._said(calls, bound), int | float | str):
                    yield f"{bound}={value}"
        if kind == "decimal":
            digits = self._said(calls, "max_digits"), self._said(calls, "decimal_places")
            sizes = self._sizes(calls, "decimal")
            whole, after = digits if None not in digits else sizes if len(sizes) == 2 else (12, 2)
            yield f"digits={whole}.{after}"
        pattern = self._said(calls, "pattern") or self._said(calls, "regex")
        if kind in TEXTS and isinstance(pattern, str):
            yield f"pattern={pattern}"

    def _said(self, calls: list[ast.expr], name: str) -> object:
        """The value of a keyword, where it is a literal or a constant of the module."""
        for call in calls:
            for keyword in getattr(call, "keywords", ()):
                if keyword.arg == name:
                    return self._value(keyword.value)
        return None

    def _sizes(self, calls: list[ast.expr], kind: str) -> list[object]:
        """What stands in String(80), Numeric(10, 2)."""
        for call in calls:
            if isinstance(call, ast.Call) and _KINDS.get(_last(_called(call))) == kind:
                keywords = {each.arg: each.value for each in call.keywords}
                named = [keywords[name] for name in ("length", "precision", "scale")
                         if name in keywords]  # fmt: skip
                sizes = [self._value(each) for each in [*call.args, *named]]
                if sizes and all(isinstance(size, int) for size in sizes):
                    return sizes
        return []

    def _value(self, node: ast.expr) -> object:
        if isinstance(node, ast.Name):
            for statement in self.tree(self.model.at.file).body:
                if isinstance(statement, ast.Assign) and any(
                    isinstance(target, ast.Name) and target.id == node.id
                    for target in statement.targets
                ):
                    return self._value(statement.value)
        if isinstance(node, ast.Call) and _last(_called(node)) == "Decimal" and node.args:
            return str(self._value(node.args[0]))
        try:
            return ast.literal_eval(node)
        except ValueError:
            return None

    def _default(self, column: facts.Column, kind: str, members: tuple[str, ...]) -> str | None:
        """As on the command line; None for one that only the code can make."""
        name = kind.partition(":")[0]
        node = _parsed(column.default or "")
        if node is None or not has(name, "default"):
            return None
        if name == "enum":
            values = kind.split(":")[1].split(",")
            said = node.attr if isinstance(node, ast.Attribute) else self._value(node)
            by_name = dict(zip(members[1:], values, strict=True))
            return by_name.get(str(said), str(said) if said in values else None)
        value = self._value(node)
        if isinstance(value, bool) or name == "bool":
            return str(value).lower() if isinstance(value, bool) and name == "bool" else None
        return str(value) if isinstance(value, str | int | float) else None

    # enums

    def _enum(self, text: str, at: Place, calls: list[ast.expr]) -> tuple[str, tuple[str, ...]]:
        annotation = _parsed(text)
        names = [ast.unparse(annotation)] if isinstance(annotation, ast.Name) else []
        names += [
            _called(call.args[0])
            for call in [annotation, *calls]
            if isinstance(call, ast.Call) and _last(_called(call)) == "Enum" and call.args
        ]
        for name in names:
            if (found := self._class(name, at.file)) is None:
                continue
            module, node = found
            members = dict(_members(node))
            if members:
                self.enums[name] = module
                return f"enum:{','.join(members.values())}", (name, *members)
        return "", ()

    def _class(self, name: str, file: str) -> tuple[str, ast.ClassDef] | None:
        """The class that a file means by a name, and its module."""
        for statement in self.tree(file).body:
            if isinstance(statement, ast.ClassDef) and statement.name == name:
                return self._module(file), statement
            if isinstance(statement, ast.ImportFrom) and name in [
                each.name for each in statement.names if each.asname is None
            ]:
                source = self._file(statement, file)
                return self._class(name, source) if source else None
        return None

    def _module(self, file: str) -> str:
        path = PurePosixPath(file).relative_to(self.project.app.import_root)
        parts = path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _file(self, statement: ast.ImportFrom, file: str) -> str | None:
        here = PurePosixPath(file).parents
        folder = here[statement.level - 1] if statement.level else PurePosixPath(
            self.project.app.import_root
        )  # fmt: skip
        path = folder.joinpath(*(statement.module or "").split("."))
        tried = (path.with_suffix(".py"), path / "__init__.py")
        root = Path(self.project.folder)
        return next((str(each) for each in tried if (root / each).is_file()), None)


def _members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Of an enum of texts."""
    bases = [_last(ast.unparse(base)) for base in node.bases]
    if not {"Enum", "StrEnum"} & set(bases):
        return
    for statement in node.body:
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            continue
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            if isinstance(value.value, str):
                yield target.id, value.value
        elif (
            isinstance(target, ast.Name) and "StrEnum" in bases and _last(_called(value)) == "auto"
        ):
            yield target.id, target.id.lower()


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None


def _last(name: str) -> str:
    return name.partition("(")[0].rpartition(".")[2]


def _called(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def _is_computed(calls: list[ast.expr]) -> bool:
    return any(_last(_called(call)) in ("Computed", "Identity") for call in calls)
