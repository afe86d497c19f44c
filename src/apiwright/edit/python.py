"""A Python file as edits see it: its statements, where they stand, and what its names are."""

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from apiwright.edit import lines
from apiwright.edit.edits import CouldNot, Edit

Place = tuple[int, int]
"""A line and a column, both from 0."""


@dataclass(frozen=True)
class Body:
    """Statements in a row: of the module, a class, a function, or of an `if` and the like."""

    statements: tuple[cst.BaseStatement, ...]
    within: tuple[str, ...] = ()
    """The names of the classes and functions around it."""
    conditional: bool = False
    """It is that of an `if`, a loop, a `try`, a `with`."""
    type_checking: bool = False
    """It is that of `if TYPE_CHECKING`."""


class Source:
    """Read only. Lines and columns count from 0; the last line of a span is part of it."""

    def __init__(self, text: str) -> None:
        try:
            wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        except cst.ParserSyntaxError as error:
            raise CouldNot(f"line {error.raw_line} is not valid Python") from None
        except (RecursionError, UnicodeError, ValueError) as error:
            raise CouldNot(f"it cannot be read as Python: {error}") from None
        self.text = text
        self.lines = lines.split(text)
        self.module = wrapper.module
        self._positions = wrapper.resolve(PositionProvider)

    def start(self, node: cst.CSTNode) -> Place:
        position = self._position(node).start
        return position.line - 1, position.column

    def stop(self, node: cst.CSTNode) -> Place:
        position = self._position(node).end
        return position.line - 1, position.column

    def _position(self, node: cst.CSTNode) -> CodeRange:
        position = self._positions[node]
        assert isinstance(position, CodeRange)
        return position

    def first_line(self, statement: cst.CSTNode) -> int:
        """Decorators included, comments above not."""
        if isinstance(statement, cst.FunctionDef | cst.ClassDef) and statement.decorators:
            return self.start(statement.decorators[0])[0]
        return self.start(statement)[0]

    def last_line(self, statement: cst.CSTNode) -> int:
        return self.stop(statement)[0]

    def below(self, statement: cst.CSTNode) -> int:
        """The first line after it that is not a comment at the end of its body."""
        below = self.last_line(statement) + 1
        if isinstance(statement, cst.SimpleStatementLine):
            return below
        indent = lines.indent_of(self.lines[self.first_line(statement)])
        for number, line in enumerate(self.lines[below:], below):
            if line.lstrip().startswith("#") and len(lines.indent_of(line)) > len(indent):
                below = number + 1
            elif not lines.is_blank(line):
                break
        return below

    def code(self, node: cst.CSTNode) -> str:
        return lines.between(self.lines, self.start(node), self.stop(node))

    def block(self, statement: cst.CSTNode) -> str:
        """Its whole lines, without what indents all of them."""
        first, last = self.first_line(statement), self.last_line(statement)
        indent = lines.indent_of(self.lines[first])
        code = "".join(lines.without_end(line) + "\n" for line in self.lines[first : last + 1])
        inside = _lines_in_strings(code)
        return "\n".join(
            line if number in inside else line.removeprefix(indent)
            for number, line in enumerate(code.split("\n"))
        ).strip("\n")

    def in_place_of(self, statement: cst.CSTNode, new: Sequence[str]) -> lines.Splice:
        """Lines, given without their ends, instead of those of the statement."""
        first, last = self.first_line(statement), self.last_line(statement)
        took = self.lines[first : last + 1]
        end = lines.newline_of(self.lines, first)
        put = [line + end for line in new]
        put[-1] = lines.without_end(put[-1]) + lines.end_of(took[-1])
        return lines.Splice(first, tuple(took), tuple(put))

    def bodies(self) -> Iterator[Body]:
        top = Body(tuple(self.module.body))
        yield top
        yield from _below(self, top)

    def body(self, within: Sequence[str]) -> Body:
        """The body of the module, or of the class or function of that name. Raises CouldNot."""
        if not within:
            return next(self.bodies())
        found = [
            body for body in self.bodies() if body.within == tuple(within) and not body.conditional
        ]
        if not found:
            raise CouldNot(f"there is no `{'.'.join(within)}` whose lines can be added to")
        if len(found) > 1:
            raise CouldNot(f"there are {len(found)} of the name `{'.'.join(within)}`")
        return found[0]


@lru_cache(maxsize=64)
def read(text: str) -> Source:
    return Source(text)


def _below(source: Source, body: Body) -> Iterator[Body]:
    for statement in body.statements:
        for block in _blocks(statement):
            if not isinstance(block, cst.IndentedBlock):
                continue  # on one line with its head: nothing can be added to it
            within, conditional, checking = body.within, True, False
            if isinstance(statement, cst.FunctionDef | cst.ClassDef):
                within, conditional = (*within, statement.name.value), False
            elif isinstance(statement, cst.If):
                checking = block is statement.body and is_type_checking(statement)
            inner = Body(tuple(block.body), within, conditional or body.conditional, checking)
            yield inner
            yield from _below(source, inner)


