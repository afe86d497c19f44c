"""Values for the tests of a resource, as code: what fits a field, what just fits, what does not."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, cast

from apiwright.generators.fields import FieldSpec
from apiwright.generators.resource_code import LIST, STRING, lengths, quoted

TOKEN = "secrets.token_hex(8)"  # noqa: S105  # code
COUNTED = "next(numbers)"
MISSING = '"01900000-0000-7000-8000-000000000000"'


def missing(field: FieldSpec) -> str:
    """The id of nothing."""
    return MISSING if field.key == "uuid" else str(2**31 - 1)


def sample(field: FieldSpec, other: bool = False) -> str:
    """A value that fits, and `other` one; the same one where there is but one."""
    if field.type in ("str", "text"):
        return quoted(_text(field, other))
    if field.type in ("int", "float", "decimal"):
        return _number_code(field, _number(field, other))
    if field.type == "enum":
        return quoted(field.values[-1] if other else field.values[0])
    if field.type == "list":
        one, two = (_FIXED[field.item][number] for number in (0, 1))
        items = [one] * max(field.min or 0, 1)
        if other and (field.max or LIST) > len(items):
            items.append(two)
        elif other:
            items[0] = two
        return f"[{', '.join(items)}]"
    return _FIXED[field.type][other]


def fresh(field: FieldSpec) -> str:
    """A value that no other row has, where that matters."""
    if not field.unique:
        return sample(field)
    if field.type == "str":
        longest, shortest = field.max or STRING, field.min or 1
        return TOKEN if shortest <= 16 <= longest else f"str({COUNTED}).zfill({shortest})"
    if field.type in ("int", "decimal"):
        start = COUNTED
        bounds = dict(field.bounds)
        if (low := _low(field)) is not None:
            start = f"{int(low) + 1} + {COUNTED}"
        elif "le" in bounds or "lt" in bounds:
            start = f"{int(_high(field) or 0) - 2} - {COUNTED}"
        after = field.digits[1] if field.digits else 0
        if field.type == "int":
            return start
        return f'f"{{{start}}}{"." + "0" * after if after else ""}"'
    return {
        "date": f"str(date(2030, 1, 1) + timedelta(days={COUNTED}))",
        "datetime": f'f"{{date(2030, 1, 1) + timedelta(days={COUNTED})}}T12:00:00Z"',
        "uuid": "str(uuid4())",
        "email": f'f"{{{TOKEN}}}@example.com"',
        "url": f'f"https://example.com/{{{TOKEN}}}"',
    }[field.type]


def misfits(field: FieldSpec) -> list[str]:
    """Values that are refused: those next to each boundary, and one of another type."""
    return list(dict.fromkeys([*_misfits(field), *([] if field.optional else ["None"])]))


def edges(field: FieldSpec) -> list[str]:
    """Values at the boundaries, which are taken."""
    return list(dict.fromkeys(_edges(field)))


_FIXED = {
    "str": ('"one"', '"two"'),
    "int": ("1", "2"),
    "float": ("0.5", "1.5"),
    "bool": ("True", "False"),
    "date": ('"2030-01-31"', '"2030-02-28"'),
    "datetime": ('"2030-01-31T12:00:00Z"', '"2030-02-28T12:00:00Z"'),
    "time": ('"12:30:00"', '"18:45:00"'),
    "uuid": (MISSING, MISSING.replace("0000", "0001", 1)),
    "email": ('"ada@example.com"', '"bob@example.com"'),
    "url": ('"https://example.com/a"', '"https://example.com/b"'),
    "json": ('{"a": 1}', '{"b": [2]}'),
}
_WRONG = {
    "int": '"many"',
    "float": '"many"',
    "decimal": '"many"',
    "bool": '"perhaps"',
    "date": '"someday"',
    "datetime": '"2030-01-31T12:00:00"',
    "time": '"noon"',
    "uuid": '"x"',
    "ref": '"x"',
    "email": '"ada"',
    "url": '"nowhere"',
    "json": '"text"',
    "list": '"text"',
    "str": "1",
    "text": "1",
}


def _misfits(field: FieldSpec) -> Iterator[str]:
    if field.type in ("str", "text"):
        shortest, longest = lengths(field)
        if shortest:
            yield '""'
        if shortest > 1:
            yield f'"x" * {shortest - 1}'
        if field.type == "str" and shortest:
            yield '"   "'
        yield f'"x" * {longest + 1}'
        if field.pattern:
            yield from (
                quoted(value)
                for value in ("?", "x", "0", "")
                if not re.search(field.pattern, value)
            )
    elif field.type in ("int", "float", "decimal"):
        step, low, high = _step(field), _low(field), _high(field)
        if low is not None:
            yield _number_code(field, low - step)
        if high is not None:
            yield _number_code(field, high + step)
        if field.digits is not None:
            yield f'"0.{"0" * field.digits[1]}1"'
    elif field.type == "enum":
        yield '"something-else"'
    elif field.type == "list":
        one = _FIXED[field.item][0]
        yield f"[{one}] * {(field.max or LIST) + 1}"
        if field.min:
            yield f"[{one}] * {field.min - 1}" if field.min > 1 else "[]"
        if field.item not in ("str",):
            yield f"[{_WRONG[field.item]}]"
    if field.type in _WRONG:
        yield _WRONG[field.type]


def _edges(field: FieldSpec) -> Iterator[str]:
    if field.type in ("str", "text") and not field.pattern:
        shortest, longest = lengths(field)
        yield f'"x" * {shortest}' if shortest > 1 else '"x"' if shortest else '""'
        yield f'"x" * {longest}'
    elif field.type in ("int", "float", "decimal"):
        low, high = _low(field), _high(field)
        yield from (_number_code(field, bound) for bound in (low, high) if bound is not None)
    elif field.type == "list":
        one = _FIXED[field.item][0]
        yield f"[{one}] * {field.min}" if field.min else "[]"
        yield f"[{one}] * {field.max or LIST}"
    elif field.type == "enum":
        yield from map(quoted, field.values)


def _text(field: FieldSpec, other: bool) -> str:
    if field.pattern:
        return matching(field.pattern, other)
    shortest, longest = lengths(field)
    words = field.name.replace("_", " ")
    text = f"another {words}" if other else f"a {words}"
    text = text[:longest].strip().ljust(shortest, "x")
    if other and text == _text(field, False):
        text = ("b" if longest == 1 else "z") + text[1:]
    return text


def _step(field: FieldSpec) -> Decimal:
    if field.digits is not None:
        return Decimal(1).scaleb(-field.digits[1])
    return Decimal(1) if field.type == "int" else Decimal("0.5")


def _low(field: FieldSpec) -> Decimal | None:
    bounds = dict(field.bounds)
    if "ge" in bounds:
        return Decimal(bounds["ge"])
    return Decimal(bounds["gt"]) + _step(field) if "gt" in bounds else None


def _high(field: FieldSpec) -> Decimal | None:
    bounds = dict(field.bounds)
    if "le" in bounds:
        return Decimal(bounds["le"])
    if "lt" in bounds:
        return Decimal(bounds["lt"]) - _step(field)
    if field.digits is not None:
        return Decimal(10) ** (field.digits[0] - field.digits[1]) - _step(field)
    return None


def _number(field: FieldSpec, other: bool) -> Decimal:
    low, high, step = _low(field), _high(field), _step(field)
    start = Decimal(1)
    if low is not None and start < low:
        start = low
    if high is not None and start > high:
        start = high
    if not other:
        return start
    fits = [
        each
        for each in (start + 1, start + step, start - step)
        if (low is None or each >= low) and (high is None or each <= high)
    ]
    return fits[0] if fits else start


def _number_code(field: FieldSpec, value: Decimal) -> str:
    if field.digits is not None:
        return f'"{value:.{field.digits[1]}f}"'
    return str(int(value)) if field.type == "int" else repr(float(value))


# from a pattern


def matching(pattern: str, other: bool = False) -> str:
    """A text that the pattern finds, of usual patterns; verification says when it is none."""
    parser = cast(Any, re)._parser
    return "".join(_pieces(parser.parse(pattern), other))


def _pieces(parsed: Any, other: bool) -> Iterator[str]:
    for operation, value in parsed:
        name = str(operation)
        if name == "LITERAL":
            yield chr(value)
        elif name == "NOT_LITERAL":
            yield "b" if chr(value) == "a" else "a"
        elif name == "IN":
            yield _one_of(value, other)
        elif name == "ANY":
            yield "b" if other else "a"
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, inner = value
            for _ in range(max(low, 1 if high else 0)):
                yield from _pieces(inner, other)
        elif name == "SUBPATTERN":
            yield from _pieces(value[-1], other)
        elif name == "BRANCH":
            yield from _pieces(value[1][-1 if other else 0], other)


def _one_of(choices: Any, other: bool) -> str:
    found = []
    for operation, value in choices:
        name = str(operation)
        if name == "NEGATE":
            excluded = {chr(each) for kind, each in choices if str(kind) == "LITERAL"}
            return next(letter for letter in "ab01" if letter not in excluded)
        if name == "LITERAL":
            found.append(chr(value))
        elif name == "RANGE":
            found += [chr(value[0]), chr(value[1])]
        else:
            found += {"CATEGORY_DIGIT": ["0", "1"], "CATEGORY_SPACE": [" "]}.get(
                str(value), ["a", "b"]
            )
    return found[-1 if other else 0]


# from the schema of a request, for what is not ours


def of_schema(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Of a JSON schema in an OpenAPI document."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return of_schema(document["components"]["schemas"][name], document)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return of_schema(schema[several][0], document)
    if "enum" in schema or "const" in schema:
        return repr(schema.get("const", schema.get("enum", [None])[0])).replace("'", '"')
    kind = schema.get("type", "string")
    if kind == "object":
        required = {
            name: of_schema(schema["properties"][name], document)
            for name in schema.get("required", ())
        }
        return "{" + ", ".join(f'"{name}": {code}' for name, code in required.items()) + "}"
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        return str(low)
    if kind == "array":
        items = [of_schema(schema["items"], document)] * schema.get("minItems", 0)
        return f"[{', '.join(items)}]"
    return "True" if kind == "boolean" else _string_of(schema)


def _string_of(schema: Mapping[str, Any]) -> str:
    formats = {
        "date": "date", "date-time": "datetime", "time": "time", "uuid": "uuid", "uri": "url",
    }  # fmt: skip
    if schema.get("format") in formats:
        return _FIXED[formats[schema["format"]]][0]
    if schema.get("format") == "email":
        return f'f"{{{TOKEN}}}@example.com"'
    longest = schema.get("maxLength", 16)
    pattern = schema.get("pattern", "")
    if pattern and not re.search(pattern, "0123456789abcdef"[:longest]):
        return quoted(matching(pattern))
    return TOKEN if longest >= 16 else f"secrets.token_hex({max(longest // 2, 1)})"
