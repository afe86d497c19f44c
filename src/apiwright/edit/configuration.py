"""Edits of files that are not Python: TOML, `.env.example`, lists of requirements, any lines."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apiwright.edit.edits import CouldNot, Edit
from apiwright.edit.items import Items, place_in_order, put_back
from apiwright.edit.lines import (
    Splice,
    cut,
    cut_with_blanks,
    insert,
    is_blank,
    same,
    split,
    without_end,
)
from apiwright.edit.python import Place


@dataclass(frozen=True)
class AddLine(Edit):
    """A line, at the end of a file that is a list of lines: `.gitignore`."""

    line: str

    def __str__(self) -> str:
        return f"add `{self.line}`"

    @property
    def paste(self) -> str:
        return self.line + "\n"

    def _splice(self, text: str) -> Splice | None:
        rows = split(text)
        if any(row.strip() == self.line.strip() for row in rows):
            return None
        return insert(rows, _end(rows), [self.line])

    def _remove(self, text: str, made: Splice) -> str:
        return _take_out(text, made)


@dataclass(frozen=True)
class AddRequirement(Edit):
    """A package in a `requirements.txt`, in order where the file is."""

    requirement: str
    """`httpx>=0.28`"""

    def __str__(self) -> str:
        return f"require {self.requirement}"

    @property
    def paste(self) -> str:
        return self.requirement + "\n"

    def _splice(self, text: str) -> Splice | None:
        rows = split(text)
        places = [i for i, row in enumerate(rows) if _package(row)]
        names = [_package(rows[i]) for i in places]
        if _package(self.requirement) in names:
            return None  # whichever version: that is the project's to say
        number = place_in_order(names, _package(self.requirement), [lambda name: (name,)])
        if places and number < len(places):
            return insert(rows, places[number], [self.requirement])
        return insert(rows, places[-1] + 1 if places else _end(rows), [self.requirement])

    def _remove(self, text: str, made: Splice) -> str:
        rows = split(text)
        for number, row in enumerate(rows):
            if _package(row) == _package(self.requirement):
                if without_end(row) != self.requirement:
                    raise CouldNot(f"line {number + 1} is not as it was put there")
                return cut(rows, number, number + 1)
        return text


@dataclass(frozen=True)
class AddVariable(Edit):
    """A variable with an example of its value, in `.env.example`."""

    name: str
    example: str = ""
    comment: str = ""
    """What it is for: its lines go above it."""

    def __str__(self) -> str:
        return f"add {self.name}"

    @property
    def paste(self) -> str:
        return "\n".join(self._rows) + "\n"

    @property
    def _rows(self) -> list[str]:
        return [*(f"# {row}" for row in self.comment.splitlines()), f"{self.name}={self.example}"]

    def _splice(self, text: str) -> Splice | None:
        rows = split(text)
        if any(_variable(row) == self.name for row in rows):
            return None
        at = _end(rows)
        grouped = self.comment and at  # those with a comment stand apart
        return insert(rows, at, ["", *self._rows] if grouped else self._rows)

    def _remove(self, text: str, made: Splice) -> str:
        rows = split(text)
        for number, row in enumerate(rows):
            if _variable(row) == self.name:
                first = number + 1 - len(self._rows)
                found = [without_end(each) for each in rows[max(first, 0) : number + 1]]
                if found != self._rows:
                    raise CouldNot(f"line {number + 1} is not as it was put there")
                return cut_with_blanks(rows, first, number + 1, made)
        return text


class _TomlEdit(Edit):
    def _read(self, text: str) -> dict[str, object]:
        return _toml(text)

    def splice(self, text: str) -> Splice | None:
        """Checked once more by what the standard library reads: one value more, no other
        changed."""
        found = super().splice(text)
        if found is not None:
            before, after = _values(_toml(text)), _values(_toml(found.into(text)))
            more = list(after)
            for value in before:
                if value not in more:
                    raise CouldNot("another value would change")
                more.remove(value)
            if len(more) > 1:
                raise CouldNot("other values would be added")
        return found


@dataclass(frozen=True)
class AddTomlKey(_TomlEdit):
    """A key of a table, which is made when there is none."""

    table: str
    """`tool.ruff`; nothing: the top of the file."""
    key: str
    value: str
    """As TOML: `"app.main:app"`, with its quotes."""

    def __str__(self) -> str:
        return f"set {self.key} in [{self.table}]" if self.table else f"set {self.key}"

    @property
    def paste(self) -> str:
        return (f"[{self.table}]\n" if self.table else "") + self._line + "\n"

    def _splice(self, text: str) -> Splice | None:
        rows = split(text)
        path = _path(self.table)
        here = _at(_toml(text), path)
        wanted = _toml(self._line)
        if here is not None and not isinstance(here, dict):
            raise CouldNot(f"`{self.table}` is not a table")
        for key, value in wanted.items():
            if here and key in here:
                if here[key] == value:
                    return None
                raise CouldNot(f"`{self.key}` has another value already")
        found = [each for each in _statements(rows) if each.table == path]
        if found:
            return insert(rows, found[-1].stop[0] + 1, [self._line])
        if not path:
            return insert(rows, 0, [self._line, ""] if rows else [self._line])
        if here is not None and not _only_tables(here):
            raise CouldNot(f"`{self.table}` is not written as a table of its own")
        at = _end(rows)
        return insert(rows, at, [*([""] if at else []), f"[{self.table}]", self._line])

    def _remove(self, text: str, made: Splice) -> str:
        rows = split(text)
        path = _path(self.table)
        wanted = [*_path(self.table), *_path(self.key)]
        for each in _statements(rows):
            if each.key is None or [*each.table, *each.key] != wanted:
                continue
            first, last = each.start[0], each.stop[0]
            if not same([row.strip() for row in rows[first : last + 1]], [self._line]):
                raise CouldNot(f"line {first + 1} is not as it was put there")
            alone = len([other for other in _statements(rows) if other.table == path]) == 2
            ours = any(row.strip().startswith("[") for row in made.added)
            if ours and alone and first and rows[first - 1].strip() == f"[{self.table}]":
                return cut_with_blanks(rows, first - 1, last + 1, made)
            return (
                cut(rows, first, last + 1) if ours else cut_with_blanks(rows, first, last + 1, made)
            )
        return text

    @property
    def _line(self) -> str:
        return f"{self.key} = {self.value}"


@dataclass(frozen=True)
class AddTomlItem(_TomlEdit):
    """An item of an array that is there: a package in `dependencies` of `project`."""

    table: str
    key: str
    item: str
    """As TOML: `"httpx>=0.28"`, with its quotes. A requirement counts as there already when its
    package is, in whichever version."""
    width: int = 88

    def __str__(self) -> str:
        return f"add {self.item} to {self.key} of [{self.table}]"

    @property
    def paste(self) -> str:
        return f"[{self.table}]\n{self.key} = [..., {self.item}]\n"

    def _splice(self, text: str) -> Splice | None:
        items = self._items(text)
        codes = items.codes
        if any(self._is_it(code) for code in codes):
            return None
        orders = [lambda code: (_package(code),)] if len(codes) > 1 else []
        number = place_in_order(codes, self.item, orders)
        return items.adding(number, self.item, self.width)

    def _is_it(self, code: str) -> bool:
        package = _package(self.item)
        return code == self.item or (bool(package) and _package(code) == package)

    def _items(self, text: str) -> Items:
        rows = split(text)
        path = [*_path(self.table), *_path(self.key)]
        for each in _statements(rows):
            if each.key is not None and [*each.table, *each.key] == path and each.items is not None:
                line, column = each.value
                inner = (each.stop[0], each.stop[1] - 1)
                return Items(rows, each.items, (line, column + 1), inner)
        raise CouldNot(f"there is no array `{self.key}` in [{self.table}]")

    def _remove(self, text: str, made: Splice) -> str:
        try:
            items = self._items(text)
        except CouldNot:
            return text
        back = put_back(items.lines, items.start[0], items.stop[0] + 1, made)
        if made.took and back is not None:
            return back
        if self.item in items.codes:
            return items.removing(items.codes.index(self.item))
        if any(map(self._is_it, items.codes)):
            raise CouldNot(f"{self.item} has been changed")
        return text


# lines


def _end(rows: Sequence[str]) -> int:
    """After the last line that is not blank."""
    return next((i for i in range(len(rows), 0, -1) if not is_blank(rows[i - 1])), 0)


def _take_out(text: str, made: Splice) -> str:
    rows, size = split(text), len(made.added)
    found = [i for i in range(len(rows)) if same(rows[i : i + size], made.added)]
    return cut(rows, found[-1], found[-1] + size) if found else text


def _package(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement.strip(" \t\"'"), re.ASCII)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name and name[0][0] != "-" else ""


def _variable(row: str) -> str:
    """The variable that a line sets, commented out or not."""
    found = re.match(r"#?\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", row)
    return found[1] if found else ""


# TOML, read by the standard library and located by us


def _toml(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise CouldNot(f"it cannot be read as TOML: {error}") from None


def _values(value: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    """Every value that is not a table, with the keys that lead there; an array's one by one."""
    if isinstance(value, dict):
        return [each for key, inner in value.items() for each in _values(inner, (*path, key))]
    if isinstance(value, list):
        return [(path, item) for item in value] or [(path, [])]
    return [(path, value)]


