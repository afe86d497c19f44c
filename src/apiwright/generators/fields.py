"""What a resource is made of, as it is said on the command line:

    number:str:max=20:unique  amount:decimal:digits=10.2:ge=0  due:date:optional

`name:type[:modifier]*`, in shell-safe characters; a field is required unless it says `optional` or
has a default. `parse` turns that into a `Resource`, or says what is wrong with which part.
"""

import keyword
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from uuid import UUID

from sqlmodel import SQLModel

from apiwright.errors import ApiwrightError

TEXTS = ("str", "text")
NUMBERS = ("int", "float", "decimal")
PLAIN = ("bool", "date", "datetime", "time", "uuid", "email", "url", "json")
WITH_ITEM = ("list", "enum", "ref", "refs")
TYPES = (*TEXTS, *NUMBERS, *PLAIN, *WITH_ITEM)
LIST_ITEMS = ("str", "int", "float", "bool", "date", "uuid")

_FLAGS = ("optional", "unique", "index", "readonly", "writeonly")
_VALUES = ("default", "min", "max", "gt", "ge", "lt", "le", "digits", "pattern", "on-delete")
_BOUNDS = ("gt", "ge", "lt", "le")
_ON_DELETE = ("cascade", "restrict", "set-null")
_FOR = {
    "min": (*TEXTS, *NUMBERS, "list"),
    "max": (*TEXTS, *NUMBERS, "list"),
    "digits": ("decimal",),
    "pattern": TEXTS,
    "on-delete": ("ref",),
    "unique": ("str", "int", "decimal", "date", "datetime", "uuid", "email", "url"),
    "index": tuple(kind for kind in TYPES if kind not in ("text", "json", "list", "refs")),
    "default": (*TEXTS, *NUMBERS, "bool", "date", "enum", "email", "url"),
} | dict.fromkeys(_BOUNDS, NUMBERS)
"""Of modifiers that not every type has: those that have them."""

_RESERVED = {"id", "owner_id", "created_at", "updated_at"}
_TYPE_NAMES = {"str", "int", "float", "bool", "list", "dict", "date", "datetime", "time"}
_ATTRIBUTES = {*dir(SQLModel), "metadata", "registry", "visible", "writable", "owner_column"}
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40  # a constraint's name has the table's and the column's, 63 bytes at most


@dataclass(frozen=True)
class FieldSpec:
    name: str
    """As said: of a `ref` without the `_id` of its column."""
    type: str
    item: str = ""
    """Of a list its items' type; of a reference the model."""
    values: tuple[str, ...] = ()
    """Of an enum."""
    optional: bool = False
    unique: bool = False
    index: bool = False
    readonly: bool = False
    """Only in answers."""
    writeonly: bool = False
    """In no answer."""
    default: str | None = None
    """As said."""
    min: int | None = None
    """The length of a text, the number of items of a list."""
    max: int | None = None
    bounds: tuple[tuple[str, str], ...] = ()
    """Of a number: `("ge", "0")`."""
    digits: tuple[int, int] | None = None
    """Of a decimal: how many, and how many of them after the point."""
    pattern: str = ""
    on_delete: str = ""
    attribute: str = ""
    """Of a model that is there, where it would be called something else."""
    key: str = "uuid"
    """Of a reference: the type of the other's id."""
    members: tuple[str, ...] = ()
    """Of an enum that is there: the class and its members, as `values`."""
    filled: bool = False
    """The database, or the model, gives it its value."""
    stored_as: str = ""
    """Of a column that is there: its name in the database."""
    stored: tuple[tuple[str, str], ...] = ()
    """Of a table's column: what its Field takes besides, as code."""

    @property
    def column(self) -> str:
        return self.attribute or (f"{self.name}_id" if self.type == "ref" else self.name)

    @property
    def is_hidden(self) -> bool:
        """Neither taken nor shown: the model's alone."""
        return self.readonly and self.writeonly

    @property
    def is_required(self) -> bool:
        return not self.optional and self.default is None


@dataclass(frozen=True)
class Existing:
    """Of a resource whose table, or model, is there already."""

    module: str
    """Of the model; empty where there is a table only."""
    table: str
    id_type: str = "uuid"
    """Or int."""
    timestamps: bool = True
    """Whether it has created_at and updated_at."""
    owner: str = ""
    """The column that says whose a row is, where there is one."""
    together: tuple[tuple[str, ...], ...] = ()
    """Columns that are unique together."""
    indexes: tuple[tuple[str, ...], ...] = ()
    """Of a table: columns that are indexed together."""
    identity: str = ""
    """Of a table: code of what counts its ids, where that is no sequence."""
    made_by: tuple[str, ...] = ()
    """Of a table that is to become an owned one: SQL that makes it as it is."""
    notes: tuple[str, ...] = ()
    """What was left out and why: for whoever reads the plan."""
    enums: tuple[tuple[str, str], ...] = ()
    """The classes of its enums, and their modules."""


