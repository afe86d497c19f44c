"""Edits that import a name, where the house keeps its imports."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import libcst as cst

from apiwright.edit.edits import CouldNot
from apiwright.edit.items import Items, place_in_order, put_back
from apiwright.edit.lines import (
    Splice,
    cut_with_blanks,
    indent_of,
    insert,
    is_blank,
    replace,
)
from apiwright.edit.python import (
    Body,
    PythonEdit,
    Source,
    bindings,
    bound_by,
    dotted,
    is_docstring,
    is_type_checking,
    read,
    small,
    uses,
)

Import = cst.Import | cst.ImportFrom


@dataclass(frozen=True)
class AddImport(PythonEdit):
    """`from module import name as alias`; without a name, `import module as alias`.

    Relative modules begin with dots. It joins an import of the same module, else it takes its
    place in the right section, in order where the section is in order.
    """

    module: str
    name: str = ""
    alias: str = ""
    ours: bool = False
    """The module is the project's own: where nothing else of it is imported yet, that decides on
    the section."""
    type_checking: bool = False
    """In the module's `if TYPE_CHECKING:`, which is made when there is none."""
    width: int = 88
    last: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"import {self._bound} from {self.module}" if self.name else self._statement

    @property
    def paste(self) -> str:
        return self._statement + "\n"

    @property
    def _bound(self) -> str:
        return self.alias or self.name or self.module.partition(".")[0]

    @property
    def _item(self) -> str:
        what = self.name or self.module
        return f"{what} as {self.alias}" if self.alias and self.alias != what else what

    @property
    def _statement(self) -> str:
        return f"from {self.module} import {self._item}" if self.name else f"import {self._item}"

    def _splice(self, text: str) -> Splice | None:
        source = read(text)
        if self._stands(source):
            return None
        body = self._body(source)
        if body is None:
            return self._first_for_type_checking(source)
        if self.name and (joined := self._join(source, body)):
            return joined
        return _insert(source, body, self, self._line)

    @property
    def _line(self) -> str:
        return self._statement

    def _stands(self, source: Source) -> bool:
        """Whether the name is bound to this already. Raises CouldNot when it is to another."""
        statements = source.body(()).statements
        checking = [each for each in statements if is_type_checking(each)]
        for binding in bindings(source, [each for each in statements if each not in checking]):
            if binding.name == self._bound:
                if self._is_this(binding.node):
                    return True
                if not self._is_harmless(binding.node):
                    raise CouldNot(
                        f"`{self._bound}` is something else already, in line {binding.line}"
                    )
        for binding in bindings(source, checking):
            if binding.name == self._bound:
                if self.type_checking and self._is_this(binding.node):
                    return True
                raise CouldNot(
                    f"`{self._bound}` is imported for type checking only, in line {binding.line}"
                    if self._is_this(binding.node)
                    else f"`{self._bound}` is something else already, in line {binding.line}"
                )
        return False

    def _is_this(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.ImportFrom) and self.name:
            return _module(node) == self.module and any(
                dotted(alias.name) == self.name and bound_by(alias) == self._bound
                for alias in _names(node)
            )
        if isinstance(node, cst.Import) and not self.name:
            return any(
                dotted(alias.name) == self.module and bound_by(alias) == self._bound
                for alias in node.names
            )
        return False

    def _is_harmless(self, node: cst.CSTNode) -> bool:
        """`import a.b` and `import a.c` both bind `a`."""
        return (
            not self.name
            and not self.alias
            and isinstance(node, cst.Import)
            and any(
                dotted(alias.name).partition(".")[0] == self._bound and alias.asname is None
                for alias in node.names
            )
        )

    def _body(self, source: Source) -> Body | None:
        if not self.type_checking:
            return source.body(())
        checking = [body for body in source.bodies() if body.type_checking and not body.within]
        return checking[0] if checking else None

    def _first_for_type_checking(self, source: Source) -> Splice:
        names = {binding.name for binding in bindings(source, source.module.body)}
        if "TYPE_CHECKING" not in names:
            raise CouldNot("`TYPE_CHECKING` is not imported")
        at = _sections(source, source.body(()))[-1][-1].last + 1
        step = source.module.default_indent
        new = ["", "if TYPE_CHECKING:", step + self._statement]
        if at < len(source.lines) and not is_blank(source.lines[at]):
            new.append("")
        return insert(source.lines, at, new)

    def _join(self, source: Source, body: Body) -> Splice | None:
        alike = [
            each
            for each in map(_import, body.statements)
            if isinstance(each, cst.ImportFrom)
            and _module(each) == self.module
            and not isinstance(each.names, cst.ImportStar)
        ]
        if len(alike) > 1 and all(len(_names(each)) == 1 for each in alike):
            return None  # the house has a line for each
        for each in alike:
            renamed = [alias.asname is not None for alias in _names(each)]
            if ("as" in self._item.split()) == all(renamed) or (any(renamed) and not all(renamed)):
                if self.alias and all(renamed) and len(renamed) == 1:
                    continue  # formatters keep each of these on a line of its own
                return self._into(source, each)
        return None

    def _into(self, source: Source, node: cst.ImportFrom) -> Splice:
        items = _items(source, node)
        orders = [by_type, _by_name, lambda code: (code,)]
        number = place_in_order(items.codes, self._item, orders)
        return items.adding(number, self._item, self.width)

    def _remove(self, text: str, made: Splice) -> str:
        source = read(text)
        for body in source.bodies():
            if body.within:
                continue
            for statement in body.statements:
                node = _import(statement)
                if node is not None and self._is_this(node):
                    return self._taken_out(source, statement, node, body, made)
        return text

    def _taken_out(
        self, source: Source, statement: cst.CSTNode, node: Import, body: Body, made: Splice
    ) -> str:
        if used := self._used(source):
            raise CouldNot(f"`{self._bound}` is in use, in line {used}")
        first, last = source.first_line(statement), source.last_line(statement)
        if made.took and (back := put_back(source.lines, first, last + 1, made)):
            return back
        if len(list(small(statement))) > 1:
            raise CouldNot(f"line {first + 1} holds other statements too")
        if len(_names(node)) > 1:
            items = _items(source, node)
            return items.removing([_plain(code) for code in items.codes].index(_plain(self._item)))
        if body.type_checking and len(body.statements) == 1:
            block = [each for each in source.body(()).statements if is_type_checking(each)]
            if any("TYPE_CHECKING" in row for row in made.put) and len(block) == 1:
                first = source.first_line(block[0])
                return cut_with_blanks(source.lines, first, last + 1, made)
            indent = indent_of(source.lines[first])
            return replace(source.lines, (first, len(indent)), source.stop(statement), "pass").into(
                source.text
            )
        return cut_with_blanks(source.lines, first, last + 1, made)

    def _used(self, source: Source) -> int | None:
        """A line that would not work without it."""
        names = [
            binding.node
            for binding in bindings(source, source.module.body)
            if binding.name == self._bound
        ]
        if len(names) > 1:
            return None  # another import binds it too
        return next(iter(uses(source, self._bound)), None)


