"""Users of the running app: they register and log in as people do, by the app's own routes."""

import base64
import json as jsons
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from apiwright.checks.app import Answer, App
from apiwright.checks.database import Database
from apiwright.checks.operations import Operation
from apiwright.checks.values import PASSWORD, Values

REFUSED = (401, 403)
NO_TOKEN = "a-text-that-is-no-token"  # noqa: S105
SECRET_WORD = re.compile(r"passw|passphrase|(^|_)pwd|(^|_)pass$", re.IGNORECASE)
IDENTITY = re.compile(
    r"e_?mail|user_?name|login|phone|identifier|account|nick|handle|^user$|(^|_)name$",
    re.IGNORECASE,
)
_REGISTER = re.compile(r"regist|sign_?-?up|join\b|new_?account")
_CREATE = re.compile(r"(users?|accounts?|members?|customers?)/?( |$)|create_?(user|account)")
_LOGIN = re.compile(r"log_?-?in|sign_?-?in|token|auth|session|jwt|access")
_OTHER = re.compile(
    r"reset|forgot|change|verif|confirm|refresh|recover|log_?-?out|sign_?-?out|revoke|delete"
    r"|update|restore|unregist|otp|2fa|mfa"
)
_INACTIVE = re.compile(r"activ|verif|confirm|enabl|approv", re.IGNORECASE)
_ADMIN = re.compile(r"^(is_?)?(super_?user|admin|staff|super_?admin|administrator)$", re.IGNORECASE)
_ROLE = re.compile(r"^(user_?)?(role|type|kind|access_?level|permission_?level)$", re.IGNORECASE)
_TOKENS = (
    "access_token", "accessToken", "access", "token", "auth_token", "authToken", "jwt",
    "id_token", "api_key", "key", "session_id", "sessionId", "session",
)  # fmt: skip
_REFRESH = ("refresh_token", "refreshToken", "refresh")
_ME = re.compile(r"(^|/)(me|self|profile|whoami|current[-_]?user)(/|$)")
_MOST_GUARDS = 12


@dataclass(frozen=True)
class Credential:
    """How a user is known: a header, and what stands in it around the token."""

    header: str
    template: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {self.header: self.template.replace("{}", self.token)}

    def __str__(self) -> str:
        return f"{self.header}: {self.template.replace('{}', '…')}"


