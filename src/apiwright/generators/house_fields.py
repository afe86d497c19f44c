"""A resource's fields as a house writes its own: columns of its models, attributes of its schemas.

Each is a line of code. What the code names is imported from where `SOURCES` says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from apiwright.generators.fields import FieldSpec
from apiwright.generators.resource_code import quoted

SOURCES = {
    **dict.fromkeys(("Any", "Literal", "Optional", "Annotated"), "typing"),
    **dict.fromkeys(("date", "datetime", "time", "timezone"), "datetime"),
    "Decimal": "decimal",
    "UUID": "uuid",
    **dict.fromkeys(("AwareDatetime", "EmailStr", "condecimal"), "pydantic"),
    **dict.fromkeys(
        ("Boolean", "Column", "Date", "DateTime", "Float", "ForeignKey", "Integer", "JSON")
        + ("Numeric", "String", "Text", "Time", "Uuid"),
        "sqlalchemy",
    ),
    **dict.fromkeys(("Mapped", "mapped_column"), "sqlalchemy.orm"),
    **dict.fromkeys(("HTTPException", "Query"), "fastapi"),
}
"""Where what the code names comes from. `Field` is pydantic's or sqlmodel's, as the file has it."""

_PYTHON = {
    **dict.fromkeys(("text", "email", "url"), "str"),
    "decimal": "Decimal",
    "uuid": "UUID",
    "json": "dict[str, Any]",
}
_COLUMN = {
    **dict.fromkeys(("str", "email", "url", "enum"), "String"),
    **dict.fromkeys(("json", "list"), "JSON"),
    "text": "Text",
    "int": "Integer",
    "float": "Float",
    "decimal": "Numeric",
    "bool": "Boolean",
    "date": "Date",
    "datetime": "DateTime(timezone=True)",
    "time": "Time",
    "uuid": "Uuid",
}
_LONGEST = {"email": 254, "url": 2083}
_URL = r"^https?://[^\s/]+\S*$"
_EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"


@dataclass(frozen=True)
class Reference:
    """The model that a `ref` is to."""

    column: str
    """projects.id"""
    key: str
    """The Python type of its key: `int`, `UUID`."""


@dataclass(frozen=True)
class House:
    """What the exemplar's own columns and schemas look like."""

    style: Literal["field", "column", "mapped"]
    prefix: str = ""
    """`sa.`, where columns are written `sa.Column(sa.String)`."""
    optional: Literal["|", "Optional"] = "|"
    length: int | None = None
    """Of a String that nothing is said about; None: the house gives them no length."""
    pattern: Literal["pattern", "regex"] = "pattern"
    email: bool = True
    """Whether EmailStr can be used, which needs a package of its own."""
    sa_type: bool = True
    """Whether SQLModel's Field takes one, which it has since 0.0.9."""
    aware: bool = False
    """Whether times must have a zone, as SQLModel has it since 0.0.45."""
    dataclass: bool = False
    """The models are dataclasses, whose fields without a default come first."""


def maybe(house: House, kind: str) -> str:
    return f"Optional[{kind}]" if house.optional == "Optional" else f"{kind} | None"


def literal(field: FieldSpec) -> str:
    """The default as code; nothing for none."""
    said = field.default
    if said is None:
        return ""
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


def plain(field: FieldSpec, reference: Reference | None) -> str:
    """Its type in Python, as a row has it."""
    if field.type == "enum":
        return "str"
    if reference is not None:
        return reference.key
    if field.type == "list":
        return f"list[{_PYTHON.get(field.item, field.item)}]"
    return _PYTHON.get(field.type, field.type)


def asked(field: FieldSpec, house: House, reference: Reference | None) -> str:
    """Its type in what is sent, and in answers."""
    if field.type == "enum":
        return f"Literal[{', '.join(map(quoted, field.values))}]"
    if field.type == "email" and house.email:
        return "EmailStr"
    if field.type == "datetime" and house.aware:
        return "AwareDatetime"
    return plain(field, reference)


def limits(field: FieldSpec, house: House) -> Iterator[tuple[str, str]]:
    """The arguments of a schema's Field."""
    longest = field.max if field.type in ("str", "text", "list") else None
    if field.type in ("str", "text", "list") and field.min is not None:
        yield "min_length", str(field.min)
    if longest is None and field.type in ("str", "url", "email"):
        longest = house.length and _LONGEST.get(field.type, house.length)
    if longest is not None and not (field.type == "email" and house.email):
        yield "max_length", str(longest)
    yield from field.bounds
    if field.digits is not None and house.sa_type:
        yield "max_digits", str(field.digits[0])
        yield "decimal_places", str(field.digits[1])
    pattern = field.pattern
    if field.type == "url":
        pattern = _URL
    elif field.type == "email" and not house.email:
        pattern = _EMAIL
    if pattern:
        yield house.pattern, f'r"{pattern}"' if '"' not in pattern else repr(pattern)


# models


