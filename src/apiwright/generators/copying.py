"""A function of the exemplar, as the new resource needs it.

What is the exemplar's alone goes: what reads its own fields, and what rests on that in turn. What
is said field by field (`Todo(title=data.title)`, `todo.title = data.title`) is said for each field
of the new resource instead. What is left after that means the same for any resource. Names are
renamed afterwards (copied_files.py); until then a new field's name begins with `NEW`, so that it is
not mistaken for the exemplar's own of the same name.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, Protocol, TypeVar, cast

import libcst as cst

from apiwright.edit.python import dotted, small
from apiwright.generators.fields import FieldSpec

NEW = "neu__"
Meaning = Literal["ours", "gone", "shared"]
_LINKS = {"where", "filter", "filter_by", "order_by", "options", "join", "outerjoin", "group_by"}
_JOINED = {"and_", "or_"}
_WHOSE = {"user", "owner", "author", "creator", "account", "permission", "role", "admin"}
_BY_NAME = {"getattr", "setattr", "hasattr"}
_COMMA = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
N = TypeVar("N", bound=cst.CSTNode)


class NotUnderstood(Exception):
    """Why a function cannot be copied: a few words."""


class Known(Protocol):
    """What is known of the names of a file."""

    def meaning(self, name: str) -> Meaning | None:
        """Of a name of the module, dotted or not; None: it is not one."""

    def is_class(self, name: str) -> bool:
        """Whether it is a class of the exemplar: its model, a schema."""

    def is_dependency(self, parameter: cst.Param) -> bool:
        """Whether FastAPI fills it from something of the house: it may be what protects."""


@dataclass
class Share:
    """What the copying of one function tells that of the others: who is called with what."""

    own: frozenset[str]
    """Attributes that only the exemplar has."""
    owner: str | None
    key: str
    keys: frozenset[str]
    """What the parameters of paths are called that say which row."""
    model: str
    maybe: Callable[[str], str] = "{} | None".format
    """A type, or None, as the house writes it."""
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of each new column, its type and its default, as code."""
    written: tuple[FieldSpec, ...] = ()
    """Fields that a client sends."""
    shown: tuple[FieldSpec, ...] = ()
    responses: frozenset[str] = frozenset()
    """Classes that answers are made of."""
    functions: frozenset[str] = frozenset()
    """Functions and methods of the exemplar."""

    @property
    def lookups(self) -> frozenset[str]:
        """What a query, or a function of the exemplar that makes one, is called."""
        return self.functions | _LINKS

    methods: frozenset[str] = frozenset()
    """Of these, methods of classes that several resources share."""
    by_fields: frozenset[str] = frozenset()
    """Of these, those that take a parameter for each field."""
    lost: dict[str, set[str]] = field(default_factory=dict)
    """Parameters that a function no longer has."""
    order: dict[str, list[str]] = field(default_factory=dict)
    """All parameters that it had, but for self."""
    spare: dict[str, set[str]] = field(default_factory=dict)
    """Those of them that it can do without: they have a default."""
    gone: set[str] = field(default_factory=set)
    """Functions and methods that are not copied."""


@dataclass
class _Scope:
    known: Known
    parameters: dict[str, Meaning | None] = field(default_factory=dict)
    """Of what a parameter is: something of the exemplar, of the house, or not said."""
    lost: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    payload: set[str] = field(default_factory=set)
    """Parameters that hold what a client sent, or that always have a value."""
    is_row: bool = False
    """Whether `self` is a row, or a schema."""


@dataclass(frozen=True)
class Copied:
    node: cst.FunctionDef
    left_out: tuple[str, ...]
    """What was dropped, as code."""


def function(
    node: cst.FunctionDef, known: Known, share: Share, *, is_row: bool = False
) -> Copied | None:
    """None: nothing of it is left. Raises NotUnderstood."""
    return _Copier(share, known, is_row).function(node)


def forget(node: cst.FunctionDef, known: Known, share: Share) -> None:
    """Note the parameters that a function will not have, before others that call it are copied."""
    copier = _Copier(share, known, is_row=False)
    name = node.name.value
    lost = share.lost.setdefault(name, set())
    with suppress(NotUnderstood):  # which is said when it is copied
        for parameter in parameters(node.params):
            copier.meet(parameter, name in share.by_fields, lost)


def is_poisoned(node: cst.CSTNode, known: Known, share: Share, *, is_row: bool = False) -> bool:
    """Whether it is about what only the exemplar has."""
    return next(_poison(node, _Scope(known, is_row=is_row), share), None) is not None


