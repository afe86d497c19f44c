"""Probes: checks of the running app. One file each in checks/probes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from apiwright.checks.findings import Finding, Severity
from apiwright.checks.rule import Check
from apiwright.checks.world import SECONDS, World, world
from apiwright.errors import ApiwrightError
from apiwright.project.code import Code
from apiwright.project.facts import NotSeen, Ran

Say = Callable[[str], None]


@dataclass(frozen=True)
class Probed:
    """What probes found, and what they could not look at."""

    code: Code
    """With the routes that the app serves, where it runs."""
    findings: tuple[Finding, ...] = ()
    not_analysed: tuple[NotSeen, ...] = ()
    notes: tuple[str, ...] = ()
    """What was done to make it run, and who its users are."""
    requests: int = 0


def probe(
    *, severity: Severity, same_as: tuple[str, ...] = (), last: bool = False
) -> Callable[[Callable[[World], Iterable[Finding]]], Check[World]]:
    """Of the one function in a file of checks/probes. `last`: it looks at what the requests of the
    others brought about."""
    return lambda function: Check(function, severity, "request", same_as, last)


def run_probes(
    code: Code,
    probes: Sequence[Check[World]],
    *,
    python: Path | None = None,
    seconds: float = SECONDS,
    say: Say = lambda doing: None,
) -> Probed:
    """Against one running app with one throwaway database. What fails is said, never raised."""
    say("Starting the app")
    try:
        with world(code, python, seconds) as made:
            return _probed(made, probes, say)
    except ApiwrightError as error:
        ran = Ran("", False, error.happened, None, None, ())
        code = code.with_project(replace(code.project, ran=ran))
        return Probed(code, not_analysed=(NotSeen("the running app", error.happened),))
    except Exception as error:  # of ours, with an app that we do not understand
        why = f"it could not be tried, which is our mistake: {type(error).__name__}: {error}"
        return Probed(code, not_analysed=(NotSeen("the running app", why),))


def _probed(made: World, probes: Sequence[Check[World]], say: Say) -> Probed:
    found: list[Finding] = []
    not_analysed = [*made.project.not_seen, *made.not_analysed]
    for number, one in enumerate(sorted(probes, key=lambda probe: probe.last), 1):
        say(f"Probe {number} of {len(probes)}: {one.name}")
        try:
            found += one(made)
        except ApiwrightError as error:
            not_analysed.append(NotSeen(f"what {one.name} looks for", error.happened))
        except Exception as error:  # one that fails does not take the others' findings away
            why = f"it failed, which is our mistake: {type(error).__name__}: {error}"
            not_analysed.append(NotSeen(f"what {one.name} looks for", why))
    return Probed(
        code=made.code,
        findings=tuple(found),
        not_analysed=tuple(not_analysed),
        notes=(*made.notes, *made.app.notes),
        requests=made.app.count,
    )
