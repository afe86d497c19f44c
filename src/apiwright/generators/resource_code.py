"""The code of a resource, as the reference app's tasks and projects are written: model, schemas,
service, routes. Text only; which file it goes into is resource.py's to say."""

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from apiwright.edit.imports import by_type
from apiwright.generators.fields import FieldSpec, Resource, camel, member, plural, snake

STRING = 200
"""Letters of a `str` that does not say how many; of a text `TEXT`."""
TEXT = 10_000
LIST = 100
_EMAIL, _URL = 254, 2083

_FROM = {
    **dict.fromkeys(("date", "datetime", "time"), "datetime"),
    **dict.fromkeys(("Annotated", "Any"), "typing"),
    "Decimal": "decimal",
    "StrEnum": "enum",
    "UUID": "uuid",
    **dict.fromkeys(("Owned", "OwnedLink", "Timestamps"), "apiwright.kit.tables"),
    **dict.fromkeys(("Page", "PageParams", "PageQuery"), "apiwright.kit.pagination"),
    **dict.fromkeys(("NotBlank", "Text", "unset"), "apiwright.kit.schemas"),
    "Session": "apiwright.kit.session",
    "UserSession": "apiwright.kit.logins",
    **dict.fromkeys(("APIRouter", "Query"), "fastapi"),
    "TestClient": "fastapi.testclient",
    **dict.fromkeys(
        ("AwareDatetime", "BaseModel", "EmailStr", "Field", "FiniteFloat", "HttpUrl")
        + ("PlainSerializer", "StringConstraints"),
        "pydantic",
    ),
    **dict.fromkeys(("ARRAY", "JSON", "Date", "Float", "Integer", "String", "Uuid"), "sqlalchemy"),
    "Boolean": "sqlalchemy",
    **dict.fromkeys(("col", "select"), "sqlmodel"),
}
"""Where what the code names comes from; in models.py `Field` is SQLModel's."""
IN_MODELS = {
    "Field": "sqlmodel",
    **dict.fromkeys(
        ("ARRAY", "CHAR", "JSON", "REAL", "BigInteger", "Boolean", "Computed", "Date", "DateTime")
        + ("Float", "Identity", "Index", "Integer", "Numeric", "SmallInteger", "String", "Text")
        + ("UniqueConstraint", "Uuid", "text"),
        "sqlalchemy",
    ),
    **dict.fromkeys(
        ("BYTEA", "CIDR", "CITEXT", "DATERANGE", "ENUM", "INET", "INT4RANGE", "INT8RANGE")
        + ("INTERVAL", "JSONB", "MACADDR", "MONEY", "NUMRANGE", "TSRANGE", "TSTZRANGE", "TSVECTOR"),
        "sqlalchemy.dialects.postgresql",
    ),
}
"""In models.py these come from elsewhere."""
TAKEN = frozenset(_FROM)
"""Names that a model must not have."""
VARIABLES = frozenset(("data", "link", "nested", "page", "query", "router", "session"))
"""Nor in lower case: the functions have them."""


@dataclass(frozen=True)
class Nested:
    """The list of those that refer to one parent, below its path."""

    field: FieldSpec
    name: str
    """Of the functions: list_project_tasks."""
    path: str
    """/projects/{project_id}/tasks, without the prefix."""

    @property
    def key(self) -> str:
        return f"{snake(self.field.item)}_id"


def nested_of(resource: Resource, paths: Mapping[str, str]) -> list[Nested]:
    """`paths`: of the parents' lists, by model."""
    fields = [field for field in resource.columns if field.type == "ref"]
    parents = [field.item for field in fields]
    found = []
    for field in fields:
        if field.item not in paths or field.readonly or field.writeonly:
            continue
        parent, many = snake(field.item), resource.plural
        if parents.count(field.item) > 1 and field.name != parent:
            many = f"{many}_as_{field.name}"
        path = f"{paths[field.item]}/{{{parent}_id}}/{many.replace('_', '-')}"
        found.append(Nested(field, f"list_{parent}_{many}", path))
    return found


def imports(code: str, own: Mapping[str, str]) -> dict[str, str]:
    """Of each name that the code uses and does not define, the module."""
    tree = ast.parse(code)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    known = {**_FROM, **own}
    return {name: known[name] for name in sorted(used & set(known))}