@dataclass(frozen=True)
class User:
    name: str
    credential: Credential | None = None
    """None: anonymous."""
    refresh: str | None = None
    """The token that gets another one, where the login gave one."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """What was sent to register, by name."""
    id: Any = None
    """As the app writes it; None where it could not be told."""
    row: Mapping[str, Any] | None = None
    """In the database."""
    table: str | None = None
    login: Answer | None = None
    """The answer that gave the token."""
    is_forged: bool = False
    """The token is ours: it is shown as it is."""

    @property
    def headers(self) -> Mapping[str, str]:
        return self.credential.headers if self.credential else {}

    @property
    def token(self) -> str | None:
        return self.credential.token if self.credential else None

    def with_token(self, token: str) -> "User":
        """Whoever shows another token in the same way."""
        assert self.credential is not None
        return User(self.name, replace(self.credential, token=token), is_forged=True)


ANONYMOUS = User("anonymous")


@dataclass(frozen=True)
class Guard:
    """A route that does not answer everybody, and what it says to nobody."""

    operation: Operation
    status: int | None


class Door:
    """Where users of an app come from."""

    def __init__(
        self,
        app: App,
        database: Database,
        operations: Sequence[Operation],
        document: Mapping[str, Any],
        values: Values,
    ) -> None:
        self.app, self.database, self.operations = app, database, operations
        self.document, self.values = document, values
        self.notes: list[str] = []
        self.registers = sorted(filter(_registers, operations), key=_register_order)
        self.logins = sorted(filter(_logs_in, operations), key=_login_order)
        self.guards = self._guards()
        self._works: tuple[str, str] | None = None
        self.way: str | None = None
        """How the users came to be."""

    def enter(self, name: str, admin: bool = False) -> User | None:
        """A new user with a login. None where it cannot be made; the notes say why."""
        user = self._registered(name)
        if user is None:
            return None
        if admin:
            if not self.made_admin(user):
                return None
            user = self.logged_in(user) or user
        return user if user.credential else None

    # routes

    def _guards(self) -> list[Guard]:
        """Those that nobody may ask, the reading ones if there are any."""
        found = []
        readers = [one for one in self.operations if one.method == "GET" and not _is_other(one)]
        readers.sort(key=lambda one: (not _ME.search(one.path), len(one.path_names)))
        for operation in readers:
            answer = self.app.send(operation.request())
            if is_refused(answer):
                found.append(Guard(operation, answer.status))
            if len(found) >= _MOST_GUARDS:
                break
        if found:
            return found
        writers = [one for one in self.operations if one.method != "GET" and not _is_other(one)]
        for operation in writers[:_MOST_GUARDS]:
            if operation not in self.registers and operation not in self.logins:
                answer = self.app.send(operation.request())
                if is_refused(answer):
                    found.append(Guard(operation, answer.status))
        return found

    def accepts(self, user: User) -> bool:
        """Whether a guarded route knows him: it answers otherwise than to nobody. Where there is
        none, nothing says that he is not known."""
        if not self.guards:
            return True
        for guard in self.guards:
            answer = self.app.send(guard.operation.request(user))
            if not is_refused(answer) and answer.status is not None and answer.status < 500:
                return True
            if guard.status == 401 and answer.status == 403 and user.credential:
                other = user.with_token(NO_TOKEN)
                if self.app.send(guard.operation.request(other)).status == 401:
                    return True
        return False

    # registering

    def _registered(self, name: str) -> User | None:
        for operation in self.registers:
            for whole in (False, True):
                known = {"grant_type": "password"}
                request = operation.request(known=known, whole=whole)
                query = dict(parse_qsl(request.path.partition("?")[2]))
                sent = query | _flat(_sent(request.body))
                answer = self.app.send(request)
                if answer.status in REFUSED:
                    break
                if answer.status is None or (400 <= answer.status < 500):
                    self._note(f"{answer}")
                    continue
                if answer.status >= 500:
                    self._note(f"{answer} {answer.error.message if answer.error else ''}")
                user = self.logged_in(User(name, known=sent, login=answer))
                if user is not None:
                    self.way = f"registered by {operation.method} {operation.path}"
                    return user
        return None

    def logged_in(self, user: User) -> User | None:
        """With a credential that is accepted, and with what is known of him."""
        user = self.with_row(user)
        found = self._token(user)
        if found is None and self._activated(user):
            found = self._token(user)
        if found is None and user.login is not None:  # registering may give one
            found = self._presented(user, user.login)
        return self.with_id(found) if found else None

    def _token(self, user: User) -> User | None:
        for operation in self.logins:
            for known in _identities(operation, user.known):
                answer = self.app.send(operation.request(known=known))
                if answer.status is None or answer.status >= 400:
                    self._note(str(answer))
                    continue
                found = self._presented(user, answer)
                if found is not None:
                    return found
        return self._basic(user)

    def with_token(self, user: User, token: str) -> User | None:
        """Shown in the first way that a guarded route takes."""
        for header, template in self._templates():
            found = replace(user, credential=Credential(header, template, token))
            if self.accepts(found):
                return found
        return None

    def _presented(self, user: User, answer: Answer) -> User | None:
        """With the token of an answer, or its cookies."""
        ways: list[tuple[str, str, str]] = []
        token = text_of(answer.json, _TOKENS) or _of_header(answer)
        if token:
            ways += [(header, template, token) for header, template in self._templates()]
        cookies = _cookies(answer)
        for name, value in cookies.items():
            ways.append(("cookie", f"{name}={{}}", value))
        if len(cookies) > 1:
            together = "; ".join(f"{name}={value}" for name, value in cookies.items())
            ways.append(("cookie", "{}", together))
        if self._works:
            ways.sort(key=lambda way: way[:2] != self._works)
        for header, template, value in ways:
            found = replace(
                user,
                credential=Credential(header, template, value),
                refresh=text_of(answer.json, _REFRESH)
                or next((cookies[one] for one in cookies if "refresh" in one.lower()), None),
                login=answer,
            )
            if self.accepts(found):
                self._works = header, template
                return found
        return None

    def _basic(self, user: User) -> User | None:
        schemes = self.document.get("components", {}).get("securitySchemes", {}).values()
        if not any(one.get("scheme") == "basic" for one in schemes):
            return None
        for identity in _of_kind(user.known, IDENTITY):
            token = base64.b64encode(f"{identity}:{PASSWORD}".encode()).decode()
            found = replace(user, credential=Credential("authorization", "Basic {}", token))
            if self.accepts(found):
                return found
        return None

    def _templates(self) -> Iterator[tuple[str, str]]:
        """By what the document says first, then by custom."""
        schemes = self.document.get("components", {}).get("securitySchemes", {}).values()
        for scheme in schemes:
            if scheme.get("type") == "apiKey":
                if scheme.get("in") == "cookie":
                    yield "cookie", f"{scheme['name']}={{}}"
                elif scheme.get("in") == "header" and scheme["name"].lower() != "authorization":
                    yield scheme["name"].lower(), "{}"
        for template in ("Bearer {}", "Token {}", "{}", "JWT {}"):
            yield "authorization", template
        for operation in self.operations:
            for one in operation.parameters:
                name = one["name"].lower()
                if one["in"] == "header" and re.search(r"token|auth|key|session", name):
                    yield name, "{}"
                elif one["in"] == "cookie":
                    yield "cookie", f"{one['name']}={{}}"

    # what is written in the database

    def with_row(self, user: User) -> User:
        for table, row in self.rows_of(user.known):
            return replace(user, table=table, row=row)
        return user

    def rows_of(self, known: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The rows that hold what he registered with, his own first."""
        identities = {one.lower() for one in _of_kind(known, IDENTITY)}
        if not identities:
            return
        found = []
        for table, columns in self._tables().items():
            if not any(IDENTITY.search(column) for column in columns):
                continue
            for row in self.database.rows(table):
                if any(str(value).lower() in identities for value in row.values()):
                    has_password = any(SECRET_WORD.search(column) for column in columns)
                    is_users = re.search(r"user|account|member|person|customer", table)
                    found.append((not has_password, not is_users, table, row))
                    break
        found.sort(key=lambda one: one[:2])
        yield from ((table, row) for *_, table, row in found)

    def _tables(self) -> Mapping[str, Sequence[str]]:
        try:
            return self.database.tables()
        except Exception as error:  # whatever a database may say
            self._note(f"The database could not be read: {error}")
            return {}

    def with_id(self, user: User) -> User:
        for guard in self.guards:
            if _ME.search(guard.operation.path) and not guard.operation.path_names:
                answer = self.app.send(guard.operation.request(user))
                told = _id_of(answer.json) if answer.ok else None
                if told is not None:
                    return replace(user, id=told)
        told = _id_of(user.login.json) if user.login is not None else None
        if told is None and user.row is not None:
            told = user.row.get("id", next(iter(user.row.values()), None))
            told = told if isinstance(told, int | str) or told is None else str(told)
        return replace(user, id=told)

    def _activated(self, user: User) -> bool:
        """Whether a flag was set that a mail or an admin would have set."""
        if user.row is None:
            return False
        changes: dict[str, Any] = {
            column: True
            for column, value in user.row.items()
            if _INACTIVE.search(column) and (value is False or value == 0)
        }
        status = user.row.get("status")
        if isinstance(status, str) and status.lower() in ("pending", "inactive", "unverified"):
            changes["status"] = "ACTIVE" if status.isupper() else "active"
        return self._written(user, changes)

    def made_admin(self, user: User) -> bool:
        if user.row is None:
            self._note("No admin: the row of a user was not found.")
            return False
        changes: dict[str, Any] = {column: True for column in user.row if _ADMIN.match(column)}
        if not changes:
            for column, value in user.row.items():
                if _ROLE.match(column) and isinstance(value, str):
                    changes[column] = self._admin_role(value)
        if not changes:
            self._note("No admin: no column of the user's row says who is one.")
            return False
        return self._written(user, changes)

    def _admin_role(self, other: str) -> str:
        """As the document writes it, in the letters that the database uses."""
        said = re.findall(r'"enum": \[([^]]*)\]', jsons.dumps(self.document))
        words = {word for one in said for word in re.findall(r'"(\w+)"', one)}
        roles = [one for one in words if re.fullmatch(r"(super_?)?admin(istrator)?", one, re.I)]
        role = min(roles, default="admin", key=len)
        return role.upper() if other.isupper() else role

    def _written(self, user: User, changes: Mapping[str, Any]) -> bool:
        if not changes or user.row is None or user.table is None:
            return False
        column, value = next(iter(user.row.items()))
        if "id" in user.row:
            column, value = "id", user.row["id"]
        try:
            self.database.set(user.table, changes, column, value)
        except Exception as error:  # whatever a database may say
            self._note(f"{', '.join(changes)} could not be set: {error}")
            return False
        told = ", ".join(f"{name} = {one}" for name, one in changes.items())
        self._note(f"Set in the row of user {user.name}: {told}.")
        return True

    def _note(self, words: str) -> None:
        if words not in self.notes:
            self.notes.append(words)


