"""Each definition of the exemplar as the new resource has it: functions by copying.py, classes
here."""

import ast
import re
from collections import Counter
from collections.abc import Sequence

import libcst as cst

from apiwright.edit.plan import Assumption
from apiwright.edit.python import dotted, small
from apiwright.errors import Refused
from apiwright.generators import copying, defects, house_fields
from apiwright.generators.copying import NEW, NotUnderstood
from apiwright.generators.exemplar import owner_of, words
from apiwright.generators.fields import snake
from apiwright.generators.original import (
    Key,
    KnownNames,
    Original,
    all_names,
    strings,
    target,
    value,
)
from apiwright.project.facts import Route

_EXAMPLES = {"json_schema_extra", "schema_extra"}


class Copies:
    def __init__(self, of: Original) -> None:
        self.of = of
        self.notes: list[Assumption] = []
        """What the user should know: what was left out, what was mended."""
        self.failed: dict[str, str] = {}
        """Functions that are not understood, and why."""

    def all(self) -> dict[Key, cst.BaseStatement]:
        """Each definition as the new resource has it; again until nothing more becomes idle."""
        for key in (*self.of.ours, *self.of.methods):
            for function in self.of.functions(key):
                copying.forget(function, self.of.known(key[0]), self.of.share)
        for _ in range(6):
            state = (
                {name: set(lost) for name, lost in self.of.share.lost.items()},
                set(self.of.share.gone),
                set(self.of.gone),
            )
            notes: list[Assumption] = []
            copied: dict[Key, cst.BaseStatement] = {}
            for key in sorted(self.of.ours | self.of.methods):
                made = self._copy(key, notes)
                if made is not None:
                    copied[key] = made
            now = (self.of.share.lost, self.of.share.gone, self.of.gone)
            if state == now:
                break
        copied = self._needed(copied)
        left = {name for node in copied.values() for name in all_names(node)}
        left |= {route.name for route in self.of.exemplar.verbs.values()}
        self.notes += [each for each in dict.fromkeys(notes) if not _about(each.what) - left - {""}]
        return copied

    def _copy(self, key: Key, notes: list[Assumption]) -> cst.BaseStatement | None:
        if key in self.of.gone:
            return None
        name, _, method = key[1].partition(".")
        node = self.of.node((key[0], name))
        if method:
            function = next(self.of.functions(key), None)
            return self._function(function, key[0], notes) if function is not None else None
        if isinstance(node, cst.ClassDef):
            return self._class(node, key, notes)
        if isinstance(node, cst.FunctionDef):
            made = self._function(node, key[0], notes)
            if made is None:
                self.of.gone.add(key)
            return made
        if node is None or copying.is_poisoned(node, self.of.known(key[0]), self.of.share):
            self.of.gone.add(key)
            return None
        return node

    def _function(
        self, node: cst.FunctionDef, path: str, notes: list[Assumption], is_row: bool = False
    ) -> cst.FunctionDef | None:
        name = node.name.value
        line = self.of.code(path).first_line(node) + 1
        try:
            made = copying.function(node, self.of.known(path), self.of.share, is_row=is_row)
        except NotUnderstood as reason:
            self.of.share.gone.add(name)
            self.failed.setdefault(name, f"`{reason}`")
            return None
        if made is None:
            self.of.share.gone.add(name)
            return None
        if made.left_out:
            parts = "; ".join(f"`{each}`" for each in made.left_out)
            notes.append(Assumption(f"left out of {name}: {parts}", path, line))
        try:
            mended, said = defects.mended(made.node, self._place(node, path))
        except NotUnderstood as reason:
            self.of.share.gone.add(name)
            self.failed.setdefault(name, str(reason))
            return None
        notes += [Assumption(f"{name} {each}", path, line) for each in said]
        with_body = self._with_body(mended, path)
        if with_body is not mended:
            says = "takes the table as its body, id, owner and all; the new code takes a schema"
            notes.append(Assumption(f"{name} {says}", path, line))
        return _within(self._with_references(with_body, path), node, self.of.width)

    def _with_references(self, node: cst.FunctionDef, path: str) -> cst.FunctionDef:
        """What refers to another row looks whether there is one, and of the same user."""
        references = [each for each in self.of.share.written if each.type == "ref"]
        route = self._route(node, path)
        verb = next((v for v, each in self.of.exemplar.verbs.items() if each is route), None)
        if not references or route is None or verb not in ("create", "update"):
            return node
        given = {each.name.value: each for each in copying.parameters(node.params)}
        session = self.of.project.session
        user = next((name for name in given if "user" in words(name)), None)
        body = next((name for name, each in given.items() if self._is_body(each, path)), None)
        if session is None or session.parameter not in given or user is None or body is None:
            raise Refused(
                f"{route.name} ({route.at}) has no session of its own, in which its counterpart"
                f" could look whether there is such a {references[0].item}.",
                "Leave ref: out, and add it by hand.",
            )
        wait = "await " if session.is_async else ""
        checks: list[cst.BaseStatement] = []
        for field in references:
            model = next(each for each in self.of.project.models if each.name == field.item)
            one, sent = f"{NEW}{snake(field.item)}", f"{body}.{NEW}{field.column}"
            owner = owner_of(model)
            mine = self._user_id(path) or f"{user}.id"
            theirs = f" or {one}.{owner} != {mine}" if owner else ""
            rows = [
                f"{one} = {wait}{session.parameter}.get({NEW}{field.item}, {sent})",
                f"if {one} is None{theirs}:",
                '    raise HTTPException(status_code=404, detail="Not found")',
            ]
            if field.optional or verb == "update":
                rows = [f"if {sent} is not None:", *(f"    {row}" for row in rows)]
            checks += [*cst.parse_module("\n".join(rows) + "\n").body]
        statements = list(copying.statements_of(node.body))
        first = 1 if statements and copying.is_doc(statements[0]) else 0
        statements[first:first] = checks
        return node.with_changes(body=node.body.with_changes(body=statements))

    def _is_body(self, parameter: cst.Param, path: str) -> bool:
        if parameter.annotation is None:
            return False
        names = set(copying.names_in(parameter.annotation))
        bodies = {name.rpartition(".")[2] for name in names} & set(self.of.bodies)
        return bool(bodies) or any(map(self.of.known(path).is_class, names))

    def _with_body(self, node: cst.FunctionDef, path: str) -> cst.FunctionDef:
        """What takes the table itself as a request's body takes a schema instead."""
        route = self._route(node, path)
        model = self.of.exemplar.model
        verb = next((v for v, each in self.of.exemplar.verbs.items() if each is route), None)
        if route is None or verb not in ("create", "update") or model.kind != "sqlmodel":
            return node
        for parameter in copying.parameters(node.params):
            said = dotted(parameter.annotation.annotation) if parameter.annotation else ""
            if self.of.definition(path, said) != (model.at.file, model.name):
                continue
            name = self._body_name(verb)
            schema = f"{said.removesuffix(model.name)}{name}"
            return _taking(node, parameter, schema, said, makes_row=verb == "create")
        return node

    def _body_name(self, verb: str) -> str:
        """A schema that is there for it, else a new one."""
        model = self.of.exemplar.model
        for key, schema in self.of.schemas.items():
            if schema.role == verb and key[0] == model.at.file:
                return key[1]
        name = f"{model.name}{verb.capitalize()}"
        above = self.of.carried_above((model.at.file, model.name))
        base = next(
            (key[1] for key in self.of.bases((model.at.file, model.name)) if self.of.own_in(key)),
            "",
        )
        if verb == "create" and above and base:
            code = f"class {name}({base}):\n    pass\n"
        else:
            house = self.of.house_of(model.at.file)
            rows = [
                house_fields.attribute(
                    field,
                    house,
                    self.of.references.get(field.column),
                    "update" if verb == "update" else "create",
                )
                for field in self.of.share.written
            ]
            code = f"class {name}(SQLModel):\n" + "".join(f"    {NEW}{row}\n" for row in rows)
        made = cst.parse_statement(code)
        assert isinstance(made, cst.ClassDef)
        self.of.bodies[name] = made
        return name

    def _route(self, node: cst.FunctionDef, path: str) -> Route | None:
        return next(
            (
                each
                for each in self.of.exemplar.verbs.values()
                if each.name == node.name.value and each.at and each.at.file == path
            ),
            None,
        )

    def _place(self, node: cst.FunctionDef, path: str) -> defects.Place:
        route = self._route(node, path)
        verb = next((v for v, each in self.of.exemplar.verbs.items() if each is route), None)
        owner = self.of.exemplar.owner
        if route is not None and (self._looks_at_owner(node, path) or route.protection == "none"):
            if (
                route.protection == "none"
                and owner
                and verb in ("update", "delete")
                and not self._looks_at_owner(node, path)
            ):
                raise Refused(
                    f"{route.method} {route.path} ({route.at}) needs no login, though"
                    f" {self.of.exemplar.model.name} belongs to users.",
                    "Protect it first, or name another resource to imitate: --like.",
                )
            owner = None
        session = self.of.project.session
        payload = {
            parameter.name.value
            for parameter in copying.parameters(node.params)
            if parameter.annotation is not None
            and any(map(self.of.known(path).is_class, copying.names_in(parameter.annotation)))
        }
        return defects.Place(
            verb=verb,
            model=self.of.exemplar.model.name,
            key=self.of.exemplar.key,
            owner=owner,
            aware=self.of.house.aware,
            pydantic_2=self.of.house.pattern == "pattern",
            session=session,
            raised=self._raised(path),
            annotated="Annotated[" in self.of.texts[path]
            or (session is not None and session.style != "default"),
            user=self._user(path),
            user_id=self._user_id(path),
            is_payload=lambda name: name in payload,
        )

    def _looks_at_owner(self, node: cst.FunctionDef, path: str) -> bool:
        """Itself, or what it calls, or by giving the user to what it calls."""
        owner = self.of.exemplar.owner
        users = {
            each.name.value
            for each in copying.parameters(node.params)
            if "user" in words(each.name.value) and each.annotation is not None
        }
        functions = {
            function.name.value: function
            for key in (*self.of.ours, *self.of.methods)
            for function in self.of.functions(key)
        }
        left, seen = [node], {node.name.value}
        while left:
            for inner in copying.walk(left.pop()):
                if isinstance(inner, cst.Attribute) and inner.attr.value == owner:
                    return True
                if isinstance(inner, cst.Arg) and users & copying.read_names(inner.value):
                    return True
                if (
                    isinstance(inner, cst.Name)
                    and inner.value in functions
                    and inner.value not in seen
                ):
                    seen.add(inner.value)
                    left.append(functions[inner.value])
        return False

    def _raised(self, path: str) -> cst.Raise | None:
        """How the exemplar's routes say that there is none."""
        for verb in ("get", "update", "delete"):
            route = self.of.exemplar.verbs.get(verb)
            if route is None or route.at is None or route.at.file != path:
                continue
            node = self.of.node((path, route.name))
            for inner in copying.walk(node) if node is not None else ():
                text = cst.Module([]).code_for_node(inner) if isinstance(inner, cst.Raise) else ""
                if (
                    isinstance(inner, cst.Raise)
                    and re.search("404|NotFound|NOT_FOUND", text)
                    and not copying.is_poisoned(inner, self.of.known(path), self.of.share)
                ):
                    return inner
        return None

    def _user(self, path: str) -> cst.Param | None:
        """How its routes take the user."""
        route = self.of.exemplar.verbs["create"]
        if route.at is None or route.at.file != path:
            return None
        node = self.of.node((path, route.name))
        if not isinstance(node, cst.FunctionDef):
            return None
        for each in copying.parameters(node.params):
            if "user" in words(each.name.value):
                return each
        return None

    def _user_id(self, path: str) -> str:
        """As its create has it."""
        user, create = self._user(path), self.of.exemplar.verbs["create"]
        node = self.of.node((path, create.name)) if user is not None else None
        if user is None or node is None:
            return ""
        for inner in copying.walk(node):
            given: cst.CSTNode | None = None
            if isinstance(inner, cst.Arg) and inner.keyword is not None:
                given = inner.value if inner.keyword.value == self.of.exemplar.owner else None
            elif isinstance(inner, cst.Assign) and isinstance(
                set_ := inner.targets[0].target, cst.Attribute
            ):
                given = inner.value if set_.attr.value == self.of.exemplar.owner else None
            elif isinstance(inner, cst.DictElement):
                is_owner = copying.text_of(inner.key) == self.of.exemplar.owner
                given = inner.value if is_owner else None
            if given is not None and user.name.value in copying.read_names(given):
                return cst.Module([]).code_for_node(given)
        return f"{user.name.value}.id"

    def _needed(self, copied: dict[Key, cst.BaseStatement]) -> dict[Key, cst.BaseStatement]:
        """Without what nothing of it names any more."""
        handlers = {route.name for route in self.of.exemplar.verbs.values()}
        roots = {self.of.exemplar.model.name, *handlers}
        while True:
            said = {key: Counter(all_names(node)) for key, node in copied.items()}
            named = Counter(name for names in said.values() for name in names)
            idle = [
                key
                for key in copied
                if key[1] not in roots
                # by itself, and by nothing else
                if named[(name := key[1].rpartition(".")[2])] <= (name in said[key])
            ]
            for key in idle:
                del copied[key]
                self.of.gone.add(key)
            times = sum((said[key] for key in copied), Counter())
            copied = {key: self._without_idle(node, times) for key, node in copied.items()}
            if not idle:
                return copied

    def _without_idle(self, node: cst.BaseStatement, times: Counter[str]) -> cst.BaseStatement:
        """A class without methods that only what was left out has called."""
        if not isinstance(node, cst.ClassDef) or not isinstance(node.body, cst.IndentedBlock):
            return node
        kept = []
        for inner in node.body.body:
            if isinstance(inner, cst.FunctionDef) and not inner.name.value.startswith("__"):
                name = inner.name.value
                if (
                    times[name] <= 1
                    and not inner.decorators
                    and name in self.of.share.functions
                    and self._was_called(name)
                ):
                    continue
            kept.append(inner)
        return node.with_changes(body=node.body.with_changes(body=kept))

    def _was_called(self, name: str) -> bool:
        """By something of the exemplar: or else it is an interface that others call, or nobody."""
        return any(
            isinstance(inner, ast.Attribute) and inner.attr == name
            for path in self.of.texts
            if (source := self.of.names.sources.get(path)) is not None
            for inner in source.all(ast.Attribute)
        )

    def _class(self, node: cst.ClassDef, key: Key, notes: list[Assumption]) -> cst.ClassDef | None:
        model = self.of.exemplar.model
        is_model = key == (model.at.file, model.name)
        is_schema = key in self.of.schemas
        if not isinstance(node.body, cst.IndentedBlock):
            return node
        body: list[cst.BaseStatement] = []
        new = self._columns(node) if is_model else self._attributes(node, key)
        known = self.of.known(key[0])
        for inner in node.body.body:
            if isinstance(inner, cst.FunctionDef):
                named = {copying.text_of(each) for each in strings(inner.decorators)}
                if named & self.of.share.own:
                    continue
                if (is_model or is_schema) and copying.is_poisoned(
                    inner.body, known, self.of.share, is_row=True
                ):
                    line = self.of.code(key[0]).first_line(inner) + 1
                    said = f"{key[1]}.{inner.name.value} is left out"
                    notes.append(Assumption(said, key[0], line))
                    self.of.share.gone.add(inner.name.value)
                    continue
                made = self._function(inner, key[0], notes, is_row=is_model or is_schema)
                if made is not None:
                    body.append(made)
                continue
            name = target(inner)
            if (is_model or is_schema) and name in self.of.share.own:
                body += new
                new = []
            elif is_model and name == "__table_args__":
                body += _table_arguments(inner)
            elif isinstance(inner, cst.ClassDef):
                kept = self._inner_class(inner, known)
                body += [kept] if kept is not None else []
            elif name == "model_config":
                body.append(_without_examples(inner))
            elif not copying.is_poisoned(
                inner, known, self.of.share, is_row=True
            ) and not self._names_gone(inner, known):
                body.append(inner)
        for number, each in enumerate(body):
            if isinstance(each, cst.SimpleStatementLine):
                body[number] = defects.without_utcnow(each, self.of.house.aware)
                if not body[number].deep_equals(each):
                    line = self.of.code(key[0]).first_line(node) + 1
                    notes.append(Assumption(f"{key[1]} {defects.UTCNOW}", key[0], line))
        if is_model:
            body = _in_dataclass_order(body) if self.of.house.dataclass else body
        if not [each for each in body if not copying.is_doc(each)]:
            body.append(cst.parse_statement("pass"))
        body[0] = body[0].with_changes(leading_lines=[]) if body else body[0]
        return node.with_changes(body=node.body.with_changes(body=body))

    def _names_gone(self, node: cst.CSTNode, known: KnownNames) -> bool:
        return any(known.meaning(name) == "gone" for name in copying.names_in(node))

    def _inner_class(self, node: cst.ClassDef, known: KnownNames) -> cst.ClassDef | None:
        """Config"""
        if not isinstance(node.body, cst.IndentedBlock):
            return node
        kept = [each for each in node.body.body if target(each) not in _EXAMPLES]
        kept = [
            each
            for each in kept
            if not copying.is_poisoned(each, known, self.of.share, is_row=True)
        ]
        if not kept:
            return None
        return node.with_changes(body=node.body.with_changes(body=kept))

    def _columns(self, node: cst.ClassDef) -> list[cst.BaseStatement]:
        model = self.of.exemplar.model
        key = (model.at.file, model.name)
        if self.of.carried_above(key):
            return []
        house = self.of.house_of(model.at.file)
        return [
            _statement(house_fields.column(field, house, self.of.references.get(field.column)))
            for field in self.of.resource.columns
        ]

    def _attributes(self, node: cst.ClassDef, key: Key) -> list[cst.BaseStatement]:
        schema = self.of.schemas.get(key)
        if schema is None:
            return []
        role = self.of.role(key)
        above = self.of.carried_above(key)
        if above and not self.of.own_in(key) >= above:
            return []
        house = self.of.house_of(key[0])
        written = "Annotated[" in cst.Module([node]).code
        table = role == "base" and self.of.is_above_model(key)
        fields = [
            field
            for field in self.of.resource.columns
            if not (role in ("create", "update") and field.readonly)
            and not (role == "public" and field.writeonly)
        ]
        if role == "base" and any(field.readonly or field.writeonly for field in fields):
            raise Refused(
                f"{self.of.renames.identifier(key[1])} is for what is sent and for answers alike,"
                " so that nothing in it can be readonly or writeonly.",
                "Leave that out, and edit the schemas afterwards.",
            )
        return [
            _statement(
                house_fields.attribute(
                    field,
                    house,
                    self.of.references.get(field.column),
                    role,
                    annotated=written,
                    table=table,
                )
            )
            for field in fields
        ]


