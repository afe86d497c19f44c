"""What checks say. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from apiwright.project.facts import NotSeen

Severity = Literal["high", "medium", "low"]
Proof = Literal["request", "code"]
"""Shown by an answer of the running app, or by the source alone."""


@dataclass(frozen=True)
class Where:
    """A place in the source, a route, or both."""

    file: str | None = None
    """Relative to the project's folder, with slashes."""
    line: int | None = None
    method: str | None = None
    path: str | None = None
    """The route's, with its prefixes: /tasks/{task_id}."""
    within: str | None = None
    """What the line stands in: TaskService.create, Settings.secret_key."""

    def __str__(self) -> str:
        source = f"{self.file}:{self.line}" if self.file else ""
        route = f"{self.method} {self.path}" if self.path else ""
        return f"{route} ({source})" if source and route else source or route


@dataclass(frozen=True)
class Finding:
    """One root cause at its smallest useful place; its echoes are `related`."""

    rule: str
    """The name of the rule or probe: hard-coded-secret."""
    severity: Severity
    proof: Proof
    where: Where
    message: str
    """A sentence: what is wrong here, and what to do."""
    evidence: str | None = None
    """What was seen: the line of source, or the requests and their answers."""
    curl: str | None = None
    """Shows it again, on a server at http://127.0.0.1:8000."""
    related: tuple[Where, ...] = ()


@dataclass(frozen=True)
class Report:
    findings: tuple[Finding, ...]
    """The worst first."""
    not_analysed: tuple[NotSeen, ...]
    checked: Mapping[str, int] = field(default_factory=dict)
    """How many files, routes, rules, probes and requests."""
    notes: tuple[str, ...] = ()
    """What was done to make the app run, and who its users were."""
