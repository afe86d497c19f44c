"""What a client sends, followed through a handler: assignments, texts built of it, and calls of the
project's functions. Kept simple: order does not matter, and a check of a value anywhere on its way
counts for all of it.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from apiwright.checks.findings import Where
from apiwright.checks.passing import takes_more
from apiwright.checks.reading import name_in, own_nodes, sites
from apiwright.project.bodies import CallSite
from apiwright.project.code import Code, Handler
from apiwright.project.facts import Place, Route
from apiwright.project.values import (
    Annotated,
    Call,
    Class,
    Function,
    Generic,
    Instance,
    Made,
    Outside,
    Value,
)

_NOT_SENT = {
    "fastapi.Response", "starlette.responses.Response", "fastapi.BackgroundTasks",
    "starlette.background.BackgroundTasks", "fastapi.security.SecurityScopes",
    "sqlalchemy.orm.Session", "sqlalchemy.ext.asyncio.AsyncSession", "fastapi.FastAPI",
}  # fmt: skip
_REQUESTS = {
    "fastapi.Request", "fastapi.WebSocket", "starlette.websockets.WebSocket",
    "starlette.requests.HTTPConnection",
}  # fmt: skip
_PARTS_OF_REQUEST = {
    "query_params", "path_params", "headers", "cookies", "json", "body", "form", "url", "stream",
    "receive_json", "receive_text", "receive_bytes",
}  # fmt: skip
_HARMLESS = {
    "int", "float", "bool", "complex", "uuid.UUID", "decimal.Decimal", "datetime.datetime",
    "datetime.date", "datetime.time", "datetime.timedelta", "typing.Literal",
    "ipaddress.IPv4Address", "pydantic.UUID4", "pydantic.PositiveInt", "pydantic.NonNegativeInt",
    "pydantic.types.UUID4", "typing_extensions.Literal", "bson.ObjectId", "ulid.ULID",
}  # fmt: skip
_PASSED = {
    "str", "repr", "format", "bytes", "list", "tuple", "dict", "set", "sorted", "reversed", "next",
    "iter", "map", "filter", "zip", "enumerate", "getattr", "vars", "typing.cast", "copy.copy",
    "copy.deepcopy", "os.path.join", "os.path.normpath", "os.path.abspath", "os.path.realpath",
    "os.path.expanduser", "os.fspath", "pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath",
    "urllib.parse.urljoin", "urllib.parse.unquote", "urllib.parse.unquote_plus", "json.loads",
    "urllib.parse.urlparse", "urllib.parse.urlsplit", "urllib.parse.urlunparse", "json.dumps",
    "base64.b64decode", "base64.urlsafe_b64decode", "yarl.URL", "httpx.URL", "furl.furl",
    "textwrap.dedent", "urllib.request.Request", "fastapi.encoders.jsonable_encoder",
    "starlette.datastructures.URL", "asyncio.wait_for", "asyncio.shield", "asyncio.gather",
    "shlex.split", "string.Template", "string.Template.substitute", "min", "max",
}  # fmt: skip
_TELLING = {  # methods of what is sent that give no part of it
    "startswith", "endswith", "isdigit", "isalnum", "isalpha", "isidentifier", "isnumeric",
    "isdecimal", "isascii", "count", "index", "find", "is_relative_to", "exists", "is_file",
    "is_dir", "stat", "hex", "bit_length", "__len__",
}  # fmt: skip
_CHECKS = {
    "isdigit", "isalnum", "isalpha", "isidentifier", "isnumeric", "isdecimal", "match",
    "fullmatch", "is_global",
}  # fmt: skip
_RESOLVING = {"os.path.realpath", "os.path.abspath", "os.path.normpath"}
_REGEX = {
    "re.match", "re.fullmatch", "re.Pattern.match", "re.Pattern.fullmatch", "re.compile().match",
    "re.compile().fullmatch",
}  # fmt: skip
_CHECKING_WORDS = (
    "valid", "safe", "allow", "sanit", "verify", "secure", "permit", "forbid", "reject",
)  # fmt: skip
_CONTENT = {"read", "file", "readline", "readlines"}  # of a file that is sent
_LAST_PARTS = {"name", "stem", "suffix"}  # of a path: they hold no slash
_OF_PASSWORDS = re.compile(r"passw|pwd|hash|crypt|jwt|token", re.IGNORECASE)
_ENUMS = {"enum.Enum", "enum.StrEnum", "enum.IntEnum"}
_BINDING = (
    ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr, ast.For, ast.AsyncFor,
    ast.comprehension, ast.withitem,
)  # fmt: skip
_ASKING = (ast.Compare, ast.Call, ast.Attribute)
_DEEPEST = 10


@dataclass(frozen=True, eq=False)
class Sent:
    """Something that a client sends."""

    name: str
    """As it stands in the source: `q`, `request.query_params`."""
    kind: str
    """"path", "body", "file", the "content" of a file, or "other"."""
    parameter: ast.arg
    whole: "Sent | None" = None
    """What it is a field of: `data`, of `data.title`."""


@dataclass(frozen=True)
class Taint:
    """What of the sent is in a value."""

    sent: frozenset[Sent] = frozenset()
    leads: frozenset[Sent] = frozenset()
    """What stands at the beginning, so that the client chooses how the value begins."""
    whole: bool = False
    """The value is what was sent, and not a text made of it."""

    def __bool__(self) -> bool:
        return bool(self.sent)

    def __or__(self, other: "Taint") -> "Taint":
        if not other.sent:
            return self
        if not self.sent:
            return other
        return Taint(self.sent | other.sent, self.leads | other.leads, self.whole and other.whole)

    @classmethod
    def of(cls, one: Sent) -> "Taint":
        return cls(frozenset({one}), frozenset({one}), True)

    def later(self) -> "Taint":
        """With something before it."""
        return Taint(self.sent)

    def leading(self) -> "Taint":
        """Only what the value begins with."""
        return Taint(self.leads, self.leads, self.whole)

    def inside(self) -> "Taint":
        """As a part of a text."""
        return Taint(self.sent, self.leads, False)


NOTHING = Taint()


@dataclass(eq=False)
class Frame:
    """A function, as it runs for one handler."""

    function: Function
    flow: "Flow"
    names: dict[str, Taint] = field(default_factory=dict)
    returned: Taint = NOTHING

    def taint(self, expression: ast.expr | None) -> Taint:
        return NOTHING if expression is None else self.flow.of(expression, self)

    def checks(self, taint: Taint) -> frozenset[str]:
        """What was asked about it anywhere."""
        checked = self.flow.checked
        found = [
            checked.get(one, frozenset())
            | (checked.get(one.whole, frozenset()) if one.whole else frozenset())
            for one in taint.sent
        ]
        return frozenset.intersection(*found) if found else frozenset()


@dataclass(frozen=True, eq=False)
class Reached:
    """A call that a handler makes, itself or below."""

    site: CallSite
    frame: Frame
    handler: Handler

    @property
    def name(self) -> str:
        return self.site.name or ""

    def taint(self, place: int | None, *names: str) -> tuple[ast.expr | None, Taint]:
        from_call = _argument(self.site, place, names)
        return from_call, self.frame.taint(from_call)


@lru_cache(maxsize=4)
def flows(code: Code) -> tuple["Flow", ...]:
    """One for each route."""
    return tuple(Flow(code, handler) for handler in code.handlers())


def reached(code: Code) -> Iterator[Reached]:
    """Every call that a handler makes, with what of the client's is in its arguments. A call that
    several handlers make comes several times."""
    for flow in flows(code):
        yield from flow.calls


@lru_cache(maxsize=4)
def routes_by_call(code: Code) -> Mapping[ast.AST, tuple[Where, ...]]:
    """The routes that make a call, themselves or below."""
    found: dict[ast.AST, dict[Where, None]] = {}
    for call in reached(code):
        route = call.handler.route
        found.setdefault(call.site.node, {})[Where(method=route.method, path=route.path)] = None
    return {node: tuple(routes) for node, routes in found.items()}


@dataclass(frozen=True)
class Told:
    """A call that a client has its say in, and the routes by which it is reached."""

    call: Reached
    taint: Taint
    checks: frozenset[str]
    routes: tuple[Where, ...]

    @property
    def at(self) -> Place:
        return self.call.site.at

    @property
    def route(self) -> Route:
        return self.call.handler.route

    @property
    def sent(self) -> str:
        """What the client sends: `q` and `sort`."""
        names = sorted({f"`{one.name}`" for one in self.taint.sent})
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def told(code: Code, taint_of: Callable[[Reached], Taint]) -> Iterator[Told]:
    """The calls for which `taint_of` gives something, each once."""
    found: dict[ast.AST, list[tuple[Reached, Taint]]] = {}
    for call in reached(code):
        taint = taint_of(call)
        if taint:
            found.setdefault(call.site.node, []).append((call, taint))
    for several in found.values():
        # the one that is checked the least
        call, taint = min(several, key=lambda one: len(one[0].frame.checks(one[1])))
        routes = [
            Where(method=one.handler.route.method, path=one.handler.route.path)
            for one, _ in several
        ]
        yield Told(call, taint, call.frame.checks(taint), tuple(dict.fromkeys(routes)))


class Flow:
    def __init__(self, code: Code, handler: Handler) -> None:
        self.code = code
        self.handler = handler
        self.checked: dict[Sent, frozenset[str]] = {}
        self.calls: list[Reached] = []
        self.frames: list[Frame] = []
        self._known: dict[object, Frame] = {}
        self._running: list[object] = []
        self._sent_before: set[Sent] = set()
        self._sites: dict[Function, dict[ast.AST, CallSite]] = {}
        self._enter(handler.function, self._parameters(handler.function))
        for function in code.all_dependencies(handler):
            self._enter(function, self._parameters(function))

    # what is sent

    def _parameters(self, function: Function) -> dict[str, Taint]:
        """Of a function that FastAPI calls: what it fills from the request."""
        found = {}
        wanted = {one.parameter: one for one in self.code.wanted(function)}
        for parameter, default in function.parameters():
            name = parameter.arg
            if name in ("self", "cls"):
                continue
            if name in wanted:
                provider = self.code.provider(wanted[name])
                if provider is not None:
                    frame = self._enter(provider, self._parameters(provider))
                    if isinstance(wanted[name].target, Class):
                        found[name] = _union(self._parameters(provider).values())
                    else:
                        found[name] = frame.returned
                elif _is_scheme(self.code, wanted[name].target):
                    found[name] = Taint.of(Sent(name, "body", parameter))
                continue
            taint = self._sent(parameter, default, function)
            if taint:
                found[name] = taint
        return found

    def _sent(self, parameter: ast.arg, default: ast.expr | None, function: Function) -> Taint:
        said = self.code.evaluator.annotation(parameter.annotation, function.scope)
        value = self.code.bodies.instance_of(said)
        name = value.name if isinstance(value, Made) else ""
        if name in _REQUESTS or name in _NOT_SENT or name in _HARMLESS or self._is_enum(value):
            return NOTHING
        if isinstance(said, Annotated | Generic | Outside) and _is_pattern(said, default):
            return NOTHING
        kind = "other"
        if "{" + parameter.arg + "}" in self.handler.route.path:
            kind = "path"
        elif isinstance(value, Instance) and takes_more(value.of) is None:
            kind = "body"
        elif name == "bytes":
            kind = "content"
        elif "fastapi.UploadFile" in (
            name,
            *(getattr(one, "name", "") for one in getattr(value, "arguments", ())),
        ):
            kind = "file"
        key = Sent(parameter.arg, kind, parameter)
        known = next(
            (one for one in self._sent_before if one.parameter is parameter and one.whole is None),
            key,
        )
        self._sent_before.add(known)
        return Taint.of(known)

    def _is_enum(self, value: Value) -> bool:
        if not isinstance(value, Instance):
            return False
        names = {self.code.evaluator.name_of(one) for one in self.code.evaluator.ancestry(value.of)}
        return bool(names & _ENUMS)

    # functions

    def _enter(self, function: Function, given: Mapping[str, Taint]) -> Frame:
        key = (function.node, _identity(function), tuple(sorted(given.items(), key=_by_name)))
        frame = self._known.get(key)
        if frame is not None:
            return frame
        frame = self._known[key] = Frame(function, self, dict(given))
        if len(self._running) >= _DEEPEST:
            return frame
        self._running.append(key)
        try:
            self._run(frame)
        finally:
            self._running.pop()
        return frame

    def _run(self, frame: Frame) -> None:
        node = frame.function.node
        self.frames.append(frame)
        parts = _parts_of(node)
        for _ in range(2):  # a loop brings to its beginning what is made at its end
            for one in parts.binding:
                self._bind(one, frame)
        for one in parts.asking:
            self._note_checks(one, frame)
        for value in parts.returned:
            frame.returned |= self.of(value, frame)
        for site in sites(self.code, frame.function):
            self.calls.append(Reached(site, frame, self.handler))
            if site.target is not None:
                self._enter(site.target, self._passed(site, frame))

    def _passed(self, site: CallSite, frame: Frame) -> dict[str, Taint]:
        target = site.target
        assert target is not None
        node = target.node.args
        positional = [one.arg for one in (*node.posonlyargs, *node.args)]
        if positional[:1] in (["self"], ["cls"]) and target.owner is not None:
            positional = positional[1:]
        found: dict[str, Taint] = {}
        arguments = site.node.args
        if len(site.arguments) != len(arguments):  # handed to a thread: the function comes first
            arguments = arguments[len(arguments) - len(site.arguments) :]
        for number, one in enumerate(arguments):
            if isinstance(one, ast.Starred):
                break
            if number < len(positional):
                found[positional[number]] = self.of(one, frame)
            elif node.vararg is not None:
                name = node.vararg.arg
                found[name] = found.get(name, NOTHING) | self.of(one, frame)
        names = {one.arg for one in (*node.posonlyargs, *node.args, *node.kwonlyargs)}
        for keyword in site.node.keywords:
            taint = self.of(keyword.value, frame)
            if keyword.arg in names:
                found[str(keyword.arg)] = taint
            elif keyword.arg is not None and node.kwarg is not None:
                name = node.kwarg.arg
                found[name] = found.get(name, NOTHING) | taint
        return {name: taint for name, taint in found.items() if taint}

    def _bind(self, node: ast.AST, frame: Frame) -> None:
        match node:
            case ast.Assign():
                taint = self.of(node.value, frame)
                for target in node.targets:
                    self._assign(target, node.value, taint, frame)
            case ast.AnnAssign() if node.value is not None:
                self._assign(node.target, node.value, self.of(node.value, frame), frame)
            case ast.AugAssign():
                before = self.of(_loaded(node.target), frame)
                added = self.of(node.value, frame)
                self._assign(node.target, None, before | added.later(), frame)
            case ast.NamedExpr():
                self._assign(node.target, node.value, self.of(node.value, frame), frame)
            case ast.For() | ast.AsyncFor():
                self._assign(node.target, None, self._items(node.iter, frame), frame)
            case ast.comprehension():
                self._assign(node.target, None, self._items(node.iter, frame), frame)
            case ast.withitem() if node.optional_vars is not None:
                taint = self.of(node.context_expr, frame)
                self._assign(node.optional_vars, None, taint, frame)

    def _assign(self, target: ast.expr, value: ast.expr | None, taint: Taint, frame: Frame) -> None:
        match target:
            case ast.Name():
                frame.names[target.id] = frame.names.get(target.id, NOTHING) | taint
            case ast.Tuple() | ast.List():
                parts = value.elts if isinstance(value, ast.Tuple | ast.List) else None
                for number, one in enumerate(target.elts):
                    part = taint
                    if parts is not None and number < len(parts):
                        part = self.of(parts[number], frame)
                    self._assign(one, None, part, frame)
            case ast.Attribute() if (key := _path(target)) is not None:
                frame.names[key] = taint
            case ast.Subscript() if isinstance(target.value, ast.Name):
                key = target.value.id
                frame.names[key] = frame.names.get(key, NOTHING) | taint.inside()
            case ast.Starred():
                self._assign(target.value, None, taint, frame)

    # expressions

    def _items(self, node: ast.expr, frame: Frame) -> Taint:
        """What is iterated over: of what a schema holds, names of fields, which are not sent."""
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"enumerate", "list", "sorted"}:
            return self._items(node.args[0], frame) if node.args else NOTHING
        keys = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".keys")
        if (
            keys
            or not isinstance(node, ast.Call)
            or ast.unparse(node.func).endswith((".model_dump", ".dict"))
        ):
            taint = self.of(node, frame)
            if taint.whole and all(one.kind == "body" and not one.whole for one in taint.sent):
                return NOTHING
        return self.of(node, frame)

    def of(self, node: ast.expr, frame: Frame) -> Taint:
        found = self._of(node, frame)
        if found and self._is_harmless(node, frame):
            return NOTHING
        return found

    def _is_harmless(self, node: ast.expr, frame: Frame) -> bool:
        if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return False
        value = self.code.value_of(node, frame.function)
        return (isinstance(value, Made) and value.name in _HARMLESS) or self._is_enum(value)

    def _of(self, node: ast.expr, frame: Frame) -> Taint:
        match node:
            case ast.Name():
                return frame.names.get(node.id, NOTHING)
            case ast.Attribute():
                return self._attribute(node, frame)
            case ast.Call():
                return self._call(node, frame)
            case ast.Subscript():
                return NOTHING if _is_ending(node) else self.of(node.value, frame)
            case ast.JoinedStr():
                return self._joined(node, frame)
            case ast.FormattedValue() | ast.Await() | ast.Starred() | ast.NamedExpr():
                return self.of(node.value, frame)
            case ast.BinOp(op=ast.Mod()):
                left, right = self.of(node.left, frame), self.of(node.right, frame)
                return left.inside() | _placed(node.left, right, "%")
            case ast.BinOp():
                left, right = self.of(node.left, frame), self.of(node.right, frame)
                return left.inside() | right.later()
            case ast.BoolOp():
                return _union(self.of(one, frame) for one in node.values)
            case ast.IfExp():
                return self.of(node.body, frame) | self.of(node.orelse, frame)
            case ast.List() | ast.Tuple() | ast.Set():
                return _union(self.of(one, frame) for one in node.elts)
            case ast.Dict():
                return _union(self.of(one, frame) for one in node.values).inside()
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                return self.of(node.elt, frame)
            case ast.DictComp():
                return self.of(node.value, frame) | self.of(node.key, frame)
        return NOTHING

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Taint:
        key = _path(node)
        if key is not None and key in frame.names:
            return frame.names[key]
        if node.attr in _PARTS_OF_REQUEST and self._is_request(node.value, frame):
            return self._part_of_request(node)
        if node.attr in _LAST_PARTS and self._is_path(node.value, frame):
            return NOTHING
        return self._field(self.of(node.value, frame), node.attr)

    def _field(self, taint: Taint, name: str) -> Taint:
        """data.title, of data: one field may be checked and another not."""
        only = next(iter(taint.sent)) if len(taint.sent) == 1 else None
        if only is None or not taint.whole or only.whole is not None:
            return taint
        if only.kind not in ("body", "file"):
            return taint
        path = f"{only.name}.{name}"
        known = next(
            (one for one in self._sent_before if one.whole is only and one.name == path), None
        )
        if known is None:
            content = only.kind == "file" and name in _CONTENT
            known = Sent(path, "content" if content else only.kind, only.parameter, only)
            self._sent_before.add(known)
        return Taint.of(known)

    def _is_path(self, node: ast.expr, frame: Frame) -> bool:
        return (self.code.name_of(node, frame.function) or "").startswith("pathlib.")

    def _is_request(self, node: ast.expr, frame: Frame) -> bool:
        value = self.code.value_of(node, frame.function)
        return isinstance(value, Made) and value.name in _REQUESTS

    def _part_of_request(self, node: ast.Attribute) -> Taint:
        text = ast.unparse(node)
        known = next((one for one in self._sent_before if one.name == text), None)
        if known is None:
            known = Sent(text, "other", ast.arg(arg=text))
            self._sent_before.add(known)
        return Taint.of(known)

    def _joined(self, node: ast.JoinedStr, frame: Frame) -> Taint:
        found, before = NOTHING, ""
        for number, part in enumerate(node.values):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                before += part.value
                continue
            taint = self.of(part, frame)
            if taint:
                begins = number == 0 or _is_scheme_only(before)
                found |= taint.inside() if begins else taint.later()
            else:
                before += "…"
        return found.inside()

    def _call(self, node: ast.Call, frame: Frame) -> Taint:
        function = self.code.name_of(node.func, frame.function) or ""
        arguments = [*node.args, *(one.value for one in node.keywords)]
        if isinstance(node.func, ast.Attribute):
            if node.func.attr in {"join", "format", "format_map"}:
                own = self.of(node.func.value, frame)
                given = _union(
                    (self._items if node.func.attr == "join" else self.of)(one, frame)
                    for one in arguments
                )
                if node.func.attr == "format":
                    return own.inside() | _placed(node.func.value, given, "{")
                return own.inside() | given.inside()
            receiver = self.of(node.func.value, frame)
            if node.func.attr in _PARTS_OF_REQUEST and self._is_request(node.func.value, frame):
                return self._part_of_request(node.func)
            if receiver:
                if node.func.attr in _CONTENT:
                    return self._field(receiver, node.func.attr)
                return NOTHING if node.func.attr in _TELLING else receiver
            if node.func.attr in {"joinpath", "with_name"}:
                return _union(self.of(one, frame) for one in arguments).later()
        if function in {"os.path.join", "urllib.parse.urljoin", "pathlib.Path"} and node.args:
            first = self.of(node.args[0], frame)
            rest = _union(self.of(one, frame) for one in node.args[1:])
            return first | (rest if function == "urllib.parse.urljoin" else rest.later())
        if function in _PASSED:
            return _union(self.of(one, frame) for one in arguments)
        site = self._site(node, frame)
        if site is not None and site.target is not None:
            passed = self._passed(site, frame)
            inner = self._enter(site.target, passed)
            if getattr(site.target.node, "name", "") == "__init__":
                return _union(passed.values()).inside()
            return inner.returned
        made = [node.func, node.func.value] if isinstance(node.func, ast.Attribute) else [node.func]
        if any(isinstance(self.code.value_of(one, frame.function), Class) for one in made):
            return _union(self.of(one, frame) for one in arguments).inside()
        return NOTHING

    def _site(self, node: ast.Call, frame: Frame) -> CallSite | None:
        found = self._sites.get(frame.function)
        if found is None:
            found = self._sites[frame.function] = {}
            for one in sites(self.code, frame.function):
                if one.node not in found or one.target is not None:
                    found[one.node] = one
        return found.get(node)

    # what is asked about it

    def _note_checks(self, node: ast.AST, frame: Frame) -> None:
        match node:
            case ast.Compare():
                self._compared(node, frame)
            case ast.Call():
                self._asked(node, frame)
            case ast.Attribute(attr="netloc" | "hostname" | "host" | "scheme"):
                self._note(self.of(node.value, frame), "host")

    def _compared(self, node: ast.Compare, frame: Frame) -> None:
        right = node.comparators[0]
        match node.ops[0]:
            case ast.In() | ast.NotIn():
                if isinstance(node.left, ast.Constant):  # ".." in name
                    self._note(self.of(right, frame), f"holds {node.left.value!r}")
                elif not self.of(right, frame):
                    self._note(self.of(node.left, frame), "member")
            case ast.Eq() | ast.NotEq():
                for one, other in ((node.left, right), (right, node.left)):
                    if not self.of(other, frame) and not _is_empty(other):
                        self._note(self.of(one, frame), "equal")

    def _asked(self, node: ast.Call, frame: Frame) -> None:
        name = self.code.name_of(node.func, frame.function) or ""
        if isinstance(node.func, ast.Attribute):
            method = node.func.attr
            receiver = self.of(node.func.value, frame)
            if method in _CHECKS and receiver:
                self._note(receiver, "form")
            if method in {"startswith", "is_relative_to", "relative_to"} and receiver:
                said = node.args[0] if node.args else None
                text = str(said.value) if isinstance(said, ast.Constant) else ""
                self._note(receiver, f"{method} {text}".strip())
            if method in {"match", "fullmatch"} and node.args:
                self._note(self.of(node.args[-1], frame), "form")
            if method in {"resolve", "absolute"}:
                self._note(receiver, "resolved")
        if name in _RESOLVING:
            self._note(_union(self.of(one, frame) for one in node.args), "resolved")
        if name in _REGEX and node.args:
            self._note(self.of(node.args[-1], frame), "form")
        if name == "os.path.commonpath" or name == "os.path.commonprefix":
            self._note(_union(self.of(one, frame) for one in node.args), "is_relative_to")
        called = name_in(node.func).lower()
        if any(word in called for word in _CHECKING_WORDS) and not _OF_PASSWORDS.search(
            ast.unparse(node.func)
        ):
            given = [*node.args, *(one.value for one in node.keywords)]
            self._note(_union(self.of(one, frame) for one in given), "function")

    def _note(self, taint: Taint, kind: str) -> None:
        for one in taint.sent:
            self.checked[one] = self.checked.get(one, frozenset()) | {kind}


@dataclass(frozen=True)
class _Parts:
    """The nodes of a function that matter here."""

    binding: tuple[ast.AST, ...]
    asking: tuple[ast.AST, ...]
    returned: tuple[ast.expr, ...]


@lru_cache(maxsize=20_000)
def _parts_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> _Parts:
    nodes = list(own_nodes(node))
    built = set(_built_for_others(nodes))
    returned = [
        one.value
        for one in nodes
        if isinstance(one, ast.Return | ast.Yield) and one.value is not None
    ]
    return _Parts(
        tuple(one for one in nodes if isinstance(one, _BINDING)),
        tuple(one for one in nodes if isinstance(one, _ASKING) and one not in built),
        (node.body,) if isinstance(node, ast.Lambda) else tuple(returned),
    )


def _is_ending(node: ast.Subscript) -> bool:
    """name.split(".")[-1], which holds no dot, and so no way up."""
    called = node.value
    return (
        isinstance(called, ast.Call)
        and isinstance(called.func, ast.Attribute)
        and called.func.attr in {"split", "rsplit", "rpartition"}
        and isinstance(called.args[0] if called.args else None, ast.Constant)
        and ast.unparse(called.args[0]) == "'.'"
        and (ast.unparse(node.slice) == "-1" or called.func.attr == "rsplit")
    )


def _built_for_others(nodes: list[ast.AST]) -> Iterator[ast.AST]:
    """Comparisons that are passed on, as to a query: they ask nothing here."""
    for node in nodes:
        if isinstance(node, ast.Call) and name_in(node.func) not in {"any", "all", "bool"}:
            for given in (*node.args, *(one.value for one in node.keywords)):
                yield from (one for one in ast.walk(given) if isinstance(one, ast.Compare))


def _union(taints: Iterable[Taint]) -> Taint:
    found = NOTHING
    for one in taints:
        found |= one
    return found


def _path(node: ast.expr) -> str | None:
    """data.item.name"""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def _loaded(target: ast.expr) -> ast.expr:
    return ast.Name(id=target.id, ctx=ast.Load()) if isinstance(target, ast.Name) else target


def _placed(template: ast.expr, taint: Taint, mark: str) -> Taint:
    """Of what is put into a text at its marks."""
    if isinstance(template, ast.Constant) and isinstance(template.value, str):
        before = template.value.partition(mark)[0]
        return taint.inside() if not before or _is_scheme_only(before) else taint.later()
    return taint.later()


def _is_scheme_only(text: str) -> bool:
    return text.rstrip("/").lower() in {"http:", "https:", "", "http", "https"} and (
        "://" in text or not text
    )


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("", None)


def _is_scheme(code: Code, target: Value) -> bool:
    """OAuth2PasswordBearer(…) and the like, which give what the client sent."""
    if isinstance(target, Instance):
        names = [code.evaluator.name_of(one) for one in code.evaluator.ancestry(target.of)]
    else:  # or the form of a login, which is a class
        made = target.callee if isinstance(target, Call) else target
        names = [code.evaluator.name_of(made)]
    return any(name.startswith("fastapi.security.") for name in names)


def _is_pattern(said: Value, default: ast.expr | None) -> bool:
    """Whether a parameter has to have a form: Path(pattern="…")."""
    extras = said.values[1:] if isinstance(said, Annotated) else ()
    given = any(
        isinstance(one, Call) and {"pattern", "regex"} & set(one.keywords) for one in extras
    )
    return given or (
        isinstance(default, ast.Call)
        and any(one.arg in {"pattern", "regex"} for one in default.keywords)
    )


def _argument(site: CallSite, place: int | None, names: tuple[str, ...]) -> ast.expr | None:
    for keyword in site.node.keywords:
        if keyword.arg in names:
            return keyword.value
    if place is None:
        return None
    if site.in_thread or site.later:  # the function that is handed over comes first
        place += len(site.node.args) - len(site.arguments)
    if place >= len(site.node.args):
        return None
    found = site.node.args[place]
    return None if isinstance(found, ast.Starred) else found


def _by_name(item: tuple[str, Taint]) -> str:
    return item[0]


def _identity(function: Function) -> object:
    own = function.self
    return own.of.node if isinstance(own, Instance) else None
