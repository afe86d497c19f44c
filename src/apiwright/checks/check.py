"""A project is checked: rules ask its code, probes the running app, one report comes out."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apiwright.checks import baseline as baselines
from apiwright.checks import configuration, probes, suppressions
from apiwright.checks.configuration import SEVERITIES
from apiwright.checks.findings import Finding, Report, Severity
from apiwright.checks.merge import merged
from apiwright.checks.places import Places
from apiwright.checks.probe import Probed, run_probes
from apiwright.checks.rule import Check, all_rules, in_folder
from apiwright.checks.world import World
from apiwright.errors import ApiwrightError
from apiwright.project.code import Code
from apiwright.project.facts import NotSeen
from apiwright.project.load import read
from apiwright.project.running import find_interpreter

Say = Callable[[str], None]
"""Is told what is being done now."""


@dataclass(frozen=True)
class Checked:
    report: Report
    fail_on: Severity
    """What was asked for, else what the project says, else high."""

    @property
    def fails(self) -> bool:
        enough = SEVERITIES[: SEVERITIES.index(self.fail_on) + 1]
        return any(finding.severity in enough for finding in self.report.findings)


def all_checks() -> tuple[Check[Any], ...]:  # Any: of code or of the running app
    """Rules and probes. One name may stand for both."""
    return (*all_rules(), *in_folder(probes))


def named(name: str) -> tuple[Check[Any], ...]:
    """The rule or the probe of a name, or both.

    Raises ApiwrightError when there is none."""
    checks = all_checks()
    names = sorted({check.name for check in checks})
    found = tuple(check for check in checks if check.name == name)
    if not found:
        near = difflib.get_close_matches(name, names) or names
        raise ApiwrightError(f"There is no check named {name!r}.", f"There is {', '.join(near)}.")
    return found


def check(
    folder: Path,
    app: str | None = None,
    *,
    python: Path | None = None,
    static: bool = False,
    only: Sequence[str] = (),
    baseline: Path | None = None,
    fail_on: Severity | None = None,
    say: Say = lambda doing: None,
) -> Checked:
    """Runs the project's code unless `static`: rules read, probes talk to the app.

    `only`: names of checks. `baseline`: findings that this file holds are left out; where there is
    no such file, it is written.

    Raises ApiwrightError when there is no app, or something that was asked for is not there.
    """
    wanted = configuration.read(folder)
    for name in (*only, *wanted.disable):
        named(name)
    if python is not None and not static:
        find_interpreter(folder, python)  # or a slip of the pen would run no probe at all
    say("Reading the project")
    code = read(folder, app)
    chosen = [
        one
        for one in all_checks()
        if (not only or one.name in only) and one.name not in wanted.disable
    ]
    probed = _probed(code, [one for one in chosen if one.proof == "request"], python, static, say)
    code = probed.code
    not_analysed = [*code.project.not_seen, *probed.not_analysed]
    rules = [one for one in chosen if one.proof == "code"]
    found = [*probed.findings]
    for number, rule in enumerate(rules, 1):
        say(f"Rule {number} of {len(rules)}: {rule.name}")
        found += _spoken(rule, code, not_analysed)
    places = Places(code.sources, code.project.app.at)
    found = [places.completed(one) for one in found]
    allowed = suppressions.read(code.sources, frozenset(one.name for one in all_checks()))
    counted = [
        one
        for one in merged(found, chosen)
        if not wanted.excludes(one.where.file) and not allowed.allows(one)
    ]
    reported = _reported(counted, baseline)
    report = Report(
        findings=tuple(sorted((places.related(one) for one in reported), key=_worst_first)),
        not_analysed=tuple(dict.fromkeys([*not_analysed, *allowed.not_counted])),
        checked={
            "files": sum(not source.is_test for source in code.sources),
            "routes": len(code.project.routes),
            "rules": len(rules),
            "probes": sum(one.proof == "request" for one in chosen) if probed.requests else 0,
            "requests": probed.requests,
            "in the baseline": len(counted) - len(reported),
        },
        notes=probed.notes,
    )
    return Checked(report, fail_on or wanted.fail_on or "high")


def _probed(
    code: Code, chosen: list[Check[World]], python: Path | None, static: bool, say: Say
) -> Probed:
    if static:
        return Probed(code, not_analysed=(NotSeen("the running app", "--static was said"),))
    if not chosen:
        return Probed(code)
    return run_probes(code, chosen, python=python, say=say)


def _reported(findings: list[Finding], baseline: Path | None) -> list[Finding]:
    if baseline is None:
        return findings
    if baseline.exists():
        return baselines.unknown(baseline, findings)
    baselines.write(baseline, findings)
    return []


def _spoken(rule: Check[Code], code: Code, not_analysed: list[NotSeen]) -> Iterator[Finding]:
    """One that fails does not take the others' findings away."""
    try:
        yield from rule(code)
    except Exception as error:
        why = f"it failed, which is our mistake: {type(error).__name__}: {error}"
        not_analysed.append(NotSeen(f"what {rule.name} looks for", why))


def _worst_first(finding: Finding) -> tuple[int, str, bool, str, int]:
    where = finding.where
    return (
        SEVERITIES.index(finding.severity),
        finding.rule,
        finding.proof == "code",
        where.file or "",
        where.line or 0,
    )
