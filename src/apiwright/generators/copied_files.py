"""The files of the copy: those that are the exemplar's alone under another name, and what is added
to those that several share."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import libcst as cst

from apiwright.edit.plan import AddDefinition, AddImport, AddStatement, Change, NewFile
from apiwright.edit.python import Source as Code
from apiwright.edit.python import bindings, dotted, is_type_checking, read, small
from apiwright.generators import copying, import_order
from apiwright.generators.copying import NEW
from apiwright.generators.house_fields import SOURCES
from apiwright.generators.original import Key, KnownNames, Original, strings, target

Copied = Mapping[Key, cst.BaseStatement]


class Files:
    def __init__(self, of: Original) -> None:
        self.of = of

    def changes(self, copied: Copied) -> Iterator[Change]:
        for path in sorted(self.of.texts):
            if path in self.of.whole:
                text = self._whole_file(path, copied)
                yield Change(self.of.new_path(path), NewFile(text))
            else:
                yield from self._shared_file(path, copied)
        for path in self.of.packages():
            yield Change(self.of.new_path(path), NewFile(self._whole_file(path, copied)))

    def _whole_file(self, path: str, copied: Copied) -> str:
        code = self.of.code(path)
        body: list[cst.BaseStatement] = []
        for statement in code.module.body:
            body += self._top(statement, path, copied)
        module = code.module.with_changes(body=body)
        module = import_order.restored(code.module, self._comments(module))
        text = module.code.replace(NEW, "")
        if not path.endswith("__init__.py"):
            text = self._imported(_without_idle_imports(text), path)
        return text.lstrip("\r\n")

    def _top(self, node: cst.BaseStatement, path: str, copied: Copied) -> list[cst.BaseStatement]:
        """A statement of a file that is copied whole."""
        if copying.is_doc(node):
            return [self._renamed(node, path)]
        if isinstance(node, cst.If) and not is_type_checking(node):
            bound = {binding.name for binding in bindings(self.of.code(path), [node])}
            if any((path, name) in self.of.gone for name in bound):
                return []
            return [self._renamed(node, path)]
        if isinstance(node, cst.If):
            inner = [
                kept
                for each in copying.statements_of(node.body)
                for kept in self._top(each, path, copied)
            ]
            if not inner:
                return []
            return [node.with_changes(body=node.body.with_changes(body=inner))]
        part = next(small(node), None)
        if isinstance(part, cst.Import | cst.ImportFrom):
            made = self._import(node, part, path)
            return [made] if made is not None else []
        names = {binding.name for binding in bindings(self.of.code(path), [node])}
        for name in names:
            if (path, name) in copied:
                below = [body for _, body in self._bodies_of(path, name)]
                return [self._renamed(each, path) for each in (copied[(path, name)], *below)]
            if (path, name) in self.of.gone:
                return []
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            return []
        if isinstance(part, cst.Expr):
            return [self._renamed(node, path)] if self._is_ours_include(part, path) else []
        if names == {"__all__"}:
            return [self._exports(node, path)]
        if copying.is_poisoned(node, self.of.known(path), self.of.share):
            return []
        return [self._renamed(node, path)]

    def _is_ours_include(self, part: cst.Expr, path: str) -> bool:
        call = part.value
        if not isinstance(call, cst.Call) or not dotted(call.func).endswith(".include_router"):
            return False
        both = [dotted(call.func).rpartition(".")[0], dotted(call.args[0].value)]
        return all(self.of.known(path).meaning(name) == "ours" for name in both)

    def _exports(self, node: cst.BaseStatement, path: str) -> cst.BaseStatement:
        def change(each: cst.CSTNode) -> cst.CSTNode:
            if isinstance(each, cst.List | cst.Tuple):
                kept = [
                    item
                    for item in each.elements
                    if self.of.known(path).meaning(copying.text_of(item.value)) != "gone"
                ]
                return each.with_changes(elements=kept)
            return each

        return self._renamed(copying.rewritten(node, change), path)

    def _import(
        self, node: cst.BaseStatement, part: cst.Import | cst.ImportFrom, path: str
    ) -> cst.BaseStatement | None:
        if isinstance(part, cst.Import) or isinstance(part.names, cst.ImportStar):
            return node
        source = self.of.names.sources[path]
        kept = []
        known = self.of.known(path)
        for alias in part.names:
            bound = _bound(alias)
            meaning = known.meaning(bound)
            if meaning == "gone":
                continue
            name, local = dotted(alias.name), alias.asname
            if meaning == "ours":
                new = self.of.renames.identifier(name)
                alias = alias.with_changes(name=cst.parse_expression(new))
                if local is not None:
                    asname = self.of.renames.identifier(dotted(local.name))
                    alias = alias.with_changes(asname=local.with_changes(name=cst.Name(asname)))
            kept.append(alias)
        if not kept:
            return None
        kept[-1] = kept[-1].with_changes(comma=part.names[-1].comma)
        module = self.of.module_of(part, source.path)
        changed = part.with_changes(names=kept, module=module)
        return copying.rewritten(
            node, lambda each: changed if isinstance(each, cst.ImportFrom) else each
        )

    def _imported(self, text: str, path: str) -> str:
        """The text with imports of what its new fields need."""
        code = read(text)
        for module, name in self._wanting(
            code, {each.name for each in bindings(code, code.module.body)}, path
        ):
            text = AddImport(module, name, width=self.of.width).apply(text)
        return text

    def _wanting(self, code: Code, bound: set[str], path: str) -> list[tuple[str, str]]:
        used = set(copying.read_names(code.module)) - bound
        found = [(SOURCES[name], name) for name in sorted(used & set(SOURCES))]
        if "Field" in used:
            found.append((self.of.field_of(path), "Field"))
        model = self.of.exemplar.model.at.file
        for name in self.of.bodies:
            if path != model and (new := self.of.renames.identifier(name)) in used:
                found.append((self.of.new_module(model), new))
        modules = {each.name: each.module for each in self.of.project.models}
        for field in self.of.resource.columns:
            if field.type == "ref" and field.item in used:
                found.append((modules[field.item], field.item))
        return found

    def _shared_file(self, path: str, copied: Copied) -> Iterator[Change]:
        code = self.of.code(path)
        after = self._runs(path)
        last: dict[str, str] = {}
        pieces: list[tuple[str, cst.BaseStatement]] = []
        for statement in code.module.body:
            for binding in bindings(code, [statement]):
                made = copied.get((path, binding.name))
                if made is not None:
                    run = after[binding.name]
                    pieces.append((last.get(run, run), made))
                    last[run] = self.of.renames.identifier(binding.name)
                    for name, body in self._bodies_of(path, binding.name):
                        pieces.append((last[run], body))
                        last[run] = self.of.renames.identifier(name)
        texts = [(place, self._code(node, path)) for place, node in pieces]
        methods = list(self._shared_methods(path, copied))
        everything = "\n\n".join([*(text for _, text in texts), *(text for *_, text in methods)])
        if not everything:
            return
        bound = {each.name for each in bindings(code, code.module.body)}
        fresh = read(everything)
        bound |= {each.name for each in bindings(fresh, fresh.module.body)}
        for module, name in self._wanting(fresh, bound, path):
            yield Change(path, AddImport(module, name, width=self.of.width))
        for place, text in texts:
            yield Change(path, AddDefinition(text, after=place))
        for cls, place, text in methods:
            yield Change(path, AddStatement(text, after=place, inside=cls, blanks=1))

    def _bodies_of(self, path: str, name: str) -> Iterator[tuple[str, cst.ClassDef]]:
        """Schemas of requests that the exemplar's table stands for, to go below the new table."""
        model = self.of.exemplar.model
        if (path, name) == (model.at.file, model.name):
            yield from self.of.bodies.items()

    def _runs(self, path: str) -> dict[str, str]:
        """Of each definition the last of those in a row with it: the new ones go below."""
        code = self.of.code(path)
        found: dict[str, str] = {}
        row: list[str] = []
        for statement in code.module.body:
            names = [each.name for each in bindings(code, [statement])]
            if any((path, name) in self.of.ours for name in names):
                row += names
                found.update(dict.fromkeys(row, names[-1]))
            else:
                row = []
        return found

    def _shared_methods(self, path: str, copied: Copied) -> Iterator[tuple[str, str, str]]:
        last: dict[str, str] = {}
        keys = sorted(
            (key for key in copied if key[0] == path and "." in key[1]),
            key=lambda key: self._line(key),
        )
        for key in keys:
            cls, _, method = key[1].partition(".")
            place = last.get(cls) or _last_of(keys, cls)
            last[cls] = self.of.renames.identifier(method)
            yield cls, place, self._code(copied[key], path)

    def _line(self, key: Key) -> int:
        return next(
            (each.line for each in self.of.exemplar.definitions if (each.file, each.name) == key), 0
        )

    def _code(self, node: cst.BaseStatement, path: str) -> str:
        made = self._comments(_module(self._renamed(node, path)))
        code = made.code.replace(NEW, "").strip("\n")
        while code.startswith("#"):
            code = code.partition("\n")[2].lstrip("\n")
        return code

    def _renamed(self, node: cst.BaseStatement, path: str) -> cst.BaseStatement:
        known = self.of.known(path)
        made = node.visit(_Renaming(self.of, known))
        assert isinstance(made, cst.BaseStatement | cst.SimpleStatementLine)
        return made

    def _comments(self, module: cst.Module) -> cst.Module:
        def change(node: cst.CSTNode) -> cst.CSTNode:
            if isinstance(node, cst.Comment):
                return node.with_changes(value=self.of.renames.text(node.value))
            return node

        return copying.rewritten(module, change)


