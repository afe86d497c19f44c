"""The exemplar's code, read: its definitions, what its names mean, what its schemas are for, and
what it is all called in the copy."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

import libcst as cst

from apiwright.edit.python import Source as Code
from apiwright.edit.python import bindings, dotted, read, small
from apiwright.errors import ApiwrightError
from apiwright.generators import copying, exemplar, house_fields
from apiwright.generators.copying import Meaning, Share
from apiwright.generators.exemplar import Exemplar, Noun
from apiwright.generators.fields import Resource
from apiwright.generators.house_fields import House, Reference
from apiwright.generators.renaming import Renames
from apiwright.project.facts import Model, Project, Relationship, Schema

Role = Literal["create", "update", "public", "base"]
Key = tuple[str, str]
"""A file, and the name of something that is defined there."""
_ENUMS = {"Enum", "StrEnum", "IntEnum", "Flag"}
_METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}  # of a router, a client


class Original:
    """`gone` grows while it is copied: what the copy does without."""

    def __init__(self, project: Project, resource: Resource, found: Exemplar, noun: Noun) -> None:
        self.project, self.resource, self.exemplar = project, resource, found
        self.names = exemplar.names_of(project)
        self.renames = Renames(found.nouns, noun)
        self.references = dict(_references(project, resource))
        self.ours: set[Key] = {
            (each.file, each.name) for each in found.definitions if "." not in each.name
        }
        self.methods: set[Key] = {
            (each.file, each.name) for each in found.definitions if "." in each.name
        }
        self.whole = set(found.whole)
        self.gone: set[Key] = set()
        self._statements: dict[str, dict[str, cst.BaseStatement]] = {}
        self.bodies: dict[str, cst.ClassDef] = {}
        """Schemas that the exemplar has not, and the copy needs."""
        self.texts = {path: self._text(path) for path in {each.file for each in found.definitions}}
        self.schemas = {
            (schema.at.file, schema.name): schema
            for schema in project.schemas
            if (schema.at.file, schema.name) in self.ours
        }
        self.user = project.user_model
        self.owner_link = self._found_owner_link()
        self.house = self._made_house()
        self.share = self._made_share()

    def _text(self, path: str) -> str:
        return (Path(self.project.folder) / path).read_text(encoding="utf-8-sig")

    def code(self, path: str) -> Code:
        if path not in self.texts:
            self.texts[path] = self._text(path)
        return read(self.texts[path])

    def node(self, key: Key) -> cst.BaseStatement | None:
        """The statement of the module that binds it."""
        path, name = key
        if path not in self._statements:
            code = self.code(path)
            self._statements[path] = {
                binding.name: statement
                for statement in reversed(code.module.body)
                for binding in bindings(code, [statement])
            }
        return self._statements[path].get(name)

    def known(self, path: str) -> "KnownNames":
        return KnownNames(self, path)

    def definition(self, path: str, name: str) -> tuple[str, str] | None:
        source = self.names.sources.get(path)
        found = self.names.find(source, name) if source is not None else None
        return (found[0].path, found[1]) if found is not None else None

    def _found_owner_link(self) -> Relationship | None:
        """The relationship to the user that it belongs to."""
        if self.user is None:
            return None
        for each in self.exemplar.model.relationships:
            if each.target == self.user.name and not each.many:
                return each
        return None

    def _made_share(self) -> Share:
        model = self.exemplar.model
        common = {each.attribute for each in model.columns} - {
            each.attribute for each in self.exemplar.own
        }
        own = {each.attribute for each in self.exemplar.own}
        own |= {each.name for each in model.relationships if each is not self.owner_link}
        for schema in self.schemas.values():
            if own & set(schema.fields):
                own |= {
                    name
                    for name in schema.fields
                    if name not in common
                    and not (self.owner_link and name == self.owner_link.name)
                    and not self._is_ours_field(schema, name)
                }
        columns = self.resource.columns
        share = Share(
            own=frozenset(own),
            owner=self.exemplar.owner,
            key=self.exemplar.key,
            keys=frozenset(
                name
                for route in self.exemplar.verbs.values()
                for name in re.findall(r"\{(\w+)[^{]*$", route.path)
            ),
            model=model.name,
            written=tuple(each for each in columns if not each.readonly),
            shown=tuple(each for each in columns if not each.writeonly),
            maybe=lambda kind: house_fields.maybe(self.house, kind),
        )
        self._mark_gone(share)
        share.kinds = {
            each.column: (
                house_fields.plain(each, self.references.get(each.column)),
                house_fields.literal(each),
            )
            for each in columns
        }
        functions: dict[str, cst.FunctionDef] = {}
        for key in (*self.ours, *self.methods):
            for function in self.functions(key):
                functions[function.name.value] = function
                share.order[function.name.value] = copying.order_of(function)
                share.spare[function.name.value] = {
                    each.name.value
                    for each in copying.parameters(function.params)
                    if each.default is not None
                }
        share.functions = frozenset(functions)
        share.methods = frozenset(self.method_names)
        fillers = {model.name}
        while True:
            found = {
                name
                for name, node in functions.items()
                if copying.takes_fields(node, share.own, fillers)
            }
            if found <= fillers:
                break
            fillers |= found
        share.by_fields = frozenset(fillers - {model.name})
        return share

    def _is_ours_field(self, schema: Schema, name: str) -> bool:
        """`todos: list[TodoRead]`"""
        return self.renames.has(name)

    def _mark_gone(self, share: Share) -> None:
        """What only the exemplar's own fields need: enums, other tables, filters of lists."""
        self.gone |= set(self._filters())
        tables = {(each.at.file, each.name) for each in self.project.models}
        model = (self.exemplar.model.at.file, self.exemplar.model.name)
        for key in self.ours:
            node = self.node(key)
            if key in tables and key != model:
                self.gone.add(key)
            if isinstance(node, cst.ClassDef) and any(
                dotted(base.value).rpartition(".")[2] in _ENUMS for base in node.bases
            ):
                self.gone.add(key)
            for part in small(node) if node is not None else ():
                if (
                    isinstance(part, cst.Assign)
                    and isinstance(part.value, cst.Call)
                    and dotted(part.value.func).rpartition(".")[2] == "Table"
                ):
                    self.gone.add(key)

    def _filters(self) -> Iterator[Key]:
        """Schemas of what a list can be narrowed by."""
        route = self.exemplar.verbs.get("list")
        handler = self.node((route.at.file, route.name)) if route and route.at else None
        if handler is None or route is None or route.at is None:
            return
        named = set(self.named(handler, route.at.file))
        above = {base for key in self.schemas for base in self.bases(key)}
        for key in self.schemas:
            if key in named and key not in above and not self.uses(key):
                yield key

    def functions(self, key: Key) -> Iterator[cst.FunctionDef]:
        path, _, method = key[1].partition(".")
        node = self.node((key[0], path))
        if isinstance(node, cst.FunctionDef):
            yield node
        if isinstance(node, cst.ClassDef) and isinstance(node.body, cst.IndentedBlock):
            for inner in node.body.body:
                if isinstance(inner, cst.FunctionDef) and method in ("", inner.name.value):
                    yield inner

    def _made_house(self) -> House:
        model = self.exemplar.model
        own = {each.attribute: each for each in self.exemplar.own}
        lengths = [
            int(found[1])
            for each in own.values()
            if each.at is not None
            and (found := re.search(r"String\((?:length=)?(\d+)\)", each.type or ""))
        ]
        node = self.node((model.at.file, model.name))
        assert node is not None
        body = cst.Module([]).code_for_node(node)
        if not lengths and model.style != "column":
            lengths = [
                int(each)
                for each in re.findall(r"String\((\d+)\)|max_length=(\d+)", body)
                for each in each
                if each
            ]
        prefix = re.search(r"=\s*(\w+\.)Column\(", body)
        everything = "\n".join(self.texts.values())
        ran = self.project.ran
        version = ran.versions.pydantic if ran and ran.versions else None
        first = (
            version.startswith("1.")
            if version
            else ("orm_mode" in everything and "model_dump" not in everything)
        )
        sources = self.names.sources.values()
        old_syntax = everything.count("Optional[") > everything.count("| None")
        return House(
            style=model.style,
            prefix=prefix[1] if prefix else "",
            optional="Optional" if old_syntax else "|",
            length=Counter(lengths).most_common(1)[0][0] if lengths else None,
            pattern="regex" if first else "pattern",
            email=any(b"EmailStr" in source.content for source in sources),
            sa_type=not (ran and ran.versions and _is_before(ran.versions.sqlmodel, 9)),
            aware=model.kind == "sqlmodel"
            and not (ran and ran.versions and _is_before(ran.versions.sqlmodel, 45)),
            dataclass=any(b"MappedAsDataclass" in source.content for source in sources),
        )

    def house_of(self, path: str) -> House:
        """As this file has it, where it shows."""
        text = self.texts[path]
        house = self.house
        old, new = text.count("Optional["), text.count("| None")
        if old != new:
            house = replace(house, optional="Optional" if old > new else "|")
        if self.field_of(path) == "sqlmodel":
            house = replace(house, pattern="regex")
        return house

    def field_of(self, path: str) -> str:
        """Whose Field a file has, or would import."""
        text = self.texts.get(path, "")
        if re.search(r"from pydantic import (\([^)]*|[^\n]*)\bField\b", text):
            return "pydantic"
        is_sqlmodel = self.exemplar.model.kind == "sqlmodel" and "sqlmodel" in text
        return "sqlmodel" if is_sqlmodel else "pydantic"

    def own_in(self, key: Key) -> set[str]:
        """The exemplar's own fields that the class itself says."""
        node = self.node(key)
        if not isinstance(node, cst.ClassDef) or not isinstance(node.body, cst.IndentedBlock):
            return set()
        return {target(each) for each in node.body.body} & self.share.own

    def bases(self, key: Key) -> Iterator[Key]:
        node = self.node(key)
        for base in node.bases if isinstance(node, cst.ClassDef) else ():
            found = self.definition(key[0], dotted(base.value))
            if found is not None and found in self.ours:
                yield found
                yield from self.bases(found)

    def carried_above(self, key: Key) -> set[str]:
        """Of the exemplar's own fields those that it has from a class above."""
        return {name for base in self.bases(key) for name in self.own_in(base)}

    def is_above_model(self, key: Key) -> bool:
        model = self.exemplar.model
        return key in set(self.bases((model.at.file, model.name)))

    def role(self, key: Key) -> Role:
        """What the class is for: by what it is used for, else by its name."""
        below = {other for other in self.schemas if key in set(self.bases(other))}
        roles: set[str] = set()
        for each in {key, *below}:
            roles |= self.uses(each) or {self.schemas[each].role}
        if self.is_above_model(key):
            roles.add("base")
        if {"create", "public"} <= roles or "base" in roles:
            return "base"
        if "update" in roles and self.is_partial(key):
            return "update"
        if roles & {"create", "update", "other"}:
            return "create"
        return "public"

    def uses(self, key: Key) -> set[str]:
        found: set[str] = set()
        for verb, route in self.exemplar.verbs.items():
            assert route.at is not None
            handler = self.node((route.at.file, route.name))
            if not isinstance(handler, cst.FunctionDef):
                continue
            for parameter in copying.parameters(handler.params):
                if (
                    parameter.annotation is not None
                    and verb in ("create", "update")
                    and key in set(self.named(parameter.annotation, route.at.file))
                ):
                    found.add(verb)
            answers: list[cst.CSTNode] = [handler.returns] if handler.returns is not None else []
            for decorator in handler.decorators:
                for inner in copying.walk(decorator):
                    if (
                        isinstance(inner, cst.Arg)
                        and inner.keyword is not None
                        and inner.keyword.value == "response_model"
                    ):
                        answers.append(inner.value)
            if any(key in set(self.named(each, route.at.file)) for each in answers):
                found.add("public")
        return found

    def named(self, node: cst.CSTNode, path: str) -> Iterator[Key]:
        for name in copying.names_in(node):
            found = self.definition(path, name)
            if found is not None:
                yield found

    def is_partial(self, key: Key) -> bool:
        """Whether each of its own fields may be left out."""
        node = self.node(key)
        if not isinstance(node, cst.ClassDef) or not isinstance(node.body, cst.IndentedBlock):
            return False
        own = [each for each in node.body.body if target(each) in self.share.own]
        values = [value(each) for each in own]
        return (
            bool(own)
            and all("None" in value or "default" in value for value in values if value is not None)
            and None not in values
        )

    def new_path(self, path: str) -> str:
        parts = path.split("/")
        home = PurePosixPath(self.project.app.at.file).parent.parts
        common = 0
        for part, other in zip(parts[:-1], home, strict=False):
            if part != other:
                break
            common += 1
        return "/".join(
            [*parts[:common], *(self.renames.identifier(part) for part in parts[common:])]
        )

    def new_module(self, path: str) -> str:
        source = self.names.sources[path]
        old = self.names.modules.name_of(source)
        if path not in self.whole:
            return old
        return self.moved(old, path)

    def moved(self, module: str, path: str) -> str:
        """A module's name, or the end of one, with the parts renamed that its path's are."""
        parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
        new = self.new_path(path).removesuffix(".py").removesuffix("/__init__").split("/")
        said = module.split(".")
        moved = dict(zip(range(-len(parts), 0), new, strict=True))
        return (
            ".".join(
                moved.get(at, said[at]) if said[at] == parts[at] else said[at]
                for at in range(-len(said), 0)
            )
            if len(said) <= len(parts)
            else module
        )

    def packages(self) -> Iterator[str]:
        """`__init__.py` of folders that are new."""
        seen: set[str] = set()
        for path in sorted(self.whole):
            for folder in PurePosixPath(path).parents:
                init = f"{folder}/__init__.py"
                if init in self.whole or init in seen or init not in self.names.sources:
                    continue
                if self.new_path(init) != init:
                    seen.add(init)
                    yield init

    def is_moved(self, path: str) -> bool:
        return path in self.whole or path in set(self.packages())

    @property
    def method_names(self) -> set[str]:
        """Of classes that several resources share: they are the exemplar's whoever has them."""
        return {name.rpartition(".")[2] for _, name in self.methods}

    @property
    def attributes(self) -> frozenset[str]:
        """Attributes that are renamed: of what is the exemplar's."""
        if not hasattr(self, "_attributes_known"):
            self._attributes_known = frozenset(self._all_attributes()) - _METHODS
        return self._attributes_known

    def _all_attributes(self) -> Iterator[str]:
        for path, name in (*self.ours, *self.methods):
            yield name.rpartition(".")[2]
            for function in self.functions((path, name)):
                yield function.name.value
                for inner in copying.walk(function):
                    if isinstance(inner, cst.Attribute) and dotted(inner.value) == "self":
                        yield inner.attr.value
        for schema in self.schemas.values():
            yield from (each for each in schema.fields if each not in self.share.own)
        for path in self.whole:
            yield from path.removesuffix(".py").split("/")
        yield self.exemplar.key
        yield from (each.attribute for each in self.exemplar.model.columns if each.primary_key)

    @property
    def width(self) -> int:
        return self.project.tools.line_length or 88

    def module_of(self, part: cst.ImportFrom, path: str) -> cst.BaseExpression | None:
        if part.module is None:
            return None
        said = dotted(part.module)
        there = self.file_of(part, path)
        if there is None or self.new_path(there) == there or not self.is_moved(there):
            return part.module
        return cst.parse_expression(self.moved(said, there))

    def file_of(self, part: cst.ImportFrom, path: str) -> str | None:
        source = self.names.sources[path]
        absolute = ast.ImportFrom(
            module=dotted(part.module) if part.module else None,
            names=[],
            level=len(part.relative),
        )
        found = self.names.modules.find(self.names.modules.absolute(absolute, source), source)
        return found.path if found is not None else None


