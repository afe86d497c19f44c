"""`python -m benchmarks.mutants`: known defects are planted one at a time, and the checks look.

A mutant is found when a right rule speaks at a right place. Whatever else is said of it, and not
of the app without it, is a false alarm. The table goes into docs/reference/check-evidence.md.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from apiwright.checks.check import all_checks, check
from apiwright.checks.findings import Finding, Where
from apiwright.errors import ApiwrightError
from tests.checks.mutants.mutant import APPS, CLASSES, App, Mutant, all_mutants, plant, write_clean

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "check-evidence.md"
_BEGIN, _END = "<!-- mutants: python -m benchmarks.mutants --write -->", "<!-- /mutants -->"
Said = frozenset[tuple[str, str]]
"""Rules, and where each spoke."""


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    right: tuple[Finding, ...]
    wrong: tuple[Finding, ...]
    failed: str | None
    """Why it could not be checked, or not by requests."""

    @property
    def found(self) -> bool:
        return bool(self.right)


@dataclass(frozen=True)
class Line:
    """Of the table: the mutants of a class."""

    name: str
    outcomes: tuple[Outcome, ...]

    @property
    def found(self) -> int:
        return sum(one.found for one in self.outcomes)

    @property
    def by_request(self) -> int:
        return sum(any(one.proof == "request" for one in each.right) for each in self.outcomes)

    @property
    def false_alarms(self) -> int:
        return sum(len(one.wrong) for one in self.outcomes)

    @property
    def recall(self) -> float:
        return self.found / max(len(self.outcomes), 1)

    @property
    def precision(self) -> float:
        right = sum(len(one.right) for one in self.outcomes)
        return right / max(right + self.false_alarms, 1)


def main() -> int:
    options = _options()
    chosen = {
        name: tuple(
            one
            for one in mutants
            if (not options.app or one.app == options.app)
            and (not options.name or one.name in options.name)
        )
        for name, mutants in all_mutants().items()
        if not options.only or name in options.only
    }
    with ProcessPoolExecutor(options.workers) as pool:
        clean: dict[App, Said] = dict.fromkeys(APPS, frozenset())
        if not options.recall:
            said = pool.map(said_of_clean, APPS, [options.static] * len(APPS))
            clean = dict(zip(APPS, said, strict=True))
        for app, alarms in clean.items():
            for rule, where in sorted(alarms):
                print(f"FALSE ALARM, {app} without a defect: {rule} at {where}")
        lines = []
        for name, mutants in chosen.items():
            jobs = [(one, clean[one.app], options.static, options.recall) for one in mutants]
            lines.append(Line(name, tuple(_told(pool.map(_outcome, jobs)))))
    print("\n" + table(lines))
    if options.write:
        write(PAGE, lines)
    return 0 if all(line.recall >= 0.9 for line in lines if line.outcomes) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--static", action="store_true", help="rules alone, no probes")
    parser.add_argument("--only", action="append", choices=CLASSES, help="a class")
    parser.add_argument("--recall", action="store_true", help="a mutant's own rules alone: faster")
    parser.add_argument("--app", choices=APPS)
    parser.add_argument("--name", action="append", help="a mutant")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--write", action="store_true", help=f"the table, into {PAGE.name}")
    return parser.parse_args()


def said_of_clean(app: App, static: bool) -> Said:
    with tempfile.TemporaryDirectory() as parent:
        found, _ = _checked(write_clean(app, Path(parent)), static)
    return frozenset(_said(found))


def outcome(mutant: Mutant, clean: Said, static: bool, recall: bool = False) -> Outcome:
    names = {one.name for one in all_checks()} & set(mutant.rules) if recall else set()
    with tempfile.TemporaryDirectory() as parent:
        found, failed = _checked(plant(mutant, Path(parent)), static, sorted(names))
    right = tuple(one for one in found if is_right(one, mutant))
    wrong = tuple(one for one in found if one not in right and not frozenset(_said([one])) & clean)
    return Outcome(mutant, right, wrong, failed)


def is_right(finding: Finding, mutant: Mutant) -> bool:
    """A rule of its own, at a place of its own."""
    places = {edit.file for edit in mutant.edits} | set(mutant.where)
    seen = set(_places([finding.where, *finding.related]))
    return finding.rule in mutant.rules and ("*" in places or bool(places & seen))


def _outcome(job: tuple[Mutant, Said, bool, bool]) -> Outcome:
    return outcome(*job)


def _checked(
    folder: Path, static: bool, only: Sequence[str] = ()
) -> tuple[tuple[Finding, ...], str | None]:
    try:
        report = check(folder, python=Path(sys.executable), static=static, only=only).report
    except ApiwrightError as error:
        return (), error.happened
    away = [one.why for one in report.not_analysed if one.what == "the running app"]
    return report.findings, away[0] if away and not static else None


def _said(findings: Iterable[Finding]) -> Iterator[tuple[str, str]]:
    for finding in findings:
        for place in _places([finding.where]):
            yield finding.rule, place


def _places(wheres: Iterable[Where]) -> Iterator[str]:
    for where in wheres:
        if where.file:
            yield where.file
        if where.path:
            yield f"{where.method} {where.path}"


def _told(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    for one in outcomes:
        words = "found" if one.found else "MISSED"
        rules = sorted({f"{finding.rule} ({finding.proof})" for finding in one.right})
        print(f"{words}  {one.mutant.app}  {one.mutant.name}  {', '.join(rules)}", flush=True)
        for finding in one.wrong:
            print(f"    FALSE ALARM {finding.rule} at {finding.where}: {finding.message}")
        if one.failed:
            print(f"    not run: {one.failed}")
        yield one


def table(lines: Sequence[Line]) -> str:
    rows = [
        "| class | mutants | found | by a request | recall | false alarms | precision |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [_row(CLASSES.index(line.name) + 1, line) for line in lines if line.outcomes]
    every = Line("all", tuple(one for line in lines for one in line.outcomes))
    return "\n".join([*rows, _row(None, every)])


def _row(number: int | None, line: Line) -> str:
    name = line.name.replace("_", " ")
    cells = [
        f"{number}. {name}" if number else name,
        len(line.outcomes),
        line.found,
        line.by_request,
        f"{line.recall:.0%}",
        line.false_alarms,
        f"{line.precision:.0%}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def write(page: Path, lines: Sequence[Line]) -> None:
    """Between the marks of the page."""
    missed = [
        f"- `{one.mutant.name}` ({line.name.replace('_', ' ')}, {one.mutant.app}):"
        f" {' or '.join(f'`{rule}`' for rule in one.mutant.rules)}"
        for line in lines
        for one in line.outcomes
        if not one.found
    ]
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    parts = [_BEGIN, table(lines), "Missed:" if missed else "None is missed.", "\n".join(missed)]
    made = "\n\n".join(part for part in [*parts, _END] if part)
    page.write_text(before + made + after, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
