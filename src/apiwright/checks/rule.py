"""What a check is: a file with its page, its examples and one function.

The module's docstring is the page: a line of summary, then the headings. `BAD` and `GOOD` are
programs that it speaks about and is silent about: the text of a main.py, or texts by path.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from apiwright.checks import rules
from apiwright.checks.findings import Finding, Proof, Severity, Where
from apiwright.project.code import Code
from apiwright.project.facts import Place, Route

S = TypeVar("S")
Program = Mapping[str, str]
"""The texts of its files, by path."""


@dataclass(frozen=True)
class Page:
    """What is said about a check."""

    summary: str
    sections: Mapping[str, str]
    """The text below each heading."""


@dataclass(frozen=True, eq=False)
class Check(Generic[S]):
    """A rule, which asks the code, or a probe, which asks the running app."""

    function: Callable[[S], Iterable[Finding]]
    severity: Severity
    proof: Proof
    same_as: tuple[str, ...]
    """Other checks that find the same cause: at one place they are one finding, under this name."""
    last: bool = False
    """A probe that looks at what the requests of the others brought about."""

    def __call__(self, subject: S) -> Iterable[Finding]:
        return self.function(subject)

    @property
    def name(self) -> str:
        return self.function.__module__.rpartition(".")[2].replace("_", "-")

    def finding(
        self,
        at: Place | None,
        message: str,
        *,
        evidence: str | None = None,
        curl: str | None = None,
        route: Route | None = None,
        related: Iterable[Where] = (),
        severity: Severity | None = None,
    ) -> Finding:
        """`severity`: where one case of it is less bad than the check's. Without `evidence` it is
        the line of source."""
        return Finding(
            rule=self.name,
            severity=severity or self.severity,
            proof=self.proof,
            where=where(at, route),
            message=message,
            evidence=evidence,
            curl=curl,
            related=tuple(related),
        )

    @property
    def page(self) -> Page:
        text = inspect.cleandoc(self._module.__doc__ or "")
        summary, *rest = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
        return Page(
            summary=" ".join(summary.split()),
            sections={
                heading: below.strip() for heading, below in zip(rest[::2], rest[1::2], strict=True)
            },
        )

    @property
    def bad(self) -> tuple[Program, ...]:
        return _programs(self._module.BAD)

    @property
    def good(self) -> tuple[Program, ...]:
        return _programs(self._module.GOOD)

    @property
    def _module(self) -> Any:  # has BAD and GOOD, which types cannot say of a module
        return importlib.import_module(self.function.__module__)


def rule(
    *, severity: Severity, same_as: tuple[str, ...] = ()
) -> Callable[[Callable[[Code], Iterable[Finding]]], Check[Code]]:
    """Of the one function in a file of checks/rules."""
    return lambda function: Check(function, severity, "code", same_as)


def all_rules() -> tuple[Check[Code], ...]:
    return in_folder(rules)


def in_folder(package: Any) -> tuple[Check[Any], ...]:  # Any: of rules or probes
    """The check of each file of a package, by name."""
    found = []
    for file in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{file.name}")
        found += [
            value
            for value in vars(module).values()
            if isinstance(value, Check) and value.function.__module__ == module.__name__
        ]
    return tuple(sorted(found, key=lambda check: check.name))


def where(at: Place | None, route: Route | None = None) -> Where:
    return Where(
        file=at.file if at else None,
        line=at.line if at else None,
        method=route.method if route else None,
        path=route.path if route else None,
    )


def _programs(examples: Any) -> tuple[Program, ...]:
    """Of one example or several."""
    several = examples if isinstance(examples, tuple) else (examples,)
    return tuple({"main.py": one} if isinstance(one, str) else one for one in several)
