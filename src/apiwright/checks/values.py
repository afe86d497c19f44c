"""Values that a JSON schema allows: bodies, query parameters, parts of a path."""

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

constants: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

PASSWORD = "Correct-horse-9!"  # noqa: S105  # of users that live as long as the run
_DEEPEST = 8
_FORMATS: dict[str, Callable[[int], str]] = {
    "email": lambda number: f"person{number}@example.com",
    "uuid": lambda number: str(UUID(int=0x01900000_0000_7000_8000_000000000000 + number)),
    "date": lambda number: "2030-01-15",
    "date-time": lambda number: "2030-01-15T12:00:00Z",
    "time": lambda number: "12:00:00",
    "duration": lambda number: "PT1H",
    "uri": lambda number: f"https://example.com/{number}",
    "ipv4": lambda number: "192.0.2.1",
    "ipv6": lambda number: "2001:db8::1",
    "password": lambda number: PASSWORD,
    "binary": lambda number: f"content {number}",
    "decimal": lambda number: "1.00",
}
_NAMES: tuple[tuple[str, Callable[[int], str]], ...] = (
    (r"e_?mail", _FORMATS["email"]),
    (r"passw|passphrase|(^|_)pwd", _FORMATS["password"]),
    (r"user_?name|login|nick|handle|slug", lambda number: f"person{number}"),
    (r"phone|mobile", lambda number: f"+4930{1000000 + number}"),
    (r"ur[li]$|link|website|image|avatar", _FORMATS["uri"]),
    (r"date_?time|_at$", _FORMATS["date-time"]),
    (r"date|birth", _FORMATS["date"]),
    (r"colou?r", lambda number: "#336699"),
    (r"currency", lambda number: "EUR"),
    (r"country", lambda number: "DE"),
    (r"zip|post_?code", lambda number: "10115"),
)