def _taking(
    node: cst.FunctionDef, parameter: cst.Param, schema: str, model: str, *, makes_row: bool
) -> cst.FunctionDef:
    """The function with that schema as its body. Where the table was the new row already, a row is
    made first."""
    name = parameter.name.value
    builds = any(
        isinstance(inner, cst.Call) and dotted(inner.func) == model
        for inner in copying.walk(node.body)
    )
    given = f"{name}_in" if makes_row and not builds else name
    annotation = cst.Annotation(cst.parse_expression(schema))

    def change(each: cst.Param) -> cst.Param:
        if each.name.value != name:
            return each
        return each.with_changes(name=cst.Name(given), annotation=annotation)

    params = node.params.with_changes(
        params=[change(each) for each in node.params.params],
        kwonly_params=[change(each) for each in node.params.kwonly_params],
    )
    body = list(copying.statements_of(node.body))
    if given != name:
        first = 1 if body and copying.is_doc(body[0]) else 0
        made = cst.parse_statement(f"{name} = {model}(**{given}.model_dump())")
        assert isinstance(made, cst.SimpleStatementLine)
        body.insert(first, made)
    return node.with_changes(params=params, body=node.body.with_changes(body=body))


def _within(node: cst.FunctionDef, was: cst.FunctionDef, width: int) -> cst.FunctionDef:
    """With a line for each parameter, where one for all of them has become too long."""
    if _longest_line(node) <= max(width, _longest_line(was)):
        return node
    line = cst.ParenthesizedWhitespace(
        indent=True, last_line=cst.SimpleWhitespace("    "), first_line=cst.TrailingWhitespace()
    )
    last = cst.ParenthesizedWhitespace(indent=True, first_line=cst.TrailingWhitespace())
    names = [each.name.value for each in copying.parameters(node.params)]

    def spread(given: Sequence[cst.Param]) -> list[cst.Param]:
        return [
            each.with_changes(
                comma=cst.Comma(whitespace_after=last if each.name.value == names[-1] else line),
                whitespace_after_param=cst.SimpleWhitespace(""),
            )
            for each in given
        ]

    star = node.params.star_arg
    if isinstance(star, cst.ParamStar):
        star = star.with_changes(comma=cst.Comma(whitespace_after=line))
    params = node.params.with_changes(
        params=spread(node.params.params),
        kwonly_params=spread(node.params.kwonly_params),
        star_arg=star,
    )
    return node.with_changes(params=params, whitespace_before_params=line)


