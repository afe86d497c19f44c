"""What functions depend on, and what that protects."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from apiwright.project.evaluate import DEPENDS, Evaluator
from apiwright.project.facts import Place, Protection
from apiwright.project.values import (
    Annotated,
    Call,
    Class,
    Const,
    Function,
    Generic,
    Instance,
    Module,
    Outside,
    Scope,
    Unknown,
    Value,
)

KIT_LOGINS: dict[str, Protection] = {
    "apiwright.kit.logins.UserSession": "login",
    "apiwright.kit.logins.AnonymousSession": "none",
    "apiwright.kit.logins.TokenIssuer": "none",
    "apiwright.kit.pagination.PageParams": "none",
}
"""Aliases that carry their Depends inside the kit."""
_KIT_REQUIRES = "apiwright.kit.permissions.requires"

_ADMIN = ("admin", "superuser", "super_user", "staff", "role", "moderator")
_LOGIN = (
    "current_user", "currentuser", "current_active", "get_user", "auth", "login", "logged",
    "signed_in", "signedin", "verify_token", "validate_token", "verify_jwt", "jwt", "api_key",
    "apikey", "bearer", "oauth2_scheme", "get_token", "current_account", "principal",
)  # fmt: skip
_OPTIONAL = ("optional", "maybe", "or_none", "anonymous")
_HARMLESS = (
    "session", "db", "database", "engine", "uow", "limit", "page", "pagina", "params", "query",
    "filter", "settings", "config", "service", "repo", "repository", "form", "client", "cache",
    "redis", "lang", "request", "background",
)  # fmt: skip
_HEADERS = {"authorization", "x_api_key", "x_token"}
_HIGHEST: tuple[Protection, ...] = ("admin", "login", "unknown", "none")


@dataclass(frozen=True)
class Wanted:
    """One Depends(…), where it stands."""

    target: Value
    parameter: str
    alias: tuple[str, str] | None
    """(name, module) of the Annotated alias that it came by."""
    annotated: bool
    security: bool
    """Security(…), with scopes."""
    scope: str = "request"
    """Depends(…, scope="function"): left before the response is sent."""


class Dependencies:
    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self._wanted: dict[ast.AST, tuple[Wanted, ...]] = {}
        self._protects: dict[tuple[str, int], Protection] = {}

    def of(self, value: Value) -> tuple[Wanted, ...]:
        """What a function, a class or a callable object asks for in its parameters."""
        function = self._called(value)
        if function is None:
            return ()
        if function.node not in self._wanted:
            self._wanted[function.node] = tuple(self._read(function))
        return self._wanted[function.node]

    def of_class(self, body: Scope) -> Iterator[Wanted]:
        """What a class of routes or its bases ask for in attributes (fastapi-utils' cbv)."""
        cls = body.parent.names.get(body.node.name) if body.parent and body.node else None
        classes = self.evaluator.ancestry(cls) if isinstance(cls, Class) else []
        scopes = [one.scope for one in classes if isinstance(one, Class)] or [body]
        seen: set[str] = set()
        for scope in scopes:
            for statement in scope.node.body if scope.node else ():
                if not isinstance(statement, ast.AnnAssign):
                    continue
                name = ast.unparse(statement.target)
                wanted = self._parameter(name, statement.annotation, statement.value, scope)
                if wanted is not None and name not in seen:  # the nearest class has the last word
                    seen.add(name)
                    yield wanted

    def written(self, value: Value) -> Wanted | None:
        """Of Depends(…) in a list of dependencies."""
        return self._depends(value, "", None, False)

    def protects(self, wanted: Wanted) -> Protection:
        protection = self._of_target(wanted.target, ())
        if wanted.security and protection == "none":
            return "login"
        return protection

    def named(self, value: Value) -> tuple[str, str | None, Place | None]:
        """Its name, module and place."""
        modules = self.evaluator.modules
        match value:
            case Function() | Class():
                name = value.qualified if isinstance(value, Function) else value.scope.qualified
                return name, modules.name_of(value.scope.source), value.at
            case Instance():
                return self.named(value.of)
            case Call():
                name, module, _ = self.named(value.callee)
                return f"{name}(…)", module, value.source.at(value.node)
            case Outside():
                module, _, name = value.name.rpartition(".")
                return name, module or None, None
            case Generic():
                return self.named(value.base)
        return "?", None, None

    def _called(self, value: Value) -> Function | None:
        match value:
            case Function():
                return value
            case Class():
                member = self.evaluator.member(value, "__init__", Instance(value, {}))
                return member if isinstance(member, Function) else None
            case Instance():
                member = self.evaluator.member(value.of, "__call__", value)
                return member if isinstance(member, Function) else None
        return None

    def _read(self, function: Function) -> Iterator[Wanted]:
        for parameter, default in function.parameters():
            wanted = self._parameter(parameter.arg, parameter.annotation, default, function.scope)
            if wanted is not None:
                yield wanted

    def _parameter(
        self, name: str, annotation: ast.expr | None, default: ast.expr | None, scope: Scope
    ) -> Wanted | None:
        value = self.evaluator.annotation(annotation, scope)
        if isinstance(default, ast.Call):
            given = self.evaluator.value(default, scope)
            found = self._depends(given, name, None, False)
            if found is not None:
                if isinstance(given, Call) and not _target_given(given):
                    return replace(found, target=value)
                return found
        if isinstance(value, Outside) and value.name in KIT_LOGINS:
            module, _, alias = value.name.rpartition(".")
            return Wanted(value, name, (alias, module), True, False)
        if isinstance(value, Annotated):
            for extra in value.values[1:]:
                found = self._depends(extra, name, self._alias(annotation, scope), True)
                if found is not None:
                    if isinstance(extra, Call) and not _target_given(extra):
                        return replace(found, target=value.values[0])
                    return found
        return None

    def _alias(self, annotation: ast.expr | None, scope: Scope) -> tuple[str, str] | None:
        """Where the alias is defined, followed through imports."""
        modules = self.evaluator.modules
        if isinstance(annotation, ast.Attribute):
            owner = self.evaluator.value(annotation.value, scope)
            if isinstance(owner, Module):
                return annotation.attr, owner.name
        if not isinstance(annotation, ast.Name):
            return None
        name, source = annotation.id, scope.source
        for _ in range(5):
            node = self.evaluator.scope_of(source).definitions.get(name)
            if not isinstance(node, ast.ImportFrom):
                break
            found = modules.find(modules.absolute(node, source), source)
            if found is None:
                return name, modules.absolute(node, source)
            name = next((a.name for a in node.names if (a.asname or a.name) == name), name)
            source = found
        return name, modules.name_of(source)

    def _depends(
        self, value: Value, parameter: str, alias: tuple[str, str] | None, annotated: bool
    ) -> Wanted | None:
        if not isinstance(value, Call):
            return None
        callee = self.evaluator.name_of(value.callee)
        if callee == _KIT_REQUIRES:
            return Wanted(value, parameter, alias, annotated, False)
        if callee not in DEPENDS:
            return None
        target = _target(value)
        security = callee.endswith("Security") and "scopes" in value.keywords
        scope = value.keywords.get("scope")
        lasts = "function" if scope == Const("function") else "request"
        return Wanted(target, parameter, alias, annotated, security, lasts)

    # what it protects

    def _of_target(self, value: Value, above: tuple[ast.AST, ...]) -> Protection:
        name = self.named(value)[0].rpartition(".")[2]
        if isinstance(value, Outside | Call):
            return self._outside(value)
        if isinstance(value, Instance) and self._is_scheme(value):
            return "none" if value.attributes.get("auto_error") == Const(False) else "login"
        function = self._called(value)
        if function is None:
            return "unknown" if isinstance(value, Unknown) else "none"
        if function.node in above or len(above) > 8:
            return "none"
        wanted = self.of(function)
        has_scheme = any(self._is_scheme(one.target) for one in wanted)
        own = _of_code(function, name, has_scheme)
        below = [self._of_target(one.target, (*above, function.node)) for one in wanted]
        if _mentions(name, _OPTIONAL) and own != "admin":
            return "none"
        found = highest([own, *below])
        # a name that says so, above something that asks for a login
        return "admin" if found == "login" and _mentions(name, _ADMIN) else found

    def _is_scheme(self, value: Value) -> bool:
        if isinstance(value, Instance):
            names = [self.evaluator.name_of(one) for one in self.evaluator.ancestry(value.of)]
        else:
            names = [self.evaluator.name_of(value.callee)] if isinstance(value, Call) else []
        return any(name.startswith("fastapi.security.") for name in names)

    def _outside(self, value: Outside | Call) -> Protection:
        name = self.evaluator.name_of(value.callee if isinstance(value, Call) else value)
        if name == _KIT_REQUIRES:
            return "admin"
        if name.startswith("fastapi.security.") and "RequestForm" not in name:
            optional = isinstance(value, Call) and value.keywords.get("auto_error") == Const(False)
            return "none" if optional else "login"
        keywords = value.keywords if isinstance(value, Call) else {}
        if keywords.get("optional") == Const(True):
            return "none"
        return "admin" if keywords.get("superuser") == Const(True) else by_name(name)


def by_name(name: str) -> Protection:
    """Of what cannot be read: its dotted name."""
    if name in KIT_LOGINS:
        return KIT_LOGINS[name]
    last = name.rpartition(".")[2]
    if "RequestForm" in last or _mentions(last, _OPTIONAL):
        return "none"
    if _mentions(last, _ADMIN):
        return "admin"
    if _mentions(last, _LOGIN):
        return "login"
    if _mentions(last, _HARMLESS) or name.startswith(("fastapi.", "starlette.", "typing.")):
        return "none"
    return "unknown"


def highest(found: list[Protection]) -> Protection:
    return next((one for one in _HIGHEST if one in found), "none")


def of_handler(function: Function) -> Protection:
    """What the body itself refuses: a header read by hand, a role compared before all else."""
    body = getattr(function.node, "body", [])
    if not isinstance(body, list):
        return "none"
    statements = [one for one in body if not _is_docstring(one)]
    if statements and _refuses_role(statements[0]):
        return "admin"
    return "login" if _reads_header(function.node) and _refuses(function.node) else "none"


def _of_code(function: Function, name: str, has_scheme: bool) -> Protection:
    """Of a function that others depend on."""
    node = function.node
    if any(_refuses_role(inner) for inner in _walk(node, function.scope)):
        return "admin"
    if _lets_pass(node):
        return "none"
    asks = has_scheme or _reads_header(node) or _mentions(name, _LOGIN)
    return "login" if asks and _refuses(node) else "none"


def _walk(node: ast.AST, scope: Scope) -> Iterator[ast.AST]:
    """Without `if roles: …` where the function that made this one was called with no roles."""
    yield node
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name):
        known = scope.find(node.test.id)
        if isinstance(known, Const) and not known.value:
            return
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, scope)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _refuses(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Raise) for inner in ast.walk(node))


