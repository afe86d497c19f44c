"""`apiwright add resource` as a command: what it asks, refuses, and exits with."""

from pathlib import Path

import pytest

from apiwright import cli
from apiwright.cli import main
from apiwright.edit.plan import Change, Check, NewFile, Plan
from apiwright.errors import Refused, Unproven

Captured = pytest.CaptureFixture[str]


def test_without_a_terminal_the_option_is_named_before_anything_is_tried(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(bare)
    assert main(["add", "resource", "Note", "title:str"]) == 2
    assert "Say --yes" in capsys.readouterr().err


def test_a_wrong_field_is_status_2(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(bare)
    assert main(["add", "resource", "Note", "title:strng", "--plan"]) == 2
    assert capsys.readouterr().err == (
        "apiwright: title:strng: there is no type 'strng'.\nDid you mean str?\n"
    )


def test_another_layout_is_status_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    monkeypatch.chdir(tmp_path)
    assert main(["add", "resource", "Note", "title:str", "--plan"]) == 3
    assert "projects of `apiwright new` only" in capsys.readouterr().err


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan.make(tmp_path, "add resource Note", [Change("app/notes.py", NewFile("a = 1\n"))])


def test_what_failed_is_status_4_whatever_was_said(plan: Plan) -> None:
    failed = plan.with_checks([Check("it works", False, "it does not"), Check("more", None)])
    for unverified in (True, False):
        with pytest.raises(Unproven) as refused:
            cli._refuse_unproven(failed, unverified)
        assert refused.value.status == 4


def test_what_could_not_be_verified_needs_the_option(plan: Plan) -> None:
    unsure = plan.with_checks([Check("it works", True), Check("more", None, "no pytest")])
    with pytest.raises(Refused, match="--unverified") as refused:
        cli._refuse_unproven(unsure, False)
    assert refused.value.status == 3
    cli._refuse_unproven(unsure, True)


def test_what_cannot_be_made_is_status_3(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/notes.py").write_text("mine\n")
    blocked = Plan.make(tmp_path, plan.name, plan.changes)
    with pytest.raises(Refused, match="holds something else"):
        cli._refuse_unproven(blocked, True)