def module(
    code: str, own: Mapping[str, str], plain: Sequence[str] = (), *, separated: bool = True
) -> str:
    """The code below its imports: the standard library's, others', the project's. `separated`: it
    begins with a class or a function, which has two blank lines above."""
    sections: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name in plain:
        sections[1 if name == "pytest" else 0].append(f"import {name}")
    by_module: dict[str, list[str]] = {}
    for name, source in imports(code, own).items():
        by_module.setdefault(source, []).append(name)
    for source, names in sorted(by_module.items()):
        top = source.partition(".")[0]
        number = 2 if top in ("app", "tests") else 0 if top in sys.stdlib_module_names else 1
        ordered = ", ".join(sorted(names, key=by_type))
        sections[number].append(f"from {source} import {ordered}")
    head = "\n\n".join("\n".join(section) for section in sections if section)
    return head + "\n\n" + "\n" * separated + code


def id_of(resource: Resource) -> str:
    return {"uuid": "UUID"}.get(resource.id_type, resource.id_type)


# the model


def enum_of(resource: Resource, field: FieldSpec) -> str:
    return field.members[0] if field.members else f"{resource.model}{camel(field.name)}"


def enum(resource: Resource, field: FieldSpec) -> str:
    members = [f'    {member(value)} = "{value}"' for value in field.values]
    return "\n".join([f"class {enum_of(resource, field)}(StrEnum):", *members])


def model(resource: Resource, tables: Mapping[str, str]) -> str:
    rows = [f"    {column(resource, field, tables)}" for field in resource.columns]
    bases = ["Owned" if resource.id_type == "uuid" else "OwnedLink"]
    bases += ["Timestamps"] * resource.timestamps
    head = f"class {resource.model}({', '.join(bases)}, table=True):"
    return "\n".join([head, *_of_a_table(resource), *rows])


def _of_a_table(resource: Resource) -> Iterator[str]:
    """What a model says of a table that is there."""
    there = resource.existing
    if there is None:
        return
    if there.table != resource.model.lower():
        yield f"    __tablename__ = {quoted(there.table)}"
    together = [f"UniqueConstraint({', '.join(map(quoted, names))})" for names in there.together]
    together += [f"Index(None, {', '.join(map(quoted, names))})" for names in there.indexes]
    if together:
        yield f"    __table_args__ = ({', '.join(together)},)"
    if resource.id_type != "uuid":
        counted = f", sa_column_args=[{there.identity}]" * bool(there.identity)
        yield f"\n    id: int | None = Field(default=None, primary_key=True{counted})"
    elif together or there.table != resource.model.lower():
        yield ""


def column(resource: Resource, field: FieldSpec, tables: Mapping[str, str]) -> str:
    """`tables` are the names of the models' tables."""
    stored = dict(field.stored)
    kind = stored.pop("annotation", "") or plain_type(resource, field)
    default = literal(resource, field) or "None" * field.filled
    arguments = dict(_column_arguments(field, tables))
    if "sa_type" in stored:
        for size in ("max_length", "max_digits", "decimal_places"):
            arguments.pop(size, None)
    arguments |= stored
    if field.optional:
        kind, default = f"{kind} | None", default or "None"
    if arguments:
        given = {"default": default} if default else {}
        called = ", ".join(f"{name}={value}" for name, value in {**given, **arguments}.items())
        return f"{field.column}: {kind} = Field({called})"
    return f"{field.column}: {kind}" + (f" = {default}" if default else "")