def _refuses_role(node: ast.AST) -> bool:
    """if not user.is_superuser: raise …, and not: unless the row is theirs."""
    if not isinstance(node, ast.If) or not isinstance(node.body[-1], ast.Raise):
        return False
    test = node.test
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        first, last = test.values[0], test.values[-1]  # if roles and user.role not in roles
        if isinstance(last, ast.Compare) and ast.unparse(last.comparators[0]) == ast.unparse(first):
            test = last
    compares = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.NotEq | ast.NotIn)
    negates = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    return (compares or negates) and any(
        isinstance(inner, ast.Attribute | ast.Name)
        and _mentions(inner.attr if isinstance(inner, ast.Attribute) else inner.id, _ADMIN)
        for inner in ast.walk(test)
    )


def _reads_header(node: ast.AST) -> bool:
    arguments = getattr(node, "args", None)
    given = arguments.args if isinstance(arguments, ast.arguments) else []
    return any(argument.arg in _HEADERS for argument in given) or any(
        isinstance(inner, ast.Constant)
        and isinstance(inner.value, str)
        and inner.value.lower().replace("-", "_") in _HEADERS
        for inner in ast.walk(node)
    )


def _lets_pass(node: ast.AST) -> bool:
    """if token is None: return None"""
    arguments = getattr(node, "args", None)
    names = {one.arg for one in arguments.args} if isinstance(arguments, ast.arguments) else set()
    return any(
        isinstance(inner, ast.If)
        and any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(inner.test))
        and any(
            isinstance(one, ast.Return)
            and (one.value is None or (isinstance(one.value, ast.Constant) and not one.value.value))
            for one in inner.body
        )
        for inner in ast.walk(node)
    )


def _mentions(name: str, words: tuple[str, ...]) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in words)


def _target_given(depends: Call) -> bool:
    return bool(depends.arguments) or "dependency" in depends.keywords


def _target(depends: Call) -> Value:
    if depends.arguments:
        return depends.arguments[0]
    return depends.keywords.get("dependency", Unknown())
