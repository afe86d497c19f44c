"""The edit that includes a router in an app, or in another router, beside its siblings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from apiwright.edit.edits import CouldNot
from apiwright.edit.items import adding, removing
from apiwright.edit.lines import Splice, cut_with_blanks, indent_of, insert, is_blank
from apiwright.edit.python import (
    Body,
    PythonEdit,
    Source,
    bindings,
    dotted,
    read,
    same_code,
    small,
)


@dataclass(frozen=True)
class IncludeRouter(PythonEdit):
    """`receiver.include_router(router, …)`, after the last one of its kind.

    Where the house includes its routers in a loop over a list, the router joins the list.
    """

    receiver: str
    """`app`, `api_router`."""
    router: str
    """As code: `notes.router`."""
    arguments: tuple[tuple[str, str], ...] = ()
    """Names and values as code, double-quoted: `("prefix", '"/notes"')`. They are put in the
    order and the quotes of the siblings."""
    inside: str = ""
    """The function that does it, where several do."""
    width: int = 88

    def __str__(self) -> str:
        return f"include {self.router} in {self.receiver}"

    @property
    def paste(self) -> str:
        return self._call(self.arguments) + "\n"

    def _call(self, arguments: tuple[tuple[str, str], ...]) -> str:
        given = [self.router, *(f"{name}={value}" for name, value in arguments)]
        return f"{self.receiver}.include_router({', '.join(given)})"

    def _splice(self, text: str) -> Splice | None:
        source = read(text)
        includes = [each for each in _includes(source) if each.receiver == self.receiver]
        if self.inside:
            includes = [each for each in includes if self.inside in each.body.within]
        for include in includes:
            if loop := include.loop:
                if _in_loop(source, loop, self.router):
                    return None
            elif include.router == self.router:
                self._refuse_other_prefix(include)
                return None
        self._refuse_taken_prefix(includes)
        siblings = self._siblings(includes)
        if not siblings:
            return self._first(source)
        if loop := siblings[-1].loop:
            return self._into_loop(source, siblings[-1], loop)
        return self._after(source, siblings)

    def _refuse_other_prefix(self, include: "_Include") -> None:
        here, ours = include.arguments.get("prefix"), dict(self.arguments).get("prefix")
        if not _same_value(here or '""', ours or '""'):
            raise CouldNot(
                f"{self.router} is included already, in line {include.line}, with "
                + (f"the prefix {here}" if here else "no prefix")
            )

    def _refuse_taken_prefix(self, includes: list["_Include"]) -> None:
        """Only a prefix that is the router's own: several may share `/api`."""
        prefix = dict(self.arguments).get("prefix", "")
        word = prefix.strip("\"'").rstrip("/").rpartition("/")[2]
        own = word and word in re.split(r"\W+|_(?=router)", self.router)
        for include in includes:
            if own and _same_value(include.arguments.get("prefix", ""), prefix):
                raise CouldNot(
                    f"the prefix {prefix} belongs to {include.router} already, in line"
                    f" {include.line}"
                )

    def _siblings(self, includes: list["_Include"]) -> list["_Include"]:
        """Those of one body that ours goes after: not in an `if` where there are others, of
        routers rather than of calls that make one."""
        plain = [each for each in includes if not each.body.conditional] or includes
        functions = {each.body.within for each in plain}
        if len(functions) > 1:
            names = ", ".join(sorted(".".join(name) or "the module" for name in functions))
            raise CouldNot(f"routers are included in several places: {names}")
        if plain:
            plain = [each for each in plain if each.body is plain[-1].body]
        ours = set(dict(self.arguments))
        named = [each for each in plain if each.named]
        same = [each for each in named if set(each.arguments) == ours]
        alike = [each for each in named if bool(each.arguments) == bool(ours)]
        return same or alike or named or plain

    def _after(self, source: Source, siblings: list["_Include"]) -> Splice:
        last = siblings[-1]
        at = source.last_line(last.statement) + 1
        indent = indent_of(source.lines[source.first_line(last.statement)])
        blanks = 0
        if len(siblings) > 1:
            above = source.first_line(last.statement) - 1
            before = source.last_line(siblings[-2].statement)
            rows = source.lines[before + 1 : above + 1]
            blanks = len(rows) if rows and all(map(is_blank, rows)) else 0
        new = self._laid_out(source, siblings, indent)
        return insert(source.lines, at, [""] * blanks + new)

    def _laid_out(self, source: Source, siblings: list["_Include"], indent: str) -> list[str]:
        arguments = _in_order(self.arguments, siblings)
        if siblings and _single_quotes(source, siblings):
            arguments = tuple((name, _requoted(value)) for name, value in arguments)
        call = indent + self._call(arguments)
        spread = bool(siblings) and all(
            source.first_line(each.statement) != source.last_line(each.statement)
            for each in siblings
        )
        if len(call) <= self.width and not spread:
            return [call]
        step = source.module.default_indent
        given = [self.router, *(f"{name}={value}" for name, value in arguments)]
        short = indent + step + ", ".join(given)
        head, tail = f"{indent}{self.receiver}.include_router(", f"{indent})"
        if len(short) <= self.width and not spread:
            return [head, short, tail]
        return [head, *(f"{indent}{step}{each}," for each in given), tail]

    def _into_loop(self, source: Source, sibling: "_Include", loop: "_Loop") -> Splice | None:
        here = dict(self.arguments)
        for name in {*here, *sibling.arguments}:
            if not _same_value(here.get(name, ""), sibling.arguments.get(name, "")):
                raise CouldNot(
                    f"routers are included in a loop, in line {sibling.line}, with other arguments"
                )
        item = _item_of(loop, self.router)
        return adding(source, loop.items, item, self.width)

    def _first(self, source: Source) -> Splice:
        """No router is included yet: below where the app is made, and what is called on it."""
        places = [
            (body, number)
            for body in source.bodies()
            for number, statement in enumerate(body.statements)
            if (not self.inside or self.inside in body.within)
            and any(each.name == self.receiver for each in bindings(source, [statement]))
            and isinstance(next(small(statement), None), cst.Assign | cst.AnnAssign)
        ]
        if len(places) != 1:
            raise CouldNot(
                f"`{self.receiver}` is made in {len(places)} places"
                if places
                else f"there is no `{self.receiver}` that is made here"
            )
        body, number = places[0]
        for later, statement in enumerate(body.statements[number + 1 :], number + 1):
            part = next(small(statement), None)
            call = part.value if isinstance(part, cst.Expr) else None
            if isinstance(call, cst.Call) and dotted(call.func).startswith(f"{self.receiver}."):
                number = later
            else:
                break
        statement = body.statements[number]
        at = source.last_line(statement) + 1
        indent = indent_of(source.lines[source.first_line(statement)])
        after = [] if at == len(source.lines) or is_blank(source.lines[at]) else [""]
        return insert(source.lines, at, ["", *self._laid_out(source, [], indent), *after])

    def _remove(self, text: str, made: Splice) -> str:
        source = read(text)
        for include in _includes(source):
            if include.receiver != self.receiver:
                continue
            if loop := include.loop:
                if _in_loop(source, loop, self.router):
                    return removing(source, loop.items, _item_of(loop, self.router), made)
                continue
            if include.router != self.router:
                continue
            first = source.first_line(include.statement)
            last = source.last_line(include.statement)
            if not _is_call(source.block(include.statement), made):
                raise CouldNot(f"line {first + 1} is not as it was put there")
            if len(include.body.statements) == 1 and include.body.within:
                indent = indent_of(source.lines[first])
                return source.in_place_of(include.statement, [indent + "pass"]).into(source.text)
            return cut_with_blanks(source.lines, first, last + 1, made)
        return text