class _Copier:
    def __init__(self, share: Share, known: Known, is_row: bool) -> None:
        self.share = share
        self.scope = _Scope(known, is_row=is_row)
        self.left_out: list[str] = []
        self.sent: set[str] = set()

    def function(self, node: cst.FunctionDef) -> Copied | None:
        name = node.name.value
        by_fields = name in self.share.by_fields
        lost = self.share.lost.setdefault(name, set())
        before = read_names(node.body)
        for parameter in parameters(node.params):
            self.meet(parameter, by_fields, lost)
        self.scope.lost |= lost
        body = self._block(statements_of(node.body))
        body = self._without_dead(body, before)
        if not [each for each in body if not is_doc(each)] and any(
            not is_doc(each) for each in statements_of(node.body)
        ):
            return None
        after = read_names(cst.IndentedBlock(body))
        named = _read_strings(node.decorators)
        for parameter in parameters(node.params):
            said = parameter.name.value
            idle = said in before and said not in after and said not in named and said != "self"
            if idle and not (by_fields and said in self.share.own):
                if said in self.sent or said in (self.share.key, *self.share.keys):
                    raise NotUnderstood(f"what becomes of {said}")
                if not self.scope.known.is_dependency(parameter):
                    lost.add(said)
        params = self._pruned(node.params, lost, by_fields)
        block = node.body.with_changes(body=body) if body else node.body
        return Copied(node.with_changes(params=params, body=block), tuple(self.left_out))

    def meet(self, parameter: cst.Param, by_fields: bool, lost: set[str]) -> None:
        name, known = parameter.name.value, self.scope.known
        meanings = [
            meaning
            for part in (parameter.annotation, parameter.default)
            if part is not None
            for inner in names_in(part)
            if (meaning := known.meaning(inner)) is not None
        ]
        self.scope.bound.add(name)
        if parameter.default is None:
            self.scope.payload.add(name)
        kind: Meaning | None = None
        if "gone" in meanings:
            if known.is_dependency(parameter):
                raise NotUnderstood(cst.Module([]).code_for_node(parameter).strip(" ,"))
            lost.add(name)
        elif name in self.share.own and "ours" not in meanings:
            if not by_fields:
                lost.add(name)
        elif "ours" in meanings:
            kind = "ours"
            annotation = parameter.annotation
            if annotation is not None and any(map(known.is_class, names_in(annotation))):
                self.scope.payload.add(name)
                self.sent.add(name)
        elif "shared" in meanings:
            kind = "shared"
        self.scope.parameters[name] = kind

    def _pruned(self, params: cst.Parameters, lost: set[str], by_fields: bool) -> cst.Parameters:
        def kept(given: Sequence[cst.Param]) -> list[cst.Param]:
            found = [each for each in given if each.name.value not in lost]
            return _expanded(found, self.share) if by_fields else found

        changed = params.with_changes(
            params=kept(params.params),
            kwonly_params=kept(params.kwonly_params),
            posonly_params=kept(params.posonly_params),
        )
        if not changed.kwonly_params and isinstance(changed.star_arg, cst.ParamStar):
            changed = changed.with_changes(star_arg=cst.MaybeSentinel.DEFAULT)
        return _last_comma(changed, params)

    # statements

    def _block(self, statements: Sequence[cst.BaseStatement]) -> list[cst.BaseStatement]:
        found: list[cst.BaseStatement] = []
        template: str | None = None
        for number, each in enumerate(statements):
            each = rewritten(each, _Fields(self.scope, self.share))
            about = self._template(each)
            if about is not None:
                if template is None:
                    template = about
                    for spec in self.share.written:
                        found.append(_of_field(each, about, spec))
                        each = each.with_changes(leading_lines=_blank(each))
                continue
            if isinstance(each, cst.If) and self._is_condition(each, statements[number + 1 :]):
                self._drop(each)
                return found + self._block(statements_of(each.body))
            found += self._statement(each)
        return found

    def _is_condition(self, node: cst.If, below: Sequence[cst.BaseStatement]) -> bool:
        """`if valid: return …` with nothing but a `raise` below."""
        ends = [each for each in below if not isinstance(next(small(each), None), cst.Raise)]
        return (
            bool(below)
            and not ends
            and node.orelse is None
            and _returns(node.body)
            and self._is_poisoned(rewritten(node.test, _Prune(self.scope, self.share, True)))
        )

    def _template(self, statement: cst.BaseStatement) -> str | None:
        """The field that it is about, of what is said for each field in turn: it sets that field
        from what was sent, and reads no other."""
        sets = [
            target
            for inner in walk(statement)
            if isinstance(inner, cst.Assign)
            for target in (inner.targets[0].target,)
            if isinstance(target, cst.Attribute) and target.attr.value in self.share.own
        ]
        if len({target.attr.value for target in sets}) != 1 or isinstance(statement, cst.Try):
            return None
        name = sets[0].attr.value
        found = set(_poison(statement, self.scope, self.share))
        parameter = name in self.scope.parameters
        from_sent = any(
            (isinstance(inner, cst.Attribute) and inner.attr.value == name and inner not in sets)
            or (isinstance(inner, cst.Name) and inner.value == name and parameter)
            for inner in _values(statement)
        )
        return name if found <= {name} and from_sent else None

    def _statement(self, node: cst.BaseStatement) -> list[cst.BaseStatement]:
        match node:
            case cst.If():
                return self._if(node)
            case cst.For() | cst.While() | cst.With():
                header = node.with_changes(body=cst.IndentedBlock([]))
                if self._is_poisoned(header):
                    header = self._prune(header)
                if self._is_poisoned(header):
                    if isinstance(node, cst.With):
                        raise NotUnderstood(_first(node))
                    self._drop(node)
                    return []
                body = self._block(statements_of(node.body))
                if not body:
                    return []
                return [header.with_changes(body=node.body.with_changes(body=body))]
            case cst.Try():
                return self._try(node)
            case cst.FunctionDef() | cst.ClassDef():
                if self._is_poisoned(node):
                    self._drop(node)
                    self.scope.lost.add(node.name.value)
                    return []
                return [node]
        if is_doc(node):
            return [node]
        return self._simple(node)

    def _if(self, node: cst.If) -> list[cst.BaseStatement]:
        test = node.test
        if self._is_poisoned(test):
            test = rewritten(test, _Prune(self.scope, self.share, is_test=True))
        rest = self._or_else(node.orelse)
        if self._is_poisoned(test):
            self._refuse_guard(node)
            if _returns(node.body):
                raise NotUnderstood(_first(node))
            self._drop(node)
            if isinstance(rest, cst.If):
                return [rest]
            return list(statements_of(rest.body)) if isinstance(rest, cst.Else) else []
        body = self._block(statements_of(node.body))
        if not body:
            if rest is None:
                return []
            body = [cst.SimpleStatementLine([cst.Pass()])]
        return [node.with_changes(test=test, body=node.body.with_changes(body=body), orelse=rest)]

    def _or_else(self, node: cst.If | cst.Else | None) -> cst.If | cst.Else | None:
        if node is None:
            return None
        if isinstance(node, cst.Else):
            body = self._block(statements_of(node.body))
            return node.with_changes(body=node.body.with_changes(body=body)) if body else None
        kept = self._if(node)
        if len(kept) == 1 and isinstance(kept[0], cst.If):
            return kept[0]
        return cst.Else(cst.IndentedBlock(kept)) if kept else None

    def _try(self, node: cst.Try) -> list[cst.BaseStatement]:
        body = self._block(statements_of(node.body))
        if not [each for each in body if not _is_pass(each)]:
            return []
        handlers = []
        for each in node.handlers:
            if each.type is not None and self._is_poisoned(each.type):
                continue
            inner = self._block(statements_of(each.body)) or [cst.SimpleStatementLine([cst.Pass()])]
            handlers.append(each.with_changes(body=each.body.with_changes(body=inner)))
        if node.handlers and not handlers:
            return body
        changes: dict[str, object] = {"body": node.body.with_changes(body=body)}
        for name in ("orelse", "finalbody"):
            part = getattr(node, name)
            if part is not None:
                inner = self._block(statements_of(part.body))
                changes[name] = (
                    part.with_changes(body=part.body.with_changes(body=inner)) if inner else None
                )
        return [node.with_changes(handlers=handlers, **changes)]

    def _simple(self, node: cst.BaseStatement) -> list[cst.BaseStatement]:
        targets = {name for part in small(node) for name in _assigned(part)}
        was = node
        if self._is_poisoned(node):
            node = self._prune(node)
        if self._is_poisoned(node):
            for part in small(node):
                if isinstance(part, cst.Return | cst.Raise):
                    raise NotUnderstood(_first(was))
            self._drop(was)
            self.scope.lost |= targets - self.scope.bound
            self.scope.lost |= self._changed(was)
            return []
        self.scope.bound |= targets
        self.scope.lost -= targets
        for part in small(node):
            if isinstance(part, cst.Assign) and _is_itself(part):
                return []
        return [node]

    def _changed(self, node: cst.CSTNode) -> set[str]:
        """Variables that a statement which is left out would have changed: found.append(…)"""
        return {
            part.value.func.value.value
            for part in small(node)
            if isinstance(part, cst.Expr)
            and isinstance(part.value, cst.Call)
            and isinstance(part.value.func, cst.Attribute)
            and isinstance(part.value.func.value, cst.Name)
            and part.value.func.value.value in self.scope.bound - set(self.scope.parameters)
        }

    def _is_poisoned(self, node: cst.CSTNode) -> bool:
        return next(_poison(node, self.scope, self.share), None) is not None

    def _prune(self, node: N) -> N:
        return rewritten(node, _Prune(self.scope, self.share))

    def _drop(self, node: cst.CSTNode) -> None:
        self.left_out.append(_first(node))

    def _refuse_guard(self, node: cst.If) -> None:
        """What asks whose it is is never left out, whatever else it says."""
        names = set(self._asked(node.test))
        said = {word for name in names for word in re.findall("[a-z]+", name.lower())}
        if self.share.owner in names or said & _WHOSE:
            raise NotUnderstood(_first(node))

    def _asked(self, node: cst.CSTNode) -> Iterator[str]:
        """Names in it, but for those of what is looked up: whether there is a like row of the
        user's is no question of whose this row is."""
        if isinstance(node, cst.Name):
            yield node.value
        elif isinstance(node, cst.Call) and _last_name(node.func) in self.share.lookups:
            yield from self._asked(node.func)
        else:
            for child in children(node):
                yield from self._asked(child)

    def _without_dead(
        self, body: list[cst.BaseStatement], before: set[str]
    ) -> list[cst.BaseStatement]:
        """Without what only led up to what was left out."""
        while True:
            idle = before - read_names(cst.IndentedBlock(body))
            dead = _Dead(idle, self.share)
            body = [kept for each in body for kept in dead.without(each)]
            if not dead.found:
                return body