def is_refused(answer: Answer) -> bool:
    """401, 403, or sent to a page for logging in."""
    if answer.status in REFUSED:
        return True
    if answer.status in (302, 303, 307):
        return bool(re.search(r"log_?-?in|sign_?-?in|auth", answer.header("location") or ""))
    return False


def is_me(path: str) -> bool:
    """Whether a route is about whoever asks."""
    return bool(_ME.search(path))


def text_of(value: Any, names: Sequence[str]) -> str | None:
    """The text under the first of some keys, wherever it stands."""
    for name in names:
        left = [(value, 0)]
        while left:
            one, depth = left.pop(0)
            if isinstance(one, dict):
                if isinstance(one.get(name), str) and len(one[name]) >= 8:
                    return str(one[name])
                left += [(inner, depth + 1) for inner in one.values() if depth < 4]
    return None


def _text(operation: Operation) -> str:
    return f"{operation.path} {operation.route.name}".lower()


def _is_other(operation: Operation) -> bool:
    return bool(_OTHER.search(_text(operation)))


def _has_password(operation: Operation) -> bool:
    names = [*operation.fields, *(one["name"] for one in operation.parameters)]
    return any(SECRET_WORD.search(name) for name in names)


def _registers(operation: Operation) -> bool:
    if operation.method != "POST" or not _has_password(operation) or _is_other(operation):
        return False
    text = _text(operation)
    return bool(_REGISTER.search(text) or _CREATE.search(text)) and not operation.path_names