@dataclass(frozen=True)
class _Loop:
    """`for each in [a, b]: app.include_router(each.router)`"""

    items: cst.CSTNode
    variable: str
    rest: str
    """What is asked of each: `.router`, or nothing."""


@dataclass(frozen=True)
class _Include:
    body: Body
    statement: cst.CSTNode
    line: int
    receiver: str
    router: str
    """As code."""
    named: bool
    """It is a name or an attribute, not a call."""
    arguments: dict[str, str]
    loop: _Loop | None = None


def _includes(source: Source) -> Iterator[_Include]:
    loops = {}
    for body in source.bodies():
        for statement in body.statements:
            if isinstance(statement, cst.For) and isinstance(statement.body, cst.IndentedBlock):
                loops[id(statement.body.body[0])] = statement
            call = _include_call(statement)
            if call is None or not isinstance(call.func, cst.Attribute):
                continue
            first = call.args[0]
            code = source.code(first.value)
            arguments = {
                arg.keyword.value: source.code(arg.value)
                for arg in call.args[1:]
                if arg.keyword is not None
            }
            yield _Include(
                body,
                statement,
                source.first_line(statement) + 1,
                source.code(call.func.value),
                code,
                bool(dotted(first.value)),
                arguments,
                _loop(source, loops.get(id(statement)), code),
            )


