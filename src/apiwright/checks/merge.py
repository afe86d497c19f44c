"""One root cause is one finding: what a rule read and what probes saw of it become one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from apiwright.checks.configuration import SEVERITIES
from apiwright.checks.findings import Finding, Where
from apiwright.checks.rule import Check

_Key: TypeAlias = tuple[str, str | None, int | str | None]
"""A name for all checks that find the same, and where."""


def merged(findings: Iterable[Finding], checks: Iterable[Check[Any]]) -> list[Finding]:
    """`checks` say by `same_as` which of them find the same."""
    covers = _covers(checks)
    read: dict[_Key, Finding] = {}
    seen: dict[_Key, Finding] = {}
    for finding in findings:
        where = finding.where
        place: tuple[str | None, int | str | None] = (where.file, where.line)
        if finding.proof == "request" and where.path:
            place = (where.method, where.path)
        found = read if finding.proof == "code" else seen
        key: _Key = (_kind(finding.rule, covers), *place)
        found[key] = _together(found[key], finding, covers) if key in found else finding
    for key, finding in seen.items():
        cause = next((k for k, one in read.items() if k[0] == key[0] and _meet(one, finding)), None)
        if cause is None:
            read[key] = finding
        else:
            read[cause] = _together(read[cause], finding, covers)
    return list(read.values())


def _covers(checks: Iterable[Check[Any]]) -> dict[str, set[str]]:
    """By name, the others that find the same."""
    found: dict[str, set[str]] = {}
    for one in checks:
        found.setdefault(one.name, set()).update(one.same_as)
    return found


def _kind(name: str, covers: Mapping[str, set[str]]) -> str:
    """One name for all that find the same, by way of others too."""
    same, left = {name}, [name]
    while left:
        one = left.pop()
        near = covers.get(one, set()) | {other for other, names in covers.items() if one in names}
        left += near - same
        same |= near
    return min(same)


def _together(cause: Finding, echo: Finding, covers: Mapping[str, set[str]]) -> Finding:
    """The place and the message of the cause; a request, if there is one, is the better proof."""
    shown = next((one for one in (cause, echo) if one.proof == "request"), cause)
    mine, other = covers.get(cause.rule, set()), covers.get(echo.rule, set())
    return replace(
        cause,
        rule=echo.rule if cause.rule in other and echo.rule not in mine else cause.rule,
        severity=min(cause.severity, echo.severity, key=SEVERITIES.index),
        proof=shown.proof,
        evidence=shown.evidence,
        curl=shown.curl,
        related=(*cause.related, echo.where, *echo.related),
    )


def _meet(read: Finding, seen: Finding) -> bool:
    one, other = read.where, seen.where
    same_function = one.within is not None and (one.file, one.within) == (other.file, other.within)
    return same_function or bool(_spots(read) & _spots(seen))


def _spots(finding: Finding) -> set[tuple[object, object]]:
    found: set[tuple[object, object]] = set()
    for where in (finding.where, *finding.related):
        found |= _of(where)
    return found


def _of(where: Where) -> set[tuple[object, object]]:
    source = {(where.file, where.line)} if where.file else set()
    route = {(where.method, where.path)} if where.path else set()
    return source | route