def _register_order(operation: Operation) -> tuple[bool, bool]:
    return operation.asks_for_login, not _REGISTER.search(_text(operation))


def _logs_in(operation: Operation) -> bool:
    if operation.method != "POST" or not _has_password(operation) or _is_other(operation):
        return False
    return bool(_LOGIN.search(_text(operation))) and not _REGISTER.search(_text(operation))


def _login_order(operation: Operation) -> tuple[bool, bool]:
    """JSON before forms: what people call, before what the docs page calls."""
    text = _text(operation)
    return not re.search(r"log_?-?in|sign_?-?in|token", text), "admin" in text


def _identities(operation: Operation, known: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What to log in with: each value that may be what the login calls the user."""
    fields = [
        name
        for name, schema in operation.fields.items()
        if "properties" not in operation.values.resolved(schema)
    ]
    names = {*fields, *(one["name"] for one in operation.parameters)}
    given: dict[str, Any] = {"grant_type": "password"}
    open_names = []
    for name in names:
        if SECRET_WORD.search(name):
            given[name] = PASSWORD
        elif name in known and name != "username":
            given[name] = known[name]
        elif IDENTITY.search(name):
            open_names.append(name)
    if not open_names:
        yield given
        return
    own = [known[name] for name in open_names if name in known]
    for value in dict.fromkeys([*own, *_of_kind(known, IDENTITY)]):
        yield given | dict.fromkeys(open_names, value)


def _of_kind(known: Mapping[str, Any], pattern: re.Pattern[str]) -> list[str]:
    found = [str(one) for name, one in known.items() if pattern.search(name) and one]
    return sorted(found, key=lambda one: "@" not in one)


def _sent(body: bytes) -> Any:
    try:
        return jsons.loads(body)
    except ValueError:
        return dict(parse_qsl(body.decode(errors="replace")))


def _flat(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    found: dict[str, Any] = {}
    for name, one in value.items():
        if isinstance(one, dict):
            found |= _flat(one)
        else:
            found[name] = one
    return found


def _id_of(value: Any) -> Any:
    """The id in an answer about a user, which may be wrapped."""
    if not isinstance(value, dict):
        return None
    for name in ("id", "uuid", "user_id", "userId", "pk", "_id"):
        if isinstance(value.get(name), int | str):
            return value[name]
    for name in ("user", "data", "result", "account", "profile"):
        if (found := _id_of(value.get(name))) is not None:
            return found
    return None


def _of_header(answer: Answer) -> str | None:
    header = answer.header("authorization") or ""
    return header.rpartition(" ")[2] or None


def _cookies(answer: Answer) -> dict[str, str]:
    found = {}
    for name, value in answer.headers:
        if name.lower() == "set-cookie":
            cookie, _, content = value.partition(";")[0].partition("=")
            if content.strip('"'):
                found[cookie.strip()] = content.strip()
    return found
