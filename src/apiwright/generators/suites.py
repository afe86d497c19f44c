"""A project's own tests, and the new ones, in a copy: what passed before passes still.

With the project's own Python, where its configuration is; pytest, or unittest where that is all
there is. They are asked about the project as it was only where one fails in it as it would be.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from apiwright.edit.plan import Check
from apiwright.generators.shadow import Done, Shadow, on_kit
from apiwright.project.facts import Project

_SECONDS = 600
_CONFIGURED = (
    ("pytest.ini", ""), ("pyproject.toml", "[tool.pytest"), ("tox.ini", "[pytest]"),
    ("setup.cfg", "[tool:pytest]"),
)  # fmt: skip
_OLD, _NEW = "the project's tests pass", "the new tests pass"
Results = Mapping[str, str]
"""By name: passed, failed, error (it could not begin), skipped."""


def checks(project: Project, before: Shadow, after: Shadow, new: str) -> Iterator[Check]:
    """`new` is the path of the new tests; empty where there are none."""
    has_tests = project.tests is not None
    if not (has_tests or new):
        return
    if not after.has("pytest"):
        yield from _without_pytest(project, before, after, new)
        return
    results, words = run(project, after, "" if has_tests else new)
    stem = Path(new).stem if new else ""
    if results is None and has_tests and new:
        yield Check(_OLD, None, words)
        results, words = run(project, after, new)  # which may be quick
        has_tests = False
    if results is None:
        asked = [_OLD] * has_tests + [_NEW] * bool(new)
        yield from (Check(what, None, words) for what in asked)
        return
    ours = {name: result for name, result in results.items() if stem in name.split(".")}
    theirs = {name: result for name, result in results.items() if name not in ours}
    if has_tests:
        yield _old(theirs, project, before)
    if new:
        yield _of_new(ours, theirs, words)


def run(project: Project, shadow: Shadow, path: str = "") -> tuple[Results | None, str]:
    """None, and why, where they could not be run."""
    report = shadow.scratch / f"tests{len(list(shadow.scratch.glob('tests*.xml')))}.xml"
    folder = root(project, shadow)
    done = shadow.run(
        "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", f"--junit-xml={report}",
        *([str(shadow.folder / path)] if path else []),
        seconds=_SECONDS, folder=folder,
    )  # fmt: skip
    if done.status is None or not report.exists():
        return None, done.last_words
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314  # pytest's own
    results: dict[str, str] = {}
    for case in cases:
        name = f"{case.get('classname')}.{case.get('name')}"
        kinds = {"failure": "failed", "error": "error", "skipped": "skipped"}
        result = next((kinds[each.tag] for each in case if each.tag in kinds), "passed")
        if results.get(name, "passed") in ("passed", "skipped"):  # its end comes besides
            results[name] = result
    return results, done.last_words


def root(project: Project, shadow: Shadow) -> Path:
    """Where pytest is started: where it is configured, else where the app is imported from."""
    if on_kit(project):
        return shadow.folder
    start = shadow.folder / (project.tests.folder if project.tests else ".")
    for folder in (start, *start.parents):
        for name, section in _CONFIGURED:
            file = folder / name
            if file.is_file() and section in file.read_text(encoding="utf-8", errors="replace"):
                return folder
        if folder == shadow.folder:
            break
    return shadow.root if start.is_relative_to(shadow.root) else shadow.folder


def _old(results: Results, project: Project, before: Shadow) -> Check:
    failed = {name for name, result in results.items() if result in ("failed", "error")}
    if not failed:
        return Check(_OLD, True, f"{len(results)}")
    then, words = run(project, before)
    if then is None:
        return Check(_OLD, None, f"{len(failed)} fail, and before that: {words}")
    worse = sorted(name for name in failed if then.get(name) in ("passed", "skipped"))
    if worse:
        return Check(_OLD, False, f"{len(worse)} passed before: {', '.join(worse[:3])}")
    return Check(_OLD, True, f"{len(results) - len(failed)}; {len(failed)} failed before, too")


def _of_new(ours: Results, theirs: Results, words: str) -> Check:
    wrong = {name: result for name, result in ours.items() if result in ("failed", "error")}
    none_begins = set(ours.values()) == {"error"} == set(theirs.values())
    if none_begins:
        return Check(_NEW, None, "no test of this project can begin here")
    if wrong:
        names = ", ".join(name.rpartition(".")[2] for name in list(wrong)[:3])
        return Check(_NEW, False, f"{len(wrong)} of {len(ours)} fail: {names}")
    if not set(ours.values()) - {"skipped"}:
        return Check(_NEW, False, f"none was run: {words}")
    return Check(_NEW, True, f"{len(ours)}")


# without pytest


def _without_pytest(project: Project, before: Shadow, after: Shadow, new: str) -> Iterator[Check]:
    why = "pytest is not installed in this Python"
    if project.tests is not None and project.tests.runner == "unittest":
        now = _unittest(project, after)
        results = _lines(now)
        failed = {name for name, ok in results.items() if not ok}
        then = _lines(_unittest(project, before)) if failed else {}
        worse = sorted(name for name in failed if then.get(name))
        if not results:
            yield Check(_OLD, None, now.last_words)
        elif worse:
            yield Check(_OLD, False, f"{len(worse)} passed before: {', '.join(worse[:3])}")
        else:
            yield Check(_OLD, True, f"{len(results) - len(failed)}")
    elif project.tests is not None:
        yield Check(_OLD, None, why)
    if new:
        yield Check(_NEW, None, why)


def _unittest(project: Project, shadow: Shadow) -> Done:
    folder = shadow.folder / (project.tests.folder if project.tests else ".")
    top = shadow.root if folder.is_relative_to(shadow.root) else shadow.folder
    return shadow.run(
        "-m", "unittest", "discover", "-v", "-s", str(folder), "-t", str(top),
        seconds=_SECONDS, folder=top,
    )  # fmt: skip


def _lines(done: Done) -> dict[str, bool]:
    """test_one (tests.test_posts.Posts.test_one) ... ok"""
    found = re.findall(r"^(\w+ \([\w.]+\)).*\.\.\. (\w+)", done.err, re.MULTILINE)
    return {name: result in ("ok", "skipped", "expected") for name, result in found}