class _Renaming(cst.CSTTransformer):
    """The exemplar's names become the new resource's."""

    def __init__(self, of: Original, known: KnownNames) -> None:
        super().__init__()
        self.of, self.known = of, known
        self.fixed: dict[int, bool] = {}
        """Names that are not variables, and whether they are renamed."""

    def on_visit(self, node: cst.CSTNode) -> bool:
        if target(node).startswith(NEW) and not any(
            isinstance(inner, cst.Attribute) and inner.attr.value.startswith(NEW)
            for inner in copying.walk(node)
        ):
            return False  # a new field, which says what it means
        of = self.of
        if isinstance(node, cst.Attribute):
            name = dotted(node)
            ours = bool(name) and self.known.meaning(name) == "ours"
            mine = node.attr.value in of.attributes and not (
                name and self.known.meaning(name) == "shared" and not self._of_ours(node)
            )
            self.fixed[id(node.attr)] = ours or mine or node.attr.value in of.method_names
        elif isinstance(node, cst.Call):
            last = (
                node.func.attr.value if isinstance(node.func, cst.Attribute) else dotted(node.func)
            )
            called = dotted(node.func)
            ours = last in of.share.functions or self.known.meaning(called) == "ours"
            for arg in node.args:
                if arg.keyword is not None:
                    is_class = self.known.is_class(called)
                    self.fixed[id(arg.keyword)] = ours and (
                        not is_class or arg.keyword.value in of.attributes
                    )
        elif isinstance(node, cst.AnnAssign | cst.Param) and False:
            pass
        return True

    def _of_ours(self, node: cst.Attribute) -> bool:
        return self.known.meaning(dotted(node.value)) in ("ours", None)

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:  # Any: as libcst has it
        of = self.of
        if isinstance(original_node, cst.Name):
            fixed = self.fixed.get(id(original_node))
            if fixed is None:
                fixed = self.known.meaning(original_node.value) != "shared"
            if fixed and not original_node.value.startswith(NEW):
                new = of.renames.identifier(original_node.value)
                return updated_node.with_changes(value=new)
        elif isinstance(original_node, cst.SimpleString | cst.FormattedStringText):
            known = of.attributes
            return updated_node.with_changes(value=of.renames.text(original_node.value, known))
        return updated_node


