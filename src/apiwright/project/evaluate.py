"""Follows a project's modules statement by statement, as Python would import them, without running
anything: names, constants, routers and what is done to them. Both branches of an `if` are followed,
a loop over a known list is unrolled, and functions of the project that are called are followed too.
"""

import ast
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

from apiwright.project.facts import Place
from apiwright.project.files import Source
from apiwright.project.modules import Modules
from apiwright.project.values import (
    UNKNOWN,
    Annotated,
    Call,
    Class,
    Const,
    Endpoint,
    Function,
    Generic,
    Inclusion,
    Instance,
    Items,
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

APPS = {"fastapi.FastAPI", "fastapi.applications.FastAPI"}
ROUTERS = {"fastapi.APIRouter", "fastapi.routing.APIRouter"}
DEPENDS = {
    "fastapi.Depends",
    "fastapi.Security",
    "fastapi.params.Depends",
    "fastapi.param_functions.Depends",
}
_FIELDS = {"pydantic.Field", "sqlmodel.Field", "pydantic.fields.Field"}
_ANNOTATED = {"typing.Annotated", "typing_extensions.Annotated"}
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
_STRING_METHODS = {
    "lower",
    "upper",
    "title",
    "strip",
    "rstrip",
    "lstrip",
    "removesuffix",
    "removeprefix",
    "replace",
    "capitalize",
}
_DEEPEST = 12  # calls within calls
_MOST_STEPS = 50_000  # statements that one module's import may take; the usual is a hundred
_LONGEST_LOOP = 200


class Evaluator:
    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self.routers: list[RouterObject] = []
        self.middleware: list[tuple[Place, str]] = []
        self.scopes: dict[Source, Scope] = {}
        self._calling: list[ast.AST] = []
        self._entered: set[ast.AST] = set()
        self._steps = 0
        self._ifs = 0
        self._importing = 0
        self.exhausted = False

    # modules

    def scope_of(self, source: Source) -> Scope:
        """Follows the module the first time. A circular import sees what there is so far."""
        scope = self.scopes.get(source)
        if scope is None:
            scope = self.scopes[source] = Scope(source, None, "", "module")
            _note_definitions(source.tree.body, scope.definitions)
            calling, self._calling = self._calling, []
            steps, self._steps = self._steps, 0
            self._importing += 1
            with suppress(RecursionError):  # an expression of thousands of parts
                self._run(source.tree.body, scope)
            self._importing -= 1
            self._calling, self._steps = calling, steps
        return scope

    def classes(self) -> Iterator[Class]:
        """Those that the project's modules define, but for its tests."""
        for source, scope in list(self.scopes.items()):
            if not source.is_test:
                named = [each for each in scope.names.values() if isinstance(each, Class)]
                yield from dict.fromkeys(one for one in named if one.scope.source is source)

    def follow_factories(self, source: Source) -> None:
        """Functions that make an app and that nothing has called: a server calls them."""
        for node in source.tree.body:
            if (
                isinstance(node, ast.FunctionDef)
                and node not in self._entered
                and any(isinstance(n, ast.Name) and n.id == "FastAPI" for n in _body_of(node))
            ):
                function = self.scope_of(source).names.get(node.name)
                if isinstance(function, Function):
                    self.call(function)

    def lookup(self, name: str, scope: Scope) -> Value:
        found = scope.find(name)
        if found is not None:
            return found
        module = scope.module
        for star in reversed(module.stars):
            if (value := self._of_module(star, name)) is not None:
                return value
        if name in module.definitions:  # defined further down, or a circular import
            return self._early(name, module.definitions[name], module)
        if name in {
            "dict",
            "list",
            "set",
            "tuple",
            "str",
            "int",
            "float",
            "bool",
            "bytes",
            "object",
        }:
            return Outside(name)
        return UNKNOWN

    def _early(self, name: str, node: ast.AST, scope: Scope) -> Value:
        if node in self._calling:
            return UNKNOWN
        self._calling.append(node)
        try:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                return Function(node, scope, node.name)
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.follow_import(node, scope)
                return scope.names.get(name, UNKNOWN)
        finally:
            self._calling.pop()
        return UNKNOWN

    def _of_module(self, module: Module, name: str) -> Value | None:
        if module.source is not None:
            scope = self.scope_of(module.source)
            value = self.lookup(name, scope)
            if not isinstance(value, Unknown) or name in scope.names:
                return value
        inner = f"{module.name}.{name}"
        if self.modules.exists(inner, module.importer):
            return Module(inner, module.importer, self.modules.find(inner, module.importer))
        return None

    def follow_import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        source = scope.source
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.split(".")[0]
                self._bind(alias.asname or name, self._module(name, source), scope)
                if (found := self.modules.find(alias.name, source)) is not None:
                    self.scope_of(found)
            return
        name = self.modules.absolute(node, source)
        module = self._module(name, source)
        for alias in node.names:
            if alias.name == "*":
                if isinstance(module, Module):
                    if module.source is not None:
                        self.scope_of(module.source)
                    scope.module.stars.append(module)
                continue
            value: Value | None
            if isinstance(module, Module):
                value = self._of_module(module, alias.name) or UNKNOWN
            else:
                value = self.attribute(module, alias.name)
            if not isinstance(value, Unknown):  # else a circular import: asked again when needed
                self._bind(alias.asname or alias.name, value, scope)

    def _module(self, name: str, importer: Source) -> Value:
        if self.modules.exists(name, importer):
            return Module(name, importer, self.modules.find(name, importer))
        return Outside(name)

    # statements

    def _run(self, body: list[ast.stmt], scope: Scope) -> list[Value]:
        """What it returns, if it is a function's."""
        returned: list[Value] = []
        for statement in body:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                self.exhausted = True
                break
            match statement:
                case ast.Import() | ast.ImportFrom():
                    self.follow_import(statement, scope)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._define(statement, scope)
                case ast.ClassDef():
                    self._bind(statement.name, self.define_class(statement, scope), scope)
                case ast.Assign():
                    value = self.value(statement.value, scope)
                    for target in statement.targets:
                        self._assign(target, value, scope)
                case ast.AnnAssign() if statement.value is not None:
                    self._assign(statement.target, self.value(statement.value, scope), scope)
                case ast.AugAssign():
                    self._extend(statement, scope)
                case ast.Expr():
                    if not isinstance(statement.value, ast.Constant):
                        self.value(statement.value, scope)
                case ast.Return() if statement.value is not None:
                    returned.append(self.value(statement.value, scope))
                case ast.If():
                    if not _is_main_guard(statement.test):
                        self._ifs += 1
                        returned += self._run(statement.body, scope)
                        returned += self._run(statement.orelse, scope)
                        self._ifs -= 1
                case ast.For() | ast.AsyncFor():
                    returned += self._loop(statement, scope)
                case ast.While():
                    returned += self._run(statement.body, scope)
                case ast.With() | ast.AsyncWith():
                    for item in statement.items:
                        value = self.value(item.context_expr, scope)
                        if item.optional_vars is not None:
                            self._assign(item.optional_vars, value, scope)
                    returned += self._run(statement.body, scope)
                case ast.Try():
                    returned += self._run(statement.body, scope)
                    for handler in statement.handlers:
                        known = dict(scope.names)
                        returned += self._run(handler.body, scope)
                        scope.names.update(known)  # what happens usually has the last word
                    returned += self._run(statement.orelse, scope)
                    returned += self._run(statement.finalbody, scope)
                case ast.Match():
                    for case in statement.cases:
                        returned += self._run(case.body, scope)
        return returned

    def _loop(self, loop: ast.For | ast.AsyncFor, scope: Scope) -> list[Value]:
        over = self.value(loop.iter, scope)
        values = over.values[:_LONGEST_LOOP] if isinstance(over, Items) else (UNKNOWN,)
        returned = []
        for value in values:
            self._assign(loop.target, value, scope)
            returned += self._run(loop.body, scope)
        return returned

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        function = Function(node, scope, scope.inside(node.name))
        self._bind(node.name, function, scope)
        for decorator in reversed(node.decorator_list):
            value = self.value(decorator, scope)
            if isinstance(value, Registration):
                self._register(value, function)

    def define_class(self, node: ast.ClassDef, scope: Scope) -> Class:
        bases = tuple(self.value(base, scope) for base in node.bases)
        body = Scope(scope.source, scope, scope.inside(node.name), "class", node=node)
        self._run(node.body, body)
        return Class(node, body, bases)

    def _assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        match target:
            case ast.Name():
                self._bind(target.id, value, scope)
            case ast.Tuple() | ast.List():
                values: tuple[Value, ...] = value.values if isinstance(value, Items) else ()
                for number, inner in enumerate(target.elts):
                    self._assign(inner, values[number] if number < len(values) else UNKNOWN, scope)
            case ast.Attribute():
                receiver = self.value(target.value, scope)
                if isinstance(receiver, Instance):
                    receiver.attributes[target.attr] = value

    def _extend(self, node: ast.AugAssign, scope: Scope) -> None:
        if isinstance(node.target, ast.Name):
            before = self.lookup(node.target.id, scope)
            added = self.value(node.value, scope)
            self._bind(node.target.id, _sum(before, added), scope)

    def _bind(self, name: str, value: Value, scope: Scope) -> None:
        scope.names[name] = value
        if isinstance(value, RouterObject) and scope.kind != "function":
            known = (self.modules.name_of(scope.source), scope.inside(name))
            if known not in value.names:
                value.names.append(known)

    # expressions

    def value(self, node: ast.expr | None, scope: Scope) -> Value:
        if node is None:
            return UNKNOWN
        match node:
            case ast.Constant():
                if isinstance(node.value, str | int | float | bool | None):
                    return Const(node.value)
            case ast.Name():
                return self.lookup(node.id, scope)
            case ast.Attribute():
                return self.attribute(self.value(node.value, scope), node.attr)
            case ast.Call():
                return self._call(node, scope)
            case ast.JoinedStr():
                return self._formatted(node, scope)
            case ast.BinOp(op=ast.Add()):
                return _sum(self.value(node.left, scope), self.value(node.right, scope))
            case ast.BinOp(op=ast.BitOr()):
                sides = (self.value(node.left, scope), self.value(node.right, scope))
                return Generic(Outside("|"), sides)
            case ast.List() | ast.Tuple() | ast.Set():
                return Items(tuple(self._elements(node.elts, scope)))
            case ast.Dict():
                return Table(
                    {
                        str(known.value): self.value(value, scope)
                        for key, value in zip(node.keys, node.values, strict=True)
                        if isinstance(known := self.value(key, scope), Const)
                    }
                )
            case ast.Subscript():
                return self._subscript(node, scope)
            case ast.Lambda():
                return Function(node, scope, scope.inside("<lambda>"))
            case ast.Await() | ast.NamedExpr():
                value = self.value(node.value, scope)
                if isinstance(node, ast.NamedExpr):
                    self._assign(node.target, value, scope)
                return value
            case ast.IfExp() if isinstance(test := self.value(node.test, scope), Const):
                return self.value(node.body if test.value else node.orelse, scope)
            case ast.BoolOp() | ast.IfExp():
                options = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
                values = [self.value(option, scope) for option in options]
                return next((v for v in values if not _says_nothing(v)), UNKNOWN)
        return UNKNOWN

    def annotation(self, node: ast.expr | None, scope: Scope) -> Value:
        """As `value`, also of annotations in quotes."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                quoted = ast.parse(node.value.strip(), mode="eval").body
            except (SyntaxError, ValueError):
                return UNKNOWN
            return self.value(quoted, scope)
        return self.value(node, scope)

    def _elements(self, nodes: list[ast.expr], scope: Scope) -> Iterator[Value]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                inner = self.value(node.value, scope)
                yield from inner.values if isinstance(inner, Items) else (UNKNOWN,)
            else:
                yield self.value(node, scope)

    def _formatted(self, node: ast.JoinedStr, scope: Scope) -> Value:
        text = ""
        for part in node.values:
            inner = part.value if isinstance(part, ast.FormattedValue) else part
            value = self.value(inner, scope)
            if not isinstance(value, Const):
                return UNKNOWN
            text += str(value.value)
        return Const(text)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Value:
        base = self.value(node.value, scope)
        if isinstance(base, Items | Table):
            index = self.value(node.slice, scope)
            try:
                if isinstance(index, Const):
                    if isinstance(base, Table):
                        return base.values[str(index.value)]
                    if isinstance(index.value, int):
                        return base.values[index.value]
            except (KeyError, IndexError):
                pass
            return UNKNOWN
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if isinstance(base, Outside) and base.name in {
            "typing.Literal",
            "typing_extensions.Literal",
        }:
            return Generic(base, tuple(self.value(item, scope) for item in inner))
        arguments = tuple(self.annotation(item, scope) for item in inner)
        if isinstance(base, Outside) and base.name in _ANNOTATED:
            return Annotated(arguments)
        return Generic(base, arguments)

    # attributes

    def attribute(self, value: Value, name: str) -> Value:
        match value:
            case Outside():
                return Outside(f"{value.name}.{name}")
            case Module():
                return self._of_module(value, name) or UNKNOWN
            case Instance():
                if name in value.attributes:
                    return value.attributes[name]
                return self.member(value.of, name, value) or UNKNOWN
            case Class():
                if name == "__name__":
                    return Const(value.node.name)
                return self.member(value, name, None) or UNKNOWN
            case RouterObject():
                if name == "router":
                    return value  # app.router
                return Const(value.prefix) if name == "prefix" else Method(value, name)
            case Const() if name == "value":  # of an enum's member
                return value
            case Const():
                return Method(value, name)
            case Generic():
                return self.attribute(value.base, name)
            case Call():
                made = self.name_of(value.callee)
                return Outside(f"{made}().{name}") if made else UNKNOWN
        return UNKNOWN

    def member(self, cls: Class, name: str, instance: Instance | None) -> Value | None:
        for one in self.ancestry(cls):
            if not isinstance(one, Class) or name not in one.scope.names:
                continue
            value = one.scope.names[name]
            if isinstance(value, Function):
                decorators = {
                    self.name_of(self.value(node, one.scope)).rpartition(".")[2]
                    for node in getattr(value.node, "decorator_list", ())
                }
                bound: Value = cls if "classmethod" in decorators else (instance or UNKNOWN)
                receiver = None if "staticmethod" in decorators else bound
                method = Function(value.node, value.scope, value.qualified, one, receiver)
                if instance and decorators & {"property", "computed_field", "cached_property"}:
                    return self._call_function(method, [], {}, None)
                return method
            if isinstance(value, Call) and self.name_of(value.callee) in _FIELDS:
                return value.arguments[0] if value.arguments else value.keywords.get("default")
            return value
        return None

    def ancestry(self, cls: Class) -> list[Value]:
        """The class, then its bases, nearest first; those outside of the project included."""
        found: list[Value] = []

        def visit(value: Value) -> None:
            if isinstance(value, Generic):
                value = value.base
            if value in found or len(found) > 50:
                return
            found.append(value)
            if isinstance(value, Class):
                for base in value.bases:
                    visit(base)

        visit(cls)
        return found

    @staticmethod
    def name_of(value: Value) -> str:
        """The dotted name of something outside of the project, else ''."""
        if isinstance(value, Generic):
            value = value.base
        return value.name if isinstance(value, Outside) else ""

    # calls

    def _call(self, node: ast.Call, scope: Scope) -> Value:
        callee = self.value(node.func, scope)
        arguments = list(self._elements(node.args, scope))
        keywords: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, Table):
                keywords.update(value.values)
        call = Call(callee, tuple(arguments), keywords, node, scope.source)
        match callee:
            case Outside():
                return self._outside(callee.name, call, scope)
            case Function():
                return self._call_function(callee, arguments, keywords, call)
            case Class():
                return self._instance(callee, call, scope)
            case Method(receiver=RouterObject() as router):
                return self._on_router(router, callee.name, call)
            case Method(receiver=Const(value=str() as text)) if callee.name in _STRING_METHODS:
                plain = [str(one.value) for one in arguments if isinstance(one, Const)]
                try:
                    return Const(getattr(text, callee.name)(*plain))
                except TypeError:
                    return UNKNOWN
            case Registration():
                if arguments:
                    self._register(callee, arguments[0])
                    return arguments[0]
        return call

    def _outside(self, name: str, call: Call, scope: Scope) -> Value:
        if name in APPS or name in ROUTERS:
            return self._router("app" if name in APPS else "router", call, scope)
        if name in {"os.getenv", "os.environ.get"}:
            return call.arguments[1] if len(call.arguments) > 1 else UNKNOWN
        if name in {"list", "tuple", "set", "sorted", "reversed"} and call.arguments:
            return call.arguments[0]
        if name in {"str", "typing.cast"} and call.arguments:
            return call.arguments[-1]
        if name == "functools.partial" and call.arguments:
            return call.arguments[0]
        return call

    def _router(self, kind: Literal["app", "router"], call: Call, scope: Scope) -> RouterObject:
        prefix = call.keywords.get("prefix", Const(""))
        router = RouterObject(
            kind,
            prefix.value if isinstance(prefix, Const) and isinstance(prefix.value, str) else None,
            listed(call.keywords.get("dependencies")),
            call,
            in_schema=call.keywords.get("include_in_schema") != Const(False),
            factory=scope.qualified if scope.kind == "function" else None,
        )
        if kind == "app":
            router.prefix = ""
        self.routers.append(router)
        return router

    def _instance(self, cls: Class, call: Call, scope: Scope) -> Value:
        names = {self.name_of(base) for base in self.ancestry(cls)}
        if names & (APPS | ROUTERS):
            kind: Literal["app", "router"] = "app" if names & APPS else "router"
            return self._router(kind, self._with_own_arguments(cls, call), scope)
        instance = Instance(cls, dict(call.keywords))
        made = self.member(cls, "__init__", instance)
        if isinstance(made, Function):
            self._call_function(made, list(call.arguments), call.keywords, call)
        return instance

    def _with_own_arguments(self, cls: Class, call: Call) -> Call:
        """class Admins(APIRouter): def __init__(…): super().__init__(dependencies=[…])"""
        keywords = dict(call.keywords)
        for one in self.ancestry(cls):
            made = one.scope.names.get("__init__") if isinstance(one, Class) else None
            if not isinstance(made, Function):
                continue
            for node in ast.walk(made.node):
                if not isinstance(node, ast.Call) or ast.unparse(node.func) != "super().__init__":
                    continue
                for keyword in node.keywords:
                    if keyword.arg == "dependencies" and isinstance(keyword.value, ast.List):
                        own = listed(self.value(keyword.value, made.scope))
                        given = listed(keywords.get("dependencies"))
                        keywords["dependencies"] = Items((*own, *given))
        return Call(call.callee, call.arguments, keywords, call.node, call.source)

    def call(self, function: Function) -> Value:
        """What it returns, called with nothing but its self."""
        return self._call_function(function, [], {}, None)

    def _call_function(
        self,
        function: Function,
        arguments: list[Value],
        keywords: dict[str, Value],
        call: Call | None,
    ) -> Value:
        node = function.node
        nothing: Value = call or UNKNOWN
        if node in self._calling or len(self._calling) >= _DEEPEST:
            return nothing
        if not self._calling and not self._importing:  # asked for by another reader
            self._steps = 0
        self._entered.add(node)
        scope = Scope(function.scope.source, function.scope, function.qualified, "function")
        positional = [*node.args.posonlyargs, *node.args.args]
        given = ([function.self] if function.self is not None else []) + arguments
        defaults = node.args.defaults
        for number, parameter in enumerate(positional):
            default = number - (len(positional) - len(defaults))
            if number < len(given):
                scope.names[parameter.arg] = given[number]
            elif parameter.arg in keywords:
                scope.names[parameter.arg] = keywords[parameter.arg]
            elif default >= 0:
                scope.names[parameter.arg] = self.value(defaults[default], function.scope)
            else:
                scope.names[parameter.arg] = UNKNOWN
        for parameter, otherwise in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            scope.names[parameter.arg] = keywords.get(parameter.arg) or self.value(
                otherwise, function.scope
            )
        if node.args.vararg:
            scope.names[node.args.vararg.arg] = Items(tuple(given[len(positional) :]))
        self._calling.append(node)
        try:
            if isinstance(node, ast.Lambda):
                return self.value(node.body, scope)
            returned = self._run(node.body, scope)
        finally:
            self._calling.pop()
        return next((v for v in returned if not _says_nothing(v)), nothing)

    # routers

    def _on_router(self, router: RouterObject, name: str, call: Call) -> Value:
        if name in _METHODS:
            return Registration(router, (name.upper(),), call)
        if name in {"api_route", "route"}:
            methods = _strings(call.keywords.get("methods")) or ("GET",)
            return Registration(router, methods, call)
        if name in {"websocket", "websocket_route"}:
            return Registration(router, ("WEBSOCKET",), call)
        if name in {"add_api_route", "add_route", "add_api_websocket_route"}:
            methods = _strings(call.keywords.get("methods")) or ("GET",)
            if name == "add_api_websocket_route":
                methods = ("WEBSOCKET",)
            handler = call.keywords.get("endpoint")
            if handler is None and len(call.arguments) > 1:
                handler = call.arguments[1]
            self._register(Registration(router, methods, call), handler or UNKNOWN)
        elif name == "include_router":
            included = call.keywords.get("router") or next(iter(call.arguments), UNKNOWN)
            self._include(router, included, call.keywords.get("prefix", Const("")), call, False)
        elif name == "add_middleware" and call.node.args:
            what = ast.unparse(call.node.args[0])
            self.middleware.append((call.source.at(call.node), what))
        elif name == "mount" and len(call.arguments) > 1:
            self._include(router, call.arguments[1], call.arguments[0], call, True)
        return call

    def _include(
        self, into: RouterObject, router: Value, prefix: Value, call: Call, mounted: bool
    ) -> None:
        text = prefix.value if isinstance(prefix, Const) else None
        into.entries.append(
            Inclusion(
                router,
                text if isinstance(text, str) else None,
                listed(call.keywords.get("dependencies")),
                call,
                mounted,
                call.keywords.get("include_in_schema") != Const(False),
                self._ifs > 0,
            )
        )

    def _register(self, registration: Registration, handler: Value) -> None:
        call = registration.call
        path = call.keywords.get("path") or next(iter(call.arguments), UNKNOWN)
        text = path.value if isinstance(path, Const) else None
        scope = handler.scope if isinstance(handler, Function) else None
        registration.router.entries.append(
            Endpoint(
                registration.methods,
                text if isinstance(text, str) else None,
                handler,
                call.keywords,
                call,
                scope if scope is not None and scope.kind == "class" else None,
            )
        )


def _note_definitions(body: list[ast.stmt], into: dict[str, ast.AST]) -> None:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                into[node.name] = node
            case ast.ImportFrom() | ast.Import():
                for alias in node.names:
                    into[alias.asname or alias.name.split(".")[0]] = node
            case ast.If() | ast.Try():
                _note_definitions(node.body, into)


def _body_of(function: ast.FunctionDef) -> Iterator[ast.AST]:
    for statement in function.body:
        yield from ast.walk(statement)


def _is_main_guard(test: ast.expr) -> bool:
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
    )


def _says_nothing(value: Value) -> bool:
    return isinstance(value, Unknown) or value == Const(None)


def _sum(left: Value, right: Value) -> Value:
    match left, right:
        case Const(value=str() as a), Const(value=str() as b):
            return Const(a + b)
        case Items(), Items():
            return Items(left.values + right.values)
    return UNKNOWN


def listed(value: Value | None) -> tuple[Value, ...]:
    if value is None or value == Const(None):
        return ()
    return value.values if isinstance(value, Items) else (value,)


def _strings(value: Value | None) -> tuple[str, ...]:
    if not isinstance(value, Items):
        return ()
    return tuple(str(one.value).upper() for one in value.values if isinstance(one, Const))