def _longest_line(node: cst.FunctionDef) -> int:
    """Of its signature."""
    head = cst.Module([]).code_for_node(node.with_changes(body=cst.IndentedBlock([])))
    return max(map(len, head.split("\n")))


def _about(said: str) -> set[str]:
    """The function that a note is about; nothing of one that says so itself."""
    head = said.partition(":")[0].removeprefix("left out of ").partition(" ")[0]
    return set() if "." in head else {head}


def _statement(code: str) -> cst.BaseStatement:
    name, rest = re.split(r"(?=[:\s])", code, maxsplit=1)
    made = cst.parse_statement(f"{NEW}{name}{rest}\n")
    assert isinstance(made, cst.BaseStatement | cst.SimpleStatementLine)
    return made


def _table_arguments(node: cst.BaseStatement) -> list[cst.BaseStatement]:
    """Constraints are of the exemplar's own columns; what is said of the table stays."""
    part = next(small(node), None)
    given = getattr(part, "value", None)
    if isinstance(given, cst.Dict):
        return [node]
    dicts = [
        each.value
        for each in (given.elements if isinstance(given, cst.Tuple) else ())
        if isinstance(each.value, cst.Dict)
    ]
    if not dicts:
        return []
    kept = dicts[0]
    return [copying.rewritten(node, lambda each: kept if isinstance(each, cst.Tuple) else each)]


