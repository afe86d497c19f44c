"""Defects of an exemplar that its copy does not have: the house's style is followed, not its bugs.

Each function takes a copied function and gives it back mended, with a word on what the exemplar
does and what the copy does instead.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import libcst as cst

from apiwright.edit.python import Source as Code
from apiwright.edit.python import dotted, small
from apiwright.errors import Refused
from apiwright.generators import copying
from apiwright.generators.exemplar import Exemplar, Names, Verb
from apiwright.project.facts import SessionDependency

_STATEMENTS = {
    "add",
    "commit",
    "query",
    "exec",
    "execute",
    "scalars",
    "scalar",
    "delete",
    "refresh",
}
_FETCH = {"get", "first", "one_or_none", "scalar_one_or_none", "scalar", "get_one"}
_SIZES = {"limit", "size", "per_page", "page_size", "items_per_page"}
_STARTS = {"skip", "offset"}
_MOST = 100


@dataclass(frozen=True)
class Place:
    """What a function is, as far as mending it needs to know."""

    verb: Verb | None
    """Of a route's function."""
    model: str
    key: str
    owner: str | None
    aware: bool
    """Whether times must have a zone."""
    pydantic_2: bool
    session: SessionDependency | None
    raised: cst.Raise | None
    """How the exemplar says that there is no such row."""
    annotated: bool
    """Whether dependencies and the like are written Annotated[…]."""
    user: cst.Param | None
    """How the exemplar's routes take the user."""
    user_id: str
    """Code of what its owner column holds: `current_user.id`."""
    is_payload: Callable[[str], bool]
    """Whether a variable holds what was sent."""


Mended = tuple[cst.FunctionDef, list[str]]


def refuse(exemplar: Exemplar, code: Callable[[str], Code], names: Names) -> None:
    """Raises Refused for what cannot be imitated safely."""
    for each in exemplar.definitions:
        source = names.sources[each.file]
        bound = names.bound(source)
        for call in _calls(code(each.file).module):
            if not isinstance(call.func, cst.Attribute) or call.func.attr.value not in _STATEMENTS:
                continue
            root = dotted(call.func.value)
            found = names.find(source, root) if root in bound else None
            if found is None or not found[1]:
                continue
            node = names.bound(found[0]).get(found[1])
            made = getattr(getattr(node, "value", None), "func", None)
            called = getattr(made, "id", getattr(made, "attr", ""))
            if "session" in called.lower() and "maker" not in called.lower():
                line = getattr(node, "lineno", 1)
                raise Refused(
                    f"All requests share one session, {root} ({found[0].path}:{line}): what one of"
                    " them has not committed, another sees or undoes.",
                    "Give each request its own first, by a dependency that yields it.",
                )


def mended(node: cst.FunctionDef, place: Place) -> Mended:
    said: list[str] = []
    for mend in (_names_of_pydantic, _clock, _bare_except, _limits, _not_found, _scope, _blocking):
        node, words = mend(node, place)
        said += words
    return node, said


# one each


def _names_of_pydantic(node: cst.FunctionDef, place: Place) -> Mended:
    """`.dict()` and the like, which Pydantic 2 has under other names."""
    if not place.pydantic_2:
        return node, []
    said: set[str] = set()
    new = {"dict": "model_dump", "from_orm": "model_validate", "parse_obj": "model_validate"}

    def change(each: cst.CSTNode) -> cst.CSTNode:
        if not isinstance(each, cst.Call) or not isinstance(each.func, cst.Attribute):
            return each
        name, root = each.func.attr.value, dotted(each.func.value)
        if name not in new or not (place.is_payload(root) or name != "dict"):
            return each
        said.add(f"uses .{name}(), which is deprecated; the new code uses .{new[name]}()")
        return each.with_changes(func=each.func.with_changes(attr=cst.Name(new[name])))

    return copying.rewritten(node, change), sorted(said)


def _clock(node: cst.FunctionDef, place: Place) -> Mended:
    changed = without_utcnow(node, place.aware)
    if changed is node or changed.deep_equals(node):
        return node, []
    return changed, [UTCNOW]


UTCNOW = "uses utcnow(), which is deprecated; the new code uses now(timezone.utc)"


