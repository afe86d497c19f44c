"""Edits that put a statement into a body: a class or function, a field, any other."""

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from apiwright.edit.edits import CouldNot
from apiwright.edit.lines import (
    Splice,
    cut_with_blanks,
    indent_of,
    insert,
    is_blank,
    without_end,
)
from apiwright.edit.python import (
    Body,
    PythonEdit,
    Source,
    bindings,
    dedented,
    dotted,
    is_docstring,
    laid_out,
    read,
    same_code,
    small,
)


@dataclass(frozen=True)
class AddDefinition(PythonEdit):
    """A class or function at the module's top level: after the statement that binds the name
    `after`, else at the end (before `if __name__ == …`)."""

    code: str
    after: str = ""

    def __str__(self) -> str:
        return f"add {_described(self.code)}"

    @property
    def paste(self) -> str:
        return dedented(self.code) + "\n"

    def _splice(self, text: str) -> Splice | None:
        source = read(text)
        body = source.body(())
        if _standing(source, body, self.code) is not None:
            return None
        _refuse_bound(source, body, self.code)
        at = self._place(source, body)
        between = _usual_blanks(source)
        new = laid_out(self.code, "", source.module.default_indent)
        if before := source.lines[:at]:
            new = [""] * (between - _blanks_at_end(before)) + new
        if any(not is_blank(line) for line in source.lines[at:]):
            new += [""] * (between - _blanks_at_end(list(reversed(source.lines[at:]))))
        return insert(source.lines, at, new)

    def _place(self, source: Source, body: Body) -> int:
        if self.after:
            return source.below(_binding(source, body, self.after))
        guard = body.statements[-1] if body.statements else None
        if isinstance(guard, cst.If) and "__name__" in source.code(guard.test):
            at = source.first_line(guard)
            while at and source.lines[at - 1].startswith("#"):
                at -= 1
            while at and is_blank(source.lines[at - 1]):
                at -= 1
            return at
        return len(source.lines)

    def _remove(self, text: str, made: Splice) -> str:
        return take_out(text, self.code, made, ())


@dataclass(frozen=True)
class AddField(PythonEdit):
    """An attribute in the body of a class: after the field `after`, else after its last field."""

    owner: str
    """The class; one inside another is `Outer.Inner`."""
    code: str
    after: str = ""

    def __str__(self) -> str:
        return f"add {_described(self.code)} to {self.owner}"

    @property
    def paste(self) -> str:
        return "\n".join(laid_out(self.code, "    ", "    ")) + "\n"

    def _splice(self, text: str) -> Splice | None:
        source = read(text)
        body = source.body(self.owner.split("."))
        if _standing(source, body, self.code) is not None:
            return None
        _refuse_bound(source, body, self.code)
        after = self._after(source, body)
        at = source.last_line(after) + 1
        indent = indent_of(source.lines[source.first_line(body.statements[0])])
        new = laid_out(self.code, indent, source.module.default_indent)
        if _is_filler(after):
            return source.in_place_of(after, new)
        if is_docstring(after):
            new = ["", *new]
        rest = next((each for each in body.statements if source.first_line(each) >= at), None)
        if isinstance(rest, cst.FunctionDef | cst.ClassDef) and not is_blank(source.lines[at]):
            new = [*new, ""]
        return insert(source.lines, at, new)

    def _after(self, source: Source, body: Body) -> cst.CSTNode:
        if self.after:
            return _binding(source, body, self.after)
        fields = [each for each in body.statements if _field(each)]
        kind = _field(read(dedented(self.code)).module.body[0])
        alike = [each for each in fields if _field(each) == kind]
        if fields:
            return (alike or fields)[-1]
        first = body.statements[0]
        if is_docstring(first) or _is_filler(first):
            second = body.statements[1:2]
            return second[0] if second and _is_filler(second[0]) else first
        raise CouldNot(f"`{self.owner}` has no fields after which it could go")

    def _remove(self, text: str, made: Splice) -> str:
        within = self.owner.split(".")
        filler = without_end("".join(made.took)).lstrip()
        if filler.partition("#")[0].strip() in ("pass", "..."):
            source = read(text)
            body = source.body(within)
            found = _standing(source, body, self.code)
            others = [each for each in body.statements if each is not found]
            if found is not None and all(map(is_docstring, others)):
                indent = indent_of(source.lines[source.first_line(found)])
                return source.in_place_of(found, [indent + filler]).into(text)
        return take_out(text, self.code, made, within)


@dataclass(frozen=True)
class AddStatement(PythonEdit):
    """A statement right after another, which is named by what it binds (`app`) or by its code."""

    code: str
    after: str
    inside: str = ""
    """The function, or class, whose body it goes into; otherwise the module's."""
    blanks: int = 0
    """Blank lines before it."""

    def __str__(self) -> str:
        return f"add `{dedented(self.code).partition(chr(10))[0]}` after `{self.after}`"

    @property
    def paste(self) -> str:
        return dedented(self.code) + "\n"

    @property
    def _within(self) -> tuple[str, ...]:
        return tuple(self.inside.split(".")) if self.inside else ()

    def _splice(self, text: str) -> Splice | None:
        source = read(text)
        body = source.body(self._within)
        if _standing(source, body, self.code) is not None:
            return None
        _refuse_bound(source, body, self.code)
        after = _binding(source, body, self.after)
        indent = indent_of(source.lines[source.first_line(after)])
        new = laid_out(self.code, indent, source.module.default_indent)
        return insert(source.lines, source.below(after), [""] * self.blanks + new)

    def _remove(self, text: str, made: Splice) -> str:
        return take_out(text, self.code, made, self._within)


