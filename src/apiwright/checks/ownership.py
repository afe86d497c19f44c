"""Whose rows a route touches: which models have an owner, where their rows are loaded, and whether
the owner is compared with anybody on the way there.

What cannot be followed counts as compared: silence is right where the source does not tell.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from apiwright.checks.passing import Step, argument
from apiwright.project.bodies import CallSite
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Column, Model
from apiwright.project.libraries import ASYNC_SESSION, KIT_SESSION, KIT_UNSCOPED, SELECTS, SESSION
from apiwright.project.values import Class, Function, Instance, Made, Unknown, Value

_SESSIONS = (SESSION, ASYNC_SESSION, "sqlalchemy.orm.scoped_session", KIT_UNSCOPED)
_FASTCRUD = "fastcrud.FastCRUD"
_FASTCRUD_ROWS = {
    "get", "get_multi", "get_joined", "get_multi_joined", "update", "delete", "db_delete",
}  # fmt: skip
_STATEMENT = re.compile(r"(sqlalchemy\.(select|update|delete)|.*\.query)(\(\)[\w.()]*)?")
_DONE = re.compile(
    r".*\.(execute|exec|scalars?|stream|stream_scalars|all|first|one|one_or_none|get|count|update"
    r"|delete|scalar_one|scalar_one_or_none)\(\)"
)
_CREDENTIALS = re.compile(
    r"(?i)token|session|login|otp|verif|reset|api_?key|refresh|credential|oauth"
)
_OPEN_TO_OTHERS = re.compile(r"(?i)public|share|slug|published|visib|invite|member|collab|assign")
_ADMIN = re.compile(r"(?i)admin|superuser|super_user|staff|role|moderator|permission")
_CHECKS = re.compile(
    r"(?i)own|permi|authori[sz]|access|check|ensure|verify|allow|compare_digest|can_"
)
_MADE_BY = re.compile(r"(?i)author|creat|post|writ|upload|send|modif|updat|report|added|by_")
_NO_CONDITIONS = {"select", "query", "options", "order_by", "group_by", "values", "load_only"}
_EXECUTES = {"exec", "execute", "scalar", "scalars", "stream", "page"}


@dataclass(frozen=True, eq=False)
class Owned:
    """A model with an owner, or below one that has."""

    cls: Class
    model: Model
    owner: frozenset[str]
    """Attributes that tell the owner: owner_id, owner; empty for what lies below."""
    parents: tuple[tuple[str, "Owned"], ...] = ()
    """The attributes that tell what it lies below."""
    strict: bool = True
    """Whether the column says owner, not author or creator."""
    credential: bool = False
    """A token, a login: who holds its secret owns it."""


@dataclass(frozen=True, eq=False)
class Access:
    """Rows of an owned model that a route loads, updates or deletes."""

    handler: Handler
    owned: Owned
    site: CallSite
    function: Function
    way: tuple[CallSite, ...]
    kind: Literal["read", "write"]
    scoped: bool
    """Whether the owner is compared, or may be."""
    by_id: bool
    unscoped: bool = False
    """By the kit's session.unscoped(…)."""


@lru_cache(maxsize=2)
def ownership_of(code: Code) -> "Ownership":
    """Worked out once: several rules ask."""
    return Ownership(code)