# what is the exemplar's alone


def _poison(node: cst.CSTNode, scope: _Scope, share: Share) -> Iterator[str]:
    """What in the node is about the exemplar's own fields, or about what has been left out."""
    match node:
        case cst.Name():
            if (
                node.value in scope.lost
                or (node.value not in scope.bound and scope.known.meaning(node.value) == "gone")
                or (node.value in share.own and node.value in scope.parameters)
            ):
                yield node.value
        case cst.Attribute():
            name = dotted(node)
            if (node.attr.value in share.own and _is_row(node.value, scope)) or (
                _is_gone(node, scope, share)
            ):
                yield node.attr.value
            elif name and scope.known.meaning(name) == "gone":
                yield name
            yield from _poison(node.value, scope, share)
        case cst.Call():
            yield from _poison(node.func, scope, share)
            called = dotted(node.func)
            last = _last_name(node.func)
            if last in share.gone and called and "." not in called:
                yield last
            ours = scope.known.is_class(called) or last in ("filter_by", "values")
            for number, arg in enumerate(node.args):
                if arg.keyword is not None and ours and arg.keyword.value in share.own:
                    yield arg.keyword.value
                if (
                    _is_key(arg.value, share)
                    and arg.keyword is None
                    and (last in _BY_NAME or (last in ("get", "pop") and number == 0))
                ):
                    yield text_of(arg.value)
                yield from _poison(arg.value, scope, share)
        case cst.Index() if _is_key(node.value, share):
            yield text_of(node.value)
        case cst.Comparison():
            for part in (node.left, *(each.comparator for each in node.comparisons)):
                if _is_key(part, share):
                    yield text_of(part)
            for child in children(node):
                yield from _poison(child, scope, share)
        case cst.DictElement():
            if _is_key(node.key, share):
                yield text_of(node.key)
            for child in children(node):
                yield from _poison(child, scope, share)
        case cst.Param() | cst.Annotation():
            return
        case cst.AssignTarget(target=cst.Name()):
            return
        case cst.NameItem():
            return
        case _:
            for child in children(node):
                yield from _poison(child, scope, share)