@dataclass(frozen=True)
class AddModelImport(AddImport):
    """An import for its effect alone, as Alembic's `env.py` has them: that the model is known.
    There already when the module is imported whole, or everything of it by a star."""

    def __str__(self) -> str:
        return f"let migrations know {self._bound}"

    @property
    def _line(self) -> str:
        return f"{self._statement}  # noqa: F401"

    def _stands(self, source: Source) -> bool:
        for statement in source.body(()).statements:
            node = _import(statement)
            if isinstance(node, cst.Import):
                if any(dotted(alias.name) == self.module for alias in node.names):
                    return True
            elif isinstance(node, cst.ImportFrom):
                star = isinstance(node.names, cst.ImportStar)
                if star and _module(node) == self.module:
                    return True
                joint = "" if _module(node).endswith(".") else "."
                if any(
                    f"{_module(node)}{joint}{dotted(alias.name)}" == self.module
                    for alias in _names(node)
                ):
                    return True
        return super()._stands(source)

    def _used(self, source: Source) -> int | None:
        return None


# where a new line goes


def _insert(source: Source, body: Body, new: AddImport, line: str) -> Splice:
    everywhere = _sections(source, body, top=False)
    sections = _sections(source, body)
    indent = ""
    if body.type_checking:
        indent = indent_of(source.lines[source.first_line(body.statements[0])])
    line = indent + line
    section = _home(sections, everywhere, new)
    if section is not None:
        codes = [_text(each) for each in section]
        number = place_in_order(codes, _text(new), [_apart, _together])
        if number == len(section) and not _is_sorted(codes):
            akin = [i for i, each in enumerate(section) if _root(each) == _root(new)]
            akin = akin or [i for i, each in enumerate(section) if _rank(each) == _rank(new)]
            number = akin[-1] + 1 if akin else number
        if number == 0:
            return insert(source.lines, section[0].first, [line])
        return insert(source.lines, section[number - 1].last + 1, [line])
    if not sections:
        return _first(source, body, line)
    if _rank(new) == 0:
        return insert(source.lines, sections[0][0].first, [line, ""])
    later = [section for section in sections if max(map(_rank, section)) > _rank(new)]
    if later:
        return insert(source.lines, later[0][0].first, [line, ""])
    at = sections[-1][-1].last + 1
    after = [""] if at < len(source.lines) and not is_blank(source.lines[at]) else []
    return insert(source.lines, at, ["", line, *after])


@dataclass(frozen=True)
class _Standing:
    """An import statement of the block at the top."""

    node: Import
    first: int
    """Its first line, comments right above it included."""
    last: int


def _sections(source: Source, body: Body, top: bool = True) -> list[list[_Standing]]:
    """The imports, in groups that blank lines and other statements set apart; those at the top
    of the file, or all."""
    sections: list[list[_Standing]] = []
    follows = False  # an import, without a blank line between
    for statement in body.statements:
        node = _import(statement)
        if node is None:
            follows = False
            if top and not is_docstring(statement):
                break
            continue
        first, last = source.first_line(statement), source.last_line(statement)
        while first and source.lines[first - 1].lstrip().startswith("#"):
            first -= 1
        if first == 0:  # those at the top are about the file
            first = source.first_line(statement)
        if not follows or (first and is_blank(source.lines[first - 1])):
            sections.append([])
        sections[-1].append(_Standing(node, first, last))
        follows = True
    return sections


