"""A plan, tried out in a copy of the project before anybody is asked: does it work, and does all
that worked still work?

Each check has passed, has failed, or could not be made (None), with the reason. What a tool finds
wrong counts only when it was not wrong before, so that what was bad already is not ours.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from apiwright.edit.plan import Check, Plan
from apiwright.errors import ApiwrightError
from apiwright.generators.shadow import Place, Shadow, shadow
from apiwright.project import running
from apiwright.project.facts import Project, Route
from apiwright.project.load import load

_SECONDS = 600  # for the tests
_SAMPLE = "01900000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Wanted:
    """What the plan is to bring about."""

    routes: tuple[tuple[str, str], ...]
    """Methods and paths."""
    module: str
    """That of the functions which answer."""
    tests: str
    """The path of the new tests."""


def verify(
    project: Project,
    plan: Plan,
    wanted: Wanted,
    place: Place,
    again: Callable[[Project], Plan],
) -> tuple[Check, ...]:
    """`project` is one that was run, as it is without the plan; `again` plans the same once more.

    Where the app cannot be imported with the plan, nothing else is tried.
    """
    with shadow(project, place) as before, shadow(project, place) as after:
        after.write(plan.files)
        try:
            changed = running.run(load(after.folder, project.app.target), place.python)
        except ApiwrightError as error:
            return (Check("the app is imported", False, error.happened),)
        if changed.ran is None or not changed.ran.ok:
            why = changed.ran.error if changed.ran else None
            return (Check("the app is imported", False, why or ""),)
        trials: list[Callable[[], list[Check]]] = [
            lambda: _tests(before, after, wanted.tests),
            lambda: [*_ruff(project, before, after), *_mypy(project, before, after)],
            lambda: _migrations(after),
        ]
        with ThreadPoolExecutor() as threads:  # which wait for programs
            try:
                tried = list(threads.map(lambda trial: trial(), trials))
            except BaseException:  # Ctrl-C, which the threads do not hear
                before.stop()
                after.stop()
                raise
        return (
            Check("the app is imported", True),
            _served(changed, wanted),
            _others(project, changed, wanted),
            *(check for checks in tried for check in checks),
            _again(changed, again),
        )


# the routes


def _served(changed: Project, wanted: Wanted) -> Check:
    what = f"{len(wanted.routes)} new routes are served by {wanted.module}"
    for method, path in wanted.routes:
        found = _answering(changed.routes, method, path)
        if found is None:
            return Check(what, False, f"nothing answers {method} {path}")
        if (found.path, found.module) != (path, wanted.module):
            return Check(
                what, False, f"{method} {path} is answered by {found.name} of {found.module}"
            )
    return Check(what, True)


def _answering(routes: Sequence[Route], method: str, path: str) -> Route | None:
    """The first that takes it, in the order in which they are asked."""
    asked = re.sub(r"\{[^}]*\}", _SAMPLE, path)
    for route in routes:
        pattern = "".join(
            re.escape(piece) if number % 2 == 0 else (".*" if ":path" in piece else "[^/]+")
            for number, piece in enumerate(re.split(r"(\{[^}]*\})", route.path))
        )
        if route.method == method and re.fullmatch(pattern, asked):
            return route
    return None


def _others(project: Project, changed: Project, wanted: Wanted) -> Check:
    what = f"the other {len(project.routes)} routes are as they were"
    new = set(wanted.routes)
    for route in project.routes:
        key = (route.method, route.path)
        name = " ".join(key)
        then, now = (_answering(each.routes, *key) for each in (project, changed))
        if then is None:
            continue  # no request reaches it
        if now is None:
            return Check(what, False, f"nothing answers {name} any more")
        if (now.path, now.module, now.name) != (then.path, then.module, then.name):
            return Check(what, False, f"{name} is answered by {now.name} of {now.module}")
    for route in changed.routes:
        key = (route.method, route.path)
        if key not in new and not any((each.method, each.path) == key for each in project.routes):
            return Check(what, False, f"{' '.join(key)} is new, and was not asked for")
    return _documents(what, project, changed, new)


def _documents(what: str, project: Project, changed: Project, new: set[tuple[str, str]]) -> Check:
    old = project.ran.openapi if project.ran else None
    now = changed.ran.openapi if changed.ran else None
    if old is None or now is None:
        return Check(what, None, "the app could not make its OpenAPI document")
    for path, operations in old["paths"].items():
        for method, operation in operations.items():
            if (method.upper(), path) in new:
                continue
            said = now["paths"].get(path, {}).get(method)
            if said is None or _whole(operation, old) != _whole(said, now):
                return Check(what, False, f"the document of {method.upper()} {path} has changed")
    return Check(what, True)


def _whole(operation: Any, document: Mapping[str, Any]) -> str:
    """With all that it refers to."""
    parts: dict[str, Any] = {"": operation}
    left = [operation]
    while left:
        for name in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(left.pop())):
            if name not in parts:
                part: Any = document
                for step in name.split("/"):
                    part = part[step]
                parts[name] = part
                left.append(part)
    return json.dumps(parts, sort_keys=True)


# the project's own tools


def _ruff(project: Project, before: Shadow, after: Shadow) -> Iterator[Check]:
    if "ruff" not in project.tools.linters:
        return
    if not after.has("ruff"):
        yield Check("ruff finds nothing new", None, "ruff is not installed in this Python")
        return
    for what, arguments in (
        ("ruff finds nothing new", ("check", "--output-format=concise")),
        ("the formatter has nothing to change", ("format", "--check")),
    ):
        yield _no_worse(what, before, after, ("-m", "ruff", *arguments, "--no-cache", "."))


def _mypy(project: Project, before: Shadow, after: Shadow) -> Iterator[Check]:
    what = "mypy finds nothing new"
    if "mypy" not in project.tools.linters:
        return
    if not after.has("mypy"):
        yield Check(what, None, "mypy is not installed in this Python")
        return
    yield _no_worse(what, before, after, ("-m", "mypy", "--no-error-summary", "."))


def _no_worse(what: str, before: Shadow, after: Shadow, arguments: tuple[str, ...]) -> Check:
    """Asked about the project as it was only where something is found in it as it would be."""
    now = after.run(*arguments, seconds=_SECONDS)
    if now.status == 0:
        return Check(what, True)
    if now.status is None:
        return Check(what, None, now.err)
    then = before.run(*arguments, seconds=_SECONDS)
    new = Counter(_without_places(now.out)) - Counter(_without_places(then.out))
    if not new and then.status == now.status:
        return Check(what, True, "what it finds was there before")
    if not new:
        return Check(what, False, now.last_words)
    return Check(what, False, "; ".join(list(new)[:3]))


def _without_places(said: str) -> list[str]:
    """Lines of ours push others down."""
    return [re.sub(r":\d+(:\d+)?:", ":", line) for line in said.splitlines() if ": " in line]


# tests


def _tests(before: Shadow, after: Shadow, new: str) -> list[Check]:
    old_ones, new_ones = "the project's tests pass", "the new tests pass"
    if not after.has("pytest"):
        why = "pytest is not installed in this Python"
        return [Check(old_ones, None, why), Check(new_ones, None, why)]
    results, words = _run_tests(after)
    if results is None:
        return [Check(old_ones, None, words), Check(new_ones, None, words)]
    module = new.removesuffix(".py").replace("/", ".")
    ours = {name: ok for name, ok in results.items() if name.startswith(f"{module}.")}
    theirs = {name: ok for name, ok in results.items() if name not in ours}
    return [_old_tests(old_ones, theirs, before), _new_tests(new_ones, ours, words)]


def _new_tests(what: str, results: Mapping[str, bool], words: str) -> Check:
    failed = [name for name, ok in results.items() if not ok]
    if failed:
        names = ", ".join(name.rpartition(".")[2] for name in failed[:3])
        return Check(what, False, f"{len(failed)} of {len(results)} fail: {names}")
    if not results:
        return Check(what, False, f"none was run: {words}")
    return Check(what, True, f"{len(results)}")


def _old_tests(what: str, results: Mapping[str, bool], before: Shadow) -> Check:
    failed = {name for name, ok in results.items() if not ok}
    if not failed:
        return Check(what, True, f"{len(results)}")
    then, words = _run_tests(before)
    if then is None:
        return Check(what, None, f"{len(failed)} fail, and before that: {words}")
    worse = sorted(name for name in failed if then.get(name, False))
    if worse:
        return Check(what, False, f"{len(worse)} passed before: {', '.join(worse[:3])}")
    return Check(what, True, f"{len(results) - len(failed)}; {len(failed)} failed before, too")


def _run_tests(shadow: Shadow) -> tuple[dict[str, bool] | None, str]:
    """Which passed, by name; None and why where they could not be run."""
    report = shadow.folder.parent / "tests.xml"
    arguments = ("-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", f"--junit-xml={report}")
    done = shadow.run(*arguments, seconds=_SECONDS)
    if done.status is None or not report.exists():
        return None, done.last_words
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314  # pytest's own
    results: dict[str, bool] = {}
    for case in cases:
        name = f"{case.get('classname')}.{case.get('name')}"
        ok = case.find("failure") is None and case.find("error") is None
        results[name] = results.get(name, True) and ok
    return results, done.last_words


# migrations


def _migrations(after: Shadow) -> list[Check]:
    empty = "migrations go up, down and up on an empty database, and match the models"
    rows = "the new migration goes up, down and up on a database with rows"
    done = after.run("-m", "apiwright.kit.rehearsal")
    if done.status != 0:
        return [Check(what, False, done.last_words) for what in (empty, rows)]
    said = json.loads(done.out.splitlines()[-1])
    return [
        Check(what, said[name] is None, said[name] or "")
        for what, name in ((empty, "on_empty"), (rows, "on_rows"))
    ]


def _again(changed: Project, again: Callable[[Project], Plan]) -> Check:
    what = "a second run has nothing to do"
    try:
        planned = again(changed)
    except ApiwrightError as error:
        return Check(what, False, error.happened)
    left = [step for step in planned.steps if step.outcome != "already there"]
    return Check(what, planned.is_empty, f"{left[0].path}: {left[0].change.edit}" if left else "")