def _is_gone(node: cst.Attribute, scope: _Scope, share: Share) -> bool:
    name = node.attr.value
    return name in share.gone and (name in share.methods or _is_ours(node.value, scope))


def _is_row(node: cst.CSTNode, scope: _Scope) -> bool:
    """Whether an attribute of it can be a field: not of a module, nor of the user."""
    name = dotted(node)
    if not name:
        roots = [each for each in names_in(node) if "." not in each]
        return any(_is_row(cst.Name(root), scope) for root in roots[:1])
    root = name.partition(".")[0]
    if root == "self":
        return scope.is_row and name == "self"
    if root in scope.parameters:
        return scope.parameters[root] != "shared"
    if root in scope.bound:
        return not root.startswith(("user", "current_user"))
    meaning = scope.known.meaning(name)
    return meaning in ("ours", "gone") or (meaning is None and scope.known.meaning(root) is None)


def _is_ours(node: cst.CSTNode, scope: _Scope) -> bool:
    root = dotted(node).partition(".")[0] or next(iter(names_in(node)), "")
    if root == "self" or root in scope.bound:
        return True
    return scope.known.meaning(root) in ("ours", "gone") or scope.known.meaning(root) is None


def _is_key(node: cst.CSTNode, share: Share) -> bool:
    return isinstance(node, cst.SimpleString) and text_of(node) in share.own


def text_of(node: cst.CSTNode) -> str:
    value = node.evaluated_value if isinstance(node, cst.SimpleString) else ""
    return value if isinstance(value, str) else ""