class Values:
    """Each is another: texts and addresses carry a number that grows."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._count = 0

    def number(self) -> int:
        self._count += 1
        return self._count

    def of(
        self,
        schema: Mapping[str, Any],
        known: Mapping[str, Any] | None = None,
        *,
        whole: bool = False,
        name: str = "",
        depth: int = 0,
    ) -> Any:  # what JSON can say
        """`known`: values of properties by name, at any depth. `whole`: those that may be left out
        as well."""
        known = known or {}
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        kind = schema.get("type")
        if isinstance(kind, list):  # as OpenAPI 3.1 may say it
            kind = next((one for one in kind if one != "null"), None)
        if kind == "object" or "properties" in schema:
            return self._object(schema, known, whole, depth)
        if kind == "array":
            items = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
            most = schema.get("minItems", 1 if whole and depth < _DEEPEST else 0)
            return [
                self.of(items, known, whole=whole, name=name, depth=depth + 1) for _ in range(most)
            ]
        if kind == "boolean":
            return bool(schema.get("default", False))
        if kind in ("integer", "number"):
            return _number(schema)
        if kind == "null":
            return None
        return self._text(schema, name)

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without references and alternatives: the first that is not null."""
        for _ in range(_DEEPEST):
            if "$ref" in schema:
                part: Any = self._document
                for step in schema["$ref"].removeprefix("#/").split("/"):
                    part = part.get(step, {})
                schema = {**part, **{key: one for key, one in schema.items() if key != "$ref"}}
            elif schema.get("allOf"):
                rest = {key: one for key, one in schema.items() if key != "allOf"}
                merged: dict[str, Any] = {}
                for one in schema["allOf"]:
                    merged = _merged(merged, self.resolved(one))
                schema = _merged(merged, rest)
            elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
                rest = {key: one for key, one in schema.items() if key not in ("anyOf", "oneOf")}
                real = [one for one in alternatives if one.get("type") != "null"]
                schema = {**rest, **(real or alternatives)[0]}
            else:
                break
        return schema

    def properties(self, schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """Of an object and of those inside it, by name."""
        found: dict[str, Mapping[str, Any]] = {}
        left = [(self.resolved(schema), 0)]
        while left:
            one, depth = left.pop()
            for name, inner in one.get("properties", {}).items():
                found.setdefault(name, inner)
                if depth < 3:
                    left.append((self.resolved(inner), depth + 1))
        return found

    def _object(
        self, schema: Mapping[str, Any], known: Mapping[str, Any], whole: bool, depth: int
    ) -> dict[str, Any]:
        required = set(schema.get("required", ()))
        found = {}
        for name, inner in schema.get("properties", {}).items():
            if name in known:
                found[name] = known[name]
            elif name in required or (whole and depth < _DEEPEST and not inner.get("readOnly")):
                found[name] = self.of(inner, known, whole=whole, name=name, depth=depth + 1)
        return found

    def _text(self, schema: Mapping[str, Any], name: str) -> str:
        number = self.number()
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if "contentMediaType" in schema:  # a file, as OpenAPI 3.1 says it
            text = _FORMATS["binary"](number)
        elif schema.get("format") in _FORMATS:
            text = _FORMATS[schema["format"]](number)
        elif make := next((make for one, make in _NAMES if re.search(one, name.lower())), None):
            text = make(number)
        else:
            text = f"{name or 'text'} {number}"
        if pattern := schema.get("pattern"):
            if not _fits(pattern, text):
                text = _of_pattern(pattern, number, least)
        elif len(text) < least:
            text += "x" * (least - len(text))
        if most is not None and len(text) > most:
            text = text[-most:] if most else ""
        return text


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {**one, **other}
    if "properties" in one and "properties" in other:
        both["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one and "required" in other:
        both["required"] = [*one["required"], *other["required"]]
    return both


def _number(schema: Mapping[str, Any]) -> float | int:
    """One, where it is allowed."""
    least = schema.get("minimum")
    most = schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if isinstance(above, int | float) and not isinstance(above, bool):
        least = above + 1
    if isinstance(below, int | float) and not isinstance(below, bool):
        most = below - 1
    value = 1 if least is None else max(1, least)
    if most is not None and value > most:
        value = most
    if step := schema.get("multipleOf"):
        value = step * max(1, -(-value // step))
    return int(value) if schema.get("type") == "integer" else value


def _fits(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True


def _of_pattern(pattern: str, number: int, least: int) -> str:
    """A text that a regular expression allows, as short as it may be."""
    try:
        tree = parser.parse(pattern)
    except re.error:
        return f"text{number}"
    for repeat in range(3):
        text = "".join(_piece(one, repeat) for one in tree)
        if len(text) >= least:
            break
    for other in (f"{text}{number}", f"{text[: -len(str(number))]}{number}"):
        if _fits(pattern, other):
            return other
    return text


def _piece(node: Any, repeat: int) -> str:  # Any: of re's parser
    op, argument = node
    if op is constants.LITERAL:
        return chr(int(argument))
    if op is constants.NOT_LITERAL:
        return "b" if argument == ord("a") else "a"
    if op is constants.ANY:
        return "a"
    if op is constants.IN:
        return _one_of(argument)
    if op is constants.BRANCH:
        return "".join(_piece(one, repeat) for one in argument[1][0])
    if op is constants.SUBPATTERN:
        return "".join(_piece(one, repeat) for one in argument[3])
    if op in (constants.MAX_REPEAT, constants.MIN_REPEAT):
        least, most, inner = argument
        times = min(least + repeat * 8, most) if most != constants.MAXREPEAT else least + repeat * 8
        return "".join(_piece(one, repeat) for one in inner) * int(times)
    return ""  # a place, or a look ahead


def _one_of(choices: Any) -> str:
    if choices[0][0] is constants.NEGATE:
        return next(one for one in "aA0 _~" if not _allowed(choices[1:], one))
    return next((one for one in "aA1-_ ." if _allowed(choices, one)), chr(_first(choices[0])))


def _allowed(choices: Any, letter: str) -> bool:
    return any(
        (op is constants.LITERAL and argument == ord(letter))
        or (op is constants.RANGE and argument[0] <= ord(letter) <= argument[1])
        or (op is constants.CATEGORY and _in_category(argument, letter))
        for op, argument in choices
    )


def _in_category(category: Any, letter: str) -> bool:
    name = str(category)
    if name.endswith("NOT_DIGIT"):
        return not letter.isdigit()
    if name.endswith("NOT_SPACE"):
        return not letter.isspace()
    if name.endswith("NOT_WORD"):
        return not (letter.isalnum() or letter == "_")
    if name.endswith("DIGIT"):
        return letter.isdigit()
    if name.endswith("SPACE"):
        return letter.isspace()
    return letter.isalnum() or letter == "_"


def _first(choice: Any) -> int:
    op, argument = choice
    if op is constants.LITERAL:
        return int(argument)
    return int(argument[0]) if op is constants.RANGE else ord("a")
