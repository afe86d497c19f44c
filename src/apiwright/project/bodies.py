"""What happens inside functions: which calls they make, and what type each expression has, told by
annotations, constructors, imports and dependencies. What cannot be told stays unknown.
"""

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from apiwright.project import libraries
from apiwright.project.dependencies import Dependencies
from apiwright.project.evaluate import Evaluator
from apiwright.project.facts import Place
from apiwright.project.files import Source
from apiwright.project.libraries import canonical
from apiwright.project.values import (
    UNKNOWN,
    Annotated,
    Call,
    Class,
    Const,
    Function,
    Generic,
    Instance,
    Items,
    Made,
    Method,
    Module,
    Outside,
    Registration,
    RouterObject,
    Scope,
    Table,
    Unknown,
    Value,
)

_BUILTINS = frozenset(dir(builtins))
_THREADS: dict[
    str, int | str
] = {  # what hands a function to a thread, and which of its arguments that is
    "asyncio.to_thread": 0,
    "starlette.concurrency.run_in_threadpool": 0,
    "anyio.to_thread.run_sync": 0,
    "asgiref.sync.sync_to_async": 0,
    "threading.Thread": "target",
    "multiprocessing.Process": "target",
}
_LATER: dict[str, int | str] = {
    "fastapi.BackgroundTasks.add_task": 0,
    "starlette.background.BackgroundTask": 0,
}
_CONTEXTS = {"contextlib.contextmanager", "contextlib.asynccontextmanager"}
_LISTS = {
    "list", "set", "tuple", "frozenset", "typing.List", "typing.Set", "typing.Tuple",
    "typing.Sequence", "typing.Iterable", "typing.Collection", "typing.FrozenSet",
    "collections.abc.Sequence", "collections.abc.Iterable", "collections.abc.Collection",
}  # fmt: skip
_DICTS = {"dict", "typing.Dict", "typing.Mapping", "collections.abc.Mapping"}
_GENERATORS = {
    f"{module}.{name}"
    for module in ("typing", "collections.abc")
    for name in ("Generator", "Iterator", "AsyncGenerator", "AsyncIterator", "AsyncIterable")
}
_TRANSPARENT = {"typing.Awaitable", "collections.abc.Awaitable", "typing.Coroutine", "typing.Final"}
_UNIONS = {"|", "typing.Union", "typing.Optional"}
_SAYS_NOTHING = {
    "typing.Any", "typing.Callable", "collections.abc.Callable", "object", "typing.Self", "Any",
}  # fmt: skip
_DEEPEST = 25  # bodies within bodies
_MOST_BODIES = 20_000


@dataclass(frozen=True, eq=False)
class CallSite:
    node: ast.Call
    name: str | None
    """Dotted, of what is called outside of the project; a method's by its receiver's type:
    "sqlalchemy.orm.Session.execute". None for the project's own, and for what is unknown."""
    target: Function | None
    """In the project."""
    awaited: bool
    at: Place
    in_thread: bool = False
    """It is handed to a thread (to_thread, run_in_threadpool, an executor), not called here."""
    later: bool = False
    """It is handed to background tasks, which run after the response."""
    receiver: Value = UNKNOWN
    arguments: tuple[Value, ...] = ()
    keywords: tuple[tuple[str, Value], ...] = ()


@dataclass(eq=False)
class Body:
    function: Function
    scope: Scope
    calls: list[CallSite] = field(default_factory=list)
    """In the order of the source, those in functions and lambdas inside apart."""
    values: dict[ast.expr, Value] = field(default_factory=dict)
    """What each expression is, where it stands."""
    returned: list[Value] = field(default_factory=list)
    yielded: list[Value] = field(default_factory=list)
    nested: list[Function] = field(default_factory=list)
    attributes: dict[str, Value] = field(default_factory=dict)
    """What it sets on self."""