def rewritten(node: N, change: Callable[[cst.CSTNode], cst.CSTNode]) -> N:
    """With each node in it changed, the innermost first."""
    return cast(N, node.visit(_Rewrite(change)))


class _Rewrite(cst.CSTTransformer):
    def __init__(self, change: Callable[[cst.CSTNode], cst.CSTNode]) -> None:
        super().__init__()
        self._change = change

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:  # Any: as libcst has it
        return self._change(updated_node)


class _Prune:
    """Takes what is the exemplar's alone out of an expression, where the rest means the same: a
    narrower filter, an order, an argument of a function that no longer takes it."""

    def __init__(self, scope: _Scope, share: Share, is_test: bool = False) -> None:
        self.scope, self.share, self.is_test = scope, share, is_test

    def __call__(self, node: cst.CSTNode) -> cst.CSTNode:
        if isinstance(node, cst.Call):
            return self._called(node)
        if isinstance(node, cst.FormattedString):
            return self._message(node)
        if isinstance(node, cst.BooleanOperation) and self.is_test:
            left, right = self._bad(node.left), self._bad(node.right)
            if left != right:
                return node.right if left else node.left
        return node

    def _bad(self, node: cst.CSTNode) -> bool:
        return next(_poison(node, self.scope, self.share), None) is not None

    def _called(self, node: cst.Call) -> cst.BaseExpression:
        last, func = _last_name(node.func), node.func
        if last in self.share.functions:
            return self._call(node, last)
        if not (isinstance(func, cst.Attribute) and last in _LINKS) and last not in _JOINED:
            return node
        if any(self._is_lookup(arg) for arg in node.args):
            return node
        kept = [arg for arg in node.args if not self._bad_arg(arg)]
        if len(kept) == len(node.args):
            return node
        if kept:
            return node.with_changes(args=commas(kept, node.args))
        if not isinstance(func, cst.Attribute):
            return node
        if last == "order_by":
            by = cst.parse_expression(f"{self.share.model}.{self.share.key}")
            return node.with_changes(args=[cst.Arg(by)])
        return func.value

    def _message(self, node: cst.FormattedString) -> cst.BaseExpression:
        """Without the parts that tell of the exemplar's own."""
        kept = [
            part
            for part in node.parts
            if not (isinstance(part, cst.FormattedStringExpression) and self._bad(part))
        ]
        if all(isinstance(part, cst.FormattedStringText) for part in kept):
            text = "".join(part.value for part in kept if isinstance(part, cst.FormattedStringText))
            quote = node.start.lstrip("fFrR")
            return cst.SimpleString(f"{quote}{text}{node.end}")
        return node.with_changes(parts=kept)

    def _bad_arg(self, arg: cst.Arg) -> bool:
        own = arg.keyword is not None and arg.keyword.value in self.share.own
        return own or self._bad(arg.value)

    def _is_lookup(self, arg: cst.Arg) -> bool:
        """`Todo.title == data.title`: without it, it would be about any row."""
        is_equal = arg.keyword is not None or any(
            isinstance(inner, cst.Equal) for inner in walk(arg.value)
        )
        return is_equal and self._bad_arg(arg) and bool(names_of(arg.value) & self.scope.payload)

    def _may_go(self, function: str, parameter: str, value: cst.BaseExpression) -> bool:
        """Whether an argument that is poisoned is one that the function can do without."""
        if not self._bad(value):
            return False
        return parameter in self.share.own or parameter in self.share.spare.get(function, ())

    def _call(self, node: cst.Call, name: str) -> cst.Call:
        lost, order = self.share.lost.setdefault(name, set()), self.share.order.get(name, [])
        kept = []
        for number, arg in enumerate(node.args):
            said = arg.keyword.value if arg.keyword else (order[number : number + 1] or [""])[0]
            if said and not arg.star and (said in lost or self._may_go(name, said, arg.value)):
                lost.add(said)
            else:
                kept.append(arg)
        return node.with_changes(args=commas(kept, node.args))


# what is said field by field

Source = Callable[[FieldSpec], cst.BaseExpression]
"""Where the value of a field comes from."""


