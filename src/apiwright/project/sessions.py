"""The dependency that gives a route its session."""

import ast
from collections import Counter
from dataclasses import dataclass

from apiwright.project.dependencies import Dependencies, Wanted
from apiwright.project.evaluate import Evaluator
from apiwright.project.facts import SessionDependency
from apiwright.project.values import Call, Endpoint, Function, Generic, Instance, Outside, Value

_SYNC = {
    "sqlalchemy.orm.Session",
    "sqlmodel.Session",
    "sqlalchemy.orm.session.Session",
    "sqlmodel.orm.session.Session",
    "sqlalchemy.orm.scoped_session",
}
_ASYNC = {
    "sqlalchemy.ext.asyncio.AsyncSession",
    "sqlmodel.ext.asyncio.session.AsyncSession",
    "sqlalchemy.ext.asyncio.session.AsyncSession",
    "apiwright.kit.session.Session",
}
_MAKERS = {
    "sqlalchemy.orm.sessionmaker": False,
    "sqlalchemy.orm.session.sessionmaker": False,
    "sqlalchemy.ext.asyncio.async_sessionmaker": True,
}
_KIT = {"apiwright.kit.logins.UserSession", "apiwright.kit.logins.AnonymousSession"}


@dataclass(frozen=True)
class _Given:
    type: str | None
    is_async: bool | None


def used(
    evaluator: Evaluator, dependencies: Dependencies, endpoints: list[Endpoint]
) -> tuple[SessionDependency, ...]:
    """The most used first. What dependencies of dependencies use counts as well."""
    uses: Counter[tuple[str, str]] = Counter()
    seen: dict[tuple[str, str], list[Wanted]] = {}
    for endpoint in endpoints:
        asked = [*dependencies.of(endpoint.handler)]
        if endpoint.within is not None:
            asked += dependencies.of_class(endpoint.within)
        found = set()
        for depth in range(6):
            below: list[Wanted] = []
            for wanted in asked:
                if _given(evaluator, wanted) is not None:
                    name, module, _ = dependencies.named(wanted.target)
                    key = wanted.alias or (name, module or "")
                    seen.setdefault(key, []).append(wanted)
                    found.add((key, depth))
                else:
                    below += dependencies.of(wanted.target)
            asked = below
        uses.update({key for key, _ in found})
    return tuple(
        _fact(evaluator, dependencies, key, seen[key], count) for key, count in uses.most_common()
    )


def _fact(
    evaluator: Evaluator,
    dependencies: Dependencies,
    key: tuple[str, str],
    wanted: list[Wanted],
    count: int,
) -> SessionDependency:
    name, _, at = dependencies.named(wanted[0].target)
    given = _given(evaluator, wanted[0])
    assert given is not None
    direct = [one.parameter for one in wanted]
    return SessionDependency(
        name=key[0],
        module=key[1],
        style="alias" if wanted[0].alias else "annotated" if wanted[0].annotated else "default",
        provider=name,
        type=given.type,
        is_async=given.is_async,
        parameter=Counter(direct).most_common(1)[0][0],
        uses=count,
        at=at,
    )


def _given(evaluator: Evaluator, wanted: Wanted) -> _Given | None:
    """The session that a dependency gives; None for what gives something else."""
    target = wanted.target
    if isinstance(target, Outside):
        return _Given("Session", True) if target.name in _KIT else None
    if isinstance(target, Instance):
        called = evaluator.member(target.of, "__call__", target)
        target = called if isinstance(called, Function) else target
    if not isinstance(target, Function):
        return _session_of(evaluator, target)
    if isinstance(target.node, ast.Lambda):
        return None
    returns = evaluator.annotation(target.node.returns, target.scope)
    for value in [returns, *(returns.arguments if isinstance(returns, Generic) else ())]:
        if (found := _session_type(evaluator, value)) is not None:
            return found
    if target.node.returns is not None and _is_told(evaluator, returns):
        return None
    return _yielded(evaluator, target)


def _yielded(evaluator: Evaluator, function: Function) -> _Given | None:
    """Of a function that does not say what it gives: the session that it opens."""
    assert not isinstance(function.node, ast.Lambda)
    yields = False
    opened: _Given | None = None
    for node in ast.walk(function.node):
        if isinstance(node, ast.Yield | ast.YieldFrom | ast.Return):
            yields = True
        elif isinstance(node, ast.Call):
            value = evaluator.value(node.func, function.scope)
            opened = opened or _session_of(evaluator, value)
    return opened if yields else None


def _session_of(evaluator: Evaluator, value: Value) -> _Given | None:
    """Of what makes a session when it is called: Session, or a sessionmaker's product."""
    if (found := _session_type(evaluator, value)) is not None:
        return found
    if isinstance(value, Call):
        maker = evaluator.name_of(value.callee)
        if maker in _MAKERS:
            for given in (*value.arguments, *value.keywords.values()):
                if (found := _session_type(evaluator, given)) is not None:
                    return found
            return _Given("AsyncSession" if _MAKERS[maker] else "Session", _MAKERS[maker])
        if maker.endswith("scoped_session"):
            return _Given("Session", maker.endswith("async_scoped_session"))
    return None


def _session_type(evaluator: Evaluator, value: Value) -> _Given | None:
    name = evaluator.name_of(value)
    if name in _SYNC | _ASYNC:
        return _Given(name.rpartition(".")[2], name in _ASYNC)
    return None


def _is_told(evaluator: Evaluator, returns: Value) -> bool:
    name = evaluator.name_of(returns).rpartition(".")[2]
    return name not in {"", "Generator", "Iterator", "AsyncGenerator", "AsyncIterator", "Any"}
