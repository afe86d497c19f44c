"""`apiwright undo` and `apiwright status`."""

import json
from pathlib import Path

import pytest

from apiwright.cli import main
from apiwright.edit.apply import apply
from tests.edit.conftest import plan, tree

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)


def test_nothing_to_undo_is_no_error(capsys: Captured) -> None:
    assert main(["undo"]) == 0
    assert "nothing to undo" in capsys.readouterr().out
    assert main(["status"]) == 0
    assert capsys.readouterr().out == "Nothing was applied here.\n"


def test_a_plan_changes_nothing_and_says_1(shop: Path, capsys: Captured) -> None:
    apply(plan(shop), shop)
    before = tree(shop)
    assert main(["undo", "--plan"]) == 1
    assert "-app.include_router(notes.router)" in capsys.readouterr().out
    assert tree(shop) == before


def test_without_a_terminal_the_option_is_named(shop: Path, capsys: Captured) -> None:
    apply(plan(shop), shop)
    before = tree(shop)
    assert main(["undo"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert tree(shop) == before


def test_yes_takes_it_back(shop: Path) -> None:
    before = tree(shop)
    apply(plan(shop), shop)
    assert main(["undo", "--yes"]) == 0
    assert tree(shop) == before


def test_what_stays_is_said_and_the_status_is_3(shop: Path, capsys: Captured) -> None:
    apply(plan(shop), shop)
    (shop / "app/routes/notes.py").write_text("mine\n")
    assert main(["undo", "--yes", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert [kept["path"] for kept in told["kept"]] == ["app/routes/notes.py"]


def test_status_for_people_and_for_programs(shop: Path, capsys: Captured) -> None:
    made = apply(plan(shop), shop)
    assert made is not None
    (shop / "app/routes/notes.py").unlink()
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"add resource Note  ({made.id})\n  gone          app/routes/notes.py")
    assert main(["status", "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert told["parts"][0] == {
        "path": "app/routes/notes.py",
        "what": "new file",
        "state": "gone",
    }


def test_a_refusal_says_3(shop: Path, capsys: Captured) -> None:
    apply(plan(shop), shop)
    (shop / "app/main.py").chmod(0o444)
    assert main(["undo", "--yes"]) == 3
    assert "app/main.py is read-only" in capsys.readouterr().err