@dataclass(frozen=True)
class Resource:
    model: str
    """InvoiceItem"""
    fields: tuple[FieldSpec, ...]
    existing: "Existing | None" = None
    many: str = ""
    """Its plural, where the usual one is not it."""

    @property
    def name(self) -> str:
        """invoice_item"""
        return snake(self.model)

    @property
    def plural(self) -> str:
        """invoice_items"""
        return self.many or plural(self.name)

    @property
    def id_type(self) -> str:
        return self.existing.id_type if self.existing else "uuid"

    @property
    def timestamps(self) -> bool:
        return self.existing.timestamps if self.existing else True

    @property
    def columns(self) -> tuple[FieldSpec, ...]:
        """All but the many-to-many references, which are tables of their own."""
        return tuple(field for field in self.fields if field.type != "refs")

    @property
    def links(self) -> tuple[FieldSpec, ...]:
        return tuple(field for field in self.fields if field.type == "refs")


def parse(name: str, fields: Sequence[str]) -> Resource:
    """Raises ApiwrightError, which names the part that is wrong."""
    resource = Resource(model_of(name), tuple(map(field, fields)))
    model = resource.model
    if not resource.columns:
        raise ApiwrightError(
            f"{model} has no fields.", f"Say them: apiwright add resource {model} title:str:max=200"
        )
    columns = [each.column for each in resource.fields]
    for column in columns:
        if columns.count(column) > 1:
            raise ApiwrightError(f"The field {column!r} is there twice.", "Leave one out.")
    for each in resource.columns:
        if each.item == model and each.type == "ref" and not each.optional:
            raise ApiwrightError(
                f"{each.name}: the first {model} could refer to no other.", "Let it be optional."
            )
    for each in resource.links:
        if each.item == model:
            raise ApiwrightError(f"{each.name}: {model} cannot link to itself.", "Leave it out.")
    return resource


def with_plural(resource: Resource, many: str) -> Resource:
    """Raises ApiwrightError."""
    if not _NAME.fullmatch(many) or keyword.iskeyword(many) or many == resource.name:
        raise ApiwrightError(
            f"{many!r} cannot be the plural of {resource.name}.",
            "Use lower-case letters, digits and _, another word than the singular.",
        )
    return replace(resource, many=many)


def model_of(name: str) -> str:
    """Raises ApiwrightError for what no model can be called."""
    model = camel(name)
    one = snake(model)
    if not _NAME.fullmatch(one) or len(one) > _LONGEST:
        raise ApiwrightError(
            f"{name!r} cannot be the name of a resource.",
            "Use a noun in the singular, of letters and digits: Invoice, invoice_item.",
        )
    if any(map(keyword.iskeyword, (model, one, plural(one)))):
        raise ApiwrightError(f"{name!r} is a word of Python.", "Choose another name.")
    return model


def field(said: str) -> FieldSpec:
    """One field. Raises ApiwrightError."""
    name, _, rest = said.partition(":")
    refuse_name(said, name)
    kind, item, modifiers = _parts(said, rest or "str")
    given = _modifiers(said, kind, modifiers)
    values = tuple(item.split(",")) if kind == "enum" else ()
    if kind == "enum":
        _refuse_values(said, values)
    lengths = _lengths(said, kind, given)
    spec = FieldSpec(
        name=name.removesuffix("_id") if kind == "ref" else name,
        type=kind,
        item="" if kind == "enum" else item,
        values=values,
        optional="optional" in given,
        unique="unique" in given,
        index="index" in given,
        readonly="readonly" in given,
        writeonly="writeonly" in given,
        default=given.get("default"),
        pattern=given.get("pattern", ""),
        on_delete=given.get("on-delete", ""),
        digits=_digits(said, given.get("digits")) if kind == "decimal" else None,
        min=lengths.get("min"),
        max=lengths.get("max"),
        bounds=_bounds(said, kind, given),
    )
    _refuse_contradictions(said, spec)
    if spec.default is not None:
        _refuse_default(said, spec, spec.default)
    return spec


def has(kind: str, word: str) -> bool:
    """Whether that can be said of a type."""
    return kind != "refs" and kind in _FOR.get(word, TYPES)