class Bodies:
    def __init__(self, evaluator: Evaluator, dependencies: Dependencies) -> None:
        self.evaluator = evaluator
        self.dependencies = dependencies
        self._known: dict[tuple[object, ...], Body] = {}
        self._open: list[tuple[object, ...]] = []
        self._setters: dict[ast.ClassDef, dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]]
        self._setters = {}
        self._contexts: dict[ast.AST, bool] = {}
        self._alone: dict[ast.expr, Function] = {}

    def of(self, function: Function) -> Body:
        key = _key(function)
        body = self._known.get(key)
        if body is None:
            scope = Scope(function.scope.source, function.scope, function.qualified, "function")
            body = Body(function, scope)
            if len(self._open) >= _DEEPEST or len(self._known) >= _MOST_BODIES:
                return body
            self._known[key] = body  # a recursive call sees what there is so far
            self._open.append(key)
            try:
                _Walk(self, body).run()
            except RecursionError:  # an expression of thousands of parts
                pass
            finally:
                self._open.pop()
        return body

    def value(self, expression: ast.expr, scope: Scope) -> Value:
        """Of one that stands outside of functions."""
        if expression not in self._alone:
            node = ast.Lambda(ast.arguments([], [], None, [], [], None, []), expression)
            self._alone[expression] = Function(node, scope, scope.qualified)
        return self.of(self._alone[expression]).values.get(expression, UNKNOWN)

    # what things are

    def instance_of(self, said: Value) -> Value:
        """What a value is whose annotation is this."""
        match said:
            case Annotated():
                return self.instance_of(said.values[0])
            case Class():
                return Instance(said, {})
            case Outside(name=name):
                name = canonical(name)
                return UNKNOWN if name in _SAYS_NOTHING else Made(name)
            case Const(value=None):
                return said
            case Generic():
                return self._generic(said)
        return UNKNOWN

    def _generic(self, said: Generic) -> Value:
        name = canonical(self.evaluator.name_of(said.base))
        inner = said.arguments
        if name in _UNIONS:
            options = [self.instance_of(one) for one in inner]
            return _first_known(options)
        if name in {"type", "typing.Type"}:
            return inner[0] if inner and isinstance(inner[0], Class | Outside) else UNKNOWN
        if name in _LISTS:
            return Made("list", tuple(self.instance_of(one) for one in inner[:1]))
        if name in _DICTS:
            return Made("dict", tuple(self.instance_of(one) for one in inner))
        if name in _GENERATORS:
            return Made("generator", tuple(self.instance_of(one) for one in inner[:1]))
        if name in _TRANSPARENT:
            return self.instance_of(inner[-1]) if inner else UNKNOWN
        if isinstance(said.base, Class):
            return Instance(said.base, {})
        if not name or name in _SAYS_NOTHING:
            return UNKNOWN
        return Made(name, tuple(self.instance_of(one) for one in inner))

    def annotated(self, annotation: ast.expr | None, scope: Scope) -> Value:
        if annotation is None:
            return UNKNOWN
        return self.instance_of(self.evaluator.annotation(annotation, scope))

    def seen(self, value: Value) -> Value:
        """A value of a module, as the evaluator has it, with calls of the outside turned into what
        they give."""
        match value:
            case Call():
                callee = self.seen(value.callee)
                arguments = tuple(self.seen(one) for one in value.arguments)
                keywords = {name: self.seen(one) for name, one in value.keywords.items()}
                return self.call(callee, arguments, keywords)[2]
            case Outside(name=name):
                found = canonical(name)
                return value if found == name else Outside(found)
        return value

    def provided(self, target: Value) -> Value:
        """What a parameter gets from Depends(target)."""
        match target:
            case Function():
                given = self.gives(target)
                if isinstance(given, Made) and given.name in {"generator", "context"}:
                    return given.arguments[0] if given.arguments else UNKNOWN
                return given
            case Class():
                return Instance(target, {})
            case Instance():
                called = self.evaluator.member(target.of, "__call__", target)
                return self.provided(called) if isinstance(called, Function) else UNKNOWN
            case Outside(name=name):
                found = canonical(name)
                return Made(found) if found.rpartition(".")[2][:1].isupper() else UNKNOWN
        return UNKNOWN

    def gives(self, function: Function) -> Value:
        """What a call of it gives, awaited if it is async: its annotation, or what its body returns
        where that says more."""
        node = function.node
        if isinstance(node, ast.Lambda):
            return _first_known(self.of(function).returned)
        said = self.annotated(node.returns, function.scope)
        is_context = self._is_context(function)
        if isinstance(said, Made) and said.name == "generator" and said.arguments:
            if isinstance(said.arguments[0], Unknown):
                said = UNKNOWN
            else:
                return Made("context", said.arguments) if is_context else said
        if _is_exact(said) and not is_context:
            return said
        body = self.of(function)
        if body.yielded:
            kind = "context" if is_context else "generator"
            return Made(kind, (_first_known(body.yielded),))
        found = _first_known(body.returned)
        if isinstance(said, Instance):
            narrower = isinstance(found, Instance) and said.of in self.evaluator.ancestry(found.of)
            return found if narrower else said
        if isinstance(said, Made) and isinstance(found, Unknown | Const):
            return said
        return found

    def _is_context(self, function: Function) -> bool:
        node = function.node
        if node not in self._contexts:
            self._contexts[node] = any(
                self.evaluator.name_of(self.evaluator.value(one, function.scope)) in _CONTEXTS
                for one in getattr(node, "decorator_list", ())
                if isinstance(one, ast.Name | ast.Attribute)
            )
        return self._contexts[node]

    def entered(self, value: Value) -> Value:
        """What `with value as …` gives."""
        if isinstance(value, Instance):
            for name in ("__aenter__", "__enter__"):
                member = self.evaluator.member(value.of, name, value)
                if isinstance(member, Function):
                    return self.gives(member)
            return value
        return libraries.entered(value)

    # attributes

    def attribute(self, value: Value, name: str) -> Value:
        match value:
            case Made() | Method():
                return Method(value, name)
            case Outside():
                return Outside(canonical(f"{value.name}.{name}"))
            case Instance():
                return self._of_instance(value, name)
            case Class():
                return self._of_class(value, name)
            case Module() | Const():
                return self.seen(self.evaluator.attribute(value, name))
            case RouterObject() if name == "state":
                return Method(Made("fastapi.FastAPI"), name)
            case Table() if name in {"get", "pop", "items", "values", "keys", "update"}:
                return Method(Made("dict"), name)
            case Items() if name in {"append", "extend", "index", "pop"}:
                return Method(Made("list"), name)
        return UNKNOWN

    def _of_instance(self, instance: Instance, name: str) -> Value:
        held = self.seen(instance.attributes.get(name, UNKNOWN))
        if not isinstance(held, Unknown) and held != Const(None):
            return held
        member = self.member(instance.of, name, instance)
        if member is not None and not isinstance(member, Unknown):
            if isinstance(member, Function) and self._is_property(member):
                return self.gives(member)
            if not (isinstance(member, Call | Const) and self._declared(instance.of, name)):
                return self.seen(member)
        said = self._declared(instance.of, name)
        if said is not None and not isinstance(found := self.annotated(*said), Unknown):
            return found
        found = self._set_on_self(instance, name)
        if not isinstance(found, Unknown):
            return found
        outside = self.outside_base(instance.of)
        return UNKNOWN if said or member or outside is None else Method(Made(outside), name)

    def _of_class(self, cls: Class, name: str) -> Value:
        member = self.member(cls, name, None)
        if isinstance(member, Function | Class):
            return member
        if self._declared(cls, name) or isinstance(member, Call):
            return Made("attribute", (cls, Const(name)))
        if member is not None:
            return self.seen(member)
        outside = self.outside_base(cls)
        return UNKNOWN if outside is None else Outside(f"{outside}.{name}")

    def member(self, cls: Class, name: str, instance: Instance | None) -> Value | None:
        """As the evaluator's, but it calls no property."""
        for one in self.evaluator.ancestry(cls):
            if not isinstance(one, Class) or name not in one.scope.names:
                continue
            value = one.scope.names[name]
            if not isinstance(value, Function):
                return value
            decorators = _decorators(value.node)
            receiver: Value | None = instance
            if "classmethod" in decorators:
                receiver = cls
            elif "staticmethod" in decorators:
                receiver = None
            return Function(value.node, value.scope, value.qualified, one, receiver)
        return None

    def _is_property(self, function: Function) -> bool:
        return bool(_decorators(function.node) & {"property", "cached_property", "computed_field"})

    def _declared(self, cls: Class, name: str) -> tuple[ast.expr, Scope] | None:
        """The annotation in the class, and where it stands."""
        for one in self.evaluator.ancestry(cls):
            if isinstance(one, Class):
                for statement in one.node.body:
                    if (
                        isinstance(statement, ast.AnnAssign)
                        and isinstance(statement.target, ast.Name)
                        and statement.target.id == name
                    ):
                        return statement.annotation, one.scope
        return None

    def _set_on_self(self, instance: Instance, name: str) -> Value:
        """Of self.name = … in one of the class's methods, __init__ first."""
        for one in self.evaluator.ancestry(instance.of):
            if not isinstance(one, Class):
                continue
            for node in self._setters_of(one).get(name, ()):
                method = Function(node, one.scope, one.scope.inside(node.name), one, instance)
                found = self.of(method).attributes.get(name, UNKNOWN)
                if not isinstance(found, Unknown):
                    return found
        return UNKNOWN

    def set_on_self(self, instance: Instance) -> tuple[str, ...]:
        """The names of what its methods set on it."""
        found: dict[str, None] = {}
        for one in self.evaluator.ancestry(instance.of):
            if isinstance(one, Class):
                found.update(dict.fromkeys(self._setters_of(one)))
        return tuple(found)

    def _setters_of(self, cls: Class) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
        if cls.node not in self._setters:
            found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
            methods = [
                one
                for one in cls.node.body
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
            for node in sorted(methods, key=lambda one: one.name != "__init__"):
                for inner in ast.walk(node):
                    if (
                        isinstance(inner, ast.Attribute)
                        and isinstance(inner.ctx, ast.Store)
                        and isinstance(inner.value, ast.Name)
                        and inner.value.id == "self"
                    ):
                        found.setdefault(inner.attr, []).append(node)
            self._setters[cls.node] = found
        return self._setters[cls.node]

    def outside_base(self, cls: Class) -> str | None:
        """The nearest class outside of the project that it derives from."""
        for one in self.evaluator.ancestry(cls):
            name = self.evaluator.name_of(one)
            if name and name not in {"typing.Generic", "typing.Protocol", "abc.ABC", "object"}:
                return canonical(name)
        return None

    # calls

    def call(
        self, callee: Value, arguments: tuple[Value, ...], keywords: dict[str, Value]
    ) -> tuple[str | None, Function | None, Value]:
        """Its name outside of the project, the function in it, and what the call gives."""
        match callee:
            case Outside(name=name):
                name = canonical(name)
                if name in {"typing.cast"} and arguments:
                    return name, None, self.instance_of(arguments[0])
                if name in {"next", "anext"} and arguments:
                    return name, None, libraries.item_of(arguments[0]) or UNKNOWN
                if name in {"list", "tuple", "set", "sorted", "reversed", "iter", "aiter"}:
                    inner = libraries.item_of(arguments[0]) if arguments else None
                    return name, None, Made("list", (inner,) if inner is not None else ())
                if name == "functools.partial" and arguments:
                    return name, None, arguments[0]
                return name, None, libraries.made(name, arguments, keywords)
            case Method(receiver=receiver):
                name = dotted(callee) or ""
                if isinstance(receiver, Made):
                    given = libraries.called(receiver, callee.name, arguments, keywords)
                    return name or None, None, given
                return name or None, None, Made(f"{name}()") if name else UNKNOWN
            case Made():
                return f"{callee.name}.__call__", None, libraries.opened(callee)
            case Function():
                bound = self._with_given(callee, arguments, keywords)
                return None, bound, self.gives(bound)
            case Class():
                return self._constructed(callee, arguments, keywords)
            case Instance():
                member = self.member(callee.of, "__call__", callee)
                if isinstance(member, Function):
                    return self.call(member, arguments, keywords)
                outside = self.outside_base(callee.of)
                return (f"{outside}.__call__" if outside else None), None, UNKNOWN
            case Generic():
                name_, target, given = self.call(callee.base, arguments, keywords)
                if isinstance(given, Made):
                    given = Made(given.name, arguments or callee.arguments)
                return name_, target, given
        return None, None, UNKNOWN

    def _constructed(
        self, cls: Class, arguments: tuple[Value, ...], keywords: dict[str, Value]
    ) -> tuple[str | None, Function | None, Value]:
        instance = Instance(cls, {})
        made = self.member(cls, "__init__", instance)
        if not isinstance(made, Function):
            # a dataclass, a model of pydantic: the keywords are its attributes
            for name, value in keywords.items():
                if not isinstance(value, Unknown | Const):
                    instance.attributes[name] = value
            fields = [
                statement.target.id
                for statement in cls.node.body
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
            ]
            if cls.node.decorator_list:
                for name, value in zip(fields, arguments, strict=False):
                    if not isinstance(value, Unknown | Const):
                        instance.attributes[name] = value
            return self.outside_base(cls), None, instance
        bound = self._with_given(made, arguments, keywords)
        instance.attributes.update(
            {
                name: value
                for name, value in self.of(bound).attributes.items()
                if not isinstance(value, Unknown)
            }
        )
        return None, bound, instance

    def _with_given(
        self, function: Function, arguments: tuple[Value, ...], keywords: dict[str, Value]
    ) -> Function:
        """With the arguments for those parameters whose annotations say less."""
        parameters = [one for one, _ in function.parameters()]
        given = dict(keywords)
        if function.self is not None:
            arguments = (function.self, *arguments)
        positional = len(function.node.args.posonlyargs) + len(function.node.args.args)
        for parameter, value in zip(parameters[:positional], arguments, strict=False):
            given[parameter.arg] = value
        if function.self is not None and parameters:
            given.pop(parameters[0].arg, None)
        kept = []
        for parameter in parameters:
            value = given.get(parameter.arg, UNKNOWN)
            if isinstance(value, Unknown | Const | Items | Table):
                continue
            said = self.annotated(parameter.annotation, function.scope)
            if _is_same(said, value):
                continue
            if not _is_exact(said) or isinstance(value, Function):
                kept.append((parameter.arg, value))
        if not kept:
            return function
        return Function(
            function.node, function.scope, function.qualified, function.owner, function.self,
            tuple(kept),
        )  # fmt: skip


class _Walk:
    """One way through a function, statement by statement."""

    def __init__(self, bodies: Bodies, body: Body) -> None:
        self.bodies = bodies
        self.evaluator = bodies.evaluator
        self.body = body
        self.source: Source = body.scope.source
        self._branches = 0

    def run(self) -> None:
        function = self.body.function
        node = function.node
        self._parameters(function)
        if isinstance(node, ast.Lambda):
            self.body.returned.append(self.expression(node.body, self.body.scope))
        else:
            self._statements(node.body, self.body.scope)
        self._streamed()

    def _streamed(self) -> None:
        """What a plain generator does when it is streamed is done in a thread."""
        calls = self.body.calls
        if any((one.name or "").endswith(".StreamingResponse") for one in calls):
            calls[:] = [
                replace(one, in_thread=True)
                if one.target is not None
                and not _is_async(one.target)
                and self.bodies.of(one.target).yielded
                else one
                for one in calls
            ]

    def _parameters(self, function: Function) -> None:
        scope, bodies = self.body.scope, self.bodies
        wanted = {one.parameter: one for one in bodies.dependencies.of(function)}
        given = dict(function.given)
        for parameter, default in function.parameters():
            value = bodies.annotated(parameter.annotation, function.scope)
            if isinstance(value, Unknown) and isinstance(default, ast.Name | ast.Attribute):
                value = bodies.value(default, function.scope)
            if parameter.arg in wanted:
                provided = bodies.provided(wanted[parameter.arg].target)
                if not _is_exact(value) and not isinstance(provided, Unknown | Const):
                    value = provided
            elif parameter.arg in given:
                value = given[parameter.arg]
            scope.names[parameter.arg] = value
        arguments = function.node.args
        if arguments.vararg:
            scope.names[arguments.vararg.arg] = Made("list")
        if arguments.kwarg:
            scope.names[arguments.kwarg.arg] = Made("dict")
        if function.self is not None:
            first = next(iter([*arguments.posonlyargs, *arguments.args]), None)
            if first is not None:
                scope.names[first.arg] = function.self

    # statements

    def _statements(self, statements: list[ast.stmt], scope: Scope) -> None:
        for statement in statements:
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: Scope) -> None:
        match node:
            case ast.Expr() | ast.Return():
                if node.value is not None:
                    value = self.expression(node.value, scope)
                    if isinstance(node, ast.Return):
                        self.body.returned.append(value)
            case ast.Assign():
                value = self.expression(node.value, scope)
                for target in node.targets:
                    self._assign(target, value, scope)
            case ast.AnnAssign():
                value = self.bodies.annotated(node.annotation, scope)
                if node.value is not None:
                    found = self.expression(node.value, scope)
                    value = value if _is_exact(value) or isinstance(found, Unknown) else found
                self._assign(node.target, value, scope)
            case ast.AugAssign():
                self.expression(node.target, scope)
                self.expression(node.value, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                function = Function(node, scope, scope.inside(node.name))
                scope.names[node.name] = function
                self.body.nested.append(function)
                for decorator in node.decorator_list:
                    self.expression(decorator, scope)
            case ast.ClassDef():
                scope.names[node.name] = self.evaluator.define_class(node, scope)
            case ast.If():
                self.expression(node.test, scope)
                self._branch(node.body, node.orelse, scope=scope)
            case ast.While():
                self.expression(node.test, scope)
                self._branch(node.body, node.orelse, scope=scope)
            case ast.For() | ast.AsyncFor():
                over = self.expression(node.iter, scope)
                self._assign(node.target, self._item(over), scope)
                self._branch(node.body, node.orelse, scope=scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    value = self.bodies.entered(self.expression(item.context_expr, scope))
                    if item.optional_vars is not None:
                        self._assign(item.optional_vars, value, scope)
                self._statements(node.body, scope)
            case ast.Try():
                self._statements(node.body, scope)
                for handler in node.handlers:
                    if handler.type is not None:
                        self.expression(handler.type, scope)
                    if handler.name:
                        scope.names[handler.name] = UNKNOWN
                    self._branch(handler.body, scope=scope)
                self._statements(node.orelse, scope)
                self._statements(node.finalbody, scope)
            case ast.Match():
                self.expression(node.subject, scope)
                for case in node.cases:
                    if case.guard is not None:
                        self.expression(case.guard, scope)
                    self._branch(case.body, scope=scope)
            case ast.Import() | ast.ImportFrom():
                self.evaluator.follow_import(node, scope)
            case ast.Raise() | ast.Assert() | ast.Delete():
                for inner in ast.iter_child_nodes(node):
                    if isinstance(inner, ast.expr):
                        self.expression(inner, scope)

    def _branch(self, *parts: list[ast.stmt], scope: Scope) -> None:
        self._branches += 1
        for part in parts:
            self._statements(part, scope)
        self._branches -= 1

    def _item(self, over: Value) -> Value:
        if isinstance(over, Items):
            return _first_known(list(over.values))
        return libraries.item_of(over) or UNKNOWN

    def _assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        match target:
            case ast.Name():
                before = scope.names.get(target.id)
                says_less = isinstance(value, Unknown) or value == Const(None)
                if self._branches and says_less and before is not None:
                    return  # one of two ways: the other says what it is
                scope.names[target.id] = value
            case ast.Tuple() | ast.List():
                values = value.values if isinstance(value, Items) else ()
                for number, inner in enumerate(target.elts):
                    part = values[number] if number < len(values) else UNKNOWN
                    self._assign(inner, part, scope)
            case ast.Starred():
                self._assign(target.value, UNKNOWN, scope)
            case ast.Attribute():
                receiver = self.expression(target.value, scope)
                if receiver is self.body.function.self and isinstance(receiver, Instance):
                    known = self.body.attributes.get(target.attr, UNKNOWN)
                    if isinstance(known, Unknown) or known == Const(None):
                        self.body.attributes[target.attr] = value
            case ast.Subscript():
                self.expression(target.value, scope)
                self.expression(target.slice, scope)

    # expressions

    def expression(self, node: ast.expr, scope: Scope, awaited: bool = False) -> Value:
        value = self._call(node, scope, awaited) if isinstance(node, ast.Call) else None
        if value is None:
            value = self._expression(node, scope)
        self.body.values[node] = value
        return value

    def _expression(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Constant():
                if isinstance(node.value, str | int | float | bool | None):
                    return Const(node.value)
                return UNKNOWN
            case ast.Name():
                return self._name(node.id, scope)
            case ast.Attribute():
                receiver = self.expression(node.value, scope)
                if receiver is self.body.function.self and node.attr in self.body.attributes:
                    return self.body.attributes[node.attr]
                return self.bodies.attribute(receiver, node.attr)
            case ast.Await():
                return self.expression(node.value, scope, awaited=True)
            case ast.NamedExpr():
                value = self.expression(node.value, scope)
                self._assign(node.target, value, scope)
                return value
            case ast.Lambda():
                function = Function(node, scope, scope.inside("<lambda>"))
                self.body.nested.append(function)
                return function
            case ast.BoolOp():
                return _first_known([self.expression(one, scope) for one in node.values])
            case ast.IfExp():
                self.expression(node.test, scope)
                return _first_known(
                    [self.expression(node.body, scope), self.expression(node.orelse, scope)]
                )
            case ast.List() | ast.Tuple() | ast.Set():
                return Items(tuple(self.expression(one, scope) for one in node.elts))
            case ast.Dict():
                return self._dict(node, scope)
            case ast.Subscript():
                return self._subscript(node, scope)
            case ast.BinOp():
                sides = (self.expression(node.left, scope), self.expression(node.right, scope))
                if any(isinstance(side, Const) and isinstance(side.value, str) for side in sides):
                    return sides[0] if isinstance(sides[0], Made) else Made("str")
                return next((side for side in sides if isinstance(side, Made)), UNKNOWN)
            case ast.JoinedStr():
                for part in node.values:
                    if isinstance(part, ast.FormattedValue):
                        self.expression(part.value, scope)
                return Made("str")
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, scope)
            case ast.Yield():
                value = self.expression(node.value, scope) if node.value else Const(None)
                self.body.yielded.append(value)
                return UNKNOWN
            case ast.YieldFrom():
                inner = self.expression(node.value, scope)
                self.body.yielded.append(libraries.item_of(inner) or UNKNOWN)
                return UNKNOWN
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.expression(child, scope)
        return UNKNOWN

    def _name(self, name: str, scope: Scope) -> Value:
        found = scope.find(name)
        if found is None:
            found = self.evaluator.lookup(name, scope)
            if isinstance(found, Unknown) and name in _BUILTINS:
                return Outside(name)
        return self.bodies.seen(found)

    def _dict(self, node: ast.Dict, scope: Scope) -> Value:
        values = {}
        for key, value in zip(node.keys, node.values, strict=True):
            known = self.expression(key, scope) if key is not None else UNKNOWN
            given = self.expression(value, scope)
            if isinstance(known, Const):
                values[str(known.value)] = given
        return Table(values)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Value:
        base = self.expression(node.value, scope)
        index = self.expression(node.slice, scope)
        match base:
            case Table() if isinstance(index, Const):
                return base.values.get(str(index.value), UNKNOWN)
            case Items() if isinstance(index, Const) and isinstance(index.value, int):
                inside = -len(base.values) <= index.value < len(base.values)
                return base.values[index.value] if inside else UNKNOWN
            case Made():
                found = libraries.item_of(base)
                return found if found is not None else Method(base, "[]")
            case Class() | Outside() | Generic():
                inner = index.values if isinstance(index, Items) else (index,)
                return Generic(base, inner)
        return UNKNOWN

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: Scope
    ) -> Value:
        inner = Scope(scope.source, scope, scope.qualified, "function")
        for generator in node.generators:
            over = self.expression(generator.iter, inner)
            self._assign(generator.target, self._item(over), inner)
            for test in generator.ifs:
                self.expression(test, inner)
        if isinstance(node, ast.DictComp):
            self.expression(node.key, inner)
            return Made("dict", (UNKNOWN, self.expression(node.value, inner)))
        return Made("list", (self.expression(node.elt, inner),))

    # calls

    def _call(self, node: ast.Call, scope: Scope, awaited: bool) -> Value:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            return self._super(scope)
        callee = self.expression(node.func, scope)
        receiver: Value = UNKNOWN
        if isinstance(node.func, ast.Attribute):
            receiver = self.body.values[node.func.value]
            of_super = isinstance(node.func.value, ast.Call) and isinstance(
                node.func.value.func, ast.Name
            ) and node.func.value.func.id == "super"  # fmt: skip
            if of_super and isinstance(callee, Function):
                callee = Function(
                    callee.node, callee.scope, callee.qualified, callee.owner,
                    self.body.function.self,
                )  # fmt: skip
        arguments = tuple(self.expression(one, scope) for one in node.args)
        keywords = {}
        for keyword in node.keywords:
            value = self.expression(keyword.value, scope)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
        if isinstance(callee, Registration):
            return UNKNOWN
        name, target, given = self.bodies.call(callee, arguments, keywords)
        if of_init := self._own_init(callee, target):
            for attribute, value in self.bodies.of(of_init).attributes.items():
                self.body.attributes.setdefault(attribute, value)
        site = CallSite(
            node, name, target, awaited, self.source.at(node), receiver=receiver,
            arguments=arguments, keywords=tuple(keywords.items()),
        )  # fmt: skip
        self.body.calls.append(site)
        handed = self._handed(site, arguments, keywords)
        if handed is not None:
            self.body.calls.append(handed)
            if name and not handed.later and handed.target is not None:
                return self.bodies.gives(handed.target)
        return given

    def _own_init(self, callee: Value, target: Function | None) -> Function | None:
        """super().__init__(…), which sets attributes of the same object."""
        own = self.body.function.self
        if (
            target is not None
            and isinstance(callee, Function)
            and isinstance(own, Instance)
            and target.self is own
            and getattr(target.node, "name", "") == "__init__"
        ):
            return target
        return None

    def _super(self, scope: Scope) -> Value:
        own, owner = self.body.function.self, self.body.function.owner
        if owner is None or not isinstance(own, Instance | Class):
            return UNKNOWN
        above = Class(
            owner.node, Scope(scope.source, scope, owner.scope.qualified, "class"), owner.bases
        )
        return Instance(above, own.attributes if isinstance(own, Instance) else {})

    def _handed(
        self, site: CallSite, arguments: tuple[Value, ...], keywords: dict[str, Value]
    ) -> CallSite | None:
        """The function that is given to a thread, or to what runs after the response."""
        name = site.name or ""
        place = {**_THREADS, **_LATER}.get(name)
        if name.endswith(".run_in_executor"):
            place = 1
        elif "Executor" in name and name.endswith(".submit"):
            place = 0
        if place is None:
            return None
        rest: tuple[Value, ...] = ()
        if isinstance(place, str):
            function = keywords.get(place)
        else:
            function = arguments[place] if place < len(arguments) else keywords.get("func")
            rest = arguments[place + 1 :]
        if function is None:
            return None
        others = {key: value for key, value in keywords.items() if key not in {"func", "target"}}
        called, target, _ = self.bodies.call(function, rest, others)
        later = name in _LATER
        return CallSite(
            site.node, called, target, False, site.at,
            in_thread=not (later and target is not None and _is_async(target)),
            later=later, arguments=rest, keywords=tuple(others.items()),
        )  # fmt: skip


def dotted(value: Value) -> str | None:
    """The name of something outside of the project."""
    match value:
        case Outside(name=name):
            return canonical(name)
        case Made():
            return value.name
        case Method(receiver=receiver):
            of = dotted(receiver)
            return f"{of}.{value.name}" if of else None
        case Generic():
            return dotted(value.base)
        case Const(value=str()):
            return "str"
    return None


def functions_of(source: Source, scope: Scope) -> Iterator[Function]:
    """Of a module, and of its classes; those inside others apart."""

    def visit(body: list[ast.stmt], scope: Scope, owner: Class | None) -> Iterator[Function]:
        for node in body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    own: Value | None = None
                    if owner is not None:
                        decorators = _decorators(node)
                        own = owner if "classmethod" in decorators else Instance(owner, {})
                        if "staticmethod" in decorators:
                            own = None
                    yield Function(node, scope, scope.inside(node.name), owner, own)
                case ast.ClassDef():
                    cls = scope.names.get(node.name)
                    if isinstance(cls, Class) and cls.node is node:
                        yield from visit(node.body, cls.scope, cls)
                case ast.If() | ast.Try():
                    for part in ("body", "orelse", "finalbody"):
                        yield from visit(getattr(node, part, []), scope, owner)

    return visit(source.tree.body, scope, None)


def _decorators(node: ast.AST) -> set[str]:
    """Their last names. Those that Python has built in are no one's to import."""
    return {
        one.attr if isinstance(one, ast.Attribute) else one.id
        for one in getattr(node, "decorator_list", ())
        if isinstance(one, ast.Attribute | ast.Name)
    }


def _is_async(function: Function) -> bool:
    return isinstance(function.node, ast.AsyncFunctionDef)


def _is_exact(value: Value) -> bool:
    """Whether what is said needs no second look: not nothing, not a class that others refine."""
    return not isinstance(value, Unknown | Instance | Const) and not (
        isinstance(value, Made) and value.name in {"dict", "list", "generator", "context"}
    )


def _is_same(said: Value, value: Value) -> bool:
    """Whether an instance tells no more than its annotation."""
    return (
        isinstance(said, Instance)
        and isinstance(value, Instance)
        and said.of.node is value.of.node
        and not value.attributes
    )


def _first_known(values: list[Value]) -> Value:
    return next(
        (one for one in values if not isinstance(one, Unknown | Const)),
        next((one for one in values if not isinstance(one, Unknown)), UNKNOWN),
    )


def _key(function: Function) -> tuple[object, ...]:
    return (
        function.node,
        id(function.scope),
        _identity(function.self) if function.self is not None else None,
        tuple((name, _identity(value)) for name, value in function.given),
    )


def _identity(value: Value) -> object:
    match value:
        case Instance():
            inner = tuple((k, _identity(v)) for k, v in value.attributes.items())
            return (value.of.node, inner) if inner else value.of.node
        case Class():
            return ("class", value.node)
        case Function():
            return _key(value)
        case Made():
            return (value.name, tuple(_identity(one) for one in value.arguments))
        case Method():
            return (_identity(value.receiver), value.name)
        case Generic():
            return (_identity(value.base), tuple(_identity(one) for one in value.arguments))
    return repr(value) if isinstance(value, Const | Outside) else type(value)