def _path(key: str) -> list[str]:
    """`tool.ruff` as its names."""
    path: list[str] = []
    value: object = _toml(f"{key} = 0") if key else 0
    while isinstance(value, dict):
        (name, value), *_ = value.items()
        path.append(name)
    return path


def _at(value: object, path: Sequence[str]) -> dict[str, object] | object | None:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _only_tables(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


@dataclass(frozen=True)
class _Statement:
    """A header, whose key is None, or a key and its value."""

    table: list[str]
    key: list[str] | None
    start: Place
    value: Place
    stop: Place
    items: tuple[tuple[Place, Place], ...] | None = None
    """Of an array."""


_TOKEN = re.compile(
    r"""#.*|\"""|'''|"(?:[^"\\]|\\.)*"|'[^']*'|[\[\]{},]|[^\s#"'\[\]{},]+""",
)


def _statements(rows: Sequence[str]) -> Iterator[_Statement]:
    """Of a text that is valid TOML."""
    table: list[str] = []
    number = 0
    while number < len(rows):
        row = without_end(rows[number])
        if header := re.match(r"\s*\[\[?(.*?)\]\]?\s*(#.*)?$", row):
            table = _path(header[1]) if not row.lstrip().startswith("[[") else [header[1], "[]"]
            yield _Statement(table, None, (number, 0), (number, 0), (number, len(row)))
        elif pair := re.match(r"""\s*((?:"[^"]*"|'[^']*'|[\w.\s-])+?)\s*=\s*""", row):
            value = (number, pair.end())
            stop, items = _value(rows, value)
            yield _Statement(table, _path(pair[1]), (number, 0), value, stop, items)
            number = stop[0]
        number += 1


def _value(
    rows: Sequence[str], start: Place
) -> tuple[Place, tuple[tuple[Place, Place], ...] | None]:
    """Where a value stops, and the items of an array."""
    depth, quote = 0, ""
    items: list[tuple[Place, Place]] = []
    begun: Place | None = None
    ended: Place = start
    (number, column), is_array = start, rows[start[0]][start[1] :].startswith("[")
    while number < len(rows):
        row = without_end(rows[number])
        while column < len(row):
            if quote:
                end = re.compile(rf"(?:\\.|(?!{quote}).)*?{quote}+").match(row, column)
                column = end.end() if end else len(row)
                quote = "" if end else quote
                ended = (number, column)
                continue
            token = _TOKEN.search(row, column)
            if token is None or token[0].startswith("#"):
                break
            word, column = token[0], token.end()
            if word in ('"""', "'''"):
                quote = word
            if word in ("]", "}"):
                depth -= 1
            ends = (depth == 1 and word == ",") or (depth == 0 and word == "]")
            if is_array and ends:
                if begun is not None:
                    items.append((begun, ended))
                begun = None
            elif is_array and depth >= 1 and begun is None:
                begun = (number, token.start())
            if word in ("[", "{"):
                depth += 1
            ended = (number, column)
        if depth == 0 and not quote:
            return ended, tuple(items) if is_array else None
        number, column = number + 1, 0
    return ended, tuple(items) if is_array else None