class _Fields:
    """Calls and dicts that name the exemplar's fields name the new ones instead."""

    def __init__(self, scope: _Scope, share: Share) -> None:
        self.scope, self.share = scope, share

    def __call__(self, node: cst.CSTNode) -> cst.CSTNode:
        if isinstance(node, cst.Call):
            return self._call(node)
        return self._dict(node) if isinstance(node, cst.Dict) else node

    def _call(self, node: cst.Call) -> cst.Call:
        name, last = dotted(node.func), _last_name(node.func)
        if not (self.scope.known.is_class(name) or last in (*self.share.by_fields, "values")):
            return node
        named = [
            (arg, value)
            for arg in node.args
            if arg.keyword is not None and arg.keyword.value in self.share.own
            if (value := self._source(arg.value, arg.keyword.value)) is not None
        ]
        if not named:
            return node
        like, value = named[0]
        specs = self.share.shown if last in self.share.responses else self.share.written
        new = [
            like.with_changes(keyword=cst.Name(NEW + spec.column), value=value(spec))
            for spec in specs
        ]
        found: list[cst.Arg] = []
        for arg in node.args:
            if arg.keyword is None or arg.keyword.value not in self.share.own:
                found.append(arg)
            else:
                found, new = [*found, *new], []
        return node.with_changes(args=commas(found, node.args))

    def _dict(self, node: cst.Dict) -> cst.Dict:
        elements = [each for each in node.elements if isinstance(each, cst.DictElement)]
        named = [
            (element, value)
            for element in elements
            if _is_key(element.key, self.share)
            if (value := self._source(element.value, text_of(element.key))) is not None
        ]
        if not named:
            return node
        like, value = named[0]
        new: list[cst.BaseDictElement] = [
            like.with_changes(key=_renamed(like.key, NEW + spec.column), value=value(spec))
            for spec in self.share.written
        ]
        found: list[cst.BaseDictElement] = []
        for element in node.elements:
            if isinstance(element, cst.DictElement) and _is_key(element.key, self.share):
                found, new = [*found, *new], []
            else:
                found.append(element)
        comma = node.elements[0].comma if len(node.elements) > 1 else _COMMA
        found = [each.with_changes(comma=comma) for each in found]
        found[-1] = found[-1].with_changes(comma=node.elements[-1].comma)
        return node.with_changes(elements=found)

    def _source(self, value: cst.BaseExpression, name: str) -> Source | None:
        """`data.title`, also within `data.title.strip()`; `data["title"]`; a parameter `title`."""
        for inner in walk(value):
            if (
                isinstance(inner, cst.Attribute)
                and inner.attr.value == name
                and _is_row(inner.value, self.scope)
            ):
                return _of_attribute(inner.value)
            if (
                isinstance(inner, cst.Call)
                and dotted(inner.func) == "getattr"
                and len(inner.args) > 1
                and text_of(inner.args[1].value) == name
            ):
                return _of_attribute(inner.args[0].value)
            if isinstance(inner, cst.Subscript) and _index(inner) == name:
                return _of_item(inner)
            if (
                isinstance(inner, cst.Name)
                and inner.value == name
                and name in self.scope.parameters
                and name not in self.scope.lost
            ):
                return lambda spec: cst.Name(NEW + spec.column)
        return None


def _of_attribute(where: cst.BaseExpression) -> Source:
    return lambda spec: cst.Attribute(where, cst.Name(NEW + spec.column))


def _of_item(like: cst.Subscript) -> Source:
    def item(spec: FieldSpec) -> cst.BaseExpression:
        index = like.slice[0].slice
        assert isinstance(index, cst.Index)
        key = _renamed(index.value, NEW + spec.column)
        return like.with_changes(slice=[like.slice[0].with_changes(slice=cst.Index(key))])

    return item


def _index(node: cst.Subscript) -> str:
    index = node.slice[0].slice
    return text_of(index.value) if isinstance(index, cst.Index) else ""


def _renamed(string: cst.BaseExpression, text: str) -> cst.SimpleString:
    assert isinstance(string, cst.SimpleString)
    return cst.SimpleString(f"{string.quote}{text}{string.quote}")


def _blank(statement: cst.BaseStatement) -> list[cst.EmptyLine]:
    """The blank lines above it, without comments."""
    lines: Sequence[cst.EmptyLine] = getattr(statement, "leading_lines", ())
    return [line for line in lines if line.comment is None]


def _of_field(statement: cst.BaseStatement, old: str, spec: FieldSpec) -> cst.BaseStatement:
    new = NEW + spec.column

    def change(node: cst.CSTNode) -> cst.CSTNode:
        if isinstance(node, cst.Name) and node.value == old:
            return node.with_changes(value=new)
        if isinstance(node, cst.SimpleString) and text_of(node) == old:
            return _renamed(node, new)
        return node

    return rewritten(statement, change)