def _home(
    top: list[list[_Standing]], everywhere: list[list[_Standing]], new: AddImport
) -> list[_Standing] | None:
    """The section for it, if there is one: that of its package; else of its kind, at the top."""
    for section in [*reversed(top), *everywhere]:
        if any(_root(each) == _root(new) for each in section):
            return section
    rank = _rank(new)
    ranks = [{_rank(each) for each in section} for section in top]
    exact = [section for section, found in zip(top, ranks, strict=True) if found == {rank}]
    if rank == 0:
        return exact[0] if exact else None
    if rank == 2 and new.ours:  # a section of packages is not the project's own
        return exact[-1] if len(exact) > 1 else None
    mixed = [section for section, found in zip(top, ranks, strict=True) if len(found - {0}) > 1]
    return exact[0] if exact else mixed[-1] if mixed else None


def _first(source: Source, body: Body, line: str) -> Splice:
    """The first import of the file: below its docstring, else below the comments at its top."""
    if body.type_checking:
        return insert(source.lines, source.first_line(body.statements[0]), [line])
    statements = body.statements
    if statements and is_docstring(statements[0]):
        at = source.last_line(statements[0]) + 1
        rest = source.lines[at:]
        after = [""] if rest and not is_blank(rest[0]) else []
        return insert(source.lines, at, ["", line, *after])
    at = 0
    while at < len(source.lines) and source.lines[at].startswith("#"):
        at += 1
    if at < len(source.lines) and not is_blank(source.lines[at]):  # comments of what follows
        at = 0
        while re.match(r"#!|#.*coding[:=]", source.lines[at]) and at < 2:
            at += 1
    before = [""] if at else []
    rest = source.lines[at:]
    after = [""] if any(not is_blank(row) for row in rest) and not is_blank(rest[0]) else []
    return insert(source.lines, at, [*before, line, *after])


# what imports are


def _import(statement: cst.CSTNode) -> Import | None:
    return next(
        (part for part in small(statement) if isinstance(part, cst.Import | cst.ImportFrom)), None
    )


def _names(node: Import) -> Sequence[cst.ImportAlias]:
    return () if isinstance(node.names, cst.ImportStar) else node.names


def _module(node: cst.ImportFrom) -> str:
    return "." * len(node.relative) + dotted(node.module)


def _of(each: _Standing | AddImport) -> tuple[str, bool]:
    """Its module, and whether it is a `from` import."""
    if isinstance(each, AddImport):
        return each.module, bool(each.name)
    if isinstance(each.node, cst.ImportFrom):
        return _module(each.node), True
    return dotted(each.node.names[0].name), False


def _root(each: _Standing | AddImport) -> str:
    module, _ = _of(each)
    return "." if module.startswith(".") else module.partition(".")[0]


def _rank(each: _Standing | AddImport) -> int:
    """0 the future, 1 the standard library, 2 packages and the project, 3 relative."""
    root = _root(each)
    if root == ".":
        return 3
    if root == "__future__":
        return 0
    return 1 if root in sys.stdlib_module_names else 2


def _text(each: _Standing | AddImport) -> str:
    module, is_from = _of(each)
    if isinstance(each, AddImport):
        name = each.name
    else:
        name = next((dotted(alias.name) for alias in _names(each.node)), "")
    return f"{'from' if is_from else 'import'} {module} {name}"


def _apart(text: str) -> tuple[object, ...]:
    """`import x` before `from x import y`."""
    return text.startswith("from"), *_together(text)


def _together(text: str) -> tuple[object, ...]:
    _, module, name = text.split(" ")
    dots = len(module) - len(module.lstrip("."))
    return -dots, _natural(module), by_type(name)


def _is_sorted(texts: Sequence[str]) -> bool:
    return any(sorted(texts, key=order) == texts for order in (_apart, _together))


def by_type(code: str) -> tuple[object, ...]:
    """CONSTANTS, then Classes, then functions, as isort and ruff have it."""
    name = code.split(" ")[0]
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, _natural(name)


def _by_name(code: str) -> tuple[object, ...]:
    return (_natural(code),)


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.findall(r"\d+|\D+", name.lower())
    )


def _items(source: Source, node: Import) -> Items:
    names = _names(node)
    spans = tuple((source.start(alias), source.stop(alias)) for alias in names)
    step = source.module.default_indent
    if isinstance(node, cst.ImportFrom) and isinstance(node.lpar, cst.LeftParen):
        assert node.rpar is not None
        line, column = source.start(node.lpar)
        last, right = source.stop(node.rpar)
        return Items(source.lines, spans, (line, column + 1), (last, right - 1), step)
    return Items(source.lines, spans, spans[0][0], spans[-1][1], step, enclosed=False)


def _plain(code: str) -> str:
    return " ".join(code.split())