class KnownNames:
    """What the names of one file mean: copying.Known."""

    def __init__(self, of: Original, path: str) -> None:
        self.of, self.path = of, path

    def meaning(self, name: str) -> Meaning | None:
        of = self.of
        source = of.names.sources.get(self.path)
        if source is None:
            return None
        head = name.partition(".")[0]
        found = of.names.find(source, name)
        if found is None:
            return "shared" if head in of.names.bound(source) else None
        path, top = found[0].path, found[1].partition(".")[0]
        if not top:
            return "ours" if of.is_moved(path) else "shared"
        if (path, top) in of.gone:
            return "gone"
        if (path, top) in of.ours:
            return "ours"
        if path in of.whole:
            node = of.names.bound(found[0]).get(top)
            return "gone" if isinstance(node, ast.FunctionDef | ast.ClassDef) else "ours"
        return "shared"

    def is_dependency(self, parameter: cst.Param) -> bool:
        asked = [
            inner
            for inner in copying.walk(parameter)
            if isinstance(inner, cst.Call)
            and dotted(inner.func).rpartition(".")[2] in ("Depends", "Security")
        ]
        if asked:  # of a class of the exemplar alone, it is a filter
            return any(not self._is_ours_alone(each) for each in asked)
        source = self.of.names.sources[self.path]
        for name in copying.names_in(parameter.annotation) if parameter.annotation else ():
            found = self.of.names.find(source, name)
            node = self.of.names.bound(found[0]).get(found[1]) if found else None
            if (
                isinstance(node, ast.Assign | ast.AnnAssign)
                and node.value is not None
                and re.search(r"\b(Depends|Security)\(", ast.unparse(node.value))
            ):
                return True
        return False

    def _is_ours_alone(self, call: cst.Call) -> bool:
        """Depends(), Depends(TodoFilter)"""
        return all(
            bool(dotted(arg.value)) and self.meaning(dotted(arg.value)) in ("ours", "gone")
            for arg in call.args
            if arg.keyword is None or arg.keyword.value == "dependency"
        )

    def is_class(self, name: str) -> bool:
        if not name:
            return False
        found = self.of.definition(self.path, name)
        model = self.of.exemplar.model
        return found in self.of.schemas or found == (model.at.file, model.name)