def _include_call(statement: cst.CSTNode) -> cst.Call | None:
    parts = list(small(statement))
    if len(parts) != 1 or not isinstance(parts[0], cst.Expr):
        return None
    call = parts[0].value
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return None
    return call if call.func.attr.value == "include_router" and call.args else None


def _loop(source: Source, loop: cst.For | None, code: str) -> _Loop | None:
    if loop is None or not isinstance(loop.target, cst.Name):
        return None
    variable = loop.target.value
    if code != variable and not code.startswith(f"{variable}."):
        return None
    items: cst.CSTNode = loop.iter
    if isinstance(items, cst.Name):  # a list with a name
        named = [
            part.value
            for body in source.bodies()
            for statement in body.statements
            for part in small(statement)
            if isinstance(part, cst.Assign | cst.AnnAssign)
            and part.value is not None
            and items.value in [each.name for each in bindings(source, [part])]
        ]
        if len(named) != 1:
            return None
        items = named[0]
    if not isinstance(items, cst.List | cst.Tuple | cst.Set):
        return None
    return _Loop(items, variable, code.removeprefix(variable))


def _item_of(loop: _Loop, router: str) -> str:
    """What stands for the router in the loop's list. Raises CouldNot."""
    if not router.endswith(loop.rest):
        raise CouldNot(f"the routers of the loop are `{loop.variable}{loop.rest}`")
    return router.removesuffix(loop.rest)


def _in_loop(source: Source, loop: _Loop, router: str) -> bool:
    items = loop.items
    assert isinstance(items, cst.List | cst.Tuple | cst.Set)
    return any(source.code(each.value) + loop.rest == router for each in items.elements)


def _in_order(
    arguments: tuple[tuple[str, str], ...], siblings: list[_Include]
) -> tuple[tuple[str, str], ...]:
    usual = list(siblings[-1].arguments) if siblings else []
    return tuple(
        sorted(arguments, key=lambda each: usual.index(each[0]) if each[0] in usual else len(usual))
    )


def _single_quotes(source: Source, siblings: list[_Include]) -> bool:
    values = "".join(value for each in siblings for value in each.arguments.values())
    quotes = values or source.text
    return quotes.count("'") > quotes.count('"')


def _requoted(value: str) -> str:
    return value if "'" in value or "\\" in value else value.replace('"', "'")


def _same_value(a: str, b: str) -> bool:
    return bool(a) == bool(b) and (not a or same_code(a, b))


def _is_call(block: str, made: Splice) -> bool:
    """Whether the statement is the one that was put there."""
    return same_code(block, "".join(made.added))
