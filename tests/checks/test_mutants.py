"""Known defects are seen: all can be planted; a sample of each class is checked here, and the whole
by `python -m benchmarks.mutants`.
"""

from pathlib import Path

import pytest

from apiwright.checks.check import all_checks
from benchmarks.mutants import outcome, said_of_clean
from tests.checks.mutants.mutant import APPS, App, Mutant, all_mutants, planted, write_clean

MUTANTS = {one.name: one for mutants in all_mutants().values() for one in mutants}
READ = (
    "key-where-it-signs",
    "signature-not-verified",
    "tokens-never-end",
    "query-in-an-async-dependency",
    "a-nap-three-calls-down",
    "search-by-a-formatted-statement",
    "hook-of-an-order",
    "any-origin",
    "all-tags-at-once",
    "no-index-on-the-customer",
)
ASKED = ("own-order-that-need-not-be", "role-at-registration", "task-of-anybody-updated")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[App, Path]:
    return {app: write_clean(app, tmp_path_factory.mktemp(app)) for app in APPS}


@pytest.mark.parametrize("app", APPS)
def test_every_defect_of_an_app_can_be_planted(app: App, clean: dict[App, Path]) -> None:
    for mutant in MUTANTS.values():
        if mutant.app == app:
            for path, text in planted(mutant, clean[app]).items():
                assert text != (clean[app] / path).read_text(), mutant.name
                compile(text, f"{mutant.name}: {path}", "exec")


def test_each_defect_has_a_name_and_checks_of_its_own() -> None:
    assert len(MUTANTS) == sum(map(len, all_mutants().values()))
    known = {check.name for check in all_checks()}
    unknown = {rule for mutant in MUTANTS.values() for rule in mutant.rules} - known
    assert unknown == set()


@pytest.mark.parametrize("app", APPS)
def test_rules_are_silent_about_an_app_without_a_defect(app: App) -> None:
    assert said_of_clean(app, static=True) == frozenset()


@pytest.mark.parametrize("name", READ)
def test_rules_see_a_defect_and_nothing_else(name: str) -> None:
    assert _seen(MUTANTS[name], static=True) == (True, [])


@pytest.mark.parametrize("name", ASKED)
def test_probes_see_a_defect(name: str) -> None:
    assert _seen(MUTANTS[name], static=False) == (True, [])


def _seen(mutant: Mutant, static: bool) -> tuple[bool, list[str]]:
    """Probes are slow: of those, the ones alone that should speak."""
    told = outcome(mutant, frozenset(), static, recall=not static)
    assert told.failed is None
    return told.found, [f"{one.rule} at {one.where}" for one in told.wrong]
