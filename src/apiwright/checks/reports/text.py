"""The report for people: the worst first."""

import textwrap
from collections.abc import Iterator
from itertools import groupby

from apiwright.checks.configuration import SEVERITIES
from apiwright.checks.findings import Finding, Report

_WIDTH = 100
_MOST_RELATED = 5


def text(report: Report) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    for (severity, rule), findings in groupby(
        report.findings, key=lambda one: (one.severity, one.rule)
    ):
        yield f"{severity.upper()}  {rule}"
        for finding in findings:
            yield from _finding(finding)
            yield ""
    if report.not_analysed:
        yield "Not analysed, so nothing is said of it"
        for one in report.not_analysed:
            yield from _wrapped(f"{one.what}: {one.why}", "  - ", "    ")
        yield ""
    if report.notes:
        yield "How the app was run"
        for note in report.notes:
            yield from _wrapped(note, "  - ", "    ")
        yield ""
    yield _sum(report)


def _finding(finding: Finding) -> Iterator[str]:
    where = finding.where
    route = f"{where.method} {where.path}" if where.path else ""
    stands = f"in {where.within}" if where.within else ""
    yield "  " + "  ".join(filter(None, [f"{where.file}:{where.line}", stands, route]))
    yield from _wrapped(finding.message, "    ", "    ")
    if finding.evidence:
        yield from (f"      | {_visible(line)}" for line in finding.evidence.splitlines())
    if finding.curl:
        yield from (f"      $ {_visible(line)}" for line in finding.curl.splitlines())
    shown = finding.related[:_MOST_RELATED]
    if shown:
        more = len(finding.related) - len(shown)
        yield from (f"      also {one}" for one in shown)
        if more:
            yield f"      and {more} more"


def _visible(line: str) -> str:
    """What an app has answered may hold anything, such as what a terminal takes for a command."""
    return "".join(
        one if one.isprintable() or one == "\t" else f"\\x{ord(one):02x}" for one in line
    )


def _wrapped(text: str, first: str, next_: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=next_,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sum(report: Report) -> str:
    counts = [
        f"{number} {severity}"
        for severity in SEVERITIES
        if (number := sum(one.severity == severity for one in report.findings))
    ]
    total = len(report.findings)
    found = f"{total} finding{'' if total == 1 else 's'}" if total else "No findings"
    said = f"{found}: {', '.join(counts)}." if counts else f"{found}."
    looked = ", ".join(f"{number} {what}" for what, number in report.checked.items() if number)
    return f"{said} Looked at: {looked}."
