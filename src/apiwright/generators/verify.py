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
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from apiwright.edit.plan import Check, Plan
from apiwright.errors import ApiwrightError
from apiwright.generators import behaviour, house_migration, suites
from apiwright.generators.shadow import Done, Place, Shadow, on_kit, shadow
from apiwright.generators.wanted import Wanted
from apiwright.project import running
from apiwright.project.facts import Project, Route
from apiwright.project.load import load

_SECONDS = 600  # for mypy, at its first time
_SAMPLE = "01900000-0000-7000-8000-000000000000"


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
        changed = _changed(project, after, place)
        if isinstance(changed, Check) and (project.ran is None or project.ran.ok):
            return (changed,)
        trials = list(_trials(project, plan, wanted, changed, before, after))
        with ThreadPoolExecutor() as threads:  # which wait for programs
            try:
                tried = list(threads.map(lambda trial: list(trial()), trials))
            except BaseException:  # Ctrl-C, which the threads do not hear
                before.stop()
                after.stop()
                raise
        checks = [check for checks in tried for check in checks]
        if isinstance(changed, Check):  # nor could it be imported before
            read = replace(load(after.folder, project.app.target), ran=project.ran)
            unknown = Check(changed.what, None, changed.detail)
            return (unknown, _served(read, wanted), *checks, _again(read, again))
        return (
            Check("the app is imported", True),
            _served(changed, wanted),
            _others(project, changed, wanted),
            *checks,
            _again(changed, again),
        )


def _changed(project: Project, after: Shadow, place: Place) -> Project | Check:
    """What the copy holds, run; or why it cannot be."""
    what = "the app is imported"
    try:
        changed = running.run(load(after.folder, project.app.target), place.python)
    except ApiwrightError as error:
        return Check(what, False, error.happened)
    if changed.ran is None or not changed.ran.ok:
        return Check(what, False, (changed.ran and changed.ran.error) or "")
    return changed


def _trials(
    project: Project,
    plan: Plan,
    wanted: Wanted,
    changed: Project | Check,
    before: Shadow,
    after: Shadow,
) -> Iterator[Callable[[], Iterator[Check] | Sequence[Check]]]:
    yield lambda: suites.checks(project, before, after, wanted.tests or _tests_in(plan))
    yield lambda: [*_ruff(project, before, after), *_mypy(project, before, after)]
    if on_kit(project):
        yield lambda: _migrations(after)
        return
    yield lambda: _other_tools(project, before, after)
    yield lambda: house_migration.checks(project, plan, before, after)
    if isinstance(changed, Project):
        yield lambda: behaviour.tried(changed, wanted, after).checks


def _tests_in(plan: Plan) -> str:
    """The path of those that it brings."""
    new = (PurePosixPath(file.path) for file in plan.files if file.before is None)
    return next((str(path) for path in new if re.match(r"test_|.*_test\.py$", path.name)), "")


# the routes


def _served(changed: Project, wanted: Wanted) -> Check:
    what = f"{len(wanted.routes)} new routes are served by {wanted.module}"
    for method, path in wanted.routes:
        found = _answering(changed.routes, method, path)
        if found is None:
            return Check(what, False, f"nothing answers {method} {path}")
        right = found.module == wanted.module and (
            not wanted.functions or found.name in wanted.functions
        )
        if found.path != path or not right:
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
    found, formatted = "ruff finds nothing new", "the formatter has nothing to change"
    if "ruff" not in project.tools.linters:
        return
    if not after.has("ruff"):
        if on_kit(project):
            yield Check(found, None, "ruff is not installed in this Python")
        return
    yield _no_worse(
        found, project, before, after, "ruff check --output-format=concise --no-cache ."
    )
    check = _no_worse(formatted, project, before, after, "ruff format --check --no-cache .")
    if check.passed or on_kit(project) or _is_formatted(project, before):
        yield check


def _is_formatted(project: Project, before: Shadow) -> bool:
    """Whether somebody who checks with ruff formats with it, too."""
    return _ask(project, before, "ruff format --check --no-cache .").status == 0


def _mypy(project: Project, before: Shadow, after: Shadow) -> Iterator[Check]:
    what = "mypy finds nothing new"
    if "mypy" not in project.tools.linters:
        return
    if not after.has("mypy"):
        if on_kit(project):
            yield Check(what, None, "mypy is not installed in this Python")
        return
    yield _no_worse(what, project, before, after, "mypy --no-error-summary .")


_OTHERS = {
    "black": "black --check .",
    "isort": "isort --check-only .",
    "flake8": "flake8 .",
    "pyright": "pyright",
    "basedpyright": "basedpyright",
}


def _other_tools(project: Project, before: Shadow, after: Shadow) -> Iterator[Check]:
    """Those that others use, where they are installed."""
    for tool, arguments in _OTHERS.items():
        if tool in project.tools.linters and after.has(tool):
            yield _no_worse(f"{tool} finds nothing new", project, before, after, arguments)


def _ask(project: Project, shadow: Shadow, arguments: str) -> Done:
    """Where its configuration is."""
    folder = shadow.folder
    if project.tools.at is not None and not on_kit(project):
        folder = (folder / project.tools.at.file).parent
    return shadow.run("-m", *arguments.split(), seconds=_SECONDS, folder=folder)


def _no_worse(what: str, project: Project, before: Shadow, after: Shadow, arguments: str) -> Check:
    """Asked about the project as it was only where something is found in it as it would be."""
    now = _ask(project, after, arguments)
    if now.status == 0:
        return Check(what, True)
    if now.status is None:
        return Check(what, None, now.err)
    then = _ask(project, before, arguments)
    new = _findings(now, after) - _findings(then, before)
    if not new and then.status == now.status:
        return Check(what, True, "what it finds was there before")
    if not new:
        return Check(what, False, now.last_words)
    return Check(what, False, "; ".join(list(new)[:3]))


def _findings(done: Done, shadow: Shadow) -> Counter[str]:
    """Without places: lines of ours push others down."""
    lines = (done.out + done.err).replace(f"{shadow.folder}/", "").splitlines()
    return Counter(
        re.sub(r":\d+(:\d+)?( -|:)", ":", line) for line in lines if _FINDING.search(line)
    )


_FINDING = re.compile(r": |would reformat ", re.IGNORECASE)


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