def spelled(spec: FieldSpec) -> str:
    """What `field` makes this of."""
    parts = [spec.column if spec.type == "ref" else spec.name, spec.type]
    parts += [",".join(spec.values) if spec.type == "enum" else spec.item] * (
        spec.type in WITH_ITEM
    )
    flags = [flag for flag in _FLAGS if getattr(spec, flag) and has(spec.type, flag)]
    if spec.filled and spec.is_required:  # here it could be given no value
        flags.append("optional")
    parts += flags
    parts += [f"{word}={value}" for word, value in _said_values(spec) if value is not None]
    return ":".join(parts)


def _said_values(spec: FieldSpec) -> Iterator[tuple[str, object]]:
    yield from (("min", spec.min), ("max", spec.max), *spec.bounds)
    if spec.digits is not None:
        yield "digits", f"{spec.digits[0]}.{spec.digits[1]}"
    yield from (("on-delete", spec.on_delete or None), ("default", spec.default))
    yield "pattern", spec.pattern or None


def command(resource: Resource) -> str:
    """What would say the same on the command line, but for what is hidden."""
    shown = [spelled(field) for field in resource.fields if not field.is_hidden]
    return shlex.join(["apiwright", "add", "resource", resource.model, *shown])


# the parts of what was said


def _wrong(said: str, what: str, todo: str) -> ApiwrightError:
    return ApiwrightError(f"{said}: {what}.", todo)


def refuse_name(said: str, name: str) -> None:
    todo = "Choose another name."
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise _wrong(
            said,
            f"{name!r} cannot be the name of a field",
            "Use lower-case letters, digits and _, beginning with a letter: due_at.",
        )
    if name in _RESERVED:
        raise _wrong(said, f"every resource has {name!r} already", "Leave it out.")
    if keyword.iskeyword(name):
        raise _wrong(said, f"{name!r} is a word of Python", todo)
    if name in _TYPE_NAMES:
        raise _wrong(said, f"{name!r} is the name of a type", f"Say of what: issue_{name}.")
    if name in _ATTRIBUTES:
        raise _wrong(said, f"{name!r} means something to SQLModel or the kit", todo)


def _parts(said: str, rest: str) -> tuple[str, str, list[str]]:
    """The type, what follows it, and the modifiers."""
    kind, *parts = rest.split(":")
    if kind not in TYPES:
        raise _wrong(said, f"there is no type {kind!r}", _meant(kind, TYPES))
    item = ""
    if kind in WITH_ITEM:
        item = parts.pop(0) if parts else ""
        _refuse_item(said, kind, item)
    modifiers: list[str] = []
    for part in parts:
        word = part.partition("=")[0]
        if word not in (*_FLAGS, *_VALUES) and modifiers and "=" in modifiers[-1]:
            modifiers[-1] += f":{part}"  # of a value that holds a colon: https://…
        else:
            modifiers.append(part)
    return kind, item, modifiers


def _meant(word: str, words: Sequence[str]) -> str:
    near = get_close_matches(word, words, 1)
    return f"Did you mean {near[0]}?" if near else f"There are {', '.join(words)}."


def _refuse_item(said: str, kind: str, item: str) -> None:
    if kind == "list" and item not in LIST_ITEMS:
        raise _wrong(
            said, f"there are no lists of {item!r}", f"Say of what: {', '.join(LIST_ITEMS)}."
        )
    if kind in ("ref", "refs") and not re.fullmatch(r"[A-Z][A-Za-z0-9]*", item):
        raise _wrong(said, "it does not say which model", f"Name it: {kind}:Project.")


def _refuse_values(said: str, values: tuple[str, ...]) -> None:
    bad = [value for value in values if not re.fullmatch(r"[A-Za-z][\w-]*", value, re.ASCII)]
    if bad or not values:
        raise _wrong(
            said,
            f"{bad[0]!r} cannot be a value of an enum",
            "Begin each with a letter, joined by commas: enum:draft,sent,paid.",
        )
    members = [member(value) for value in values]
    if len(set(members)) < len(members):
        raise _wrong(said, "two of its values are the same", "Leave one out.")