def _references(project: Project, resource: Resource) -> Iterator[tuple[str, Reference]]:
    models = {model.name: model for model in project.models}
    for field in resource.columns:
        if field.type != "ref":
            continue
        model = models.get(field.item)
        if model is None or len(model.primary_key) != 1:
            raise ApiwrightError(
                f"{field.name}: there is no model {field.item!r} to refer to.",
                f"There are {', '.join(sorted(models))}.",
            )
        yield field.column, _reference(model)


def _reference(model: Model) -> Reference:
    key = next(each for each in model.columns if each.primary_key)
    kind = (key.type or "int").rpartition(".")[2]
    known = {"Integer": "int", "BigInteger": "int", "String": "str", "Uuid": "UUID", "UUID": "UUID"}
    return Reference(f"{model.table}.{key.name}", known.get(kind.partition("(")[0], kind))


def _is_before(sqlmodel: str | None, patch: int) -> bool:
    found = re.match(r"0\.0\.(\d+)", sqlmodel or "")
    return found is not None and int(found[1]) < patch


def target(node: cst.CSTNode) -> str:
    for part in small(node):
        if isinstance(part, cst.AnnAssign):
            return dotted(part.target)
        if isinstance(part, cst.Assign):
            return dotted(part.targets[0].target)
    return ""


def value(node: cst.CSTNode) -> str | None:
    for part in small(node):
        if isinstance(part, cst.AnnAssign | cst.Assign):
            return cst.Module([]).code_for_node(part.value) if part.value is not None else None
    return None


def strings(nodes: Sequence[cst.CSTNode]) -> Iterator[cst.SimpleString]:
    for node in nodes:
        for inner in copying.walk(node):
            if isinstance(inner, cst.SimpleString):
                yield inner


def all_names(node: cst.CSTNode) -> Iterator[str]:
    for inner in copying.walk(node):
        if isinstance(inner, cst.Name):
            yield inner.value
        elif isinstance(inner, cst.SimpleString):
            yield from re.findall(r"\w+", inner.value)
