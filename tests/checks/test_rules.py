"""Every rule of the folder: its BAD programs make it speak, its GOOD ones do not, it has a page."""

from pathlib import Path

import pytest

from apiwright.checks.check import all_checks
from apiwright.checks.findings import Finding
from apiwright.checks.rule import Check, Program, all_rules
from apiwright.project.code import Code
from apiwright.project.load import read
from tests.project.projects import REFERENCE_APP, write

RULES = all_rules()
BAD = [
    pytest.param(rule, program, id=f"{rule.name}-{number}")
    for rule in RULES
    for number, program in enumerate(rule.bad)
]
GOOD = [
    pytest.param(rule, program, id=f"{rule.name}-{number}")
    for rule in RULES
    for number, program in enumerate(rule.good)
]
HEADINGS = ["What it finds", "Why it matters", "References"]


def findings(rule: Check[Code], program: Program, folder: Path) -> list[Finding]:
    return list(rule(read(write(folder, dict(program)))))


@pytest.mark.parametrize(("rule", "program"), BAD)
def test_a_rule_speaks_about_what_is_bad(
    rule: Check[Code], program: Program, tmp_path: Path
) -> None:
    found = findings(rule, program, tmp_path)
    assert found
    for one in found:
        assert one.rule == rule.name
        assert one.where.file in program
        assert one.where.line
        assert one.message[0].isupper() or one.message[0] in "`“"
        assert one.message.endswith(".")


@pytest.mark.parametrize(("rule", "program"), GOOD)
def test_a_rule_is_silent_about_what_is_good(
    rule: Check[Code], program: Program, tmp_path: Path
) -> None:
    assert findings(rule, program, tmp_path) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_its_page(rule: Check[Code]) -> None:
    assert list(rule.page.sections) == HEADINGS
    assert all(rule.page.sections.values())
    assert rule.page.summary.endswith(".")
    assert len(rule.page.summary) <= 100
    assert "http" in rule.page.sections["References"]


def test_every_file_of_the_folder_holds_one_rule() -> None:
    folder = Path(all_rules.__code__.co_filename).parent / "rules"
    files = [file.stem.replace("_", "-") for file in folder.glob("[a-z]*.py")]
    assert sorted(rule.name for rule in RULES) == sorted(files)


def test_what_is_said_to_be_the_same_is_there() -> None:
    names = {check.name for check in all_checks()}
    assert {other for check in all_checks() for other in check.same_as} <= names


def test_nothing_is_said_about_the_reference_app() -> None:
    code = read(REFERENCE_APP)
    assert [one for rule in RULES for one in rule(code)] == []