def _module(node: Any) -> cst.Module:  # Any: libcst's union of statements has no name
    return cst.Module([node])


def _last_of(keys: Sequence[Key], cls: str) -> str:
    """The last of the exemplar's methods of that class."""
    return [key[1].partition(".")[2] for key in keys if key[1].startswith(f"{cls}.")][-1]


def _bound(alias: cst.ImportAlias) -> str:
    return dotted(alias.asname.name if alias.asname is not None else alias.name).partition(".")[0]


def _without_idle_imports(text: str) -> str:
    """Without imports of what only the part that was left out has used."""
    module = read(text).module
    used = copying.read_names(module) | set(_exported(module))
    used |= set(re.findall(r"\w+", " ".join(_texts(module))))

    def kept(alias: cst.ImportAlias) -> bool:
        return _bound(alias) in used

    body: list[Any] = []
    for statement in module.body:
        body += _pruned_import(statement, kept)
    return module.with_changes(body=body).code


def _texts(module: cst.Module) -> Iterator[str]:
    """Names in quotes, as in annotations."""
    for inner in copying.walk(module):
        if isinstance(inner, cst.Annotation):
            yield from (copying.text_of(each) for each in strings([inner]))


def _exported(module: cst.Module) -> Iterator[str]:
    for statement in module.body:
        if target(statement) == "__all__":
            yield from (copying.text_of(each) for each in strings([statement]))


def _pruned_import(node: Any, kept: Callable[[cst.ImportAlias], bool]) -> list[Any]:
    if isinstance(node, cst.If):
        inner = [
            each for part in copying.statements_of(node.body) for each in _pruned_import(part, kept)
        ]
        return [node.with_changes(body=node.body.with_changes(body=inner))] if inner else []
    part = next(small(node), None)
    if not isinstance(part, cst.Import | cst.ImportFrom) or isinstance(part.names, cst.ImportStar):
        return [node]
    if isinstance(part, cst.ImportFrom) and dotted(part.module) == "__future__":
        return [node]
    names = [alias for alias in part.names if kept(alias)]
    if not names:
        return []
    if len(names) == len(part.names):
        return [node]
    names[-1] = names[-1].with_changes(comma=part.names[-1].comma)
    changed = part.with_changes(names=names)
    return [
        copying.rewritten(
            node, lambda each: changed if isinstance(each, cst.Import | cst.ImportFrom) else each
        )
    ]