def without_utcnow(node: copying.N, aware: bool) -> copying.N:
    """A column without a time zone takes a time without one, unless it must have one (`aware`)."""
    naive = "" if aware else ".replace(tzinfo=None)"

    def change(each: cst.CSTNode) -> cst.CSTNode:
        if isinstance(each, cst.Call) and dotted(each.func).endswith("datetime.utcnow"):
            root = dotted(each.func).removesuffix(".utcnow")
            zone = "datetime.timezone" if root == "datetime.datetime" else "timezone"
            return cst.parse_expression(f"{root}.now({zone}.utc){naive}")
        if isinstance(each, cst.Arg) and dotted(each.value).endswith("datetime.utcnow"):
            root = dotted(each.value).removesuffix(".utcnow")
            zone = "datetime.timezone" if root == "datetime.datetime" else "timezone"
            made = f"lambda: {root}.now({zone}.utc){naive}"
            return each.with_changes(value=cst.parse_expression(made))
        return each

    return copying.rewritten(node, change)


def _bare_except(node: cst.FunctionDef, place: Place) -> Mended:
    said: list[str] = []

    def change(each: cst.CSTNode) -> cst.CSTNode:
        if isinstance(each, cst.ExceptHandler) and each.type is None:
            said.append("catches everything with a bare except; the new code catches Exception")
            space = cst.SimpleWhitespace(" ")
            return each.with_changes(type=cst.Name("Exception"), whitespace_after_except=space)
        return each

    return copying.rewritten(node, change), said[:1]


def _limits(node: cst.FunctionDef, place: Place) -> Mended:
    """A list of any length may be asked for."""
    if place.verb != "list":
        return node, []
    annotated = place.annotated
    said: list[str] = []

    def change(each: cst.CSTNode) -> cst.CSTNode:
        if not isinstance(each, cst.Param) or each.annotation is None:
            return each
        name, default = each.name.value, each.default
        if name not in _SIZES | _STARTS | {"page"} or dotted(each.annotation.annotation) != "int":
            return each
        if isinstance(default, cst.Call):
            if name not in _SIZES or re.search(r"\bl[et]=", cst.Module([]).code_for_node(default)):
                return each
            usual = _default_of(default)
            said.append(_uncapped(name))
            cap = cst.Arg(cst.Integer(str(max(_MOST, usual))), keyword=cst.Name("le"), equal=_TIGHT)
            return each.with_changes(default=default.with_changes(args=[*default.args, cap]))
        if not isinstance(default, cst.Integer):
            return each
        usual = int(default.value)
        bounds = "ge=0" if name in _STARTS else "ge=1"
        if name in _SIZES:
            bounds += f", le={max(_MOST, usual)}"
            said.append(_uncapped(name))
        if annotated:
            kind = cst.parse_expression(f"Annotated[int, Query({bounds})]")
            return each.with_changes(annotation=each.annotation.with_changes(annotation=kind))
        return each.with_changes(default=cst.parse_expression(f"Query({usual}, {bounds})"))

    return copying.rewritten(node, change), said


_TIGHT = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def _uncapped(name: str) -> str:
    return f"takes any {name}; the new code has a most"


def _default_of(call: cst.Call) -> int:
    for arg in call.args:
        if isinstance(arg.value, cst.Integer) and (
            arg.keyword is None or arg.keyword.value == "default"
        ):
            return int(arg.value.value)
    return 0


def _not_found(node: cst.FunctionDef, place: Place) -> Mended:
    """A row that is not there is used as if it were."""
    if place.verb not in ("get", "update", "delete") or place.raised is None:
        return node, []
    row = _unchecked(node, place)
    if row is None:
        return node, []
    statement, name = row
    check = cst.If(
        test=cst.parse_expression(f"{name} is None"),
        body=cst.IndentedBlock([cst.SimpleStatementLine([place.raised])]),
    )
    return _below(node, statement, check), [
        "does not look whether there is such a row; the new code answers 404"
    ]


def _unchecked(node: cst.FunctionDef, place: Place) -> tuple[cst.SimpleStatementLine, str] | None:
    """The statement that fetches the row, whose answer is not looked at."""
    for statement in copying.statements_of(node.body):
        found = _fetched(statement, place)
        if found is None:
            continue
        assert isinstance(statement, cst.SimpleStatementLine)
        tests = [
            each.test for each in copying.walk(node.body) if isinstance(each, cst.If | cst.IfExp)
        ]
        if any(found in copying.read_names(test) for test in tests):
            return None
        return statement, found
    return None


def _fetched(statement: cst.CSTNode, place: Place) -> str | None:
    """The name of the row that is fetched here."""
    part = next(small(statement), None)
    if not isinstance(part, cst.Assign) or not isinstance(part.targets[0].target, cst.Name):
        return None
    value = part.value.expression if isinstance(part.value, cst.Await) else part.value
    if not isinstance(value, cst.Call) or not isinstance(value.func, cst.Attribute):
        return None
    code = cst.Module([]).code_for_node(statement)
    if value.func.attr.value in _FETCH and re.search(rf"\b{place.model}\b", code):
        return part.targets[0].target.value
    return None


