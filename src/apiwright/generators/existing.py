"""Columns that are there already, of a model or of a table, as fields of a resource: which of them
are taken and shown, and what is to be said of those that are not."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from apiwright.errors import ApiwrightError, Refused
from apiwright.generators.fields import FieldSpec, field, has, refuse_name

_SECRET = re.compile(
    r"secret|password|passwd|token|api_?key|private_?key|(^|_)(pw|pwd|salt|hash|otp|pin|credentials?)($|_)",
    re.IGNORECASE,
)
_BY_HAND = "Write this resource by hand."
_OWNERS = re.compile(
    r"(user|owner|author|creator|created_by|account|tenant|organi[sz]ation)(_?id)?", re.IGNORECASE
)


@dataclass(frozen=True)
class Column:
    """As it was read."""

    name: str
    """In the database."""
    attribute: str
    """In the model; one that it can have, where there is none yet."""
    type: str
    """As it is written there, for people."""
    kind: str = ""
    """The type of a field, and what is said of it: `str:max=80`; empty for what is unknown."""
    optional: bool = False
    unique: bool = False
    index: bool = False
    default: str | None = None
    """As on the command line."""
    filled: bool = False
    """The database, or the model, gives it its value."""
    of_a_user: bool = False
    """Refers to the accounts."""
    members: tuple[str, ...] = ()
    stored: tuple[tuple[str, str], ...] = ()
    at: str = ""
    """app/models.py:12"""

    def __str__(self) -> str:
        return self.name + (f" ({self.at})" if self.at else "")


@dataclass(frozen=True)
class Read:
    """What became of the columns."""

    fields: tuple[FieldSpec, ...]
    notes: tuple[str, ...]


def fields_of(columns: Sequence[Column], what: str) -> Read:
    """`what` they are columns of, for people. Raises Refused for a column that must have a value
    which nobody could give."""
    fields: list[FieldSpec] = []
    notes: list[str] = []
    names: set[str] = set()
    for column in columns:
        spec, note = _field(column, what, names)
        names.add(spec.name)
        fields.append(spec)
        notes += [note] if note else []
    if all(spec.is_hidden for spec in fields):
        raise Refused(
            f"{what} has no column that an answer could show.", "Add one, or write it by hand."
        )
    return Read(tuple(fields), tuple(notes))


def of_an_owner(column: str) -> str:
    return f"{column} says whose a row is: it is neither taken nor shown"


def _field(column: Column, what: str, names: Collection[str]) -> tuple[FieldSpec, str]:
    why = ""
    if column.of_a_user or _OWNERS.fullmatch(column.name):
        why = "says whose a row is"
    elif not column.kind:
        why = f"is of a type that is not known: {column.type}"
    may_be_left_out = column.optional or column.filled or column.default is not None
    if why and not may_be_left_out:
        raise Refused(
            f"{column} of {what} {why}, and must have a value.",
            "Let it be null, or have a default; or write this resource by hand.",
        )
    if why:
        return _hidden(column, names), f"{column} {why}: it is neither taken nor shown"
    if _SECRET.search(column.name):
        if may_be_left_out:
            return _hidden(column, names), (
                f"{column} looks like a secret: it is neither taken nor shown"
            )
        secret = replace(_said(column, names), writeonly=True)
        return secret, f"{column} looks like a secret: it is taken, and in no answer"
    spec = _said(column, names)
    if column.filled:
        return replace(spec, readonly=True, filled=True), f"{column} is filled: it is only shown"
    return spec, ""


def _hidden(column: Column, names: Collection[str]) -> FieldSpec:
    plain = column if column.kind else replace(column, kind="str", unique=False, default=None)
    spec = _said(plain, names)
    return replace(spec, readonly=True, writeonly=True, filled=column.filled)


def _said(column: Column, names: Collection[str]) -> FieldSpec:
    """As the command line would have it, so that one place says what goes together."""
    name = free_name(column.attribute, names)
    flags = [flag for flag in ("optional", "unique", "index") if getattr(column, flag)]
    flags = [flag for flag in flags if has(column.kind.partition(":")[0], flag)]
    if column.unique and "unique" not in flags:
        raise Refused(f"{column} is unique, and a {column.type} cannot be.", _BY_HAND)
    values = [] if column.default is None or column.filled else [f"default={column.default}"]
    kind, pattern, rest = column.kind.partition(":pattern=")
    words = [name, kind, *flags, *values, *([f"pattern={rest}"] if pattern else [])]
    try:
        spec = field(":".join(words))
    except ApiwrightError as error:
        raise Refused(f"{column}: {error.happened}", _BY_HAND) from None
    attribute = "" if spec.column == column.attribute else column.attribute
    return replace(
        spec,
        attribute=attribute,
        index=column.index,
        members=column.members,
        stored_as=column.name,
        stored=column.stored,
    )


def free_name(name: str, names: Collection[str]) -> str:
    """One that a field can have and that no other has."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", name).strip("_").lower() or "value"
    words = re.sub(r"_+", "_", words)[:36].strip("_")
    words = words if words[0].isalpha() else f"value_{words}"
    suffixes = ("", "_value", *(f"_{number}" for number in range(2, 1000)))
    tried = (f"{words}{suffix}" for suffix in suffixes)
    return next(each for each in tried if each not in names and _is_free(each))


def _is_free(name: str) -> bool:
    try:
        refuse_name(name, name)
    except ApiwrightError:
        return False
    return True
