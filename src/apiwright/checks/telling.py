"""What probes say: several answers that show one cause become one finding."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from apiwright.checks.app import Answer
from apiwright.checks.findings import Finding, Severity, Where
from apiwright.checks.operations import Operation
from apiwright.checks.rule import Check, where
from apiwright.checks.world import World
from apiwright.project.facts import Place

_MOST = 3  # answers that are shown


def one_finding(
    check: Check[Any],
    world: World,
    answers: Sequence[Answer],
    message: str,
    *,
    at: Place | None = None,
    before: Iterable[str] = (),
    severity: Severity | None = None,
) -> Iterator[Finding]:
    """At the route of the first, or at a better place; the other routes are related. `before`: what
    comes first in the evidence."""
    if not answers:
        return
    first, *others = answers
    operation = operation_of(world, first)
    yield check.finding(
        at or (operation.route.at if operation else None),
        message,
        evidence="\n".join([*before, *map(str, answers[:_MOST])]),
        curl=first.request.curl,
        route=operation.route if operation else None,
        related=[place(other) for one in others if (other := operation_of(world, one)) is not None],
        severity=severity,
    )


def place(operation: Operation) -> Where:
    return where(operation.route.at, operation.route)


def operation_of(world: World, answer: Answer) -> Operation | None:
    """Whose request it answers."""
    path = answer.request.path.partition("?")[0]
    fitting = [
        one for one in world.operations if one.method == answer.request.method and one.matches(path)
    ]
    return min(fitting, key=lambda one: len(one.path_names), default=None)