def _below(
    node: cst.FunctionDef, statement: cst.BaseStatement, new: cst.BaseStatement
) -> cst.FunctionDef:
    body = list(copying.statements_of(node.body))
    body.insert(body.index(statement) + 1, new)
    return node.with_changes(body=node.body.with_changes(body=body))


def _scope(node: cst.FunctionDef, place: Place) -> Mended:
    """Rows of other users are read, changed or deleted."""
    if place.owner is None or place.verb in (None, "create"):
        return node, []
    if place.owner in {
        inner.attr.value for inner in copying.walk(node.body) if isinstance(inner, cst.Attribute)
    } or place.owner in copying.read_names(node.body):
        return node, []
    changed = None
    if place.user is not None:
        changed = _narrowed(node, place) if place.verb == "list" else _owned(node, place)
    if changed is None or place.user is None:
        raise copying.NotUnderstood(f"where it could look at {place.owner}")
    user = place.user.name.value
    names = [each.name.value for each in copying.parameters(changed.params)]
    if user not in names:
        changed = _with_user(changed, place.user)
    return changed, [f"does not look at {place.owner}; the new code is about the user's own only"]


def _narrowed(node: cst.FunctionDef, place: Place) -> cst.FunctionDef | None:
    done: list[bool] = []
    own = f"{place.model}.{place.owner} == {place.user_id}"

    def change(each: cst.CSTNode) -> cst.CSTNode:
        if not isinstance(each, cst.Call) or len(each.args) != 1:
            return each
        last = dotted(each.func).rpartition(".")[2]
        if dotted(each.args[0].value).rpartition(".")[2] != place.model:
            return each
        if last not in ("select", "query"):
            return each
        done.append(True)
        model = dotted(each.args[0].value)
        link = "where" if last == "select" else "filter"
        test = cst.parse_expression(own.replace(place.model, model, 1))
        return cst.Call(cst.Attribute(each, cst.Name(link)), [cst.Arg(test)])

    changed = copying.rewritten(node, change)
    return changed if done else None


def _owned(node: cst.FunctionDef, place: Place) -> cst.FunctionDef | None:
    for statement in copying.statements_of(node.body):
        name = _fetched(statement, place)
        if name is None or place.raised is None:
            continue
        body = list(copying.statements_of(node.body))
        at = body.index(statement) + 1
        check = cst.If(
            test=cst.parse_expression(f"{name}.{place.owner} != {place.user_id}"),
            body=cst.IndentedBlock([cst.SimpleStatementLine([place.raised])]),
        )
        guard = body[at : at + 1]
        if guard and isinstance(guard[0], cst.If) and name in copying.read_names(guard[0].test):
            at += 1
        body.insert(at, check)
        return node.with_changes(body=node.body.with_changes(body=body))
    return None


def _with_user(node: cst.FunctionDef, user: cst.Param) -> cst.FunctionDef:
    """Below what has no default, where it has none itself."""
    params = list(node.params.params)
    if user.default is None:
        at = next((i for i, each in enumerate(params) if each.default is not None), len(params))
    else:
        at = len(params)
    like = params[-1].comma if params else cst.MaybeSentinel.DEFAULT
    if node.params.kwonly_params:
        extra = [*node.params.kwonly_params, user]
        return node.with_changes(params=node.params.with_changes(kwonly_params=extra))
    params.insert(at, user)
    comma = params[0].comma if len(params) > 1 else like
    params = [each.with_changes(comma=comma) for each in params[:-1]] + [
        params[-1].with_changes(comma=like)
    ]
    return node.with_changes(params=node.params.with_changes(params=params))


def _blocking(node: cst.FunctionDef, place: Place) -> Mended:
    """A session that blocks, in a function that the event loop runs."""
    if place.verb is None or node.asynchronous is None or place.session is None:
        return node, []
    if place.session.is_async is not False:
        return node, []
    if any(
        isinstance(inner, cst.Await)
        or (isinstance(inner, cst.For | cst.With | cst.CompFor) and inner.asynchronous is not None)
        for inner in copying.walk(node.body)
    ):
        return node, []
    return node.with_changes(asynchronous=None), [
        "blocks the event loop: it is async, and its session is not; the new code is not async"
    ]


def _calls(node: cst.CSTNode) -> Iterator[cst.Call]:
    for inner in copying.walk(node):
        if isinstance(inner, cst.Call):
            yield inner