def take_out(text: str, code: str, made: Splice, within: Sequence[str]) -> str:
    """The text without that statement of that body, and the blank lines it brought along."""
    source = read(text)
    try:
        body = source.body(within)
    except CouldNot:
        if any(_standing(source, other, code) for other in source.bodies()):
            raise
        return text  # gone with all that was around it
    found = _standing(source, body, code)
    if found is None:
        if (line := _changed(source, body, code)) is not None:
            raise CouldNot(f"line {line} is not as it was put there")
        return text
    first, last = source.first_line(found), source.last_line(found)
    if len(body.statements) == 1 and within:
        indent = indent_of(source.lines[first])
        return source.in_place_of(found, [indent + "pass"]).into(text)
    return cut_with_blanks(source.lines, first, last + 1, made)


def _standing(source: Source, body: Body, code: str) -> cst.CSTNode | None:
    """The statement of the body that is this code, on lines of its own."""
    for statement in body.statements:
        if len(list(small(statement))) > 1:
            continue
        if same_code(source.block(statement), code):
            return statement
    return None


def _changed(source: Source, body: Body, code: str) -> int | None:
    """The line, from 1, of a statement that binds the same names, or calls the same on the same,
    as the code."""
    for statement in body.statements:
        if _key(statement) and _key(statement) == _key(read(dedented(code)).module.body[0]):
            return source.first_line(statement) + 1
    return None


def _key(statement: cst.CSTNode) -> tuple[str, ...]:
    if isinstance(statement, cst.FunctionDef | cst.ClassDef):
        return ("binds", statement.name.value)
    for part in small(statement):
        if isinstance(part, cst.AnnAssign):
            return ("binds", dotted(part.target))
        if isinstance(part, cst.Assign):
            return ("binds", *(dotted(target.target) for target in part.targets))
        if isinstance(part, cst.Expr) and isinstance(part.value, cst.Call):
            first = part.value.args[0].value if part.value.args else None
            return ("calls", dotted(part.value.func), dotted(first))
    return ()


def _refuse_bound(source: Source, body: Body, code: str) -> None:
    new = read(dedented(code))
    names = {binding.name for binding in bindings(new, new.module.body)}
    for binding in bindings(source, body.statements):
        if binding.name in names:
            raise CouldNot(f"`{binding.name}` is something else already, in line {binding.line}")


def _binding(source: Source, body: Body, after: str) -> cst.CSTNode:
    """The statement of the body that binds the name, or is the code. Raises CouldNot."""
    found = [
        statement
        for statement in body.statements
        if any(binding.name == after for binding in bindings(source, [statement]))
        or same_code(source.block(statement), after)
    ]
    if not found:
        raise CouldNot(f"there is no `{after}` after which it could go")
    return found[-1]


def _field(statement: cst.CSTNode) -> str:
    """What kind of attribute it is: a field, a relationship, a setting of the class; or none."""
    for part in small(statement):
        if isinstance(part, cst.AnnAssign | cst.Assign):
            target = part.target if isinstance(part, cst.AnnAssign) else part.targets[0].target
            call = part.value if isinstance(part.value, cst.Call) else None
            made_by = dotted(call.func).rpartition(".")[2] if call else ""
            if made_by.lower() == "relationship":
                return "relationship"
            if made_by == "ConfigDict" or dotted(target).startswith("__"):
                return "setting"
            return "field"
    return ""


def _is_filler(statement: cst.CSTNode) -> bool:
    """`pass` or `...`"""
    part = next(small(statement), None)
    return isinstance(part, cst.Pass) or (
        isinstance(part, cst.Expr) and isinstance(part.value, cst.Ellipsis)
    )


def _described(code: str) -> str:
    for statement in read(dedented(code)).module.body:
        if isinstance(statement, cst.ClassDef):
            return f"class {statement.name.value}"
        if isinstance(statement, cst.FunctionDef):
            return f"function {statement.name.value}"
        key = _key(statement)
        if key[:1] == ("binds",):
            return key[1]
    return f"`{dedented(code).partition(chr(10))[0]}`"


def _usual_blanks(source: Source) -> int:
    """How many blank lines the file has above a class or function, by majority; else 2."""
    statements = source.module.body
    counts = [
        _blanks_at_end(source.lines[: source.first_line(each)])
        for each in statements[1:]
        if isinstance(each, cst.FunctionDef | cst.ClassDef)
    ]
    counts = [count for count in counts if count]  # 0: a comment stands above
    return max(set(counts), key=counts.count) if counts else 2


def _blanks_at_end(rows: list[str]) -> int:
    return next((i for i, row in enumerate(reversed(rows)) if not is_blank(row)), len(rows))