def _blocks(statement: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The bodies of a compound statement, those of its `else` and `except` too."""
    if isinstance(statement, cst.SimpleStatementLine):
        return
    for child in statement.children:
        if isinstance(child, cst.BaseSuite):
            yield child
        elif isinstance(
            child,
            cst.If
            | cst.Else
            | cst.Finally
            | cst.ExceptHandler
            | cst.ExceptStarHandler
            | cst.MatchCase,
        ):
            yield from _blocks(child)


def is_type_checking(statement: cst.CSTNode) -> bool:
    if not isinstance(statement, cst.If):
        return False
    test = statement.test
    return (isinstance(test, cst.Name) and test.value == "TYPE_CHECKING") or (
        isinstance(test, cst.Attribute) and test.attr.value == "TYPE_CHECKING"
    )


def small(statement: cst.CSTNode) -> Iterator[cst.BaseSmallStatement]:
    if isinstance(statement, cst.SimpleStatementLine):
        yield from statement.body


def dotted(node: cst.CSTNode | None) -> str:
    """`a.b.c` of a name or an attribute of names; otherwise nothing."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr.value}" if left else ""
    return ""


def is_docstring(statement: cst.CSTNode) -> bool:
    first = next(small(statement), None)
    return isinstance(first, cst.Expr) and isinstance(
        first.value, cst.SimpleString | cst.ConcatenatedString
    )


# names


@dataclass(frozen=True)
class Binding:
    name: str
    line: int
    """From 1, as people count."""
    node: cst.CSTNode


def bindings(source: Source, statements: Sequence[cst.CSTNode]) -> list[Binding]:
    """What the statements bind, also under `if` and the like, not in classes and functions."""
    return [
        Binding(name, source.first_line(node) + 1, node)
        for statement in statements
        for name, node in _bound(statement)
    ]


def _bound(statement: cst.CSTNode) -> Iterator[tuple[str, cst.CSTNode]]:
    if isinstance(statement, cst.FunctionDef | cst.ClassDef):
        yield statement.name.value, statement
        return
    if isinstance(statement, cst.Import | cst.ImportFrom):
        if not isinstance(statement.names, cst.ImportStar):
            for alias in statement.names:
                yield bound_by(alias), statement
        return
    if isinstance(statement, cst.Assign):
        for target in statement.targets:
            yield from ((name, statement) for name in _targets(target.target))
    elif isinstance(statement, cst.AnnAssign | cst.For):
        yield from ((name, statement) for name in _targets(statement.target))
    elif isinstance(statement, cst.TypeAlias):
        yield statement.name.value, statement
    elif isinstance(statement, cst.With):
        for item in statement.items:
            if item.asname:
                yield from ((name, statement) for name in _targets(item.asname.name))
    elif isinstance(statement, cst.MatchAs | cst.MatchStar) and statement.name:
        yield statement.name.value, statement
    elif isinstance(statement, cst.NamedExpr):
        yield from ((name, statement) for name in _targets(statement.target))
    for child in statement.children:
        if not isinstance(child, cst.Lambda | cst.BaseComp):
            yield from _bound(child)


def _targets(target: cst.CSTNode) -> Iterator[str]:
    if isinstance(target, cst.Name):
        yield target.value
    elif isinstance(target, cst.Tuple | cst.List):
        for element in target.elements:
            yield from _targets(element.value)


def bound_by(alias: cst.ImportAlias) -> str:
    if alias.asname is not None:
        return dotted(alias.asname.name)
    return dotted(alias.name).partition(".")[0]


def _reading(node: cst.CSTNode, name: str, annotation: bool = False) -> Iterator[cst.CSTNode]:
    """Nodes that read a name; what an import, a keyword or an attribute is called does not."""
    if isinstance(node, cst.Import | cst.ImportFrom):
        return
    if isinstance(node, cst.Attribute | cst.Arg):
        yield from _reading(node.value, name, annotation)
        return
    if isinstance(node, cst.Name):
        if node.value == name:
            yield node
        return
    if isinstance(node, cst.SimpleString):
        if annotation and re.search(rf"\b{re.escape(name)}\b", node.value):
            yield node
        return
    for child in node.children:
        yield from _reading(child, name, annotation or isinstance(node, cst.Annotation))


def uses(source: Source, name: str) -> list[int]:
    """The lines, from 1, that use a name outside of imports."""
    return sorted(source.start(node)[0] + 1 for node in _reading(source.module, name))


# code


def dedented(code: str) -> str:
    return textwrap.dedent(code.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")


def same_code(a: str, b: str) -> bool:
    """Whether they differ in layout and quotes at most, as a formatter leaves them."""
    a, b = dedented(a), dedented(b)
    if a.strip() == b.strip():
        return True
    try:
        trees = [ast.dump(ast.parse(code)) for code in (a, b)]
        remarks = [_comments(code) for code in (a, b)]
    except (SyntaxError, ValueError, tokenize.TokenError):
        return False
    return trees[0] == trees[1] and remarks[0] == remarks[1]


def _comments(code: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def laid_out(code: str, indent: str, step: str) -> list[str]:
    """Its lines without ends, four spaces become `step`, all indented; strings are left alone."""
    code = dedented(code)
    inside = _lines_in_strings(code)
    laid = []
    for number, line in enumerate(code.split("\n")):
        bare = line.lstrip(" ")
        if number in inside or not bare:
            laid.append(line if number in inside else "")
        else:
            depth, rest = divmod(len(line) - len(bare), 4)
            laid.append(indent + step * depth + " " * rest + bare)
    return laid


def _lines_in_strings(code: str) -> set[int]:
    """The lines, from 0, that begin within a string other than a docstring."""
    inside: set[int] = set()
    fresh = True  # nothing yet in this statement: a string here is a docstring
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                fresh = True
            elif token.type not in (tokenize.NL, tokenize.COMMENT):
                if not (fresh and token.type == tokenize.STRING):
                    inside.update(range(token.start[0], token.end[0]))
                fresh = False
    except (tokenize.TokenError, SyntaxError):
        pass  # the check of the result decides
    return inside


class PythonEdit(Edit):
    """An edit of a Python file."""

    def _read(self, text: str) -> Source:
        return read(text)