def _modifiers(said: str, kind: str, modifiers: list[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for modifier in modifiers:
        word, equals, value = modifier.partition("=")
        if word not in (*_FLAGS, *_VALUES):
            raise _wrong(said, f"there is no {word!r}", _meant(word, (*_FLAGS, *_VALUES)))
        if (word in _VALUES) != bool(equals) or (equals and not value):
            raise _wrong(
                said,
                f"{word!r} takes {'a' if word in _VALUES else 'no'} value",
                f"Write {word}=…" if word in _VALUES else f"Write {word}",
            )
        if word in given:
            raise _wrong(said, f"{word!r} is there twice", "Leave one out.")
        if not has(kind, word):
            raise _wrong(said, f"{kind} has no {word!r}", "Leave it out.")
        given[word] = value
    return given


def _whole(said: str, word: str, value: str) -> int:
    if not value.isdecimal():
        raise _wrong(said, f"{word}={value} is not a whole number", f"Write {word}=20.")
    return int(value)


def _lengths(said: str, kind: str, given: dict[str, str]) -> dict[str, int | None]:
    if kind in NUMBERS:
        return {}
    lengths: dict[str, int | None] = {}
    for word in ("min", "max"):
        if word in given:
            lengths[word] = _whole(said, word, given[word])
    if lengths.get("max") == 0:
        raise _wrong(said, "max=0 leaves no room", "Write max=1 or more.")
    if (lengths.get("min") or 0) > (lengths.get("max") or 10**9):
        raise _wrong(said, "min is above max", "Let min be max at most.")
    return lengths


def _bounds(said: str, kind: str, given: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """`min` and `max` of a number are `ge` and `le`."""
    if kind not in NUMBERS:
        return ()
    bounds: dict[str, str] = {}
    for word in (*_BOUNDS, "min", "max"):
        if word in given:
            name = {"min": "ge", "max": "le"}.get(word, word)
            if name in bounds:
                raise _wrong(said, f"{word} and {name} say the same", "Leave one out.")
            bounds[name] = _number(said, kind, given[word])
    if {"gt", "ge"} <= set(bounds) or {"lt", "le"} <= set(bounds):
        raise _wrong(said, "two bounds say where it begins, or ends", "Leave one out.")
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    if low is not None and high is not None:
        open_ = "gt" in bounds or "lt" in bounds
        if Decimal(low) > Decimal(high) or (open_ and Decimal(low) == Decimal(high)):
            raise _wrong(said, "no number is within these bounds", "Move one of them.")
    return tuple(bounds.items())


def _number(said: str, kind: str, value: str) -> str:
    pattern = r"-?\d+" if kind == "int" else r"-?\d+(\.\d+)?"
    if not re.fullmatch(pattern, value, re.ASCII):
        raise _wrong(said, f"{value!r} is no {kind}", "Write it in digits.")
    return value


def _digits(said: str, value: str | None) -> tuple[int, int]:
    if value is None:
        return (12, 2)
    found = re.fullmatch(r"(\d{1,3})[.,](\d{1,3})", value, re.ASCII)
    if not found or not 0 <= int(found[2]) <= int(found[1]) <= 100 or int(found[1]) == 0:
        raise _wrong(
            said,
            f"digits={value} is not understood",
            "Write digits=10.2: ten in all, two of them after the point.",
        )
    return int(found[1]), int(found[2])


# what does not go together


def _refuse_contradictions(said: str, spec: FieldSpec) -> None:
    if spec.readonly and spec.writeonly:
        raise _wrong(said, "it could be neither read nor written", "Leave one out.")
    if spec.readonly and spec.is_required:
        raise _wrong(
            said, "nobody could give it its value", "Let it be optional, or have a default."
        )
    if spec.unique and spec.default is not None:
        raise _wrong(said, "only one could have the default", "Leave unique or default out.")
    if spec.unique and spec.pattern:
        raise _wrong(
            said, "unique with a pattern is not supported so far", "Add the pattern afterwards."
        )
    if spec.unique and not can_be_unique(spec):
        raise _wrong(said, "there are too few values for each to be unique", "Leave unique out.")
    if spec.on_delete and spec.on_delete not in _ON_DELETE:
        raise _wrong(
            said,
            f"there is no on-delete={spec.on_delete}",
            _meant(spec.on_delete, _ON_DELETE),
        )
    if spec.on_delete == "set-null" and not spec.optional:
        raise _wrong(said, "it may not be null", "Let it be optional, or on-delete=cascade.")
    if spec.pattern:
        try:
            re.compile(spec.pattern)
        except re.error as error:
            raise _wrong(said, f"the pattern is none: {error}", "Correct it.") from None
    if spec.type == "decimal" and spec.digits is not None:
        whole, after = spec.digits[0] - spec.digits[1], spec.digits[1]
        for word, value in spec.bounds:
            number = Decimal(value)
            if abs(number) >= 10**whole or number != round(number, after):
                raise _wrong(
                    said, f"{word}={value} does not fit into its digits", "Move one of them."
                )


_FEW = 1000  # the tests of a resource make about fifty


def can_be_unique(spec: FieldSpec) -> bool:
    """Whether there are enough values."""
    return has(spec.type, "unique") and not spec.pattern and _values(spec) >= _FEW


def _values(spec: FieldSpec) -> float:
    """About how many there are between the bounds."""
    bounds = {name: Decimal(value) for name, value in spec.bounds}
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    if spec.digits is not None and high is None:
        high = Decimal(10) ** (spec.digits[0] - spec.digits[1])
    if spec.type == "str" and spec.max is not None:
        return float(10**spec.max)
    if high is None or (low is None and spec.digits is None):
        return float("inf")
    return float(high - (low or 0))


def _refuse_default(said: str, spec: FieldSpec, default: str) -> None:
    if not _fits(spec, default):
        article = "an" if spec.type[0] in "aeiou" else "a"
        kind = f"{article} {spec.type}"
        if spec.type == "enum":
            kind = f"one of {', '.join(spec.values)}"
        raise _wrong(
            said, f"the default {default!r} is not {kind} that fits", "Correct the default."
        )


def _fits(spec: FieldSpec, value: str) -> bool:
    """Whether the field may hold this."""
    if spec.type == "enum":
        return value in spec.values
    if spec.type == "bool":
        return value in ("true", "false")
    if spec.type in TEXTS:
        length = (spec.min or 0) <= len(value) <= (spec.max or 10**9)
        return length and (not spec.pattern or bool(re.search(spec.pattern, value)))
    if spec.type == "email":
        return bool(re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value))
    if spec.type == "url":
        return bool(re.fullmatch(r"https?://[^\s/]+\S*", value))
    try:
        if spec.type in NUMBERS:
            return _within(spec, _CASTS[spec.type](value))
        _CASTS[spec.type](value)
    except (ValueError, InvalidOperation):
        return False
    return True


_CASTS: dict[str, Callable[[str], object]] = {
    "int": int,
    "float": float,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "uuid": UUID,
}


def _within(spec: FieldSpec, value: object) -> bool:
    number = Decimal(str(value))
    compare = {
        "gt": Decimal.__gt__,
        "ge": Decimal.__ge__,
        "lt": Decimal.__lt__,
        "le": Decimal.__le__,
    }
    if spec.digits is not None:
        whole, after = spec.digits[0] - spec.digits[1], spec.digits[1]
        if abs(number) >= 10**whole or number != round(number, after):
            return False
    return number.is_finite() and all(
        compare[word](number, Decimal(bound)) for word, bound in spec.bounds
    )


# names


def camel(name: str) -> str:
    """InvoiceItem, of `invoice_item`, `invoice-item` or itself."""
    return "".join(word[:1].upper() + word[1:] for word in re.split("[_-]", name))


def snake(name: str) -> str:
    """invoice_item, of `InvoiceItem`; `APIKey` is api_key."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return parted.lower()


_IRREGULAR = {
    "person": "people", "child": "children", "man": "men", "woman": "women", "mouse": "mice",
    "foot": "feet", "tooth": "teeth", "goose": "geese", "datum": "data", "medium": "media",
    "criterion": "criteria", "index": "indexes", "quiz": "quizzes", "leaf": "leaves",
    "shelf": "shelves", "life": "lives", "knife": "knives", "half": "halves", "hero": "heroes",
    "potato": "potatoes", "tomato": "tomatoes", "analysis": "analyses", "basis": "bases",
    "crisis": "crises", "news": "news", "series": "series", "species": "species",
    "sheep": "sheep", "fish": "fish", "equipment": "equipment", "information": "information",
    "data": "data", "media": "media", "feedback": "feedback", "inventory": "inventories",
}  # fmt: skip


def plural(name: str) -> str:
    """Of the last word: invoice_items, categories, boxes."""
    rest, joint, word = name.rpartition("_")
    if word in _IRREGULAR:
        many = _IRREGULAR[word]
    elif re.search(r"[^aeiou]y$", word):
        many = f"{word[:-1]}ies"
    elif re.search(r"(s|x|z|ch|sh)$", word):
        many = f"{word}es"
    else:
        many = f"{word}s"
    return f"{rest}{joint}{many}"


def singular(name: str) -> str:
    """Of the last word: what `plural` makes this of, as far as that can be told."""
    rest, joint, word = name.rpartition("_")
    one = next((one for one, many in _IRREGULAR.items() if many == word), word)
    if one == word and word not in _IRREGULAR:
        endings = (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"))
        for many, single in (*endings, ("ss", "ss"), ("us", "us"), ("is", "is"), ("s", "")):
            if word.endswith(many) and len(word) > len(many):
                one = word.removesuffix(many) + single
                break
    return f"{rest}{joint}{one}"


def member(value: str) -> str:
    """The name of an enum's value: IN_PROGRESS of `in-progress`."""
    return value.upper().replace("-", "_")