def _expanded(params: Sequence[cst.Param], share: Share) -> list[cst.Param]:
    """A parameter for each new field, where the exemplar's own were: those without a default
    first, as Python asks."""
    own = [each for each in params if each.name.value in share.own]
    if not own:
        return list(params)
    rest = [each for each in params if each.name.value not in share.own]
    partial = all(
        isinstance(each.default, cst.Name) and each.default.value == "None" for each in own
    )
    required: list[cst.Param] = []
    optional: list[cst.Param] = []
    for spec in share.written:
        kind, default = share.kinds[spec.column]
        if partial:
            optional.append(_parameter(own[0], spec, share.maybe(kind), "None"))
        elif spec.optional:
            optional.append(_parameter(own[0], spec, share.maybe(kind), default or "None"))
        else:
            (optional if default else required).append(_parameter(own[0], spec, kind, default))
    at = sum(params.index(own[0]) > params.index(each) for each in rest)
    split = next((i for i, each in enumerate(rest) if each.default is not None), len(rest))
    at = min(at, split)
    found = [*rest[:at], *required, *rest[at:split], *optional, *rest[split:]]
    first = params[0]
    comma = first.comma if len(params) > 1 else _COMMA
    space = first.whitespace_after_param if len(params) > 1 else cst.SimpleWhitespace("")
    last = params[-1]
    return [
        *(each.with_changes(comma=comma, whitespace_after_param=space) for each in found[:-1]),
        found[-1].with_changes(
            comma=last.comma, whitespace_after_param=last.whitespace_after_param
        ),
    ]


def _parameter(like: cst.Param, spec: FieldSpec, kind: str, default: str) -> cst.Param:
    return like.with_changes(
        name=cst.Name(NEW + spec.column),
        annotation=cst.Annotation(cst.parse_expression(kind)) if like.annotation else None,
        default=cst.parse_expression(default) if default else None,
        equal=cst.MaybeSentinel.DEFAULT,
    )


# leftovers


def _returns(body: cst.CSTNode) -> bool:
    """Whether an answer is given in it."""
    return any(isinstance(inner, cst.Return) for inner in walk(body))


class _Dead:
    """Assignments to names that are read no more, and blocks that are empty without them."""

    def __init__(self, idle: set[str], share: Share) -> None:
        self.idle, self.share = idle, share
        self.found = False

    def without(self, node: cst.BaseStatement) -> list[cst.BaseStatement]:
        if isinstance(node, cst.SimpleStatementLine):
            parts = list(small(node))
            names = {name for part in parts for name in _assigned(part)}
            plain = all(isinstance(part, cst.Assign | cst.AnnAssign) for part in parts)
            if names and names <= self.idle and plain and not _has_effect(node, self.share):
                self.found = True
                return []
            return [node]
        if isinstance(node, cst.If | cst.For | cst.Try | cst.While | cst.With):
            body = [kept for each in statements_of(node.body) for kept in self.without(each)]
            if not body or all(map(_is_pass, body)):
                bare = isinstance(node, cst.Try) or getattr(node, "orelse", None) is None
                if bare and self.found:
                    return []
                body = body or [cst.SimpleStatementLine([cst.Pass()])]
            return [node.with_changes(body=node.body.with_changes(body=body))]
        return [node]


def _has_effect(node: cst.CSTNode, share: Share) -> bool:
    return any(
        isinstance(inner, cst.Await)
        or (isinstance(inner, cst.Call) and _last_name(inner.func) in share.functions)
        for inner in walk(node)
    )


# syntax


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Those that are code; libcst's own property visits the layout, too, which takes long."""
    for name in _parts(type(node)):
        part = getattr(node, name)
        if isinstance(part, cst.CSTNode):
            yield part
        elif isinstance(part, tuple | list):
            yield from part