class Ownership:
    def __init__(self, code: Code) -> None:
        self.code = code
        self._parents: dict[ast.AST, dict[ast.AST, ast.AST]] = {}

    # models

    @cached_property
    def owned(self) -> dict[ast.ClassDef, Owned]:
        project = self.code.project
        classes = {cls.at: cls for cls in self.code.evaluator.classes()}
        user = project.user_model
        found: dict[ast.ClassDef, Owned] = {}
        tables: dict[str, Owned] = {}
        for model in project.models:
            cls = classes.get(model.at)
            column = self._owner_column(model)
            if cls is None or model.is_user or column is None:
                continue
            names = {column}
            names |= {
                one.name
                for one in model.relationships
                if user and one.target == user.name and not one.many
            }
            found[cls.node] = Owned(
                cls,
                model,
                frozenset(names),
                strict=not _MADE_BY.search(column),
                credential=bool(_CREDENTIALS.search(model.name)),
            )
        for _ in range(2):  # what lies below, and what lies below that
            tables = {name: one for one in found.values() for name in _tables(one.model)}
            for model in project.models:
                cls = classes.get(model.at)
                if cls is None or cls.node in found or model.is_user:
                    continue
                keys = [
                    (column.attribute, tables[table])
                    for column in model.columns
                    if (table := _referred(column)) in tables and not tables[table].credential
                ]
                if len(keys) == 1 and not _CREDENTIALS.search(model.name):
                    strict = keys[0][1].strict
                    found[cls.node] = Owned(cls, model, frozenset(), tuple(keys), strict)
        return found

    def _owner_column(self, model: Model) -> str | None:
        """Where the user's table has a name that is computed, by what it is likely called."""
        user = self.code.project.user_model
        if model.owner_column is not None or user is None or user.table is not None:
            return model.owner_column
        names = _tables(user)
        return next(
            (column.attribute for column in model.columns if _referred(column) in names), None
        )

    def of(self, value: Value) -> Owned | None:
        """The owned model that a value is, or is a row of."""
        if isinstance(value, Instance):
            value = value.of
        return self.owned.get(value.node) if isinstance(value, Class) else None

    # routes

    @cached_property
    def accesses(self) -> tuple[Access, ...]:
        return tuple(one for handler in self.code.handlers() for one in self._of(handler))

    @cached_property
    def is_enforced_elsewhere(self) -> bool:
        """By the session itself, or by policies in the database."""
        words = (b"with_loader_criteria", b"do_orm_execute", b"ROW LEVEL SECURITY", b"set_config(")
        return any(
            word in source.content
            for source in self.code.sources
            if not source.is_test
            for word in words
        )

    def run_by(self, handler: Handler) -> list[tuple[Function, tuple[CallSite, ...]]]:
        """The functions that a request runs, but those that find out who is asking."""
        found = list(self.code.reached(handler.function, threads=True))
        left = list(handler.wanted)
        seen: set[ast.AST] = set()
        while left:
            wanted = left.pop()
            function = self.code.provider(wanted)
            if function is None or function.node in seen:
                continue
            seen.add(function.node)
            if not self._is_login(function):
                found += self.code.reached(function, threads=True)
                left += self.code.wanted(function)
        return found

    def _is_login(self, function: Function) -> bool:
        """Whether it gives the user."""
        user = self.code.project.user_model
        given = self.code.bodies.provided(function)
        name = given.of.node.name if isinstance(given, Instance) else ""
        return bool(user and name == user.name) or "current" in function.qualified.lower()

    def _of(self, handler: Handler) -> Iterator[Access]:
        functions = self.run_by(handler)
        sites = [
            (site, owned, function, way)
            for function, way in functions
            for site in self.code.calls(function)
            if (owned := self._loaded(site)) is not None
        ]
        if not sites:
            return
        made = self._made(functions)
        compared = self._compared(functions)
        changed = self._changed(functions)
        scoped = {
            id(site): self._is_scoped(site, owned, function, way)
            for site, owned, function, way in sites
        }
        checked = {owned.cls.node for site, owned, _, _ in sites if scoped[id(site)]} | {
            node for node in self.owned if node in compared or None in compared
        }
        for site, owned, function, way in sites:
            executed = self._executed(site, function)
            if executed == KIT_SESSION or (owned.credential and executed != KIT_UNSCOPED):
                continue
            fine = scoped[id(site)] or owned.cls.node in compared or None in compared
            if not fine and owned.parents:
                fine = any(
                    parent.cls.node in checked
                    and (
                        self._mentions(site, function, way, {key})
                        or (owned.cls.node, key) in compared
                    )
                    for key, parent in owned.parents
                )
            if not fine and owned.owner:
                fine = any(
                    self._mentions(site, function, way, {column.attribute})
                    for column in owned.model.columns
                    if (table := _referred(column))
                    and any(
                        table in _tables(parent.model) and node in checked
                        for node, parent in self.owned.items()
                    )
                )
            written = owned.cls.node in changed
            if owned.cls.node in made and not written:
                continue  # read back, or looked up before
            by_id = self._by_id(site, owned, function, way)
            yield Access(
                handler,
                owned,
                site,
                function,
                way,
                "write" if written else "read",
                # by an id that an earlier statement of the route has found to be the user's
                fine or (by_id and owned.cls.node in checked),
                by_id,
                executed == KIT_UNSCOPED,
            )

    # loading

    def _loaded(self, site: CallSite) -> Owned | None:
        name = site.name or ""
        head, _, last = name.rpartition(".")
        if head == _FASTCRUD and isinstance(site.receiver, Made) and site.receiver.arguments:
            return self.of(site.receiver.arguments[0]) if last in _FASTCRUD_ROWS else None
        loads = name in SELECTS - {"sqlalchemy.insert"} or (
            head in _SESSIONS and last in {"get", "get_one", "query"}
        )
        if not loads or not site.arguments:
            return None
        about = site.arguments[0]
        if isinstance(about, Made) and about.name == "attribute":  # select(Task.id)
            about = about.arguments[0]
        return self.of(about) if isinstance(about, Class) else None

    def _executed(self, site: CallSite, function: Function) -> str:
        """The session that the statement is given to, as far as this function tells."""
        if (site.name or "").startswith(KIT_UNSCOPED):
            return KIT_UNSCOPED
        nodes, _ = self._statement(site.node, function)
        values = self.code.body(function).values
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                receiver = values.get(node.func.value)
                name = receiver.name if isinstance(receiver, Made) else ""
                if node.func.attr in _EXECUTES and name in {KIT_SESSION, KIT_UNSCOPED}:
                    return name
        return ""

    def _is_scoped(
        self, site: CallSite, owned: Owned, function: Function, way: tuple[CallSite, ...]
    ) -> bool:
        if _in_admin_branch(self._above(function), site.node):
            return True
        for index, one in enumerate(way):
            above = way[index - 1].target if index else None
            caller = above if above is not None else self._start(function, way)
            if caller is not None and _in_admin_branch(self._above(caller), one.node):
                return True
        names = set(owned.owner) or {n for _, parent in owned.parents for n in parent.owner}
        return self._mentions(site, function, way, names, also=_OPEN_TO_OTHERS)

    def _start(self, function: Function, way: tuple[CallSite, ...]) -> Function | None:
        """The function that the way starts in."""
        if not way:
            return function
        for handler in self.code.handlers():
            for start in (handler.function, *self.code.all_dependencies(handler)):
                if way[0] in self.code.calls(start):
                    return start
        return None

    def _mentions(
        self,
        site: CallSite,
        function: Function,
        way: tuple[CallSite, ...],
        names: set[str],
        also: re.Pattern[str] | None = None,
    ) -> bool:
        """Whether the statement that the call begins says one of the names, in this function or,
        where it gives the statement back, in its caller."""
        nodes, given_back = self._statement(site.node, function)
        if _says(nodes, names, also):
            return True
        if self._says_by_others(nodes, function, way, names):
            return True
        if given_back and way:
            caller = way[-2].target if len(way) > 1 else self._start(function, way)
            if caller is None:
                return True
            return self._mentions(way[-1], caller, way[:-1], names, also)
        return False

    def _says_by_others(
        self, nodes: list[ast.AST], function: Function, way: tuple[CallSite, ...], names: set[str]
    ) -> bool:
        """Conditions that come from elsewhere: a list, a helper, keywords of the caller."""
        calls = {site.node: site for site in self.code.calls(function)}
        for node in nodes:
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr not in {"where", "filter", "filter_by", "and_"}:
                continue
            step = Step(function, way, self._start(function, way) or function)
            for condition in node.args:
                if self._condition_says(condition, step, names):
                    return True
                for inner in ast.walk(condition):
                    call = calls.get(inner) if isinstance(inner, ast.Call) else None
                    target = call.target if call is not None else None
                    if target is not None and _says(list(ast.walk(target.node)), names, None):
                        return True
            for keyword in node.keywords:
                if keyword.arg is None:  # filter_by(**filters)
                    last = way[-1] if way else None
                    told = {one.arg for one in last.node.keywords} if last else {None}
                    if None in told or told & names:
                        return True
        return False

    def _condition_says(
        self, condition: ast.expr, step: Step, names: set[str], depth: int = 0
    ) -> bool:
        """Whether a condition says the owner, where need be in the variable or the parameter that
        holds it. True for what cannot be followed."""
        if depth > 6:
            return True
        parts, every = _parts(condition)
        if parts:
            said = (self._condition_says(one, step, names, depth + 1) for one in parts)
            return all(said) if every else any(said)
        if not isinstance(condition, ast.Name):
            return _says(list(ast.walk(condition)), names, _OPEN_TO_OTHERS)
        name = condition.id
        given, here = _assigned(step.function, name), step
        if not given and any(one.arg == name for one, _ in step.function.parameters()):
            passed, caller = argument(step, name), step.caller
            if caller is None:
                return True
            if passed is None:  # the default
                return False
            given, here = [passed], caller
        if not given:
            return isinstance(self.code.value_of(condition, step.function), Unknown)
        return any(self._condition_says(one, here, names, depth + 1) for one in given)

    def _statement(self, start: ast.expr, function: Function) -> tuple[list[ast.AST], bool]:
        """The nodes of the statement that begins with a call, later additions to its variable
        included, and whether the function gives it back."""
        above = self._above(function)
        values = self.code.body(function).values
        whole: list[ast.AST] = []
        given_back = False
        left: list[ast.expr] = [start]
        names: set[str] = set()
        while left:
            node: ast.AST = left.pop()
            while not isinstance(above.get(node), ast.stmt | None):
                node = above[node]
            whole += ast.walk(node)
            statement = above.get(node)
            outcome = values.get(node) if isinstance(node, ast.expr) else None
            if not _is_statement(outcome):
                continue
            if isinstance(statement, ast.Return):
                given_back = True
            targets: list[ast.expr] = []
            if isinstance(statement, ast.Assign):
                targets = statement.targets
            elif isinstance(statement, ast.AnnAssign):
                targets = [statement.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id not in names:
                    names.add(target.id)
                    left += [
                        one
                        for one in ast.walk(function.node)
                        if isinstance(one, ast.Name)
                        and one.id == target.id
                        and isinstance(one.ctx, ast.Load)
                    ]
        return whole, given_back

    def _by_id(
        self, site: CallSite, owned: Owned, function: Function, way: tuple[CallSite, ...]
    ) -> bool:
        if (site.name or "").endswith((".get", ".get_one")):
            return True
        keys = {column.attribute for column in owned.model.columns if column.primary_key}
        return self._mentions(site, function, way, keys)

    # comparing and changing

    def _compared(self, functions: list[tuple[Function, tuple[CallSite, ...]]]) -> set[object]:
        """Models whose owner is compared in Python; None for what could be of any; (model, key)
        where what a row lies below is compared."""
        found: set[object] = set()
        for function, _ in functions:
            values = self.code.body(function).values
            for node in ast.walk(function.node):
                parts: list[ast.expr] = []
                if isinstance(node, ast.Compare):
                    parts = [node.left, *node.comparators]
                elif isinstance(node, ast.Call) and _CHECKS.search(ast.unparse(node.func)):
                    parts = [*node.args, *(one.value for one in node.keywords)]
                for part in parts:
                    for inner in ast.walk(part):
                        found |= self._owner_of(inner, values)
        return found

    def _owner_of(self, node: ast.AST, values: dict[ast.expr, Value]) -> set[object]:
        if isinstance(node, ast.Attribute):
            name, row = node.attr, values.get(node.value)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            name, row = str(node.slice.value), values.get(node.value)
        else:
            return set()
        if isinstance(row, Class) or (isinstance(row, Made) and row.name == "attribute"):
            return set()  # a condition of a statement
        if isinstance(row, Instance):
            owned = self.of(row)
            if owned is None:
                user = self.code.project.user_model
                back = user and row.of.node.name == user.name
                return {
                    node_
                    for node_, one in self.owned.items()
                    if back
                    for relation in (user.relationships if user else ())
                    if relation.name == name and relation.target == one.model.name
                }
            if name in owned.owner:
                return {owned.cls.node}
            return {(owned.cls.node, key) for key, _ in owned.parents if key == name}
        every = {n for one in self.owned.values() for n in one.owner}
        return {None} if name in every else set()

    def _made(self, functions: list[tuple[Function, tuple[CallSite, ...]]]) -> set[ast.AST]:
        """Models of which the route makes rows."""
        found: set[ast.AST] = set()
        for function, _ in functions:
            values = self.code.body(function).values
            for site in self.code.calls(function):
                about = values.get(site.node.func)
                if site.name == f"{_FASTCRUD}.create" and isinstance(site.receiver, Made):
                    about = next(iter(site.receiver.arguments), None)
                if isinstance(about, Class) and about.node in self.owned:
                    found.add(about.node)
        return found

    def _changed(self, functions: list[tuple[Function, tuple[CallSite, ...]]]) -> set[ast.AST]:
        """Models whose rows are updated or deleted."""
        found: set[ast.AST] = set()

        def note(value: Value | None) -> None:
            owned = self.of(value) if value is not None else None
            if owned is not None:
                found.add(owned.cls.node)

        for function, _ in functions:
            body = self.code.body(function)
            made = {
                target.id
                for node in ast.walk(function.node)
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
                and isinstance(body.values.get(node.value.func), Class)
                for target in node.targets
                if isinstance(target, ast.Name)
            }  # fmt: skip
            for site in body.calls:
                name = site.name or ""
                last = name.rpartition(".")[2]
                if name in {"sqlalchemy.update", "sqlalchemy.delete", "setattr"} or (
                    last in {"delete", "merge"} and name.startswith(_SESSIONS)
                ):
                    note(next(iter(site.arguments), None))
                if last in {"update", "delete", "db_delete"} and isinstance(site.receiver, Made):
                    note(next(iter(site.receiver.arguments), None))
                if isinstance(site.node.func, ast.Attribute) and site.node.func.attr in {
                    "sqlmodel_update",
                    "update",
                }:
                    note(site.receiver)
            for node in ast.walk(function.node):
                if isinstance(node, ast.Assign | ast.AugAssign):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    for target in targets:
                        if isinstance(target, ast.Attribute) and not (
                            isinstance(target.value, ast.Name)
                            and (target.value.id in made or target.value.id == "self")
                        ):
                            note(body.values.get(target.value))
        return found

    def _above(self, function: Function) -> dict[ast.AST, ast.AST]:
        """Each node's parent."""
        if function.node not in self._parents:
            self._parents[function.node] = {
                child: node
                for node in ast.walk(function.node)
                for child in ast.iter_child_nodes(node)
            }
        return self._parents[function.node]


def _is_statement(value: Value | None) -> bool:
    """Not sent to the database yet."""
    if not isinstance(value, Made) or not _STATEMENT.fullmatch(value.name):
        return False
    after = value.name.partition("query()" if "query()" in value.name else "()")[2]
    return not _DONE.fullmatch(value.name) if after else True


def _parts(condition: ast.expr) -> tuple[list[ast.expr], bool]:
    """Of what is put together, and whether one of them is enough to be met."""
    match condition:
        case ast.Starred(value=inner):
            return [inner], False
        case ast.Call(args=args, func=func) if ast.unparse(func).rpartition(".")[2] == "and_":
            return list(args), False
        case ast.BinOp(op=ast.BitAnd(), left=left, right=right):
            return [left, right], False
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return list(parts), False
    return _options(condition), True


def _assigned(function: Function, name: str) -> list[ast.expr]:
    """What a variable gets, and what is added to it."""
    found: list[ast.expr] = []
    for node in ast.walk(function.node):
        match node:
            case ast.Assign(value=value):
                targets = node.targets
            case ast.AnnAssign(value=ast.expr() as value) | ast.AugAssign(value=value):
                targets = [node.target]
            case ast.Call(
                func=ast.Attribute(value=ast.Name() as target, attr="append" | "extend" | "insert"),
                args=[*_, value],
            ):
                targets = [target]
            case _:
                continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            found.append(value)
    return found


def _tables(model: Model) -> set[str]:
    if model.table is not None:
        return {model.table}
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", model.name).lower()
    return {model.name.lower(), f"{model.name.lower()}s", snake, f"{snake}s"}


def _referred(column: Column) -> str:
    return (column.foreign_key or "").rpartition(".")[0]


def _says(nodes: list[ast.AST], names: set[str], also: re.Pattern[str] | None) -> bool:
    passed_over: set[ast.AST] = set()
    for node in nodes:
        if node in passed_over:
            continue
        options = _options(node)
        if options and not all(_says(list(ast.walk(one)), names, also) for one in options):
            passed_over.update(ast.walk(node))  # mine, or whatever else fits
            continue
        if isinstance(node, ast.Call) and _called(node) in _NO_CONDITIONS:
            for one in (*node.args, *node.keywords):
                passed_over.update(ast.walk(one))
        match node:
            case ast.Attribute(attr=name) | ast.keyword(arg=str() as name):
                pass
            case ast.Constant(value=str() as name):
                if name not in names:
                    continue
            case ast.Name(id="with_parent"):
                return True
            case _:
                continue
        if name in names or name == "with_parent" or (also is not None and also.search(name)):
            return True
    return False


def _called(node: ast.Call) -> str:
    func = node.func
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def _options(node: ast.AST) -> list[ast.expr]:
    """Of a condition that is met by one of several."""
    match node:
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return [left, right]
        case ast.Call(func=ast.Name(id="or_") | ast.Attribute(attr="or_"), args=args):
            return list(args)
    return []


def _in_admin_branch(above: dict[ast.AST, ast.AST], node: ast.AST) -> bool:
    """if user.is_superuser: here"""
    while (parent := above.get(node)) is not None:
        if isinstance(parent, ast.If | ast.IfExp) and node is not parent.test:
            negated = isinstance(parent.test, ast.UnaryOp) and isinstance(parent.test.op, ast.Not)
            inside = node in parent.body if isinstance(parent, ast.If) else node is parent.body
            if _ADMIN.search(ast.unparse(parent.test)) and inside != negated:
                return True
        node = parent
    return False