def _column_arguments(field: FieldSpec, tables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if (longest := _longest(field)) is not None:
        yield "max_length", str(longest)
    if field.digits is not None:
        yield "max_digits", str(field.digits[0])
        yield "decimal_places", str(field.digits[1])
    if field.type == "json":
        yield "sa_type", "JSON"
    if field.type == "list":
        yield "sa_type", f"ARRAY({_ITEM_COLUMN[field.item]})"
    if field.type == "ref":
        yield "foreign_key", f'"{tables[field.item]}.id"'
        usual = "SET NULL" if field.optional else "CASCADE"
        yield "ondelete", f'"{field.on_delete.upper().replace("-", " ") or usual}"'
    if field.unique:
        yield "unique", "True"
    if field.index and not field.unique and field.type != "ref":  # references have one
        yield "index", "True"


_ITEM_COLUMN = {
    "str": f"String({STRING})",
    "int": "Integer",
    "float": "Float",
    "bool": "Boolean",
    "date": "Date",
    "uuid": "Uuid",
}


def lengths(field: FieldSpec) -> tuple[int, int]:
    """Of a `str` or a `text`, the least and the most letters."""
    shortest = field.min if field.min is not None else (1 if field.type == "str" else 0)
    return shortest, field.max or max(TEXT if field.type == "text" else STRING, shortest)


def _longest(field: FieldSpec) -> int | None:
    if field.type in ("str", "text"):
        return lengths(field)[1]
    return {"email": _EMAIL, "url": _URL}.get(field.type)


def link_of(resource: Resource, field: FieldSpec) -> str:
    return f"{resource.model}{field.item}"


def link(resource: Resource, field: FieldSpec, tables: Mapping[str, str]) -> str:
    """The table of a many-to-many reference."""
    ours = tables.get(resource.model, resource.model.lower())
    rows = [
        f"    {name}_id: UUID = Field("
        f'foreign_key="{table}.id", primary_key=True, ondelete="CASCADE")'
        for name, table in (
            (resource.name, ours),
            (snake(field.item), tables[field.item]),
        )
    ]
    return "\n".join([f"class {link_of(resource, field)}(OwnedLink, table=True):", *rows])


def literal(resource: Resource, field: FieldSpec) -> str:
    """The default as code; nothing for none."""
    said = field.default
    if said is None:
        return ""
    if field.type == "enum":
        members = dict(zip(field.values, field.members[1:], strict=False))
        return f"{enum_of(resource, field)}.{members.get(said, member(said))}"
    if field.type == "bool":
        return said.capitalize()
    if field.type == "decimal":
        return f'Decimal("{said}")'
    if field.type == "date":
        year, month, day = map(int, said.split("-"))
        return f"date({year}, {month}, {day})"
    if field.type == "float":
        return repr(float(said))
    return str(int(said)) if field.type == "int" else quoted(said)


def quoted(text: str) -> str:
    """As ruff would quote it."""
    code = repr(text)
    return code if '"' in text or "\\" in code else f'"{code[1:-1]}"'


def _raw(pattern: str) -> str:
    quote = "'" if '"' in pattern else '"'
    return repr(pattern) if quote in pattern else f"r{quote}{pattern}{quote}"


def plain_type(resource: Resource, field: FieldSpec) -> str:
    """Of a column, and of an answer."""
    if field.type == "enum":
        return enum_of(resource, field)
    if field.type == "list":
        return f"list[{_PLAIN.get(field.item, field.item)}]"
    if field.type == "ref":
        return _PLAIN.get(field.key, field.key)
    return _PLAIN.get(field.type, field.type)


_PLAIN = {
    **dict.fromkeys(("text", "email", "url"), "str"),
    "decimal": "Decimal",
    "uuid": "UUID",
    "json": "dict[str, Any]",
}


# the schemas


def schemas(resource: Resource) -> str:
    written = [field for field in resource.columns if not field.readonly]
    shown = [field for field in resource.columns if not field.writeonly]
    aliases = [
        f"{_alias_name(resource, field)} = {alias}" for field in written if (alias := _alias(field))
    ]
    create = [f"    {_given(resource, field)}" for field in written]
    update = [f"    {field.column}: {_asked(resource, field)} = unset()" for field in written]
    public = [f"    id: {id_of(resource)}"]
    public += [
        f"    {field.column}: {plain_type(resource, field)}" + " | None" * field.optional
        for field in shown
    ]
    public += ["    created_at: datetime", "    updated_at: datetime"] * resource.timestamps
    name = resource.model
    parts = [
        "\n".join(aliases),
        "\n".join([f"class {name}Create(BaseModel):", *(create or ["    pass"])]),
        "\n".join(
            [
                f"class {name}Update(BaseModel):",
                '    """What is left out stays as it is."""',
                "",
                *update,
            ]
        ),
        _query(resource),
        "\n".join([f"class {name}Public(BaseModel):", *public]),
    ]
    return "\n\n\n".join(part for part in parts if part) + "\n"


def filters(resource: Resource) -> list[FieldSpec]:
    """What a list can be narrowed by: what takes one of few values."""
    kinds = ("bool", "enum", "ref")
    return [each for each in resource.columns if each.type in kinds and not each.writeonly]


def _query(resource: Resource) -> str:
    rows = [
        f"    {field.column}: {plain_type(resource, field)} | None = None"
        for field in filters(resource)
    ]
    return "\n".join([f"class {resource.model}Query(PageQuery):", *rows]) if rows else ""


def _given(resource: Resource, field: FieldSpec) -> str:
    default = literal(resource, field) or ("None" if field.optional else "")
    return f"{field.column}: {_asked(resource, field)}" + (f" = {default}" if default else "")


def _asked(resource: Resource, field: FieldSpec) -> str:
    """The type of what a client sends."""
    if _alias(field):
        kind = _alias_name(resource, field)
    else:
        kind = _SENT.get(field.type) or plain_type(resource, field)
    return f"{kind} | None" if field.optional else kind


_SENT = {"datetime": "AwareDatetime", "email": "EmailStr", "float": "FiniteFloat"}


def _alias_name(resource: Resource, field: FieldSpec) -> str:
    name = camel(field.name)
    known = {f"{resource.model}{role}" for role in ("Create", "Update", "Query", "Public")}
    known |= {enum_of(resource, each) for each in resource.columns if each.type == "enum"}
    return f"{name}Value" if name in _FROM or name in known else name


def _alias(field: FieldSpec) -> str:
    """What is narrower than its type has a name of its own."""
    bounds = [f"{name}={value}" for name, value in field.bounds]
    if field.type in ("str", "text"):
        shortest, longest = lengths(field)
        stripped = field.type == "str" and shortest > 0
        limits = [f"min_length={shortest}"] if shortest > stripped else []
        limits.append(f"max_length={longest}")
        if field.pattern:
            strip = ["strip_whitespace=True"] if stripped else []
            limits = [*strip, *limits, f"pattern={_raw(field.pattern)}"]
            return f"Annotated[str, StringConstraints({', '.join(limits)})]"
        kind = "NotBlank" if stripped else "Text"
        return f"Annotated[{kind}, StringConstraints({', '.join(limits)})]"
    if field.digits is not None:
        digits = [f"max_digits={field.digits[0]}", f"decimal_places={field.digits[1]}"]
        return f"Annotated[Decimal, Field({', '.join(digits + bounds)})]"
    if field.type == "list":
        item = {"str": f"Annotated[Text, StringConstraints(max_length={STRING})]"}.get(
            field.item, {"float": "FiniteFloat", "uuid": "UUID"}.get(field.item, field.item)
        )
        limits = [f"min_length={field.min}"] if field.min else []
        limits.append(f"max_length={field.max or LIST}")
        return f"Annotated[list[{item}], Field({', '.join(limits)})]"
    if field.type == "url":
        return "Annotated[HttpUrl, PlainSerializer(str)]"
    if bounds:
        kind = _SENT.get(field.type, field.type)
        return f"Annotated[{kind}, Field({', '.join(bounds)})]"
    return ""


# the service


def service(resource: Resource, nested: Sequence[Nested] = ()) -> str:
    one, name, key = resource.name, resource.model, id_of(resource)
    parts = [
        _listing(resource),
        f"""\
async def get_{one}(session: Session, {one}_id: {key}) -> {name}:
    return await session.get_one({name}, {one}_id)
""",
        f"""\
async def create_{one}(session: Session, data: {name}Create) -> {name}:
    return await session.add({name}(**data.model_dump()))
""",
        f"""\
async def update_{one}(session: Session, {one}_id: {key}, data: {name}Update) -> {name}:
    {one} = await session.get_one({name}, {one}_id)
    {one}.sqlmodel_update(data.model_dump(exclude_unset=True))
    return await session.add({one})
""",
        f"""\
async def delete_{one}(session: Session, {one}_id: {key}) -> None:
    {one} = await session.get_one({name}, {one}_id)
    await session.delete({one})
""",
        *(_link_service(resource, field) for field in resource.links),
        *(_nested_service(resource, each) for each in nested),
    ]
    return "\n\n".join(parts)


def _listing(resource: Resource) -> str:
    many, name = resource.plural, resource.model
    if not filters(resource):
        return f"""\
async def list_{many}(session: Session, page: PageParams) -> Page[{name}]:
    return await session.page(select({name}), page)
"""
    rows = [
        f"    if query.{field.column} is not None:\n"
        f"        {many} = {many}.where({name}.{field.column} == query.{field.column})\n"
        for field in filters(resource)
    ]
    return f"""\
async def list_{many}(session: Session, query: {name}Query) -> Page[{name}]:
    {many} = select({name})
{"".join(rows)}\
    return await session.page({many}, query)
"""


def _link_service(resource: Resource, field: FieldSpec) -> str:
    one, name, other, table = resource.name, resource.model, field.item, link_of(resource, field)
    two = snake(other)
    return f"""\
async def list_{plural(two)}(session: Session, {one}_id: UUID) -> list[{other}]:
    await session.get_one({name}, {one}_id)
    {plural(two)} = select({other}).join({table}).where({table}.{one}_id == {one}_id)
    return (await session.exec({plural(two)}.order_by(col({other}.id)))).all()


async def add_{two}(session: Session, {one}_id: UUID, {two}_id: UUID) -> None:
    \"\"\"Does nothing when it is there already.\"\"\"
    await session.get_one({name}, {one}_id)
    await session.get_one({other}, {two}_id)
    if await session.get({table}, ({one}_id, {two}_id)) is None:
        await session.add({table}({one}_id={one}_id, {two}_id={two}_id))


async def remove_{two}(session: Session, {one}_id: UUID, {two}_id: UUID) -> None:
    link = await session.get_one({table}, ({one}_id, {two}_id))
    await session.delete(link)
"""


def _nested_service(resource: Resource, nested: Nested) -> str:
    name, parent, column = resource.model, nested.field.item, nested.field.column
    return f"""\
async def {nested.name}(
    session: Session, {nested.key}: {plain_type(resource, nested.field)}, page: PageParams
) -> Page[{name}]:
    await session.get_one({parent}, {nested.key})
    return await session.page(select({name}).where({name}.{column} == {nested.key}), page)
"""


# the routes


def routes(resource: Resource, nested: Sequence[Nested] = ()) -> str:
    one, many, name = resource.name, resource.plural, resource.model
    path = many.replace("_", "-")
    call, key = f"{one}_service", id_of(resource)
    if filters(resource):
        parameter, argument = f"query: Annotated[{name}Query, Query()]", "query"
    else:
        parameter, argument = "page: PageParams", "page"
    parts = [
        f'router = APIRouter(prefix="/{path}", tags=["{path}"])\n'
        + f'nested = APIRouter(tags=["{path}"])\n' * bool(nested),
        f"""\
@router.get("", response_model=Page[{name}Public])
async def list_{many}(session: UserSession, {parameter}) -> Page[{name}]:
    return await {call}.list_{many}(session, {argument})
""",
        f"""\
@router.post("", response_model={name}Public, status_code=201)
async def create_{one}(session: UserSession, data: {name}Create) -> {name}:
    return await {call}.create_{one}(session, data)
""",
        f"""\
@router.get("/{{{one}_id}}", response_model={name}Public)
async def get_{one}(session: UserSession, {one}_id: {key}) -> {name}:
    return await {call}.get_{one}(session, {one}_id)
""",
        f"""\
@router.patch("/{{{one}_id}}", response_model={name}Public)
async def update_{one}(session: UserSession, {one}_id: {key}, data: {name}Update) -> {name}:
    return await {call}.update_{one}(session, {one}_id, data)
""",
        f"""\
@router.delete("/{{{one}_id}}", status_code=204)
async def delete_{one}(session: UserSession, {one}_id: {key}) -> None:
    await {call}.delete_{one}(session, {one}_id)
""",
        *(_link_routes(resource, field) for field in resource.links),
        *(_nested_route(resource, each) for each in nested),
    ]
    return "\n\n".join(parts)


def _nested_route(resource: Resource, nested: Nested) -> str:
    name, key = resource.model, nested.key
    return f"""\
@nested.get("{nested.path}", response_model=Page[{name}Public])
async def {nested.name}(
    session: UserSession, {key}: {plain_type(resource, nested.field)}, page: PageParams
) -> Page[{name}]:
    return await {resource.name}_service.{nested.name}(session, {key}, page)
"""


def _link_routes(resource: Resource, field: FieldSpec) -> str:
    one, other, call = resource.name, field.item, f"{resource.name}_service"
    two, path = snake(other), plural(snake(other)).replace("_", "-")
    ids = f"session: UserSession, {one}_id: UUID, {two}_id: UUID"
    at = f"/{{{one}_id}}/{path}"
    return f"""\
@router.get("{at}", response_model=list[{other}Public])
async def list_{one}_{plural(two)}(session: UserSession, {one}_id: UUID) -> list[{other}]:
    return await {call}.list_{plural(two)}(session, {one}_id)


@router.put("{at}/{{{two}_id}}", status_code=204)
async def add_{one}_{two}({ids}) -> None:
    await {call}.add_{two}(session, {one}_id, {two}_id)


@router.delete("{at}/{{{two}_id}}", status_code=204)
async def remove_{one}_{two}({ids}) -> None:
    await {call}.remove_{two}(session, {one}_id, {two}_id)
"""