def column(field: FieldSpec, house: House, reference: Reference | None) -> str:
    """A line of the model's body."""
    if house.style == "field":
        return _sqlmodel(field, house, reference)
    arguments = []
    kind = _kind(field, house, reference)
    default = literal(field)
    if house.style == "column" or (reference is None and _is_needed(field, house)):
        arguments.append(kind)
    if reference is not None:
        behaviour = f', ondelete="{_on_delete(field)}"' if field.on_delete else ""
        arguments.append(f'{house.prefix}ForeignKey("{reference.column}"{behaviour})')
    if house.style == "column" and not field.optional:
        arguments.append("nullable=False")
    if field.unique:
        arguments.append("unique=True")
    if field.index or (reference is not None):
        arguments.append("index=True")
    if default or (house.dataclass and field.optional):
        arguments.append(f"default={default or None}")
    given = ", ".join(arguments)
    if house.style == "column":
        return f"{field.column} = {house.prefix}Column({given})"
    said = plain(field, reference)
    mapped = f"Mapped[{maybe(house, said) if field.optional else said}]"
    return f"{field.column}: {mapped}" + (f" = mapped_column({given})" if given else "")


def _kind(field: FieldSpec, house: House, reference: Reference | None) -> str:
    if reference is not None:
        kind = {"int": "Integer", "str": "String"}.get(reference.key, "Uuid")
    else:
        kind = _COLUMN[field.type]
    if field.type == "decimal" and field.digits:
        kind = f"Numeric({field.digits[0]}, {field.digits[1]})"
    if kind == "String" and (length := _length(field, house)):
        kind = f"String({length})"
    return house.prefix + kind


def _length(field: FieldSpec, house: House) -> int | None:
    if field.type == "enum":
        return max(20, *map(len, field.values)) if house.length else None
    return field.max or (house.length and _LONGEST.get(field.type, house.length))


def _is_needed(field: FieldSpec, house: House) -> bool:
    """Whether the type of a mapped column does not follow from its annotation."""
    if field.type in ("text", "decimal", "datetime", "json", "list"):
        return True
    return field.type in ("str", "email", "url", "enum") and _length(field, house) is not None


def _on_delete(field: FieldSpec) -> str:
    return field.on_delete.upper().replace("-", " ")


def _sqlmodel(field: FieldSpec, house: House, reference: Reference | None) -> str:
    kind, default = plain(field, reference), literal(field)
    arguments = {
        name: value for name, value in limits(field, house) if name not in ("pattern", "regex")
    }
    arguments |= dict(_of_table(field, reference, house))
    return _attribute(field, house, kind, default, arguments)


def _of_table(
    field: FieldSpec, reference: Reference | None, house: House
) -> Iterator[tuple[str, str]]:
    if not house.sa_type:
        if field.type in ("json", "list"):
            yield "sa_column", f"Column(JSON, nullable={field.optional})"
            return
    elif field.type in ("json", "list"):
        yield "sa_type", "JSON"
    elif field.type == "text":
        yield "sa_type", "Text"
    elif field.type == "datetime" and not house.aware:
        yield "sa_type", "DateTime(timezone=True)"
    if reference is not None:
        yield "foreign_key", f'"{reference.column}"'
        if field.on_delete:
            yield "ondelete", f'"{_on_delete(field)}"'
    if field.unique:
        yield "unique", "True"
    if field.index or reference is not None:
        yield "index", "True"


# schemas


def attribute(
    field: FieldSpec,
    house: House,
    reference: Reference | None,
    role: Literal["create", "update", "public", "base"],
    *,
    annotated: bool = False,
    table: bool = False,
) -> str:
    """A line of a schema's body. `table`: a table inherits it, so that it says what a column is."""
    kind = plain(field, reference) if table else asked(field, house, reference)
    if field.type == "datetime" and house.aware and role != "public":
        kind = "AwareDatetime"
    if role == "public":
        kind = plain(field, reference) if field.type == "datetime" else kind
        return f"{field.column}: {maybe(house, kind) if field.optional else kind}"
    arguments = dict(limits(field, house))
    if table and field.type == "enum":
        arguments["max_length"] = str(max(20, *map(len, field.values)))
        arguments[house.pattern] = f'r"^({"|".join(field.values)})$"'
    if table:
        arguments |= dict(_of_table(field, reference, house))
    if role == "update":
        kind = maybe(house, kind)
        return _attribute(field, house, kind, "None", arguments, annotated, ready=True)
    return _attribute(field, house, kind, literal(field), arguments, annotated)


def _attribute(
    field: FieldSpec,
    house: House,
    kind: str,
    default: str,
    arguments: dict[str, str],
    annotated: bool = False,
    *,
    ready: bool = False,
) -> str:
    if field.digits is not None and not house.sa_type:
        digits, places = field.digits
        limited = f"condecimal(max_digits={digits}, decimal_places={places})"
        kind = kind.replace("Decimal", limited)
    if field.optional and not ready:
        kind, default = maybe(house, kind), default or "None"
    if not arguments:
        return f"{field.column}: {kind}" + (f" = {default}" if default else "")
    said = ", ".join(f"{name}={value}" for name, value in arguments.items())
    if annotated:
        return f"{field.column}: Annotated[{kind}, Field({said})]" + (
            f" = {default}" if default else ""
        )
    given = f"default={default}, {said}" if default else said
    return f"{field.column}: {kind} = Field({given})"
