"""Where others come to know of the copy: they import it, include its router, and the user has its
rows."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import libcst as cst

from apiwright.edit.plan import (
    AddField,
    AddImport,
    AddItem,
    AddModelImport,
    Change,
    IncludeRouter,
)
from apiwright.edit.python import Source as Code
from apiwright.edit.python import dotted, small
from apiwright.errors import Refused
from apiwright.generators import copying
from apiwright.generators.original import KnownNames, Original, target


class Wiring:
    def __init__(self, of: Original) -> None:
        self.of = of

    def changes(self) -> Iterator[Change]:
        """Where others import it and include its router."""
        for path, source in sorted(self.of.names.sources.items()):
            if path in self.of.whole or source.is_test or path in set(self.of.packages()):
                continue
            yield from self._imports_in(path)
        yield from self._included()
        yield from self._on_user()

    def _imports_in(self, path: str) -> Iterator[Change]:
        source = self.of.names.sources[path]
        known = self.of.known(path)
        is_env = path.endswith("env.py")
        includes = self._include_roots(path)
        imports = [
            (each, False) for each in source.tree.body if isinstance(each, ast.ImportFrom)
        ] + [
            (each, True)
            for block in source.tree.body
            if isinstance(block, ast.If)
            for each in block.body
            if isinstance(each, ast.ImportFrom)
        ]
        code = None
        for node, checking in imports:
            for alias in node.names:
                bound = alias.asname or alias.name
                if alias.name == "*" or known.meaning(bound) != "ours":
                    continue
                found = self.of.definition(path, bound)
                if found is None or found[0] not in self.of.whole:
                    continue
                code = code or self.of.code(path)
                shared_code = any(each[0] == path for each in (*self.of.ours, *self.of.methods))
                effect = not _uses(code, bound)
                user = self.of.user is not None and path == self.of.user.at.file and checking
                if not (
                    bound in includes
                    or path.endswith("__init__.py")
                    or is_env
                    or effect
                    or shared_code
                    or user
                ):
                    continue
                new = self.of.renames.identifier(alias.name)
                local = self.of.renames.identifier(bound)
                module = self._module_text(node, path)
                edit: Any = AddModelImport if is_env and effect else AddImport
                yield Change(
                    path,
                    edit(
                        module,
                        new,
                        local if alias.asname and local != new else "",
                        ours=True,
                        type_checking=checking,
                        width=self.of.width,
                    ),
                )
                if self._is_exported(source, bound):
                    yield Change(path, AddItem("__all__", f'"{local}"', self.of.width))

    def _module_text(self, node: ast.ImportFrom, path: str) -> str:
        part = cst.parse_statement(ast.unparse(node))
        assert isinstance(part, cst.SimpleStatementLine)
        statement = part.body[0]
        assert isinstance(statement, cst.ImportFrom)
        module = self.of.module_of(statement, path)
        return "." * node.level + (dotted(module) if module is not None else "")

    def _is_exported(self, source: Any, name: str) -> bool:
        for node in source.tree.body:
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
            ):
                return any(
                    isinstance(each, ast.Constant) and each.value == name
                    for each in ast.walk(node.value)
                )
        return False

    def _include_roots(self, path: str) -> set[str]:
        return {
            router.partition(".")[0] for place, _, router, _, _ in self._includes() if place == path
        }

    def _includes(self) -> list[tuple[str, str, str, tuple[tuple[str, str], ...], str]]:
        """File, receiver, router, arguments and function of each place that includes it."""
        router = self.of.exemplar.router
        if router is None:
            return []
        if not hasattr(self, "_found_includes"):
            self._found_includes = [
                found
                for each in router.included
                if each.at.file not in self.of.whole
                and (found := self._include_at(each.at.file, each.at.line)) is not None
            ]
        return self._found_includes

    def _include_at(
        self, path: str, line: int
    ) -> tuple[str, str, str, tuple[tuple[str, str], ...], str] | None:
        code = self.of.code(path)
        for body in code.bodies():
            for statement in body.statements:
                if isinstance(statement, cst.For) and isinstance(statement.body, cst.IndentedBlock):
                    call = _include_call(statement.body.body[0])
                    if call is not None and code.first_line(statement.body.body[0]) + 1 == line:
                        item = self._item_of(code, statement, path)
                        variable = dotted(statement.target)
                        rest = dotted(call.args[0].value).removeprefix(variable)
                        return (
                            self._said(path, code, call, f"{item}{rest}", body.within)
                            if item
                            else None
                        )
                call = _include_call(statement)
                if call is not None and code.first_line(statement) + 1 == line:
                    return self._said(path, code, call, code.code(call.args[0].value), body.within)
        return None

    def _item_of(self, code: Code, loop: cst.For, path: str) -> str:
        items: cst.CSTNode = loop.iter
        if isinstance(items, cst.Name):
            name = items.value
            node = self.of.node((path, name))
            part = next(small(node), None) if node is not None else None
            items = getattr(part, "value", items)
        for element in getattr(items, "elements", ()):
            said = dotted(element.value)
            if said and self.of.known(path).meaning(said) == "ours":
                return said
        return ""

    def _said(
        self, path: str, code: Code, call: cst.Call, router: str, within: tuple[str, ...]
    ) -> tuple[str, str, str, tuple[tuple[str, str], ...], str]:
        assert isinstance(call.func, cst.Attribute)
        arguments = tuple(
            (arg.keyword.value, code.code(arg.value))
            for arg in call.args[1:]
            if arg.keyword is not None
        )
        return (path, code.code(call.func.value), router, arguments, within[-1] if within else "")

    def _included(self) -> Iterator[Change]:
        router = self.of.exemplar.router
        if router is None or all(each.at.file in self.of.whole for each in router.included):
            return
        found = self._includes()
        if not found:
            at = router.included[0].at if router.included else router.at
            raise Refused(
                f"How {router.name} is included ({at}) is not understood.",
                "Name another resource to imitate: --like.",
            )
        for path, receiver, said, arguments, inside in found:
            known = self.of.known(path)
            new = ".".join(
                self.of.renames.identifier(part)
                if self._part_is_ours(known, said, number)
                else part
                for number, part in enumerate(said.split("."))
            )
            if new == said:
                raise Refused(
                    f"The router is called {said} in {path}, which says nothing of"
                    f" {self.of.exemplar.noun.many}.",
                    "Name another resource to imitate: --like.",
                )
            renamed = tuple(
                (name, self.of.renames.text(value.replace("'", '"'))) for name, value in arguments
            )
            yield Change(
                path, IncludeRouter(receiver, new, renamed, inside=inside, width=self.of.width)
            )

    def _part_is_ours(self, known: KnownNames, said: str, number: int) -> bool:
        name = ".".join(said.split(".")[: number + 1])
        return known.meaning(name) == "ours"

    def _on_user(self) -> Iterator[Change]:
        """The other side of the relationship to the owner."""
        link, user = self.of.owner_link, self.of.user
        if link is None or user is None or link.back_populates is None:
            return
        node = self.of.node((user.at.file, user.name))
        if not isinstance(node, cst.ClassDef) or not isinstance(node.body, cst.IndentedBlock):
            return
        for inner in node.body.body:
            if target(inner) == link.back_populates:
                text = cst.Module([]).code_for_node(inner.with_changes(leading_lines=[])).strip()
                known = (*self.of.attributes, self.of.exemplar.model.name)
                new = self.of.renames.identifier(link.back_populates)
                text = self.of.renames.text(re.sub(rf"^{link.back_populates}\b", new, text), known)
                yield Change(user.at.file, AddField(user.name, text, after=link.back_populates))


def _uses(code: Code, name: str) -> bool:
    return name in copying.read_names(code.module)


def _include_call(statement: cst.CSTNode) -> cst.Call | None:
    part = next(small(statement), None)
    call = part.value if isinstance(part, cst.Expr) else None
    if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) and call.args:
        return call if call.func.attr.value == "include_router" else None
    return None
