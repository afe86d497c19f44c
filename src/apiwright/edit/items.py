"""Items between brackets, and the edits that add one: to a list, a tuple, a set, a dict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import libcst as cst

from apiwright.edit.edits import CouldNot
from apiwright.edit.lines import (
    Splice,
    between,
    cut,
    indent_of,
    is_blank,
    newline_of,
    replace,
    same,
    split,
    without_end,
)
from apiwright.edit.python import Place, PythonEdit, Source, dotted, read, same_code, small


@dataclass(frozen=True)
class Items:
    """Items in a row, each from its first to after its last character, and what encloses them.
    In `from x import a, b` without parentheses nothing does."""

    lines: Sequence[str]
    spans: tuple[tuple[Place, Place], ...]
    start: Place
    """After the opening bracket."""
    stop: Place
    """Before the closing one."""
    step: str = "    "
    """One more level of indentation."""
    is_tuple: bool = False
    """One item alone needs its comma."""
    enclosed: bool = True
    """New lines may begin between the items."""

    def code(self, number: int) -> str:
        return between(self.lines, *self.spans[number])

    @property
    def codes(self) -> list[str]:
        return [self.code(number) for number in range(len(self.spans))]

    def adding(self, number: int, code: str, width: int) -> Splice:
        """With `code` as a new item before that number, laid out as its neighbours are; what was
        on one line and has no room there any more, as a formatter would lay it out."""
        found = self._beside(number, code)
        if self.start[0] != self.stop[0] or _fits(found, width):
            return found
        line = self.start[0]
        indent, end = indent_of(self.lines[line]), newline_of(self.lines, line + 1)
        rows = [*self.codes[:number], code, *self.codes[number:]]
        inner = end + "".join(f"{indent}{self.step}{row},{end}" for row in rows) + indent
        return replace(self.lines, self.start, self.stop, inner if self.enclosed else f"({inner})")

    def _beside(self, number: int, code: str) -> Splice:
        if not self.spans:
            return self._first(code)
        if number == len(self.spans):
            return self._at_end(code)
        if not self._begins_line(number):
            return self._put(self.spans[number][0], f"{code}, ")
        first = self.start[0] if number == 0 else self._comma_after(number - 1)[0]
        return self._line(first + 1, self._indent(number) + f"{code},")

    def removing(self, number: int) -> str:
        """The text without that item, and its comma."""
        start, stop = self.spans[number]
        comma = self._comma_after(number)
        if self._begins_line(number) and self._ends_line(comma):
            if comma == stop and number:  # the last, and no comma after it: nor after the new last
                before = self._comma_after(number - 1)
                if self._ends_line(before):
                    at = self.spans[number - 1][1]
                    short = replace(self.lines, at, before, "").into("".join(self.lines))
                    return cut(split(short), start[0], stop[0] + 1)
            else:
                return cut(self.lines, start[0], comma[0] + 1)
        if number + 1 < len(self.spans):
            return self._without(start, self.spans[number + 1][0])
        if number:
            alone = self.is_tuple and number == 1 and comma == stop
            return self._without(self.spans[number - 1][1], stop, "," if alone else "")
        return self._without(start, comma)

    def _first(self, code: str) -> Splice:
        comma = "," if self.is_tuple else ""
        if self.start[0] == self.stop[0]:
            return self._put(self.stop, code + comma)
        return self._line(
            self.stop[0], indent_of(self.lines[self.stop[0]]) + self.step + f"{code},"
        )

    def _at_end(self, code: str) -> Splice:
        last = len(self.spans) - 1
        stop, comma = self.spans[last][1], self._comma_after(last)
        if self._begins_line(last):
            indent, end = self._indent(last), newline_of(self.lines, stop[0] + 1)
            if comma == stop and self.stop[0] == stop[0]:
                return self._put(stop, f",{end}{indent}{code}")
            if comma == stop:
                line, column = stop
                rest = self.lines[line][column:]
                added = f",{rest}{indent}{code}{end}"
                return replace(self.lines, stop, (line, len(self.lines[line])), added)
            if self.stop[0] == comma[0]:
                return self._put(comma, f"{end}{indent}{code},")
            return self._line(comma[0] + 1, f"{indent}{code},")
        if comma != stop:
            alone = self.is_tuple and len(self.spans) == 1
            return self._put(comma, f" {code}" if alone else f" {code},")
        return self._put(stop, f", {code}")

    def _indent(self, number: int) -> str:
        return indent_of(self.lines[self.spans[number][0][0]])

    def _begins_line(self, number: int) -> bool:
        line, column = self.spans[number][0]
        return self.enclosed and line > self.start[0] and is_blank(self.lines[line][:column])

    def _ends_line(self, place: Place) -> bool:
        line, column = place
        rest = without_end(self.lines[line])[column:].strip()
        return not rest or rest.startswith("#")

    def _comma_after(self, number: int) -> Place:
        """The place after its comma; after the item itself when it has none."""
        line, column = self.spans[number][1]
        limit = self.spans[number + 1][0] if number + 1 < len(self.spans) else self.stop
        while (line, column) < limit:
            row = without_end(self.lines[line])
            rest = row[column : limit[1] if line == limit[0] else len(row)]
            bare = rest.lstrip(" \t\f\\")
            if bare.startswith(","):
                return line, column + len(rest) - len(bare) + 1
            if bare and not bare.startswith("#"):
                break
            line, column = line + 1, 0
        return self.spans[number][1]

    def _put(self, place: Place, code: str) -> Splice:
        return replace(self.lines, place, place, code)

    def _line(self, at: int, line: str) -> Splice:
        return Splice(at, (), (line + newline_of(self.lines, at),))

    def _without(self, start: Place, stop: Place, instead: str = "") -> str:
        return replace(self.lines, start, stop, instead).into("".join(self.lines))


Order = Callable[[str], tuple[object, ...]]


def place_in_order(items: Sequence[str], new: str, orders: Sequence[Order]) -> int:
    """Before which number `new` goes: in the first of the orders that the items are in, else at
    the end."""
    for order in orders:
        keys = [order(item) for item in items]
        if keys == sorted(keys):
            return sorted([*keys, order(new)]).index(order(new))
    return len(items)


def put_back(lines: Sequence[str], first: int, stop: int, made: Splice) -> str | None:
    """The text with `made` taken back, if its lines stand unchanged, and once, among these."""
    size = len(made.put)
    found = [at for at in range(first, stop - size + 1) if same(lines[at : at + size], made.put)]
    if len(found) != 1:
        return None
    at = found[0]
    exact = tuple(lines[at : at + size])
    if exact == made.put:
        return Splice(at, exact, made.took).into("".join(lines))
    end = newline_of(lines, at + 1)
    took = tuple(without_end(line) + end for line in made.took)
    return Splice(at, exact, took).into("".join(lines))


@dataclass(frozen=True)
class AddItem(PythonEdit):
    """An item of the list, tuple or set that a name is assigned: `__all__`, `ROUTERS`,
    `Settings.origins`. Kept in alphabetical order where it is in one."""

    target: str
    item: str
    """As code: `"Note"`."""
    width: int = 88

    def __str__(self) -> str:
        return f"add {self.item} to {self.target}"

    @property
    def paste(self) -> str:
        return f"{self.target} = [..., {self.item}]\n"

    def _splice(self, text: str) -> Splice | None:
        return adding(read(text), _assigned(read(text), self.target), self.item, self.width)

    def _remove(self, text: str, made: Splice) -> str:
        source = read(text)
        try:
            value = _assigned(source, self.target)
        except CouldNot:
            return text
        return removing(source, value, self.item, made)


@dataclass(frozen=True)
class AddEntry(PythonEdit):
    """An entry of the dict that a name is assigned."""

    target: str
    key: str
    """As code."""
    value: str
    width: int = 88

    def __str__(self) -> str:
        return f"add {self.key} to {self.target}"

    @property
    def paste(self) -> str:
        return f"{self.target}[{self.key}] = {self.value}\n"

    def _splice(self, text: str) -> Splice | None:
        source = read(text)
        value = self._dict(source)
        for element in value.elements:
            if not isinstance(element, cst.DictElement):
                continue
            if same_code(source.code(element.key), self.key):
                if same_code(source.code(element.value), self.value):
                    return None
                line = source.first_line(element) + 1
                raise CouldNot(f"{self.key} has another value already, in line {line}")
        return adding(source, value, f"{self.key}: {self.value}", self.width)

    def _dict(self, source: Source) -> cst.Dict:
        value = _assigned(source, self.target)
        if not isinstance(value, cst.Dict):
            raise CouldNot(f"`{self.target}` is not a dict that is written out")
        return value

    def _remove(self, text: str, made: Splice) -> str:
        source = read(text)
        try:
            value = self._dict(source)
        except CouldNot:
            return text
        for element in value.elements:
            key = isinstance(element, cst.DictElement) and source.code(element.key)
            if key and same_code(key, self.key):
                entry = source.code(element)
                if not _same_item(entry, f"{self.key}: {self.value}"):
                    raise CouldNot(f"line {source.first_line(element) + 1} has another value now")
        return removing(source, value, f"{self.key}: {self.value}", made)


def adding(source: Source, value: cst.CSTNode, code: str, width: int = 88) -> Splice | None:
    """One more item of a list, tuple, set or dict."""
    items = items_of(source, value)
    codes = items.codes
    if any(_same_item(each, code) for each in codes):
        return None
    return items.adding(place_in_order(codes, code, _orders(codes)), code, width)


def removing(source: Source, value: cst.CSTNode, code: str, made: Splice) -> str:
    items = items_of(source, value)
    first, last = source.start(value)[0], source.stop(value)[0]
    back = put_back(source.lines, first, last + 1, made) if made.took else None
    if back is not None:
        return back
    for number, each in enumerate(items.codes):
        if _same_item(each, code):
            return items.removing(number)
    return source.text


def items_of(source: Source, value: cst.CSTNode) -> Items:
    """Raises CouldNot for what is not written out between brackets."""
    if isinstance(value, cst.Tuple) and not value.lpar:
        raise CouldNot("a tuple without parentheses is not extended")
    if not isinstance(value, cst.List | cst.Tuple | cst.Set | cst.Dict):
        raise CouldNot(f"`{source.code(value)}` is not written out between brackets")
    opening, closing = source.start(value), source.stop(value)
    if isinstance(value, cst.Tuple):  # its parentheses are not part of it
        opening, closing = source.start(value.lpar[-1]), source.stop(value.rpar[0])
    return Items(
        source.lines,
        tuple((source.start(element), source.stop(element)) for element in value.elements),
        (opening[0], opening[1] + 1),
        (closing[0], closing[1] - 1),
        source.module.default_indent,
        isinstance(value, cst.Tuple),
    )


def _assigned(source: Source, target: str) -> cst.BaseExpression:
    """What a name of the module, or of a class, is assigned. Raises CouldNot."""
    *within, name = target.split(".")
    body = source.body(within)
    found: list[cst.BaseExpression] = []
    for statement in body.statements:
        for part in small(statement):
            if isinstance(part, cst.Assign):
                targets = [dotted(each.target) for each in part.targets]
            elif isinstance(part, cst.AnnAssign):
                targets = [dotted(part.target)]
            else:
                continue
            if name in targets and part.value is not None:
                found.append(part.value)
    if not found:
        raise CouldNot(f"there is no `{target}`")
    if len(found) > 1:
        raise CouldNot(f"`{target}` is assigned {len(found)} times")
    return found[0]


def _same_item(a: str, b: str) -> bool:
    return same_code(f"x({a})", f"x({b})") or same_code(f"{{{a}}}", f"{{{b}}}")


def _orders(codes: Sequence[str]) -> list[Order]:
    if len(codes) < 2:
        return []  # one alone shows no order
    return [lambda code: (_bare(code),), lambda code: (_bare(code).lower(),)]


def _bare(code: str) -> str:
    return code.strip("'\"")


def _fits(splice: Splice, width: int) -> bool:
    return all(len(without_end(line)) <= width or line in splice.took for line in splice.put)
