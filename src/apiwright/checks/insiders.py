"""Users where nobody can register or log in by a route: a row made by the project's own model and
hashing, a token by its own function or with the key that its settings were given."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from apiwright.checks import tokens
from apiwright.checks.users import IDENTITY, NO_TOKEN, SECRET_WORD, Door, User
from apiwright.checks.values import PASSWORD
from apiwright.project.code import Code
from apiwright.project.facts import Model, Place
from apiwright.project.values import Function

_HASHES = re.compile(r"hash\w*pass|pass\w*hash|hash_?pw|(encrypt|make|encode)_?pass|^hash$")
_MINTS = re.compile(r"(create|encode|generate|make|issue|mint|sign|new|get)\w*(token|jwt)")
_OTHER = re.compile(r"refresh|reset|verif|confirm|csrf|email|decode|current|payload|data|header")
_PAYLOAD = re.compile(r"data|payload|claims|content|to_encode|body")
_SUBJECT = re.compile(r"sub|user|id|email|name|identity|login", re.IGNORECASE)
_LIFETIME = re.compile(r"expires|delta|ttl|lifetime|minutes|seconds")
_CONTEXT = re.compile(
    rb"^(\w+)\s*(?::[^=\n]+)?=\s*(?:CryptContext|PasswordHash|PasswordHelper)\b", re.MULTILINE
)
_HOUR = 3600
_FAR = 4102444800  # 2100


class Insider:
    def __init__(self, code: Code, door: Door, environment: Mapping[str, str]) -> None:
        self._code, self._door, self._environment = code, door, environment

    def enter(self, name: str, admin: bool = False) -> User | None:
        user = self._with_row(User(name))
        if admin and not (user.row and self._door.made_admin(user)):
            return None
        found = self._door.logged_in(user) if user.row else None
        if found is not None:
            self._door.way = "written to the table of users, and logged in"
            return found
        for token, way in self._tokens(user):
            found = self._door.with_token(user, token)
            if found is not None:
                self._door.way = way
                return self._door.with_id(found)
        return None

    # the row

    def _with_row(self, user: User) -> User:
        model = self._code.project.user_model
        if model is None:
            return user
        number = self._door.values.number()
        known: dict[str, Any] = {}
        stored: dict[str, Any] = {}
        for column in model.columns:
            if SECRET_WORD.search(column.attribute):
                stored[column.attribute] = self._hashed()
                known["password"] = PASSWORD
            elif IDENTITY.search(column.attribute) and not column.foreign_key:
                mail = "mail" in column.attribute.lower()
                text = f"person{number}@example.com" if mail else f"person{number}"
                stored[column.attribute] = known[column.attribute] = text
        row = self._inserted(model, stored)
        if row is None:
            return user
        return self._door.with_row(replace(user, known=known)) if known else user

    def _inserted(self, model: Model, values: Mapping[str, Any]) -> Any:
        return self._door.app.insert(model.module, model.name, values)

    def _hashed(self) -> str:
        for function in self._functions(_HASHES):
            required = [one for one, default in _parameters(function) if default is None]
            if len(required) == 1:
                made = self._call(function, [PASSWORD])
                if made and made != PASSWORD and len(made) > 20:
                    return made
        for source in self._code.sources:
            if not source.is_test and (match := _CONTEXT.search(source.content)):
                module = self._code.evaluator.modules.name_of(source)
                made = self._door.app.call(module, f"{match[1].decode()}.hash", [PASSWORD])
                if made:
                    return made
        return PASSWORD

    # the token

    def _tokens(self, user: User) -> Iterator[tuple[str, str]]:
        yield NO_TOKEN, "let in with any text"
        for function in self._functions(_MINTS):
            for subject in self._subjects(user):
                arguments = _arguments(function, subject, user)
                made = self._call(function, [], **arguments) if arguments is not None else None
                if made and made.count(".") == 2:
                    yield made, f"given tokens by {function.qualified} of the project"
        for key in self._keys():
            for subject in self._subjects(user):
                claims = {**_claims(subject, user), "exp": _FAR, "type": "access"}
                token = tokens.signed({"alg": "HS256", "typ": "JWT"}, claims, key.encode())
                yield token, "given tokens signed with the key of its settings"
        for name, value in self._environment.items():
            if re.search(r"token|api_?key|secret|password", name, re.IGNORECASE):
                yield value, f"let in by the setting {name}"

    def _subjects(self, user: User) -> list[Any]:
        """What may stand for him in a token."""
        found: list[Any] = []
        if user.row is not None:
            number = user.row.get("id", next(iter(user.row.values()), None))
            found += [str(number), number] if isinstance(number, int) else [str(number)]
        found += [str(one) for name, one in user.known.items() if IDENTITY.search(name)]
        if not found:
            number = self._door.values.number()
            found = [str(number), f"01900000-0000-7000-8000-{number:012d}"]
        return list(dict.fromkeys(found))

    def _keys(self) -> Iterator[str]:
        for name, value in self._environment.items():
            if re.search(r"secret|key|jwt", name, re.IGNORECASE):
                yield value
        yield from (text for text, _ in secrets_in(self._code))

    # the project's functions

    def _functions(self, pattern: re.Pattern[str]) -> list[Function]:
        """Those of modules and classes, whose name says so."""
        served = {handler.function.node for handler in self._code.handlers()}
        found = []
        for function in self._code.functions():
            if isinstance(function.node, ast.Lambda) or function.node in served:
                continue
            name = function.node.name.lower()
            if pattern.search(name) and not _OTHER.search(name) and "<" not in function.qualified:
                found.append(function)
        return sorted(found, key=lambda one: one.owner is not None)

    def _call(self, function: Function, arguments: list[Any], **options: Any) -> str | None:
        module = self._code.evaluator.modules.name_of(function.scope.source)
        owner = function.owner.node.name + "." if function.owner else ""
        assert not isinstance(function.node, ast.Lambda)
        return self._door.app.call(module, owner + function.node.name, arguments, **options)


def secrets_in(code: Code) -> Iterator[tuple[str, Place]]:
    """Texts of the source that stand where a key would: under a name like SECRET_KEY, or as the
    default of such a setting."""
    for source in code.sources:
        if source.is_test:
            continue
        for node in ast.walk(source.tree):
            match node:
                case ast.Assign(targets=[target], value=value):
                    name = ast.unparse(target)
                case ast.AnnAssign(target=target, value=value) if value is not None:
                    name = ast.unparse(target)
                case ast.keyword(arg=str(name), value=value):
                    pass
                case _:
                    continue
            if re.search(r"secret|key|jwt", name, re.IGNORECASE):
                for inner in ast.walk(value):
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                        yield inner.value, source.at(inner)


def _parameters(function: Function) -> Iterator[tuple[str, ast.expr | None]]:
    for one, default in function.parameters():
        if one.arg not in ("self", "cls"):
            yield one.arg, default


def _arguments(function: Function, subject: Any, user: User) -> dict[str, Any] | None:
    """None: it wants something that is not known."""
    found: dict[str, Any] = {}
    for name, default in _parameters(function):
        if _LIFETIME.search(name):
            if default is None:
                found[name] = _HOUR if re.search(r"minutes|seconds|ttl", name) else None
        elif _PAYLOAD.search(name):
            found[name] = _claims(subject, user)
        elif default is None and _SUBJECT.search(name):
            found[name] = subject
        elif default is None:
            return None
    return found


def _claims(subject: Any, user: User) -> dict[str, Any]:
    """Under the names that people use."""
    known = {name: one for name, one in user.known.items() if IDENTITY.search(name)}
    return {"sub": subject, "id": subject, "user_id": subject, **known}