@cache
def _parts(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    names = [each.name for each in fields(kind)]
    return tuple(name for name in names if not _LAYOUT.search(name))


_LAYOUT = re.compile(
    r"whitespace|lines|comma|semicolon|^[lr](par|brace|bracket)$|^(header|footer|colon|equal|dot"
    r"|newline|indent|encoding|default_\w+|has_trailing_newline)$"
)


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in children(node):
        yield from walk(child)


def names_in(node: cst.CSTNode) -> Iterator[str]:
    """Names that it reads, dotted where they are; those in quotes, too."""
    if isinstance(node, cst.Attribute):
        if name := dotted(node):
            yield name
            return
        yield from names_in(node.value)
    elif isinstance(node, cst.Name):
        yield node.value
    elif isinstance(node, cst.Arg):
        yield from names_in(node.value)
    elif isinstance(node, cst.SimpleString) and text_of(node).isidentifier():
        yield text_of(node)
    else:
        for child in children(node):
            yield from names_in(child)


def names_of(node: cst.CSTNode) -> set[str]:
    return {inner.value for inner in walk(node) if isinstance(inner, cst.Name)}


def read_names(node: cst.CSTNode) -> set[str]:
    """Names that it reads, as against binds."""
    found: set[str] = set()

    def visit(inner: cst.CSTNode) -> None:
        match inner:
            case cst.FunctionDef() | cst.ClassDef():
                for child in children(inner):
                    if child is not inner.name:
                        visit(child)
            case cst.Param():
                for given in (inner.annotation, inner.default):
                    if given is not None:
                        visit(given)
            case cst.Name():
                found.add(inner.value)
            case cst.Attribute():
                visit(inner.value)
            case cst.Arg():
                visit(inner.value)
            case cst.AssignTarget(target=cst.Name()):
                return
            case cst.AnnAssign(target=cst.Name()):
                for side in (inner.annotation, inner.value):
                    if side is not None:
                        visit(side)
            case cst.Import() | cst.ImportFrom():
                return
            case _:
                for child in children(inner):
                    visit(child)

    visit(node)
    return found


def _read_strings(nodes: Iterable[cst.CSTNode]) -> set[str]:
    """Parameters of paths, in decorators."""
    found: set[str] = set()
    for node in nodes:
        for inner in walk(node):
            if isinstance(inner, cst.SimpleString | cst.FormattedStringText):
                found |= set(re.findall(r"\{(\w+)", inner.value))
    return found


def _values(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Nodes within it, but for what is assigned to."""
    if isinstance(node, cst.AssignTarget):
        return
    yield node
    for child in children(node):
        yield from _values(child)


def _assigned(part: cst.CSTNode) -> Iterator[str]:
    if isinstance(part, cst.Assign):
        for target in part.targets:
            for inner in walk(target.target):
                if isinstance(inner, cst.Name) and not isinstance(target.target, cst.Attribute):
                    yield inner.value
    elif isinstance(part, cst.AnnAssign | cst.AugAssign) and isinstance(part.target, cst.Name):
        yield part.target.value


def _is_itself(part: cst.Assign) -> bool:
    """x = x"""
    return len(part.targets) == 1 and part.targets[0].target.deep_equals(part.value)


def parameters(params: cst.Parameters) -> list[cst.Param]:
    return [*params.posonly_params, *params.params, *params.kwonly_params]


def statements_of(body: cst.BaseSuite) -> Sequence[cst.BaseStatement]:
    if isinstance(body, cst.IndentedBlock):
        return body.body
    assert isinstance(body, cst.SimpleStatementSuite)
    return [cst.SimpleStatementLine(list(body.body))]


def is_doc(node: cst.CSTNode) -> bool:
    part = next(small(node), None)
    return isinstance(part, cst.Expr) and isinstance(
        part.value, cst.SimpleString | cst.ConcatenatedString
    )


def _is_pass(node: cst.CSTNode) -> bool:
    return isinstance(next(small(node), None), cst.Pass)


def _last_name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def _first(node: cst.CSTNode) -> str:
    """Its first line of code."""
    code = cst.Module([]).code_for_node(node).strip().split("\n")
    return next(line.strip() for line in code if line.strip() and not line.startswith("#"))


def commas(kept: Sequence[cst.Arg], were: Sequence[cst.Arg]) -> list[cst.Arg]:
    """Commas between, and after the last as there was."""
    if not kept:
        return []
    usual = next((each.comma for each in were if isinstance(each.comma, cst.Comma)), None)
    if len(were) > 1:
        usual = were[0].comma if isinstance(were[0].comma, cst.Comma) else usual
    found = [each.with_changes(comma=usual or _COMMA) for each in kept]
    found[-1] = found[-1].with_changes(
        comma=were[-1].comma, whitespace_after_arg=were[-1].whitespace_after_arg
    )
    return found


def _last_comma(params: cst.Parameters, were: cst.Parameters) -> cst.Parameters:
    """The last parameter's comma as the last one's was."""
    before, after = parameters(were), parameters(params)
    if not before or not after or after[-1].name.value == before[-1].name.value:
        return params
    comma = before[-1].comma
    name = after[-1].name.value

    def changed(given: Sequence[cst.Param]) -> list[cst.Param]:
        return [
            each.with_changes(comma=comma, whitespace_after_param=before[-1].whitespace_after_param)
            if each.name.value == name
            else each
            for each in given
        ]

    return params.with_changes(
        params=changed(params.params), kwonly_params=changed(params.kwonly_params)
    )


def order_of(node: cst.FunctionDef) -> list[str]:
    """Its parameters, but for self."""
    names = [each.name.value for each in parameters(node.params)]
    return [name for name in names if name not in ("self", "cls")]


def takes_fields(node: cst.FunctionDef, own: frozenset[str], fillers: set[str]) -> bool:
    """Whether it has a parameter for each field, from which it fills a row: by a call of one of
    the `fillers`, or by setting them one by one."""
    names = {each.name.value for each in parameters(node.params)} & own
    for inner in walk(node.body):
        if isinstance(inner, cst.Call) and _last_name(inner.func) in fillers:
            for arg in inner.args:
                name = arg.keyword.value if arg.keyword is not None else ""
                if name in names and name in read_names(arg.value):
                    return True
        if isinstance(inner, cst.Assign):
            target = inner.targets[0].target
            if isinstance(target, cst.Attribute) and target.attr.value in names:
                return True
    return False