def _without_examples(node: cst.BaseStatement) -> cst.BaseStatement:
    def change(each: cst.CSTNode) -> cst.CSTNode:
        if isinstance(each, cst.Call):
            kept = [
                arg
                for arg in each.args
                if arg.keyword is None or arg.keyword.value not in _EXAMPLES
            ]
            return each.with_changes(args=copying.commas(kept, each.args))
        if isinstance(each, cst.Dict):
            kept_items = [
                item
                for item in each.elements
                if not isinstance(item, cst.DictElement)
                or copying.text_of(item.key) not in _EXAMPLES
            ]
            if kept_items:
                kept_items[-1] = kept_items[-1].with_changes(comma=each.elements[-1].comma)
            return each.with_changes(elements=kept_items)
        return each

    return copying.rewritten(node, change)


def _in_dataclass_order(body: list[cst.BaseStatement]) -> list[cst.BaseStatement]:
    """Fields with a default go below those without one, as a dataclass asks."""
    late = [
        each for each in body if target(each).startswith(NEW) and "default" in (value(each) or "")
    ]
    rest = [each for each in body if each not in late]
    for number in range(len(rest) - 1, -1, -1):
        said = value(rest[number]) or ""
        if target(rest[number]) and "default" not in said and "init=False" not in said:
            return [*rest[: number + 1], *late, *rest[number + 1 :]]
    return [*rest, *late]
